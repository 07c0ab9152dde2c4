"""cp, mv and rm: what arrives, what stays, what is asked before anything goes."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from bucket_on_loopback import Bucket
from typed_commands import Berth

from cloudberth.cli.storage import small_copies
from cloudberth.errors import PermissionDenied
from cloudberth.storage.calls import Call
from cloudberth.storage.contract import Attributes
from cloudberth.storage.storage import Storage
from doubles.odd_keys import ODD_KEYS

LARGE = bytes(range(256)) * 4096 * 20  # 20 MiB: several parts


class Typed(io.TextIOWrapper):
    """Standard input with bytes in it."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))


# -- one object ----------------------------------------------------------------------------------------------


def test_a_file_goes_up_and_comes_back(berth: Berth, bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_bytes(LARGE)
    result = berth("storage", "cp", "page.html", f"{bucket.env}#site/")
    assert (result.code, result.out) == (0, "")
    assert result.err.startswith("copied 1 object, 20.0 MiB in ")
    info = bucket.store.head("site/page.html")
    assert (info.size, info.attributes.content_type) == (len(LARGE), "text/html")
    assert berth("storage", "cp", f"{bucket.url}/site/page.html", "down/load.html").code == 0
    assert (tmp_path / "down" / "load.html").read_bytes() == LARGE


def test_a_download_is_whole_or_not_there(berth: Berth, bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "old.txt").write_text("old")
    assert berth("storage", "cp", f"{bucket.env}#nope", "old.txt").code == 1
    assert (tmp_path / "old.txt").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old.txt", "store.env"]


def test_standard_input_and_output(berth: Berth, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Typed(LARGE))
    assert berth("storage", "cp", "-", f"{bucket.env}#dump.json").code == 0
    info = bucket.store.head("dump.json")
    assert (info.size, info.attributes.content_type) == (len(LARGE), "application/json")
    bucket.fill(note=b"to the pipe")
    result = berth("storage", "cp", f"{bucket.env}#note", "-")
    assert result.out == "to the pipe"


def test_given_attributes_stand_above_those_of_the_source(berth: Berth, bucket: Bucket) -> None:
    bucket.store.save(
        "a", b"1", Attributes(content_type="x/y", metadata={"kept": "no"}, cache_control="max-age=1")
    )
    result = berth(
        "storage", "cp", "--content-type", "a/b", "--metadata", "who=me", f"{bucket.env}#a", f"{bucket.url}/b"
    )
    assert result.code == 0
    attributes = bucket.store.head("b").attributes
    assert (attributes.content_type, attributes.metadata) == ("a/b", {"who": "me"})
    assert attributes.cache_control == "max-age=1"


def test_attributes_survive_a_way_over_this_machine(berth: Berth, bucket: Bucket) -> None:
    bucket.store.save("a", b"1", Attributes(content_type="x/y", metadata={"who": "me"}))
    assert berth("storage", "cp", f"{bucket.env}#a", "here").code == 0
    assert berth("storage", "cp", "here", f"{bucket.env}#again").code == 0
    attributes = bucket.store.head("again").attributes
    assert (attributes.content_type, attributes.metadata) == ("x/y", {"who": "me"})


def test_no_clobber_leaves_what_is_there(berth: Berth, bucket: Bucket, tmp_path: Path) -> None:
    bucket.fill(a=b"old")
    (tmp_path / "new").write_text("new")
    result = berth("storage", "cp", "-n", "new", f"{bucket.env}#a")
    assert (result.code, bucket.store.load("a")) == (0, b"old")
    assert "1 left alone" in result.err
    berth("storage", "cp", "-n", f"{bucket.env}#a", "new")
    assert (tmp_path / "new").read_text() == "new"


def test_a_dry_run_does_nothing(berth: Berth, bucket: Bucket, tmp_path: Path) -> None:
    bucket.fill(a__b=b"1", a__c=b"2")
    result = berth("storage", "mv", "-r", "--dry-run", f"{bucket.env}#a", "not/yet")
    assert result.out.count("move  oci://berth-cli/a/") == 2
    assert "nothing was done" in result.err
    assert bucket.keys == ["a/b", "a/c"]
    assert not (tmp_path / "not").exists()


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("cp",), "SOURCE"),
        (("cp", "x"), "a source and a target"),
        (("cp", "nope", "y"), "there is no such file"),
        (("cp", "folder", "y"), "-r takes everything"),
        (("cp", "-r", "file", "y"), "there is no such folder"),
        (("cp", "file", "file"), "are the same"),
        (("cp", "-r", "folder", "folder/in"), "inside of the source"),
        (("cp", "-", "folder/"), "needs a name"),
        (("cp", "-r", "-", "y"), "standard input"),
        (("cp", "-r", "folder", "-"), "standard output"),
        (("cp", "--metadata", "x", "file", "y"), "name=value"),
        (("cp", "--concurrency", "0", "file", "y"), "--concurrency"),
        (("mv", "-", "y"), "standard input"),
        (("mv", "file"), "a source and a target"),
        (("mv", "s3://b", "y"), "-r takes everything"),
        (("rm",), "LOCATION"),
        (("rm", "s3://b/"), "-r takes all below"),
        (("rm", "s3://b/%"), "%25"),
    ],
)
def test_wrong_input_changes_nothing(
    berth: Berth, tmp_path: Path, arguments: tuple[str, ...], part: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x")
    result = berth("storage", *arguments)
    assert (result.code, result.out) == (2, "")
    assert part in result.err
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder"]


def test_a_file_that_cannot_be_written_is_named(berth: Berth, bucket: Bucket, tmp_path: Path) -> None:
    bucket.fill(a=b"1")
    (tmp_path / "file").write_text("x")
    result = berth("storage", "cp", f"{bucket.env}#a", "file/below")
    assert result.code in {1, 2}
    assert "file" in result.err
    assert "defect" not in result.err


# -- folders -------------------------------------------------------------------------------------------------


def test_odd_keys_go_through_a_folder_and_back(berth: Berth, bucket: Bucket, tmp_path: Path) -> None:
    keys = [key for key in ODD_KEYS if len(key.encode()) < 200 and "\n" not in key]
    for key in keys:
        bucket.store.save(f"from/{key}", key.encode(), Attributes(content_type="odd/key"))
    down = berth("storage", "cp", "-r", f"{bucket.env}#from/", "tree/")
    assert down.code == 0, down.err
    up = berth("storage", "cp", "-r", "tree", f"{bucket.env}#back")
    assert up.code == 0, up.err
    assert f"copied {len(keys):,} objects" in up.err
    back = {info.key.removeprefix("back/"): info for info in bucket.store.list("back/")}
    assert sorted(back) == sorted(keys)
    assert all(bucket.store.load(f"back/{key}") == key.encode() for key in keys)
    assert all(bucket.store.head(f"back/{key}").attributes.content_type == "odd/key" for key in keys)


def test_small_and_large_go_together(berth: Berth, bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    for number in range(40):
        (tmp_path / "tree" / f"{number:02}").write_bytes(bytes([number]) * number)
    for name in ("large", "larger"):
        (tmp_path / "tree" / name).write_bytes(LARGE)
    assert "copied 42 objects" in berth("storage", "cp", "-r", "tree", f"{bucket.env}#t").err
    assert berth("storage", "cp", "-r", f"{bucket.env}#t/", "again").code == 0
    files = {path.name: path.read_bytes() for path in (tmp_path / "again").rglob("*") if path.is_file()}
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "tree").iterdir()}
    assert not (tmp_path / "again" / ".berth").exists(), "nothing of ours stays in a folder of the user"


