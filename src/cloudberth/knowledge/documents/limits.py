"""How much a file may ask for: of memory, time, and all else that a small file can claim to have."""

from __future__ import annotations

import time
from dataclasses import dataclass

from cloudberth.errors import InvalidInput

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds for reading one file.

    size: bytes of the file. expanded: bytes of all members of an office file, unpacked. members: of an office
    file. characters: of the text that comes out. pages: of a PDF or presentation. cells: of a workbook, empty
    ones inside of rows included. depth: of nested HTML elements. seconds: for all of it; `read` looks at the
    clock between pages, rows and elements, `read_apart` ends the process. memory: bytes of address space that
    `read_apart` gives the process that reads.
    """

    size: int = 100 * MIB
    expanded: int = 512 * MIB
    members: int = 20_000
    characters: int = 30_000_000
    pages: int = 10_000
    cells: int = 5_000_000
    depth: int = 2_000
    seconds: float = 120.0
    memory: int = 2048 * MIB


class Clock:
    """The seconds of one reading; `check` raises InvalidInput when they are over."""

    def __init__(self, seconds: float, where: str) -> None:
        self._end = time.monotonic() + seconds
        self._seconds = seconds
        self._where = where

    def check(self) -> None:
        if time.monotonic() > self._end:
            raise too_slow(self._seconds, self._where)


def too_slow(seconds: float, where: str) -> InvalidInput:
    """The error of a file that takes longer than it may."""
    return InvalidInput(
        f"reading it takes more than {seconds:g} s", where=where, hint="split the file, or raise the limit"
    )


def too_large(what: str, where: str) -> InvalidInput:
    """The error of a file that is larger than it may be, in whatever way."""
    return InvalidInput(f"it is too large: {what}", where=where, hint="split the file, or raise the limit")
