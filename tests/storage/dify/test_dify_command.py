"""`migrate --dify` as people call it: two locations, what is shown, what is asked, exit codes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from dify_installation import PASSWORD, Installation
from test_dify_migration import tree

from cloudberth.cli.storage.dify import facts_of
from cloudberth.cli.storage.transfer import migrate
from cloudberth.errors import InvalidInput, Refused

pytestmark = pytest.mark.server


@pytest.fixture
def call(dify: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs the command from a folder with `old.env` and `new.env` in it."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in [name for name in os.environ if name.startswith("DB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
    write_env("old.env", {**dify.environment, **store(dify, "source"), "SECRET_KEY": "sk-one"})
    write_env("new.env", {**dify.environment, **store(dify, "destination"), "SECRET_KEY": "sk-one"})

    def run(*arguments: str, **named: Any) -> Result:
        return CliRunner().invoke(migrate, ["old.env", "new.env", "--dify", *arguments], **named)

    return run


def store(dify: Installation, name: str) -> dict[str, str]:
    kind = "OPENDAL_FS_ROOT" if name == "destination" else "STORAGE_LOCAL_PATH"
    return {
        "STORAGE_TYPE": "opendal" if name == "destination" else "local",
        kind: str(dify.folder / name),
    }


def write_env(name: str, variables: dict[str, str]) -> None:
    text = "".join(f'{name}="{value}"\n' for name, value in variables.items())
    Path(name).write_text(text, encoding="utf-8")


def test_a_dry_run_shows_what_is_there_and_what_would_be(
    dify: Installation, call: Callable[..., Result]
) -> None:
    result = call("--dry-run")
    assert result.exit_code == 0, result.output
    for line in (
        r"privkeys/{tenant}/private.pem",
        "critical",
        "(Dify's own command leaves it out)",
        "unknown: export-2026.jsonl.gz",
        "rows of upload_files: 6 local",
        "to move: 21 objects",
        "workspaces checked: 1",
        "Nothing was changed.",
    ):
        assert line in result.output
    assert dify.types() == {"local": 6}
    assert not tree(dify.destination)
    assert not list(Path().glob("dify-migration-*"))


def test_it_asks_and_a_no_changes_nothing(dify: Installation, call: Callable[..., Result]) -> None:
    result = call(input="n\n")
    assert result.exit_code == 1
    assert (
        f"change 6 rows of postgresql://dify@127.0.0.1:{dify.postgres.port}/{dify.database}?" in result.output
    )
    assert dify.types() == {"local": 6}
    assert not tree(dify.destination)


def test_with_a_yes_it_moves_and_leaves_a_report(dify: Installation, call: Callable[..., Result]) -> None:
    result = call(input="y\n")
    assert result.exit_code == 0, result.output
    assert "moved: 21 objects" in result.output
    assert "storage type: 6 rows are" in result.output
    (folder,) = Path().glob("dify-migration-*")
    report = json.loads((folder / "report.json").read_text())
    assert (report["result"], report["rows"]["changed"]) == ("done", 6)
    assert report["rows"]["storage_types_before"] == {"local": 6}
    assert "UPDATE upload_files" in (folder / "rollback.sql").read_text()
    everything = result.output + "".join(path.read_text() for path in folder.iterdir())
    assert PASSWORD not in everything
    assert "PRIVATE KEY" not in everything


def test_json_is_for_programs(dify: Installation, call: Callable[..., Result]) -> None:
    result = call("--yes", "--json", "--dify-report", "there")
    document = json.loads(result.stdout)
    assert document["objects"]["total"]["objects"] == 21
    assert {kind["criticality"] for kind in document["objects"]["kinds"]} >= {"critical", "unknown"}
    assert Path("there/report.json").exists()


def test_a_dry_run_that_would_be_refused_says_so_at_its_end(
    dify: Installation, call: Callable[..., Result]
) -> None:
    dify.source.delete(f"privkeys/{dify.tenants[0]}/private.pem")
    result = call("--dry-run")
    assert isinstance(result.exception, Refused)
    assert result.exception.exit_code == 3
    assert "the private key is missing" in result.output
    assert "Nothing was changed." in result.output


def test_another_secret_key_is_pointed_out(dify: Installation, call: Callable[..., Result]) -> None:
    write_env("new.env", {**dify.environment, **store(dify, "destination"), "SECRET_KEY": "sk-two"})
    result = call("--dry-run")
    assert "SECRET_KEY is another one in the new settings" in result.output
    assert "sk-one" not in result.output + result.stderr


def test_two_databases_have_to_be_chosen_between(dify: Installation, call: Callable[..., Result]) -> None:
    other = {**dify.environment, "DB_HOST": "elsewhere.example.com"}
    write_env("new.env", {**other, **store(dify, "destination")})
    result = call("--dry-run")
    assert isinstance(result.exception, InvalidInput)
    assert "SRC and DST name different databases" in str(result.exception)
    assert PASSWORD not in str(result.exception)
    assert call("--dry-run", "--database", "old.env").exit_code == 0


def test_variables_of_the_shell_stand_above_the_file(
    dify: Installation, call: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in Dify: compose's database has a name that only containers know."""
    inside = {**dify.environment, "DB_HOST": "db_postgres", "DB_PORT": "5432"}
    write_env("old.env", {**inside, **store(dify, "source")})
    write_env("new.env", {**inside, **store(dify, "destination")})
    monkeypatch.setenv("DB_HOST", "127.0.0.1")
    monkeypatch.setenv("DB_PORT", str(dify.postgres.port))
    assert call("--dry-run").exit_code == 0


def test_without_any_database_it_is_said_how(dify: Installation, call: Callable[..., Result]) -> None:
    source, destination = str(dify.folder / "source"), str(dify.folder / "destination")
    result = CliRunner().invoke(migrate, [source, destination, "--dify", "--dry-run"])
    assert isinstance(result.exception, InvalidInput)
    assert "--database" in result.exception.hint
    named = CliRunner().invoke(migrate, [source, destination, "--dify", "--dry-run", "--database", "old.env"])
    assert named.exit_code == 0, named.output


@pytest.mark.parametrize("option", ["--deep", "--keep-storage-type", "--allow-lost", "--database=x"])
def test_its_options_need_dify(option: str) -> None:
    result = CliRunner().invoke(migrate, ["a", "b", option])
    assert result.exit_code == 2
    assert "need --dify" in result.output


def test_keys_in_a_vault_are_known_from_the_settings() -> None:
    assert facts_of([{"KEY_PROVIDER_TYPE": "azure-keyvault"}, {}]).keys_elsewhere == "azure-keyvault"
    assert facts_of([{"KEY_PROVIDER_TYPE": "local"}, {}]).keys_elsewhere == ""
    assert facts_of([{"A": "1"}, {}]).secret_key is False
    assert facts_of([{}, {"A": "1"}]).secret_key is True
