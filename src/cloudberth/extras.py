"""Libraries of extras: imported where they are needed, with the command that installs a missing one."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from cloudberth.errors import InvalidInput


def late_import(module: str, *, extra: str, needed_for: str) -> ModuleType:
    """Import a library of an extra; InvalidInput with the command that installs it when it is missing."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise InvalidInput(
            f"{needed_for} needs the library {error.name}", hint=f'pip install "cloudberth[{extra}]"'
        ) from None
