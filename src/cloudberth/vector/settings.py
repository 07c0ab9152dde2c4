"""What the settings of every vector store share: Dify's variable names, and the parts of a URL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from cloudberth.errors import InvalidInput
from cloudberth.settings import EnvironmentSettings, revealed

__all__ = ["VectorSettings", "revealed"]


class VectorSettings(EnvironmentSettings):
    """Settings of one type. parts: which field takes which part of a URL, of ``host, port, user, path``.

    A URL's query holds other fields by their names; secrets may not stand in it, nor a password.
    """

    parts: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def from_url(cls, url: str, environment: Mapping[str, str]) -> Self:
        """From a URL; what it does not say comes from the environment. Raises InvalidInput."""
        given = cls._given_parts(url)
        for name, value in parse_qsl(urlsplit(url).query, keep_blank_values=True):
            if name not in cls.model_fields:
                known = ", ".join(sorted(set(cls.model_fields) - cls.secret_fields()))
                raise InvalidInput(
                    f"there is no setting {name!r}", where=_shown(url), hint=f"there are: {known}"
                )
            if name in cls.secret_fields():
                raise cls._secret_in_url(name, url)
            given[name] = value
        return cls.from_environment(environment, **given)

    @classmethod
    def _given_parts(cls, url: str) -> dict[str, str]:
        try:
            split = urlsplit(url)
            port = str(split.port or "")
        except ValueError as error:
            raise InvalidInput(str(error), where=_shown(url)) from None
        if split.password is not None:
            raise cls._secret_in_url("password", url)
        path = unquote(split.path)
        found = {
            "host": split.hostname or "",
            "port": port,
            "user": unquote(split.username or ""),
            "path": path if cls.parts.get("path") == "path" else path.strip("/"),
        }
        for part, value in found.items():
            if value and part not in cls.parts:
                raise InvalidInput(f"{split.scheme}:// takes no {part}", where=_shown(url))
        return {cls.parts[part]: value for part, value in found.items() if value}

    @classmethod
    def _secret_in_url(cls, name: str, url: str) -> InvalidInput:
        variables = [cls.variables().get(field, field) for field in sorted(cls.secret_fields())]
        return InvalidInput(
            f"{name} is a secret, and a location is seen by everybody on this machine",
            where=_shown(url),
            hint=f"set the variable {' or '.join(variables)}" if variables else "leave it out",
        )


def _shown(url: str) -> str:
    """A URL without what may be secret."""
    split = urlsplit(url.partition("?")[0])
    return f"{split.scheme}://{split.netloc.rpartition('@')[2]}{split.path}"
