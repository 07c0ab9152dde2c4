"""A sync between two stores: what is moved, what is left alone, what is reported, what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cloudberth.errors import BackendError, Kind, NotFound, PermissionDenied, Refused, Unavailable
from cloudberth.storage.body import BytesReader
from cloudberth.storage.contract import Attributes, Opened, Span, StorageClass
from cloudberth.storage.transfer.content import Verify
from cloudberth.storage.transfer.engine import execute, planned
from cloudberth.storage.transfer.rules import Compare, MaxDelete, Rules
from storage.memory_backend import MemoryBackend, UnorderedBackend, capabilities
from storage.transfer.transfers import Places, fails

ODD_KEYS = [
    "a b+c%20.txt", "文件/表情😀.txt", "/leading", "a//b", "a/../b", "dir/", "./dot", "tail ", "x\ny", "n",
    "n/child", "back\\slash", "?query=1&b", "#hash", "q\"uote'", "é", "k" * 1024,
]  # fmt: skip


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path)


def report_of(path: str | None) -> list[dict[str, object]]:
    assert path is not None
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def test_what_is_missing_or_different_is_copied(places: Places) -> None:
    places.source.fill({"a": b"1", "b": b"22", "c": b"333", "deep/d": b""})
    places.target.fill({"b": b"22", "c": b"xyz", "extra": b"kept"})
    summary = places.sync()
    assert places.target.content() == {**places.source.content(), "extra": b"kept"}
    assert (summary.copied, summary.unchanged, summary.extra, summary.failed, summary.exit_code) == (
        3,
        1,
        1,
        0,
        0,
    )
    assert dict(places.target.puts) == {"a": 1, "c": 1, "deep/d": 1}
    assert summary.report is None


def test_a_second_sync_moves_nothing(places: Places) -> None:
    places.source.fill({f"k{number:03}": b"x" * number for number in range(300)})
    places.sync()
    places.target.calls.clear()
    summary = places.sync()
    assert (summary.copied, summary.unchanged) == (0, 300)
    assert places.target.calls.keys() == {"list"}


@pytest.mark.parametrize("vouches", ["md5", "sha256", "crc32c", None])
def test_odd_keys_arrive_as_they_are(places: Places, vouches: str | None) -> None:
    places.target = MemoryBackend("target", vouches=vouches)  # type: ignore[arg-type]
    places.source.fill({key: key.encode() * 3 for key in ODD_KEYS})
    summary = places.migrate()
    assert places.target.content() == places.source.content()
    assert (summary.copied, summary.differences, summary.exit_code) == (len(ODD_KEYS), 0, 0)


def test_prefixes_are_mapped(places: Places) -> None:
    places.source_prefix, places.target_prefix = "old/", "new/2026-"
    places.source.fill({"old/a": b"1", "old/b/c": b"2", "other": b"3", "old/": b""})
    places.sync()
    assert places.target.content() == {"new/2026-a": b"1", "new/2026-b/c": b"2", "new/2026-": b""}


def test_the_mark_of_the_own_folder_is_no_failure(places: Places) -> None:
    places.source_prefix = "old/"
    places.source.fill({"old/": b"", "old/a": b"1"})
    assert places.sync().exit_code == 0
    assert places.target.content() == {"a": b"1"}


def test_only_what_the_patterns_choose(places: Places) -> None:
    places.source.fill({"a.txt": b"1", "b.log": b"2", "private/c.txt": b"3"})
    places.target.fill({"old.log": b"", "old.txt": b""})
    rules = Rules(include=("*.txt",), exclude=("private/",), delete=True)
    places.sync(rules)
    assert set(places.target.objects) == {"a.txt", "old.log"}


def test_everything_beside_the_bytes_is_carried_over(places: Places) -> None:
    kept = Attributes(
        "text/html", "max-age=1", "attachment", "gzip", "de", {"owner": "Zoë", "n": "1"}, "STANDARD_IA"
    )
    places.source.fill({"a": b"1"}, kept)
    places.target = MemoryBackend("target", able=capabilities(classes={StorageClass.INFREQUENT: "Cool"}))
    summary = places.migrate()
    found = places.target.objects["a"].attributes
    assert found == Attributes("text/html", "max-age=1", "attachment", "gzip", "de", kept.metadata, "Cool")
    assert (summary.incomplete, summary.differences) == (0, 0)


def test_what_the_destination_cannot_hold_is_reported(places: Places) -> None:
    places.source.fill({"a": b"1"}, Attributes("text/html", metadata={"owner": "me"}, storage_class="COLD"))
    places.source.fill({"b": b"2"})
    places.target = MemoryBackend("target", able=capabilities(metadata=False, attributes=False, classes={}))
    summary = places.migrate()
    assert (summary.copied, summary.incomplete, summary.differences, summary.exit_code) == (2, 1, 0, 0)
    (line,) = [line for line in report_of(summary.report) if line.get("key") == "a"]
    assert line["status"] == "incomplete"
    assert line["why"] == "not kept: storage class COLD (cold); metadata owner; content type"


def test_metadata_that_is_refused_is_left_out_and_named(places: Places) -> None:
    class Picky(MemoryBackend):
        def put(self, key, body, attributes=Attributes(), *rest):  # type: ignore[no-untyped-def, override]
            if "ü" in attributes.metadata.get("owner", ""):
                raise BackendError("metadata has to be ASCII", kind=Kind.INVALID)
            return super().put(key, body, attributes, *rest)

    places.target = Picky("target")
    places.source.fill({"a": b"1"}, Attributes("text/html", metadata={"owner": "ü"}))
    summary = places.sync()
    assert places.target.objects["a"].attributes == Attributes("text/html")
    assert (summary.copied, summary.incomplete) == (1, 1)


# -- deleting ------------------------------------------------------------------------------------------------


def test_delete_removes_what_the_source_has_not(places: Places) -> None:
    places.source.fill({"a": b"1"})
    places.target.fill({"a": b"1", "b": b"2"})
    summary = places.sync(Rules(delete=True))
    assert set(places.target.objects) == {"a"}
    assert summary.deleted == 1


def test_an_empty_source_deletes_nothing(places: Places) -> None:
    places.target.fill({"a": b"1", "b": b"2"})
    with pytest.raises(Refused, match="no objects"):
        places.sync(Rules(delete=True))
    assert set(places.target.objects) == {"a", "b"}
    assert places.target.calls.keys() == {"list"}


def test_a_source_that_the_patterns_empty_deletes_nothing(places: Places) -> None:
    places.source.fill({"a.log": b"1"})
    places.target.fill({"b.txt": b"2"})
    with pytest.raises(Refused):
        places.sync(Rules(include=("*.txt",), delete=True))
    assert "b.txt" in places.target.objects


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_list_that_breaks_off_changes_nothing(places: Places, side: str) -> None:
    places.source.fill({f"{number:05}": b"x" for number in range(3000)})
    places.target.fill({f"{number:05}": b"x" for number in range(1500, 4500)})
    before = places.target.content()
    pages = iter(range(100))

    def before_list(primitive: str, key: str) -> None:
        if primitive == "list" and next(pages) == 2:
            raise Unavailable("the connection broke")

    getattr(places, side).before = before_list
    with pytest.raises(Unavailable):
        places.sync(Rules(delete=True, max_delete=MaxDelete(percent=100)))
    assert places.target.content() == before
    assert not {"put", "delete"} & places.target.calls.keys()
    getattr(places, side).before = None
    summary = places.sync(Rules(delete=True, max_delete=MaxDelete(percent=100)))
    assert places.target.content() == places.source.content()
    assert (summary.copied, summary.deleted, summary.unchanged) == (1500, 1500, 1500)


def test_too_many_deletions_are_refused_as_a_whole(places: Places) -> None:
    places.source.fill({"a": b"1", "new": b"1"})
    places.target.fill({f"{number}": b"" for number in range(30)})
    with pytest.raises(Refused, match="30 of 30"):
        places.sync(Rules(delete=True))
    with pytest.raises(Refused):
        places.sync(Rules(delete=True, max_delete=MaxDelete(count=29)))
    assert "a" not in places.target.objects
    assert places.sync(Rules(delete=True, max_delete=MaxDelete(count=30))).deleted == 30


def test_nothing_is_deleted_while_a_copy_failed(places: Places) -> None:
    """A renamed object would be gone under both names."""
    places.source.fill({"new-name": b"1"})
    places.target.fill({"old-name": b"1"})
    places.target.before = fails(lambda: PermissionDenied("no"), times=99, primitive="put")
    summary = places.sync(Rules(delete=True))
    assert "old-name" in places.target.objects
    assert (summary.failed, summary.deleted, summary.left, summary.exit_code) == (1, 0, 1, 1)
    kinds = {line["key"]: line["kind"] for line in report_of(summary.report) if "key" in line}
    assert kinds == {"new-name": "permission", "old-name": "kept"}


def test_a_key_that_cannot_be_deleted_is_reported(places: Places) -> None:
    places.source.fill({"a": b"1"})
    places.target.fill({"x": b"", "y": b""})
    places.target.before = fails(lambda: PermissionDenied("locked"), times=9, primitive="delete", key="x")
    summary = places.sync(Rules(delete=True))
    assert set(places.target.objects) == {"a", "x"}
    assert (summary.deleted, summary.failed) == (1, 1)


def test_what_came_back_to_the_source_is_not_deleted_by_an_old_plan(places: Places, tmp_path: Path) -> None:
    places.source.fill({"a": b"1"})
    places.target.fill({"a": b"1", "b": b"2"})
    file = tmp_path / "plan.jsonl"
    with planned(*places.storages(), Rules(delete=True)) as (_, _, write):
        write(file)
    heading, *rest = file.read_text().splitlines()
    old = json.loads(heading) | {"planned_at": 1.0}
    file.write_text("\n".join([json.dumps(old), *rest]) + "\n")
    places.source.fill({"b": b"again"})
    summary = execute(file, *places.storages(), places.execution())
    assert places.target.content() == {"a": b"1", "b": b"2"}
    assert summary.deleted == 0


# -- plans ---------------------------------------------------------------------------------------------------


def test_the_plan_shown_is_the_plan_executed(places: Places, tmp_path: Path) -> None:
    places.source.fill({"a": b"1", "b": b"22", "same": b"s"})
    places.target.fill({"b": b"2", "same": b"s", "x": b""})
    file = tmp_path / "plan.jsonl"
    with planned(*places.storages(), Rules(delete=True)) as (counts, lines, write):
        shown = [(work.action.name, work.key) for work in lines]
        write(file)
    assert shown == [("COPY", "a"), ("COPY", "b"), ("DELETE", "x")]
    assert counts.document()["objects"] == {"copy": 2, "delete": 1}
    assert not {"put", "delete"} & places.target.calls.keys()
    # What comes later is not in the plan, so it is not done.
    places.source.fill({"later": b"3"})
    places.target.fill({"later-extra": b"4"})
    summary = execute(file, *places.storages(), places.execution())
    assert places.target.content() == {"a": b"1", "b": b"22", "same": b"s", "later-extra": b"4"}
    assert (summary.copied, summary.deleted) == (2, 1)
    assert dict(places.target.puts) == {"a": 1, "b": 1}


def test_a_plan_is_only_for_its_places(places: Places, tmp_path: Path) -> None:
    places.source.fill({"a": b"1"})
    file = tmp_path / "plan.jsonl"
    with planned(*places.storages(), Rules()) as (_, _, write):
        write(file)
    places.target = MemoryBackend("elsewhere")
    with pytest.raises(Refused, match="memory://target"):
        execute(file, *places.storages(), places.execution())
    assert not places.target.objects


# -- comparing -----------------------------------------------------------------------------------------------


def test_newer_at_the_source_is_copied_when_nothing_is_vouched_for(places: Places) -> None:
    places.source = MemoryBackend("source", vouches=None)
    now = datetime.now(UTC)
    places.target.clock = lambda: now
    places.target.fill({"old": b"1", "new": b"1"})
    places.source.clock = lambda: now - timedelta(hours=1)
    places.source.fill({"old": b"2"})
    places.source.clock = lambda: now + timedelta(hours=1)
    places.source.fill({"new": b"2"})
    places.sync()
    assert places.target.content() == {"old": b"1", "new": b"2"}
    summary = places.sync(Rules(compare=Compare.CHECKSUM))
    assert places.target.content() == {"old": b"2", "new": b"2"}
    assert (summary.copied, summary.unchanged) == (1, 1)


def test_what_may_not_be_replaced_is_named(places: Places) -> None:
    places.source.fill({"a": b"new", "b": b"1"})
    places.target.fill({"a": b"old!"})
    summary = places.sync(Rules(overwrite=False))
    assert places.target.content() == {"a": b"old!", "b": b"1"}
    assert (summary.copied, summary.failed, summary.exit_code) == (1, 1, 1)
    assert report_of(summary.report)[0]["kind"] == "conflict"


def test_keys_that_the_destination_cannot_have_are_reported_and_the_rest_goes_on(places: Places) -> None:
    places.target_prefix = "p/"
    places.source.fill({"k" * 1024: b"1", "a": b"2", "odd": b"3"})
    places.target.before = fails(
        lambda: BackendError("no such names here", kind=Kind.INVALID), times=99, primitive="put", key="p/odd"
    )
    summary = places.sync()
    assert places.target.content() == {"p/a": b"2"}
    assert (summary.copied, summary.failed, summary.exit_code) == (1, 2, 1)
    assert {line["kind"] for line in report_of(summary.report) if "key" in line} == {"invalid"}


@pytest.mark.parametrize("honest", [True, False])
def test_stores_without_an_order_are_synced_all_the_same(places: Places, honest: bool) -> None:
    places.source = UnorderedBackend("source", honest=honest)
    places.target = UnorderedBackend("target", honest=honest)
    places.source.fill({f"key/{number}": b"x" for number in range(2500)})
    places.target.fill({f"key/{number}": b"x" for number in range(1000, 3000)})
    summary = places.migrate(Rules(delete=True))
    assert places.target.content() == places.source.content()
    assert (summary.copied, summary.deleted, summary.differences) == (1000, 500, 0)


# -- content -------------------------------------------------------------------------------------------------


class Corrupting(MemoryBackend):
    """Keeps other bytes than it was given, so many times, and vouches for what it has."""

    times = 1

    def put(self, key, body, *rest):  # type: ignore[no-untyped-def, override]
        from cloudberth.storage.body import BytesBody

        if self.times:
            self.times -= 1
            body = BytesBody(b"?" * body.size)
        return super().put(key, body, *rest)


@pytest.mark.parametrize("vouches", ["md5", "crc32", None])
def test_other_bytes_at_the_destination_are_noticed_and_sent_again(
    places: Places, vouches: str | None
) -> None:
    places.target = Corrupting("target", vouches=vouches)  # type: ignore[arg-type]
    places.source.fill({"a": b"right"})
    assert places.sync().exit_code == 0
    assert places.target.content() == {"a": b"right"}
    assert places.target.puts["a"] == 2


def test_bytes_that_are_never_right_are_a_failure(places: Places) -> None:
    places.target = Corrupting("target")
    places.target.times = 999
    places.source.fill({"a": b"right"})
    summary = places.sync()
    assert (summary.copied, summary.left, summary.exit_code) == (0, 1, 1)
    assert summary.reasons == {"corrupt": 1}


def test_a_source_whose_bytes_are_not_what_it_says_is_noticed(places: Places) -> None:
    class Rotten(MemoryBackend):
        def get(self, key: str, span: Span | None = None, match: str | None = None) -> Opened:
            opened = super().get(key, span, match)
            return Opened(opened.info, BytesReader(b"?" * opened.info.size))

    places.source = Rotten("source")
    places.source.fill({"a": b"right"})
    assert places.sync().reasons == {"corrupt": 1}
    assert not places.target.objects


def test_sizes_alone_are_trusted_when_asked_for(places: Places) -> None:
    places.target = Corrupting("target", vouches=None)
    places.source.fill({"a": b"right"})
    assert places.sync(verify=Verify.SIZE).exit_code == 0
    assert places.target.content() == {"a": b"?????"}


def test_an_object_that_changes_while_it_is_copied(places: Places) -> None:
    """The plan knows the etag it was listed with; what is copied is what is there now, whole."""
    places.source.fill({"a": b"old"})

    def change(primitive: str, key: str) -> None:
        if primitive == "get" and places.source.objects["a"].data == b"old":
            places.source.fill({"a": b"new and longer"})

    places.source.before = change
    assert places.sync().copied == 1
    assert places.target.content() == {"a": b"new and longer"}


def test_an_object_that_vanishes_is_no_failure(places: Places) -> None:
    places.source.fill({"a": b"1", "b": b"2"})
    places.source.before = fails(lambda: NotFound("gone"), times=1, primitive="get", key="a")
    summary = places.sync()
    assert places.target.content() == {"b": b"2"}
    assert (summary.exit_code, summary.reasons) == (0, {"vanished": 1})
