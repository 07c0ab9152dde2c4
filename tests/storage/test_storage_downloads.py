"""Downloads from servers that are not what they should be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cloudberth.errors import InvalidInput, NotFound, Unavailable
from cloudberth.storage.body import FileReader
from cloudberth.storage.options import Options
from storage.http.scripted_server import Peer, serving
from storage.http.test_http_lanes import opened

OPTIONS = Options(retries=1, deadline=10, read_timeout=2, part_size=5 * 2**20)


def test_a_server_without_ranges_gives_the_whole(tmp_path: Path) -> None:
    """As `rclone serve s3` does: 200 and everything, whatever range was asked for."""
    content = bytes(range(256)) * 40_000

    def no_ranges(peer: Peer) -> None:
        while peer.request():
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content) + content)

    with serving(no_ranges) as server, opened(server, OPTIONS) as storage:
        assert storage.download("k", tmp_path / "file").size == len(content)
        assert (tmp_path / "file").read_bytes() == content
        assert len(server.requests) == 2


def test_a_download_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    def missing(peer: Peer) -> None:
        while peer.request():
            peer.send(b"HTTP/1.1 404 No\r\nContent-Length: 38\r\n\r\n<Error><Code>NoSuchKey</Code></Error>  ")

    (tmp_path / "file").write_text("old")
    with serving(missing) as server, opened(server, OPTIONS) as storage:
        with pytest.raises(NotFound):
            storage.download("k", tmp_path / "file")
        with pytest.raises(InvalidInput, match="cannot be written"):
            storage.download("k", tmp_path / "no" / "such" / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "old"


def test_a_disk_that_fails_while_it_is_read_is_an_error_of_ours() -> None:
    """A folder cannot be read as a file: that is as near as a test comes to a broken disk."""
    reader = FileReader(os.open("/", os.O_RDONLY), 10)
    with reader, pytest.raises(Unavailable, match="reading failed"):
        reader.read(5)
    other = FileReader(os.open("/", os.O_RDONLY), 10)
    with other, pytest.raises(Unavailable, match="reading failed"):
        other.readinto(memoryview(bytearray(5)))
