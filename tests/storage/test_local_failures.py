"""The type ``local``: full disks, missing rights, and what a killed writer leaves."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudberth.errors import (
    BackendError,
    BucketNotFound,
    Kind,
    PermissionDenied,
    Unsupported,
)
from cloudberth.storage.body import BytesBody, FileBody
from cloudberth.storage.contract import Condition
from cloudberth.storage.local import Local, LocalSettings
from cloudberth.storage.local_draft import STALE
from cloudberth.storage.options import Options
from storage.local_folder import content, drafts, listed, put, root_of

# -- what the system says no with ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "kind", "retryable"),
    [
        (errno.ENOSPC, Kind.UNAVAILABLE, False),
        (errno.EDQUOT, Kind.UNAVAILABLE, False),
        (errno.EACCES, Kind.PERMISSION, False),
        (errno.EROFS, Kind.PERMISSION, False),
        (errno.ENAMETOOLONG, Kind.INVALID, False),
        (errno.EFBIG, Kind.INVALID, False),
        (errno.EIO, Kind.UNAVAILABLE, True),
        (errno.ESTALE, Kind.UNAVAILABLE, True),
        (errno.EMFILE, Kind.UNAVAILABLE, True),
        (errno.ETIMEDOUT, Kind.UNAVAILABLE, True),
        (errno.EXDEV, Kind.UNEXPECTED, False),
    ],
)
@pytest.mark.parametrize("call", ["write", "rename", "fstat"])
def test_errors_have_types_and_leave_nothing(
    local: Local, monkeypatch: pytest.MonkeyPatch, number: int, kind: Kind, retryable: bool, call: str
) -> None:
    put(local, "a", b"old")

    def fails(*arguments: object, **named: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, call, fails)
        with pytest.raises(BackendError) as caught:
            put(local, "a", b"new")
    assert (caught.value.kind, caught.value.retryable) == (kind, retryable)
    assert caught.value.code == errno.errorcode[number]
    assert "a" in caught.value.where
    assert content(local, "a") == b"old"
    assert drafts(local) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], capture_output=True)
    if mount.returncode:
        pytest.skip("only an administrator can mount a small disk")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_full_disk(small_disk: Path, tmp_path: Path) -> None:
    local = Local(small_disk)
    put(local, "old", b"old")
    source = tmp_path / "source"
    source.write_bytes(os.urandom(3_000_000))
    for body in (BytesBody(source.read_bytes()), FileBody(source)):
        with pytest.raises(BackendError) as caught:
            local.put("new", body)
        assert caught.value.code == "ENOSPC"
        assert not caught.value.retryable
        assert "free space" in caught.value.hint
    assert listed(local) == ["old"]
    assert drafts(local) == []
    put(local, "fits", b"x" * 500_000)


def test_a_disk_mounted_for_reading(small_disk: Path) -> None:
    local = Local(small_disk)
    put(local, "a", b"data")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(PermissionDenied, match="Read-only"):
        put(local, "b")
    assert "Read-only" in str(local.delete(["a"])[0].error)
    local.check_bucket()
    assert content(local, "a") == b"data"
    assert listed(local) == ["a"]


WITHOUT_RIGHTS = """
import os, sys
from pathlib import Path
from cloudberth.errors import PermissionDenied
from cloudberth.storage.body import BytesBody
from cloudberth.storage.local import Local
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
local = Local(Path(sys.argv[1]))
put = lambda: local.put("folder/b", BytesBody(b"1"))
for call in (put, lambda: local.get("folder/a"), local.list, lambda: local.delete(["a"]), local.check_bucket):
    try:
        call()
    except PermissionDenied:
        print("denied")
"""


def test_no_rights(local: Local) -> None:
    put(local, "folder/a", b"1")
    root_of(local).chmod(0)
    try:
        command = [sys.executable, "-c", WITHOUT_RIGHTS, str(root_of(local))]
        ran = subprocess.run(command, capture_output=True, text=True)
    finally:
        root_of(local).chmod(0o700)
    assert ran.stdout.split() == ["denied"] * 5, ran.stderr


def test_no_folder(tmp_path: Path) -> None:
    local = Local(tmp_path / "missing/root")
    for call in (
        lambda: put(local, "a"),
        lambda: local.get("a"),
        lambda: local.list(),
        lambda: local.delete(["a"]),
        local.check_bucket,
        lambda: local.start_upload("a"),
        lambda: list(local.list_uploads()),
    ):
        with pytest.raises(BucketNotFound):
            call()
    local.create_bucket()
    local.create_bucket()
    assert (tmp_path / "missing/root").stat().st_mode & 0o777 == 0o700
    put(local, "a")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(BucketNotFound, match="no folder"):
        Local(tmp_path / "file").check_bucket()


def test_a_file_system_without_links_cannot_write_on_condition(
    local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no(*arguments: object, **named: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", no)
    with pytest.raises(Unsupported):
        local.put("a", BytesBody(b""), condition=Condition(absent=True))
    put(local, "a")


def test_drafts_of_the_dead_are_swept_after_a_day(local: Local) -> None:
    put(local, "a")
    folder = root_of(local) / ".berth/tmp"
    for name, age in (("old", STALE + 60), ("young", STALE - 3600)):
        (folder / name).write_bytes(b"half")
        os.utime(folder / name, (time.time() - age,) * 2)
    put(Local(root_of(local), sync=False), "b")
    assert drafts(local) == ["young"]
    assert listed(local) == ["a", "b"]


def test_settings() -> None:
    assert LocalSettings.from_environment({}).bucket == "storage"
    settings = LocalSettings.from_environment(
        {"STORAGE_LOCAL_PATH": "/srv/x", "STORAGE_LOCAL_FSYNC": "false"}
    )
    local = Local.open(settings, Options())
    assert (local.place, local.tree.sync) == ("file:///srv/x", False)
