"""Sends what containers write to the cloud's log store, where Docker has no driver for it.

Docker writes to the journal of the system (driver journald, tag ``cloudberth/<service>``); from there lines
go out in batches. Where it stopped is noted after each batch, so that a restart repeats one at most and loses
none. Python 3.9, standard library only.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # on the machine these files stand side by side
    from cloudberth.terraform.boot.cloud import Cloud
    from cloudberth.terraform.boot.journal import Journal, asked
    from cloudberth.terraform.boot.private_files import write_private
else:
    from journal import asked
    from private_files import write_private

TAG = "cloudberth/"
MOST_LINES = 500
MOST_BYTES = 700_000  # the log stores take a million bytes in one request
SECONDS = 5.0
LONGEST = 60_000  # characters of one line; the log stores cut or refuse longer ones

Line = tuple[str, str, str]  # time, service, text


def follow(root: Path, cloud: Cloud, journal: Journal) -> None:
    """Until the journal ends. root: where the machine's files are (``/``)."""
    note = root / "var/lib/cloudberth/journal-cursor"
    command = ["journalctl", "--follow", "--output=json", "_SYSTEMD_UNIT=docker.service"]
    if note.exists():
        command.append(f"--after-cursor={note.read_text(encoding='utf-8').strip()}")
    else:
        command.append("--lines=all")
    with subprocess.Popen(command, stdout=subprocess.PIPE) as reader:
        assert reader.stdout is not None  # noqa: S101 - a pipe was asked for
        for lines, cursor in _batches(reader.stdout.fileno()):
            if lines:
                journal.patiently("logs", lambda sent=lines: asked(lambda: cloud.send(sent)), 12)  # type: ignore[misc]
            write_private(note, cursor)


def _batches(descriptor: int) -> Iterator[tuple[list[Line], str]]:
    """Lines of our containers, and the journal's cursor after the last of them."""
    lines: list[Line] = []
    size, cursor, began = 0, "", time.monotonic()
    for raw in _lines(descriptor):
        if raw is not None:
            entry = json.loads(raw)
            cursor = entry["__CURSOR"]
            line = line_of(entry)
            if line:
                lines.append(line)
                size += len(line[2].encode()) + 200
        full = len(lines) >= MOST_LINES or size >= MOST_BYTES
        if cursor and (full or time.monotonic() - began >= SECONDS):
            yield lines, cursor
            lines, size, cursor, began = [], 0, "", time.monotonic()
    if cursor:
        yield lines, cursor


def _lines(descriptor: int) -> Iterator[bytes | None]:
    """Each line as it comes; None when none has come for a while."""
    rest = b""
    while True:
        if not select.select([descriptor], [], [], SECONDS)[0]:
            yield None
            continue
        chunk = os.read(descriptor, 65536)
        if not chunk:
            return
        *complete, rest = (rest + chunk).split(b"\n")
        yield from complete


def line_of(entry: dict[str, Any]) -> Line | None:
    """A line of one of our containers; None for what Docker itself says."""
    tag, text = entry.get("CONTAINER_TAG"), entry.get("MESSAGE")
    if not isinstance(tag, str) or not tag.startswith(TAG):
        return None
    if isinstance(text, list):  # the journal gives text that is not UTF-8 as numbers
        text = bytes(text).decode(errors="replace")
    seconds, micro = divmod(int(entry["__REALTIME_TIMESTAMP"]), 1_000_000)
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{moment}.{micro:06}Z", tag[len(TAG) :], str(text or "")[:LONGEST]
