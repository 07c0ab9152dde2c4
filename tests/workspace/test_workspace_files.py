"""The workspace belongs to the user: a render repeats itself, and never overwrites what somebody changed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudberth.errors import InvalidInput, Refused
from cloudberth.infra.workspace import MANIFEST, compare, digest, inspect, write

FILES = {"main.tf": "one\n", "modules/a/main.tf": "two\n", "stack/x.yaml": "three\n"}


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and path.name != MANIFEST
    }


def test_first_render_creates_everything(tmp_path: Path) -> None:
    changes = write(FILES, tmp_path / "w")
    assert set(changes.create) == set(FILES)
    assert contents(tmp_path / "w") == FILES


def test_second_render_changes_nothing(tmp_path: Path) -> None:
    write(FILES, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.tf")}
    assert write(FILES, tmp_path).empty
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.tf")} == before


def test_new_content_replaces_what_nobody_changed(tmp_path: Path) -> None:
    write(FILES, tmp_path)
    changes = write(FILES | {"main.tf": "newer\n"}, tmp_path)
    assert changes.update == ("main.tf",)
    assert (tmp_path / "main.tf").read_text() == "newer\n"


def test_a_changed_file_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    write(FILES, tmp_path)
    (tmp_path / "main.tf").write_text("mine\n")
    with pytest.raises(Refused, match=r"main\.tf") as refusal:
        write({path: text + "new\n" for path, text in FILES.items()}, tmp_path)
    assert "--overwrite" in refusal.value.hint
    assert contents(tmp_path) == FILES | {"main.tf": "mine\n"}


def test_overwrite_keeps_the_users_version_beside(tmp_path: Path) -> None:
    write(FILES, tmp_path)
    (tmp_path / "main.tf").write_text("mine\n")
    write(FILES, tmp_path, overwrite=True)
    assert (tmp_path / "main.tf").read_text() == "one\n"
    assert (tmp_path / "main.tf.orig").read_text() == "mine\n"


def test_the_users_own_files_are_left_alone(tmp_path: Path) -> None:
    write(FILES, tmp_path)
    (tmp_path / "extra.tf").write_text("mine\n")
    write({"main.tf": "one\n"}, tmp_path)
    assert contents(tmp_path) == {"main.tf": "one\n", "extra.tf": "mine\n"}


def test_a_file_that_goes_is_kept_when_it_was_edited(tmp_path: Path) -> None:
    write(FILES, tmp_path)
    (tmp_path / "stack/x.yaml").write_text("mine\n")
    changes = write({"main.tf": "one\n"}, tmp_path)
    assert changes.delete == ("modules/a/main.tf",)
    assert changes.kept == ("stack/x.yaml",)
    assert (tmp_path / "stack/x.yaml").read_text() == "mine\n"


def test_a_foreign_file_with_the_same_name_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text("somebody else's\n")
    with pytest.raises(Refused):
        write(FILES, tmp_path)
    assert contents(tmp_path) == {"main.tf": "somebody else's\n"}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"files": 3}', '{"files": {"a": 1}}', "\x00\x01"])
def test_a_broken_note_is_a_clean_error(tmp_path: Path, text: str) -> None:
    write(FILES, tmp_path)
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(InvalidInput, match="cannot be read"):
        write(FILES, tmp_path)


def test_a_folder_that_cannot_be_written_is_a_clean_error(tmp_path: Path) -> None:
    (tmp_path / "w").write_text("a file")
    with pytest.raises(InvalidInput, match="cannot be written"):
        write(FILES, tmp_path / "w")


def test_a_killed_render_is_completed_by_the_next(tmp_path: Path) -> None:
    """kill -9 at many moments: every file is whole, and the next render goes through without --overwrite."""
    old = {f"f{number}.tf": "old\n" * 200 for number in range(60)}
    new = {f"f{number}.tf": "new\n" * 200 for number in range(60)}
    script = textwrap.dedent("""
        import json, sys
        from pathlib import Path
        from cloudberth.infra.workspace import write
        files = json.loads(Path(sys.argv[1]).read_text())
        print("ready", flush=True)
        write(files, Path(sys.argv[2]))
    """)
    (tmp_path / "new.json").write_text(json.dumps(new))
    folder = tmp_path / "w"
    partly = 0
    for round_number in range(6):
        write(old, folder)
        child = subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path / "new.json"), str(folder)], stdout=subprocess.PIPE
        )
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(0.002 * (round_number + 1))
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        seen = {path.name: path.read_text() for path in folder.glob("*.tf")}
        assert all(text in (old[name], new[name]) for name, text in seen.items())
        partly += len(set(seen.values())) > 1
        write(new, folder)
        assert {path.name: path.read_text() for path in folder.glob("*.tf")} == new


names = st.sampled_from(["a", "b", "c", "d"])
texts = st.sampled_from(["1", "2", "3"])
trees = st.dictionaries(names, texts)


@given(
    files=trees,
    present=trees,
    noted=st.dictionaries(names, st.lists(texts.map(digest), max_size=2).map(tuple)),
)
def test_every_file_is_in_exactly_one_group(
    files: dict[str, str], present: dict[str, str], noted: dict[str, tuple[str, ...]]
) -> None:
    changes = compare(files, {path: digest(text) for path, text in present.items()}, noted)
    groups = (
        changes.create,
        changes.update,
        changes.delete,
        changes.unchanged,
        changes.changed_by_user,
        changes.kept,
    )
    listed = [path for group in groups for path in group]
    assert len(listed) == len(set(listed))
    assert set(listed) == set(files) | (set(noted) & set(present))
    for path in (*changes.update, *changes.delete):
        assert digest(present[path]) in noted[path]


def test_inspect_writes_nothing(tmp_path: Path) -> None:
    assert inspect(FILES, tmp_path / "w").create
    assert not (tmp_path / "w").exists()
