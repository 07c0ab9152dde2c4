"""Headers that somebody wrote into a field."""

from __future__ import annotations

import re

from cloudberth.errors import InvalidInput

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+:[^\r\n]*")
_OURS = {
    "host", "content-length", "transfer-encoding", "connection", "content-type", "content-encoding",
}  # fmt: skip


def read_headers(text: str) -> dict[str, str]:
    """Headers, one per line (``name: value``). Raises InvalidInput, without what was written: it is a
    secret.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        name, _, value = line.partition(":")
        if not _HEADER.fullmatch(line.strip()) or not line.isascii():
            raise InvalidInput(f"line {number} is no header", where="headers", hint="name: value")
        if name.strip().lower() in _OURS:
            raise InvalidInput(f"the header {name.strip()} is ours to set", where="headers")
        found[name.strip()] = value.strip()
    return found
