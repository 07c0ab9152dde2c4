"""Dify's seven methods, with the behaviour that its code relies on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from storage_cases import content

from cloudberth.errors import InvalidInput
from cloudberth.storage.storage import Storage

TENANT = "upload_files/0b1c/"


@pytest.fixture
def filled(storage: Storage) -> Storage:
    for key in (f"{TENANT}a.txt", f"{TENANT}deep/er/b.txt", "privkeys/0b1c/private.pem", ".dify_secret_key"):
        storage.save(key, key.encode())
    return storage


def test_save_load_once_and_load_stream(storage: Storage) -> None:
    storage.save(f"{TENANT}file.bin", content(600_000))
    assert storage.load_once(f"{TENANT}file.bin") == content(600_000)
    stream = storage.load_stream(f"{TENANT}file.bin")
    assert isinstance(stream, Iterator)
    assert b"".join(stream) == content(600_000)


def test_download(filled: Storage, tmp_path: Path) -> None:
    filled.download(f"{TENANT}a.txt", str(tmp_path / "a.txt"))
    assert (tmp_path / "a.txt").read_text() == f"{TENANT}a.txt"


def test_exists_and_delete(filled: Storage) -> None:
    assert filled.exists(".dify_secret_key") is True
    filled.delete(".dify_secret_key")
    assert filled.exists(".dify_secret_key") is False
    filled.delete(".dify_secret_key")


def test_a_missing_secret_key_is_a_missing_file(storage: Storage) -> None:
    """Dify's start asks for the key and makes one on FileNotFoundError; any other error stops it."""
    with pytest.raises(FileNotFoundError):
        storage.load_once(".dify_secret_key")
    with pytest.raises(FileNotFoundError):
        storage.load_stream(".dify_secret_key")


@pytest.mark.parametrize("folder", ["upload_files", "upload_files/"])
def test_scan_gives_files_of_all_depths(filled: Storage, folder: str) -> None:
    assert sorted(filled.scan(folder)) == [f"{TENANT}a.txt", f"{TENANT}deep/er/b.txt"]


def test_scan_gives_directories_when_asked(filled: Storage) -> None:
    folders = ["upload_files/0b1c/", "upload_files/0b1c/deep/", "upload_files/0b1c/deep/er/"]
    assert sorted(filled.scan("upload_files", files=False, directories=True)) == folders
    both = sorted([*folders, f"{TENANT}a.txt", f"{TENANT}deep/er/b.txt"])
    assert sorted(filled.scan("upload_files", files=True, directories=True)) == both


def test_scan_of_nothing(filled: Storage) -> None:
    assert list(filled.scan("upload")) == []
    with pytest.raises(InvalidInput):
        filled.scan("upload_files", files=False)


def test_scan_of_the_root(filled: Storage) -> None:
    assert sorted(filled.scan("")) == [
        ".dify_secret_key",
        "privkeys/0b1c/private.pem",
        f"{TENANT}a.txt",
        f"{TENANT}deep/er/b.txt",
    ]


def test_load_as_a_stream(filled: Storage) -> None:
    """Dify's facade has `load(filename, stream=True)` besides its seven methods."""
    key = f"{TENANT}a.txt"
    assert b"".join(filled.load(key, stream=True)) == filled.load(key) == filled.load_once(key)
