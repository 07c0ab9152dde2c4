"""What the settings of every backend share: values that come from the environment, by Dify's names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from cloudberth.errors import InvalidInput


class EnvironmentSettings(BaseModel):
    """Settings of one backend. A field's alias is its variable; its own name is that of a URL's query.

    An empty variable counts as not set. Unknown variables are left alone.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True, extra="ignore", hide_input_in_errors=True)

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
