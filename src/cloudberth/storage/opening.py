"""From settings to a backend: what a backend's class has to offer so that it can be opened by name."""

from __future__ import annotations

from abc import abstractmethod
from importlib import import_module
from types import ModuleType
from typing import ClassVar

from cloudberth.errors import InvalidInput
from cloudberth.storage.contract import Backend
from cloudberth.storage.options import Options
from cloudberth.storage.settings import Settings


class OpenableBackend(Backend):
    """A backend that a type of the registry stands for."""

    settings: ClassVar[type[Settings]]

    @classmethod
    @abstractmethod
    def open(cls, settings: Settings, options: Options) -> Backend:
        """A backend with these settings. Makes no request; raises InvalidInput when settings contradict."""


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
