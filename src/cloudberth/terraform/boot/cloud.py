"""What the boot program asks of a cloud. ``boot_<cloud>.py`` answers it; on a machine that file is called
``boot_cloud.py``. Every failure is a RuntimeError whose text holds no secret."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol


class Cloud(Protocol):
    """A cloud, as one machine of a deployment sees it."""

    registry_user: str
    """User name for the cloud's private registry."""

    ships_logs: bool
    """Whether the machine itself sends what containers write, because the cloud has no logging driver."""

    def __init__(self, bundle: Mapping[str, Any]) -> None: ...

    @property
    def machine_id(self) -> str: ...

    @property
    def has_volume(self) -> bool: ...

    def ends_soon(self) -> bool: ...

    def secret(self, identifier: str) -> str: ...

    def read_marker(self) -> str: ...

    def write_marker(self, release: str) -> None: ...

    def is_registry(self, image: str) -> bool: ...

    def registry_password(self) -> str: ...

    def attach_volume(self, root: Path) -> str: ...

    def register_name(self) -> None: ...

    def publish_depth(self, depth: int) -> None: ...

    def tell_outcome(self, *, ready: bool) -> None: ...

    def ship(self, lines: Sequence[str]) -> None: ...

    def send(self, lines: Sequence[tuple[str, str, str]]) -> None:
        """Lines of containers as (time, service, text), where ships_logs; raises RuntimeError."""
