"""A whole Dify from a folder to S3 and back, by the command, over a real connection."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from dify_installation import Installation
from test_dify_migration import tree

from cloudberth import storage
from cloudberth.cli.main import run

pytestmark = pytest.mark.server
SERVERS = Path(__file__).resolve().parents[2] / "contract" / "storage"


@pytest.fixture
def s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Dify's variables of an empty bucket."""
    monkeypatch.syspath_prepend(str(SERVERS))
    ministack = importlib.import_module("servers.ministack")
    if reason := ministack.missing():
        pytest.skip(f"NOT TESTED: {reason}")
    with ministack.started(tmp_path) as server:
        yield {
            "STORAGE_TYPE": "s3",
            "S3_ENDPOINT": server.url,
            "S3_REGION": "eu-west-1",
            "S3_BUCKET_NAME": "dify-files",
            "S3_ACCESS_KEY": server.access_key,
            "S3_SECRET_KEY": server.secret_key,
            "S3_ADDRESS_STYLE": "path",
        }


def test_there_and_back_again(
    dify: Installation,
    s3: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    lines = [f'{name}="{value}"' for name, value in {**dify.environment, **s3}.items()]
    Path("new.env").write_text("\n".join(lines), encoding="utf-8")
    odd = f"upload_files/{dify.tenants[0]}/ä b+c%25//d?.txt"
    dify.source.save(odd, b"odd")
    there = ["storage", "migrate", "./source", "new.env", "--dify", "--deep", "--yes", "--create-bucket"]
    assert run([*there, "--dry-run"]) == 0
    assert run(there) == 0, capsys.readouterr()
    with storage.open(s3) as bucket:
        assert tree(bucket) == tree(dify.source)
        assert bucket.load(odd) == b"odd"
    assert dify.types() == {"s3": 6}
    assert run(there) == 0
    assert "moved: 0 objects" in capsys.readouterr().out

    back = ["storage", "migrate", "new.env", "./back", "--dify", "--yes"]
    assert run(back) == 0, capsys.readouterr()
    with storage.open({"STORAGE_TYPE": "local", "STORAGE_LOCAL_PATH": str(tmp_path / "back")}) as folder:
        assert tree(folder) == tree(dify.source)
    assert dify.types() == {"local": 6}


def test_a_refusal_is_exit_code_three(
    dify: Installation,
    s3: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    lines = [f'{name}="{value}"' for name, value in {**dify.environment, **s3}.items()]
    Path("new.env").write_text("\n".join(lines), encoding="utf-8")
    dify.source.delete(f"privkeys/{dify.tenants[0]}/private.pem")
    command = ["storage", "migrate", "./source", "new.env", "--dify", "--yes", "--create-bucket"]
    assert run([*command, "--dry-run"]) == 3
    assert run(command) == 3
    assert "the private key is missing" in capsys.readouterr().err
    assert dify.types() == {"local": 6}
