"""Ctrl-C during work on many threads: what waits stops waiting, what was begun is cleaned up, at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudberth.storage.storage import Storage

_PATIENCE_SECONDS = 8.0
INTERRUPTED = 130


@contextmanager
def interruptible(stores: list[Storage]) -> Iterator[None]:
    """While it lasts, Ctrl-C lets no thread of these stores wait for its turn; a second one ends at once.

    A request that hangs in the network cannot be taken back: after some seconds the process ends anyhow.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    over = threading.Event()
    pressed = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal pressed
        if pressed:
            _end()
        pressed = True
        for store in stores:
            limits = getattr(store.backend, "limits", None)
            if limits is not None:
                limits.stop()
        threading.Thread(target=_end_after, args=(over,), daemon=True).start()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        over.set()
        signal.signal(signal.SIGINT, before)


def _end_after(over: threading.Event) -> None:
    if not over.wait(_PATIENCE_SECONDS):
        _end()


def _end() -> None:
    sys.stderr.write("\nInterrupted. Parts of an upload may be left: berth storage uploads LOCATION\n")
    sys.stderr.flush()
    os._exit(INTERRUPTED)
