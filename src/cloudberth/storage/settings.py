"""What every backend's settings share: Dify's variable names, and values of a URL's query."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self

from pydantic import Field

from cloudberth.errors import InvalidInput
from cloudberth.settings import EnvironmentSettings, revealed

__all__ = ["Settings", "revealed"]


class Settings(EnvironmentSettings):
    """Settings of one type of storage. `bucket` is what stands where a URL has its host.

    Unknown query parameters of a URL are an error.
    """

    schemes: ClassVar[tuple[str, ...]] = ()
    """Of the URLs that mean this backend: ``("s3",)``."""

    bucket: str
    prefix: str = Field(default="", description="put in front of every key, as it is")

    @classmethod
    def from_url(
        cls, bucket: str, prefix: str, query: Mapping[str, str], environment: Mapping[str, str]
    ) -> Self:
        """From a location; what it does not say comes from the environment. Secrets may not stand in it."""
        for name in query:
            field = cls.model_fields.get(name)
            if field is None:
                known = ", ".join(sorted(set(cls.model_fields) - {"bucket", "prefix"} - cls.secret_fields()))
                raise InvalidInput(f"{cls.schemes[0]}:// has no setting {name!r}", hint=f"there are: {known}")
            if name in cls.secret_fields():
                variable = cls.variables().get(name, name)
                raise InvalidInput(
                    f"{name} is a secret, and a location is seen by everybody on this machine",
                    hint=f"set the variable {variable}",
                )
        named = {"bucket": bucket} if bucket else {}
        return cls.from_environment(environment, **{**query, **named, "prefix": prefix})
