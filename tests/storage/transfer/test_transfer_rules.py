"""What is decided about one key, and which keys take part."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cloudberth.errors import InvalidInput, Refused
from cloudberth.storage.contract import ObjectInfo
from cloudberth.storage.transfer.patterns import key_filter
from cloudberth.storage.transfer.planning import Counts, guard
from cloudberth.storage.transfer.rules import (
    USUAL_MAX_DELETE,
    Action,
    Compare,
    MaxDelete,
    Reason,
    Rules,
    decide,
)

NOW = datetime(2026, 11, 26, tzinfo=UTC)
HASH = "d41d8cd98f00b204e9800998ecf8427e"
HERE = ObjectInfo("k", 5, NOW)
THERE = ObjectInfo("k", 5, NOW + timedelta(hours=1))
LATER = replace(HERE, modified=NOW + timedelta(hours=2))


@pytest.mark.parametrize(
    ("source", "target", "rules", "action", "reason"),
    [
        (HERE, None, Rules(), Action.COPY, Reason.MISSING),
        (None, THERE, Rules(), Action.SKIP, Reason.EXTRA),
        (None, THERE, Rules(delete=True), Action.DELETE, Reason.EXTRA),
        (HERE, THERE, Rules(), Action.SKIP, Reason.SAME),
        (LATER, THERE, Rules(), Action.COPY, Reason.NEWER),
        (replace(HERE, size=6), THERE, Rules(), Action.COPY, Reason.SIZE),
        (replace(HERE, size=6), THERE, Rules(newer_only=True), Action.SKIP, Reason.TARGET_NEWER),
        (replace(LATER, size=6), THERE, Rules(newer_only=True), Action.COPY, Reason.SIZE),
        (replace(HERE, size=6), THERE, Rules(overwrite=False), Action.CONFLICT, Reason.EXISTS),
        (LATER, THERE, Rules(compare=Compare.SIZE), Action.SKIP, Reason.SAME),
        (HERE, THERE, Rules(compare=Compare.CHECKSUM), Action.COMPARE, Reason.UNKNOWN),
        (HERE, THERE, Rules(compare=Compare.ALWAYS), Action.COPY, Reason.FORCED),
        (
            replace(HERE, etag="1"),
            replace(THERE, etag="2"),
            Rules(compare=Compare.ETAG),
            Action.COPY,
            Reason.ETAG,
        ),
        (
            replace(HERE, etag="1"),
            replace(THERE, etag="1"),
            Rules(compare=Compare.ETAG),
            Action.SKIP,
            Reason.SAME,
        ),
        # A checksum that both vouch for settles it, whatever the times say.
        (
            replace(LATER, checksums={"md5": HASH}),
            replace(THERE, checksums={"md5": HASH.upper()}),
            Rules(),
            Action.SKIP,
            Reason.SAME,
        ),
        (
            replace(HERE, checksums={"md5": HASH}),
            replace(THERE, checksums={"md5": "0" * 32}),
            Rules(),
            Action.COPY,
            Reason.CHECKSUM,
        ),
        # Different algorithms cannot be compared; equal etags of a hash can, short ones are versions.
        (
            replace(LATER, checksums={"md5": HASH}),
            replace(THERE, checksums={"crc32": "00000000"}),
            Rules(),
            Action.COPY,
            Reason.NEWER,
        ),
        (
            replace(LATER, etag=HASH + "-3"),
            replace(THERE, etag=HASH + "-3"),
            Rules(),
            Action.SKIP,
            Reason.SAME,
        ),
        (replace(LATER, etag="7"), replace(THERE, etag="7"), Rules(), Action.COPY, Reason.NEWER),
        (replace(HERE, modified=None), THERE, Rules(), Action.COMPARE, Reason.UNKNOWN),
    ],
)
def test_decisions(
    source: ObjectInfo | None, target: ObjectInfo | None, rules: Rules, action: Action, reason: Reason
) -> None:
    decision = decide(source, target, rules)
    assert (decision.action, decision.reason) == (action, reason)


@pytest.mark.parametrize(
    ("pattern", "fits", "not_"),
    [
        ("*.tmp", ["a.tmp", "x/y/a.tmp", ".tmp"], ["a.tmp/b", "a.tmpx"]),
        ("cache/", ["cache/a", "cache/b/c", "cache/"], ["cache", "x/cache/a"]),
        ("**/cache/", ["cache/a", "x/y/cache/a"], ["xcache/a"]),
        ("2024/**/*.log", ["2024/a.log", "2024/1/2/a.log"], ["2025/a.log", "x/2024/a.log"]),
        ("a/*/c", ["a/b/c", "a//c"], ["a/b/b/c"]),
        ("**", ["", "a", "a/b\n"], []),
        ("?[0-9]", ["a1", "x/b2"], ["a", "a1b", "ab"]),
        ("[!a]x", ["bx"], ["ax", "/x/"]),
        ("a.b+c", ["a.b+c"], ["aXb+c", "a.bbc"]),
        ("\\*", ["*"], ["a"]),
        ("文*", ["文件", "a/文"], ["x文"]),
    ],
)
def test_patterns(pattern: str, fits: list[str], not_: list[str]) -> None:
    takes_part = key_filter([pattern], [])
    assert takes_part is not None
    assert [key for key in [*fits, *not_] if takes_part(key)] == fits


def test_exclude_stands_above_include() -> None:
    takes_part = key_filter(["*.log", "*.txt"], ["private/"])
    assert takes_part is not None
    assert [key for key in ("a.log", "b/c.txt", "private/a.log", "x") if takes_part(key)] == [
        "a.log",
        "b/c.txt",
    ]
    assert key_filter([], []) is None


@pytest.mark.parametrize("pattern", ["", "[a", "[z-a]"])
def test_patterns_that_make_no_sense_are_named(pattern: str) -> None:
    with pytest.raises(InvalidInput):
        key_filter([pattern], [])


@pytest.mark.parametrize(
    ("text", "objects", "allowed"),
    [("5", 100, 5), ("20%", 100, 20), ("0", 9, 0), ("100%", 3, 3), ("12.5%", 80, 10)],
)
def test_limits_of_deletions(text: str, objects: int, allowed: int) -> None:
    assert MaxDelete.parse(text).allowed(objects) == allowed


@pytest.mark.parametrize("text", ["", "-1", "101%", "many", "%", "nan%"])
def test_limits_that_are_none(text: str) -> None:
    with pytest.raises(InvalidInput):
        MaxDelete.parse(text)


def test_the_usual_limit_is_half_and_lets_ten_go() -> None:
    assert USUAL_MAX_DELETE.allowed(8) == 10
    assert USUAL_MAX_DELETE.allowed(1000) == 500


@pytest.mark.parametrize(
    ("source", "target", "deletions", "refused"),
    [(0, 5, 1, True), (1, 5, 4, False), (100, 100, 51, True), (100, 100, 50, False), (0, 5, 0, False)],
)
def test_the_guard(source: int, target: int, deletions: int, refused: bool) -> None:
    counts = Counts(source, target)
    counts.objects["delete"] = deletions
    if not refused:
        guard(counts, Rules(delete=True), "here")
        return
    with pytest.raises(Refused):
        guard(counts, Rules(delete=True), "here")


def test_rules_come_back_from_a_plan() -> None:
    rules = Rules(("*.a",), ("b/",), Compare.CHECKSUM, True, False, True, MaxDelete.parse("7%"))
    assert Rules.of(rules.document()) == rules
    with pytest.raises(InvalidInput):
        Rules.of({"include": []})
