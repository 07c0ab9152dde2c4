"""Nonsense on both sides of a backend: random keys come back, random answers become errors."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import closing
from itertools import islice

import pytest
from rig import Rig, Running
from storage_cases import opened

from cloudberth.errors import BackendError, CloudberthError, InvalidInput, Kind, Unsupported
from cloudberth.storage.contract import MIB, Span
from cloudberth.storage.keys import checked_key
from cloudberth.storage.options import Options
from cloudberth.storage.storage import Storage
from faults.fuzz_server import FuzzServer
from thoroughness import examples

KEYS = examples(350, 120)
ANSWERS = examples(150, 40)
IMPATIENT = Options(
    connect_timeout=2,
    read_timeout=0.3,
    deadline=0.5,
    slowest=MIB,
    retries=1,
    concurrency=4,
    part_size=5 * MIB,
)
ALPHABET = [
    *"abcxyzABC019", *"-_.~ /%+&=?#:;,@!$'()*[]{}|\\^`\"<>", "//", "..", "./", "\t", "\n",
    "é", "ß", "中", "文", "😀",
    "\u0301", "\u200d", "\u00a0", "\u2028", "\ufeff", "%2F", "%", "\u007f",
]  # fmt: skip


def random_keys(count: int, seed: int) -> list[str]:
    """Different keys that the contract allows."""
    draw = random.Random(seed)
    found: dict[str, None] = {}
    while len(found) < count:
        key = "".join(draw.choice(ALPHABET) for _ in range(draw.choice((1, 2, 3, 8, 20, 60))))
        found[checked_key(key)] = None
    return list(found)


def refused(error: Exception | None) -> bool:
    """Whether a store said, in our words, that it has no such keys. Conflict: keys are paths there."""
    if isinstance(error, Unsupported | InvalidInput):
        return True
    return isinstance(error, BackendError) and error.kind in {Kind.INVALID, Kind.CONFLICT}


def test_random_keys_come_back(storage: Storage) -> None:
    """Every key that a store takes is listed as it is, with its own content; others are refused in words."""
    keys = random_keys(KEYS, seed=20261126)
    wanted = {key: f"{number}:{key}".encode() for number, key in enumerate(keys)}
    taken: set[str] = set()
    for outcome in storage.save_many(wanted.items(), width=8):
        assert outcome.error is None or refused(outcome.error), (outcome.call.tag, outcome.error)
        if outcome.error is None:
            taken.add(outcome.call.tag)
    assert {info.key for info in storage.list()} == taken
    for outcome in storage.load_many(taken, width=8):
        assert outcome.error is None, (outcome.call.tag, outcome.error)
        assert outcome.value == wanted[outcome.call.tag], outcome.call.tag
    storage.delete(taken)
    assert list(storage.list()) == []


OPERATIONS: dict[str, Callable[[Storage], object]] = {
    "save": lambda storage: storage.save("a/b", b"content"),
    "load": lambda storage: storage.load("a/b"),
    "range": lambda storage: storage.load("a/b", Span(1, 2)),
    "stream": lambda storage: list(storage.stream("a/b")),
    "head": lambda storage: storage.head("a/b"),
    "exists": lambda storage: storage.exists("a/b"),
    "list": lambda storage: list(islice(storage.list("a"), 50)),
    "folder": lambda storage: list(islice(storage.folder("a"), 50)),
    "delete": lambda storage: storage.delete("a"),
    "delete-many": lambda storage: storage.delete(["a", "b", "c"]),
    "copy": lambda storage: storage.copy("a", "b"),
    "multipart": lambda storage: storage.save("m", bytes(11 * MIB)),
    "uploads": lambda storage: list(islice(storage.uploads(), 50)),
    "check": lambda storage: storage.check(create=True),
    "facts": lambda storage: storage.backend.facts(),
    "many": lambda storage: [
        outcome.error for outcome in storage.load_many(["a", "b"], width=2) if not known(outcome.error)
    ],
}


def known(error: Exception | None) -> bool:
    return error is None or isinstance(error, CloudberthError)


ONLY = (
    "save",
    "load",
    "range",
    "stream",
    "head",
    "exists",
    "list",
    "folder",
    "delete",
    "delete-many",
    "copy",
)


@pytest.mark.timeout(300)
def test_random_answers_become_typed_errors(rig: Rig, running: Running) -> None:
    """Whatever a server answers: a value, or an error of ours within the deadline; nothing else, no hang."""
    if running.through is None:
        assert running.address is None, f"{rig.id} has a network, and no way to put a server in its place"
        return
    with FuzzServer(seed=sum(rig.id.encode())) as server:
        draw = random.Random(7)
        with closing(opened(running.through(server.address), IMPATIENT)) as storage:
            names = list(OPERATIONS)
            for _ in range(20 * ANSWERS):
                if server.answers >= ANSWERS:
                    break
                name = draw.choice(names if draw.random() < 0.5 else ONLY)
                try:
                    value = OPERATIONS[name](storage)
                except CloudberthError as error:
                    assert str(error)
                else:
                    assert name != "many" or value == []
        assert server.answers >= ANSWERS
