"""Reading in a process of its own, which the system ends when it takes too much memory or time.

Parsers cannot be interrupted from within: a crafted page of a PDF keeps one busy, or makes it ask for all the
memory there is. `read` looks at the clock between pages; this also ends what hangs inside of one. The price
is a start of Python and the parser, about 0.3 s for a document.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cloudberth.errors import InvalidInput
from cloudberth.knowledge.documents.formats import format_of
from cloudberth.knowledge.documents.limits import Limits, too_large, too_slow
from cloudberth.knowledge.documents.model import Block, BlockKind, Document
from cloudberth.knowledge.documents.reading import content_of, read

_GRACE = (
    15.0  # for the start of the process on a busy machine, and for the process to say itself that it was slow
)


def read_apart(
    data: bytes | Path, *, filename: str, content_type: str = "", limits: Limits | None = None
) -> Document:
    """Like `read`, with `Limits.seconds` and `Limits.memory` enforced by the system (memory where it can)."""
    limits = limits or Limits()
    content = content_of(data, filename, limits)
    format_of(content, filename, content_type)  # what is no document at all needs no process to say so
    order = json.dumps({"filename": filename, "content_type": content_type, "limits": asdict(limits)})
    command = [sys.executable, "-I", "-m", "cloudberth.knowledge.documents.apart"]
    try:
        answer = subprocess.run(
            command,
            input=order.encode() + b"\n" + content,
            capture_output=True,
            timeout=limits.seconds + _GRACE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise too_slow(limits.seconds, filename) from None
    if answer.returncode:
        raise _died(answer.returncode, answer.stderr.decode(errors="replace"), filename, limits)
    return _document(json.loads(answer.stdout))


def _died(code: int, said: str, filename: str, limits: Limits) -> InvalidInput:
    """Why the process gave no answer: ended by the system, out of memory, or a fault of its parser in C."""
    last = said.strip().rpartition("\n")[2]
    if "MemoryError" in said or code in (-9, -6):
        return too_large(f"reading it takes more than {limits.memory:,} bytes of memory", filename)
    return InvalidInput(
        f"the file is broken: its parser failed ({last or f'signal {-code}'})",
        where=filename,
        hint="upload it again",
    )


def _document(answer: dict[str, Any]) -> Document:
    if "error" in answer:
        raise InvalidInput(answer["error"], where=answer["where"], hint=answer["hint"])
    blocks = tuple(
        Block(**{**each, "kind": BlockKind(each["kind"]), "headings": tuple(each["headings"])})
        for each in answer.pop("blocks")
    )
    return Document(**{**answer, "blocks": blocks, "notes": tuple(answer["notes"])})


def _serve() -> None:
    """The process: a line of JSON and the file on standard input, the document as JSON on standard output."""
    order, _, content = sys.stdin.buffer.read().partition(b"\n")
    asked = json.loads(order)
    limits = Limits(**asked["limits"])
    _limit_memory(limits.memory)
    answer: dict[str, Any]
    try:
        document = read(
            content, filename=asked["filename"], content_type=asked["content_type"], limits=limits
        )
        answer = {**asdict(document)}
    except InvalidInput as error:
        answer = {"error": error.what, "where": error.where, "hint": error.hint}
    sys.stdout.write(json.dumps(answer))


def _limit_memory(size: int) -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    # A parser that dies must not leave a core file of a user's document.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # macOS does not heed it
        resource.setrlimit(resource.RLIMIT_AS, (size, size))


if __name__ == "__main__":
    _serve()
