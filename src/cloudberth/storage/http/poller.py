"""What of many sockets is ready: epoll where there is one (Linux), else what the standard library has."""

from __future__ import annotations

import select
import selectors
from typing import Protocol

READABLE = 0x001  # the values of epoll
WRITABLE = 0x004


class Poller(Protocol):
    """The part of select.epoll that the lanes use."""

    def register(self, fd: int, eventmask: int = ..., /) -> None: ...
    def modify(self, fd: int, eventmask: int, /) -> None: ...
    def unregister(self, fd: int, /) -> None: ...
    def poll(self, timeout: float | None = ..., /) -> list[tuple[int, int]]: ...
    def close(self) -> None: ...


class SelectorPoller:
    """The same over `selectors`, for systems without epoll (kqueue on macOS and BSD)."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def register(self, fd: int, eventmask: int = READABLE, /) -> None:
        self._selector.register(fd, _events(eventmask))

    def modify(self, fd: int, eventmask: int, /) -> None:
        self._selector.modify(fd, _events(eventmask))

    def unregister(self, fd: int, /) -> None:
        self._selector.unregister(fd)

    def poll(self, timeout: float | None = None, /) -> list[tuple[int, int]]:
        """Descriptors that are ready, with what for."""
        return [(key.fd, _mask(events)) for key, events in self._selector.select(timeout)]

    def close(self) -> None:
        self._selector.close()


def _events(mask: int) -> int:
    read = selectors.EVENT_READ if mask & READABLE else 0
    return read | (selectors.EVENT_WRITE if mask & WRITABLE else 0)


def _mask(events: int) -> int:
    readable = READABLE if events & selectors.EVENT_READ else 0
    return readable | (WRITABLE if events & selectors.EVENT_WRITE else 0)


def new_poller() -> Poller:
    """The fastest that this system has."""
    epoll = getattr(select, "epoll", None)
    return epoll() if epoll is not None else SelectorPoller()
