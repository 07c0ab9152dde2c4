"""What every backend's settings share: Dify's variable names, and values of a URL's query."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from cloudberth.errors import InvalidInput


class Settings(BaseModel):
    """Settings of one backend. A field's alias is its variable; its own name is that of a URL's query.

    `bucket` is what stands where a URL has its host. An empty variable counts as not set. Unknown variables
    are left alone, unknown query parameters are an error.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True, extra="ignore", hide_input_in_errors=True)

    schemes: ClassVar[tuple[str, ...]] = ()
    """Of the URLs that mean this backend: ``("s3",)``."""

    bucket: str
    prefix: str = Field(default="", description="put in front of every key, as it is")

    @classmethod
    def variables(cls) -> dict[str, str]:
        """Environment variable by field name, for those that have one."""
        return {name: field.alias for name, field in cls.model_fields.items() if field.alias}

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], **given: str) -> Self:
        """From variables; `given` are fields that stand above them. InvalidInput names the variable."""
        values: dict[str, Any] = {
            name: environment[variable].strip()
            for name, variable in cls.variables().items()
            if environment.get(variable, "").strip()
        }
        return cls.checked({**values, **given})

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

    @classmethod
    def checked(cls, values: Mapping[str, Any]) -> Self:
        """The settings of these values; InvalidInput with every problem, no secret in it."""
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise InvalidInput("; ".join(cls._problems(error)), where=cls.__name__) from None

    @classmethod
    def secret_fields(cls) -> frozenset[str]:
        """Fields whose values are secrets."""
        return frozenset(
            name for name, field in cls.model_fields.items() if "SecretStr" in str(field.annotation)
        )

    @classmethod
    def _problems(cls, error: ValidationError) -> list[str]:
        by_name = cls.variables()
        found = []
        for problem in error.errors(include_input=False, include_url=False):
            name = str(problem["loc"][0]) if problem["loc"] else ""
            said = (
                "is not set" if problem["type"] == "missing" else problem["msg"].removeprefix("Value error, ")
            )
            found.append(f"{by_name.get(name, name)} {said}".strip())
        return found


def revealed(secret: SecretStr | None) -> str:
    """The text of a secret; empty when there is none."""
    return secret.get_secret_value() if secret else ""
