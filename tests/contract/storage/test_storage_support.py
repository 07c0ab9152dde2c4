"""The docs say of every type what its rigs say, and every type has a rig."""

from __future__ import annotations

import re
from collections import Counter
from types import SimpleNamespace

import storage_support
from rig_registry import FOLDER, all_rigs

from cloudberth.storage.registry import BACKENDS

ROW = re.compile(r"^\| `([^`]+)` \| ([^|]+) \|", re.MULTILINE)


def test_every_type_has_a_rig() -> None:
    assert {rig.type for rig in all_rigs()} == set(BACKENDS)


def test_every_module_of_rigs_can_be_imported() -> None:
    assert [rig.id for rig in all_rigs() if rig.id.endswith("@broken")] == []


def test_rigs_are_told_apart() -> None:
    ids = [rig.id for rig in all_rigs()]
    assert len(set(ids)) == len(ids) >= len(list(FOLDER.glob("*.py")))
    assert all(rig.id.startswith(f"{rig.type}@") for rig in all_rigs())


def test_the_docs_tell_the_same_proof_of_every_rig() -> None:
    documented = dict(ROW.findall(storage_support.DOCUMENT.read_text(encoding="utf-8")))
    assert documented == {rig.id: str(rig.proved) for rig in all_rigs()}, (
        f"write it anew: {storage_support.COMMAND}"
    )


def test_every_exception_names_a_test() -> None:
    """A reason that no test goes by would excuse nothing, and hide that the server was mended."""
    defined = {
        name
        for path in FOLDER.parent.glob("test_storage_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    for rig in all_rigs():
        assert {name.partition("[")[0] for name in rig.exceptions} <= defined, rig.id


def report(rig: str, *more: tuple[str, str], **attributes: str) -> SimpleNamespace:
    properties = [
        ("storage rig", rig), ("storage type", rig.partition("@")[0]), ("storage proof", "somehow"),
        ("storage theme", "keys"), *more,
    ]  # fmt: skip
    return SimpleNamespace(user_properties=properties, **attributes)


def test_the_table_counts_what_happened() -> None:
    stats = {
        "passed": [report("s3@x"), report("s3@x", ("storage unsupported", "signed URLs")), SimpleNamespace()],
        "xfailed": [report("s3@x", nodeid="f.py::test_a[s3@x-tab]", wasxfail="reason: s3@x: it loses tabs")],
        "skipped": [report("local@y")],
        "deselected": [report("s3@x")],
    }
    local, s3 = storage_support.rows_of(stats)
    assert s3.cells == {"keys": Counter(passed=2, unsupported=1, xfailed=1)}
    assert storage_support.cell_text(s3.cells["keys"]) == "2 1u 1x"
    assert s3.refused == {"signed URLs"}
    text = storage_support.document([local, s3])
    assert ROW.findall(text) == [("local@y", "somehow"), ("s3@x", "somehow")]
    assert "- `s3@x`, `test_a[tab]`: it loses tabs" in text
    assert storage_support.unfit([local, s3]) == ["local@y did not run here"]
    assert storage_support.document(storage_support.read(text)) == text, "what is written can be read"
    assert [row.id for row in storage_support.merged([local], [s3], {"s3@x", "a@b"})] == ["s3@x"]
    failed = storage_support.rows_of({"failed": [report("s3@x")], "passed": [report("s3@x")]})
    assert storage_support.unfit(failed) == ["s3@x failed"]
    assert [line.split() for line in storage_support.terminal_table([s3])] == [
        ["type", "keys", "proved"],
        ["s3@x", "2", "1u", "1x", "somehow"],
    ]