def test_no_clobber_of_a_whole_folder(berth: Berth, bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    for name in ("a", "b"):
        (tmp_path / "tree" / name).write_text("new")
    bucket.fill(t__a=b"old")
    result = berth("storage", "cp", "-rn", "tree", f"{bucket.env}#t")
    assert "copied 1 object, 3 B, 1 left alone" in result.err
    assert (bucket.store.load("t/a"), bucket.store.load("t/b")) == (b"old", b"new")


def test_damage_on_the_way_is_an_error(
    berth: Berth, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.fill(a__x=b"intact")
    damaged = small_copies.Verifier.update
    monkeypatch.setattr(small_copies.Verifier, "update", lambda self, data: damaged(self, bytes(data) + b"!"))
    result = berth("storage", "cp", "-r", f"{bucket.env}#a", "down")
    assert result.code == 1
    assert "md5 of what arrived" in result.err
    assert [path for path in (tmp_path / "down").rglob("*") if path.is_file()] == []


def test_inside_one_store_the_server_copies(berth: Berth, bucket: Bucket) -> None:
    bucket.fill(**{f"a__{number}": b"x" * 1000 for number in range(30)})
    result = berth("storage", "cp", "-r", f"{bucket.env}#a", f"{bucket.url}/b/", "--json")
    document = json.loads(result.out)
    assert (document["copied"], document["bytes"], document["failed"]) == (30, 30_000, 0)
    assert len([key for key in bucket.keys if key.startswith("b/")]) == 30


def test_several_sources_go_below_the_target(berth: Berth, bucket: Bucket, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
    bucket.fill(three=b"3")
    assert berth("storage", "cp", "one", "two", f"{bucket.env}#three", f"{bucket.env}#all").code == 0
    assert [key for key in bucket.keys if key.startswith("all")] == ["all/one", "all/three", "all/two"]


def test_what_fails_is_named_and_the_rest_arrives(
    berth: Berth, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.fill(a__good=b"1", a__bad=b"2", a__fine=b"3")
    made = small_copies._made

    def failing(store: Storage, call: Call) -> object:
        if call.primitive == "copy_from" and call.arguments[1] == "a/bad":
            raise PermissionDenied("AccessDenied", where="oci://berth-cli/a/bad")
        return made(store, call)

    monkeypatch.setattr(small_copies, "_made", failing)
    result = berth("storage", "mv", "-r", f"{bucket.env}#a", f"{bucket.env}#b")
    assert result.code == 1
    assert "failed: oci://berth-cli/a/bad:" in result.err
    assert "moved 2 objects" in result.err
    assert bucket.keys == ["a/bad", "b/fine", "b/good"], "what was not copied is not deleted"


def test_mv_deletes_what_it_copied(berth: Berth, bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "gone.txt").write_text("x")
    assert berth("storage", "mv", "gone.txt", f"{bucket.env}#a/").code == 0
    assert not (tmp_path / "gone.txt").exists()
    assert berth("storage", "mv", f"{bucket.env}#a/gone.txt", f"{bucket.env}#b").code == 0
    assert bucket.keys == ["b"]


# -- rm ------------------------------------------------------------------------------------------------------


def test_rm_of_one_and_of_what_is_not_there(berth: Berth, bucket: Bucket) -> None:
    bucket.fill(a=b"123", b=b"")
    assert berth("storage", "rm", f"{bucket.env}#a").err == "deleted 1 object, 3 B\n"
    assert berth("storage", "rm", f"{bucket.env}#a").code == 1
    assert bucket.keys == ["b"]


def test_rm_asks_with_count_and_size(berth: Berth, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.fill(up__1=b"x" * 2048, up__2=b"x" * 1024, upper=b"1")
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    refused = berth("storage", "rm", "-r", f"{bucket.env}#up")
    assert refused.code == 130
    assert "Delete 2 objects, 3.0 KiB, below oci://berth-cli/up/?" in refused.err
    assert len(bucket.keys) == 3
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert berth("storage", "rm", "-r", f"{bucket.env}#up").code == 0
    assert bucket.keys == ["upper"], "a folder is meant, not the start of a name"


def test_rm_of_a_whole_bucket_needs_more_than_yes(berth: Berth, bucket: Bucket) -> None:
    bucket.fill(a=b"1", b=b"2")
    refused = berth("storage", "rm", "-r", "--yes", bucket.env)
    assert refused.code == 3
    assert "--all" in refused.err
    assert (
        berth("storage", "rm", "-r", "--dry-run", bucket.url).out == "oci://berth-cli/a\noci://berth-cli/b\n"
    )
    assert len(bucket.keys) == 2
    document = json.loads(berth("storage", "rm", "-r", "--yes", "--all", "--json", bucket.env).out)
    assert (document["deleted"], document["bytes"], bucket.keys) == (2, 2, [])


def test_rm_of_thousands(berth: Berth, bucket: Bucket) -> None:
    for number in range(2100):
        bucket.store.save(f"many/{number:04}", b"")
    result = berth("storage", "rm", "-r", "--yes", f"{bucket.env}#many/")
    assert "deleted 2,100 objects" in result.err
    assert bucket.keys == []
