"""Every command answers: with what was asked, or with one clear line and the right exit code."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from typed_commands import EXAMPLES, Berth

from cloudberth.cli.main import COMMANDS


def test_help_names_every_command(berth: Berth) -> None:
    result = berth("--help")
    assert result.code == 0
    assert all(f"\n  {command} " in result.out for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(berth: Berth, command: str) -> None:
    result = berth(command, "--help")
    assert result.code == 0
    assert result.out.startswith(f"Usage: berth {command}")


def test_a_misspelt_command_names_the_nearest(berth: Berth) -> None:
    result = berth("plann")
    assert result.code == 2
    assert "Did you mean 'plan'?" in result.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(berth: Berth, shell: str) -> None:
    result = berth("completion", shell)
    assert result.code == 0
    assert "_BERTH_COMPLETE" in result.out


def test_init_writes_a_file_that_loads(berth: Berth, tmp_path: Path) -> None:
    assert berth("init", "--yes", "--set", "name=shop").code == 0
    text = (tmp_path / "berth.yaml").read_text()
    assert "name: shop" in text
    assert berth("render", "--dry-run").code == 0


def test_init_does_not_overwrite(berth: Berth, tmp_path: Path) -> None:
    (tmp_path / "berth.yaml").write_text("mine")
    result = berth("init", "--yes")
    assert result.code == 3
    assert (tmp_path / "berth.yaml").read_text() == "mine"
    assert "--force" in result.err


def test_init_with_a_wrong_answer_writes_nothing(berth: Berth, tmp_path: Path) -> None:
    result = berth("init", "--yes", "--set", "region=mars")
    assert result.code == 2
    assert not (tmp_path / "berth.yaml").exists()
    assert "Traceback" not in result.err


def test_all_problems_of_a_file_at_once(berth: Berth, tmp_path: Path) -> None:
    (tmp_path / "berth.yaml").write_text(
        "name: dify\napp: dify\ncloud: aws\nregion: mars\nnetwork: {zone: 3}\n"
    )
    result = berth("plan")
    assert result.code == 2
    assert "berth.yaml:4:9 region:" in result.err
    assert "berth.yaml:5:11 network.zone:" in result.err
    assert "2 problems; nothing was written." in result.err
    assert [path.name for path in tmp_path.iterdir()] == ["berth.yaml"]


@pytest.mark.parametrize(
    "command", ["plan", "rehearse", "render", "diagram", "up", "down", "status", "outputs"]
)
def test_a_file_that_is_not_there(berth: Berth, command: str) -> None:
    result = berth(command, "nowhere.yaml")
    assert result.code == 2
    assert "nowhere.yaml" in result.err


def test_schema_is_json_schema(berth: Berth) -> None:
    assert json.loads(berth("schema").out)["$schema"].startswith("https://json-schema.org/")
    assert "properties" in json.loads(berth("schema", "--report").out)


def test_docs_of_a_section_and_of_all(berth: Berth) -> None:
    assert "storage" in berth("docs").out
    assert "lifecycle" in berth("docs", "storage").out
    assert berth("docs", "storrage").code == 2


def test_releases_and_what_changed_between_them(berth: Berth) -> None:
    assert json.loads(berth("releases", "--json").out)[-1] == "1.17.1"
    result = berth("releases", "1.15.0", "1.17.1")
    assert "agent_backend" in result.out
    assert berth("releases", "1.15.0", "9.9.9").code == 2


def test_render_repeats_itself(berth: Berth, minimal: Path, tmp_path: Path) -> None:
    first = berth("render", minimal)
    assert first.code == 0
    assert "created" in first.out
    second = berth("render", minimal)
    assert "created" not in second.out
    (tmp_path / "dify-aws" / "main.tf").write_text("# mine\n")
    third = berth("render", minimal)
    assert third.code == 3
    assert "main.tf" in third.err
    assert berth("render", minimal, "--overwrite", "--yes").code == 0
    assert (tmp_path / "dify-aws" / "main.tf.orig").read_text() == "# mine\n"


def test_commands_that_need_a_workspace_say_so(berth: Berth, minimal: Path) -> None:
    for command in ("status", "outputs", "down"):
        result = berth(command, minimal)
        assert result.code == 2
        assert "there is no workspace here" in result.err


def test_env_of_a_service_that_does_not_exist(berth: Berth, minimal: Path) -> None:
    result = berth("env", "apy", minimal)
    assert result.code == 2
    assert "plugin_daemon" in result.err


def test_an_unforeseen_error_is_one_line_and_a_private_file(
    berth: Berth, minimal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BERTH_DEBUG", raising=False)

    def broken(path: Path) -> None:
        raise ZeroDivisionError("secret-in-a-traceback")

    monkeypatch.setattr("cloudberth.pipeline.read", broken)
    result = berth("plan", minimal)
    assert result.code == 1
    assert "Traceback" not in result.err
    assert "secret-in-a-traceback" not in result.err
    details = Path(result.err.split("details in ")[1].strip())
    assert stat.S_IMODE(details.stat().st_mode) == 0o600
    details.unlink()


def test_a_closed_pipe_is_not_an_error(minimal: Path) -> None:
    script = f"{sys.executable} -m cloudberth.cli docs | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", script], capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_version_starts_quickly_without_heavy_imports() -> None:
    code = "import sys; from cloudberth.cli.main import run; run(['--version']); print(sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=True
    )
    loaded = done.stdout
    for heavy in ("'grpc'", "'boto3'", "'rich'", "'pydantic'"):
        assert heavy not in loaded


@pytest.mark.parametrize("example", sorted(path.name for path in EXAMPLES.glob("*-*.yaml")))
def test_every_example_renders(berth: Berth, example: str, tmp_path: Path) -> None:
    result = berth("render", EXAMPLES / example, "--workspace", tmp_path / "w")
    assert result.code == 0
    assert (tmp_path / "w" / "terraform.tfvars.json").is_file()
