"""`berth storage sync`, `migrate`, `verify`: what a user sees, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cloudberth.cli.main import run


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.txt").write_text("one")
    (folder / "deep" / "b ü.log").write_text("two")
    return folder


def berth(*arguments: object) -> int:
    return run(["storage", *map(str, arguments)])


def files(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and ".berth" not in path.parts
    }


def test_sync(source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "new" / "target"
    assert berth("sync", source, target) == 0
    assert files(target) == files(source)
    out, err = capfd.readouterr()
    assert out == ""
    assert "2 objects copied (6 B) in" in err
    assert berth("sync", source, target) == 0
    assert "0 objects copied (0 B), 2 already there" in capfd.readouterr().err


def test_a_dry_run_changes_nothing_and_its_plan_is_what_is_executed(
    source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    target, plan = tmp_path / "target", tmp_path / "plan.jsonl"
    assert berth("sync", source, target, "--dry-run", "--plan", plan) == 0
    out, err = capfd.readouterr()
    assert out.splitlines() == [
        "copy     a.txt  3 B  (missing at the destination)",
        "copy     deep/b ü.log  3 B  (missing at the destination)",
    ]
    assert "2 to copy (6 B); 0 left as they are. Nothing was done." in err
    assert f"--execute {plan}" in err
    assert not target.exists()
    (source / "later").write_text("not in the plan")
    assert berth("sync", source, target, "--execute", plan, "--json") == 0
    assert set(files(target)) == {"a.txt", "deep/b ü.log"}
    summary = json.loads(capfd.readouterr().out)
    assert (summary["format"], summary["copied"], summary["bytes"]) == (1, 2, 6)
    assert berth("sync", source, target, "--execute", plan) == 3
    assert "this plan was executed already" in capfd.readouterr().err
    assert berth("sync", source, target, "--execute", plan, "--restart") == 0


def test_a_dry_run_as_json(source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "x").write_text("")
    assert berth("sync", source, tmp_path / "target", "--delete", "--dry-run", "--json") == 0
    document = json.loads(capfd.readouterr().out)
    assert [(each["action"], each["key"]) for each in document["actions"]] == [
        ("copy", "a.txt"),
        ("copy", "deep/b ü.log"),
        ("delete", "x"),
    ]
    assert document["counts"]["objects"] == {"copy": 2, "delete": 1}


def test_what_could_not_be_moved_is_in_the_report(
    source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    target, report = tmp_path / "target", tmp_path / "report.jsonl"
    target.mkdir()
    (target / "a.txt").write_text("something else")
    assert berth("sync", source, target, "--no-overwrite", "--report", report) == 1
    err = capfd.readouterr().err
    assert "1 object copied (3 B), 1 failed" in err
    assert "conflict: 1" in err
    assert str(report) in err.replace("\n", "")
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    assert lines[0]["key"] == "a.txt"
    assert lines[0]["why"] == "exists with other content"
    assert lines[-1]["summary"]["failed"] == 1


@pytest.mark.parametrize("missing", [True, False])
def test_a_source_that_is_missing_or_empty_deletes_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], missing: bool
) -> None:
    source, target = tmp_path / "nothing", tmp_path / "target"
    target.mkdir()
    (target / "x").write_text("precious")
    if not missing:
        source.mkdir()
    assert berth("sync", source, target, "--delete", "--max-delete", "100%") == (1 if missing else 3)
    assert files(target) == {"x": "precious"}
    assert ("there is no such folder" if missing else "the source has no objects") in capfd.readouterr().err


def test_delete_keeps_to_its_limit(source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "target"
    target.mkdir()
    for number in range(4):
        (target / f"old-{number}").write_text("")
    assert berth("sync", source, target, "--delete", "--max-delete", "3") == 3
    assert "4 of 4 objects would be deleted, over 3" in capfd.readouterr().err
    assert "a.txt" not in files(target)
    # A dry run shows what it would be, all the same.
    plan = tmp_path / "plan"
    assert berth("sync", source, target, "--delete", "--max-delete", "3", "--dry-run", "--plan", plan) == 3
    assert "delete   old-3" in capfd.readouterr().out
    assert berth("sync", source, target, "--execute", plan) == 3
    assert len(files(target)) == 4
    assert berth("sync", source, target, "--delete", "--max-delete", "4") == 0
    assert files(target) == files(source)


def test_migrate_compares_everything_at_the_end(
    source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "target"
    assert berth("migrate", source, target) == 0
    assert "Compared 2 objects: no differences." in capfd.readouterr().err
    (target / "a.txt").write_text("0ne")
    assert berth("migrate", source, target) == 1
    err = capfd.readouterr().err
    assert "Compared 2 objects: 1 differences." in err
    assert "different content: 1" in err
    assert "--compare checksum" in err
    assert berth("migrate", source, target, "--compare", "checksum") == 0
    assert files(target) == files(source)


def test_verify_names_every_difference(
    source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "target"
    berth("sync", source, target)
    assert berth("verify", source, target) == 0
    (target / "a.txt").write_text("0ne")
    (target / "deep" / "b ü.log").unlink()
    (target / "x\x1b[31m").write_text("")
    capfd.readouterr()
    assert berth("verify", source, target) == 4
    out, err = capfd.readouterr()
    assert sorted(out.splitlines()) == [
        "content    a.txt  (other bytes of the same number)",
        "extra      x\\x1b[31m",
        "missing    deep/b ü.log",
    ]
    assert "3 objects compared, 1 by content or attributes: 3 differences." in err
    assert berth("verify", source, target, "--json") == 4
    document = json.loads(capfd.readouterr().out)
    assert {(each["kind"], each["key"]) for each in document["differences"]} == {
        ("content", "a.txt"),
        ("missing", "deep/b ü.log"),
        ("extra", "x\x1b[31m"),
    }
    assert (document["count"], document["objects"]) == (3, 3)
    assert berth("verify", source, target, "--quiet", "--no-extra", "--include", "*.md") == 0
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--plan", "p"], "--plan needs --dry-run"),
        (["--execute", "p", "--delete"], "--execute does what the plan says"),
        (["--max-delete", "3"], "--max-delete needs --delete"),
        (["--delete", "--max-delete", "lots"], "no limit of deletions"),
        (["--include", "[a"], "has a [ without a ]"),
        (["--execute", "missing.jsonl"], "the plan cannot be read"),
    ],
)
def test_options_that_make_no_sense(
    source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert berth("sync", source, tmp_path / "target", *arguments) == 2
    assert said in capfd.readouterr().err


def test_a_folder_inside_of_the_other_is_refused(source: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert berth("sync", source, source / "deep") == 3
    assert "one is inside the other" in capfd.readouterr().err
    assert berth("sync", source / "a.txt", "elsewhere") == 2
    assert "whole folders are synced" in capfd.readouterr().err
