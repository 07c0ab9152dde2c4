"""Commands as users type them, in a folder of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from typed_commands import Berth, Result

from cloudberth.cli.main import run


@pytest.fixture
def berth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Berth:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: object) -> Result:
        capfd.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return Result(code, captured.out, captured.err)

    return call


@pytest.fixture
def minimal(tmp_path: Path) -> Path:
    path = tmp_path / "berth.yaml"
    path.write_text("name: dify\napp: dify\ncloud: aws\nregion: us-east-1\n")
    return path
