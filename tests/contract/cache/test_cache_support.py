"""The docs say of every cache type what its rigs say."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import cache_support
from cache_rigs import RIGS

from cloudberth.cache.registry import REGISTRY


def test_every_type_has_a_rig() -> None:
    assert {rig.id.partition("@")[0] for rig in RIGS} == set(REGISTRY.types())


def test_the_docs_tell_the_same_proof_of_every_rig() -> None:
    documented = cache_support.documented(cache_support.DOCUMENT.read_text(encoding="utf-8"))
    assert documented == {rig.id: rig.proved for rig in RIGS}, f"write it anew: {cache_support.COMMAND}"


def report(rig: str) -> SimpleNamespace:
    return SimpleNamespace(
        user_properties=[("cache rig", rig), ("cache proof", "somehow"), ("cache theme", "locks")]
    )


def test_the_table_counts_what_happened() -> None:
    stats = {"passed": [report("a@x"), report("a@x"), SimpleNamespace()], "skipped": [report("b@y")]}
    first, second = cache_support.rows_of(stats)
    assert first.cells == {"locks": Counter(passed=2)}
    assert cache_support.cell_text(second.cells["locks"]) == "1s"
    assert cache_support.documented(cache_support.document([first, second])) == {
        "a@x": "somehow", "b@y": "somehow",
    }  # fmt: skip
    assert cache_support.unfit([first, second], ["a@x", "b@y", "c@z"]) == [
        "b@y did not run",
        "c@z did not run",
    ]
    failed = cache_support.rows_of({"failed": [report("a@x")], "passed": [report("a@x")]})
    assert cache_support.unfit(failed, ["a@x"]) == ["a@x failed"]
