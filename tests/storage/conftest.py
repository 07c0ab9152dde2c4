"""Fixtures of the storage tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudberth.storage.local import Local


@pytest.fixture
def local(tmp_path: Path) -> Local:
    """The type ``local`` on an empty folder."""
    (tmp_path / "root").mkdir()
    return Local(tmp_path / "root", sync=False)
