"""From settings to a backend: what a backend's class has to offer so that it can be opened by name."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

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
