"""What S3 and its copies are known for: errors inside of 200, refusals without words, odd bodies."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable

import pytest

from cloudberth.errors import BackendError, CorruptData, PermissionDenied, Throttled, WrongRegion
from cloudberth.storage.contract import MIB, Part, Span
from cloudberth.storage.options import Options
from storage.http.scripted_server import Peer, serving
from storage.http.test_http_lanes import error, key_of, ok, opened

ONCE = Options(retries=0, deadline=5, read_timeout=2)
OFTEN = Options(retries=3, deadline=10, read_timeout=2, part_size=5 * MIB)
SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your rate</Message></Error>"
INTERNAL = b"<Error><Code>InternalError</Code><Message>We encountered an error</Message></Error>"
STARTED = b"<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>"


def answering(answer: Callable[[bytes, int], bytes]) -> Callable[[Peer], None]:
    """A script that answers each request by its head and its number."""
    numbers = iter(range(1000))

    def script(peer: Peer) -> None:
        while head := peer.request():
            peer.send(answer(head, next(numbers)))

    return script


def test_an_error_inside_of_200_is_an_error() -> None:
    """CompleteMultipartUpload and CopyObject answer 200 before they know: the body may say no."""
    with serving(answering(lambda head, number: ok(SLOW_DOWN))) as server, opened(server, ONCE) as storage:
        with pytest.raises(Throttled):
            storage.backend.copy("a", "b")
        with pytest.raises(Throttled):
            storage.backend.finish_upload("a", "u", [Part(1, "e", 5)])
        with pytest.raises(Throttled):
            storage.backend.copy_part("a", "u", 1, "b", Span(0, 5))


def test_an_error_inside_of_200_is_tried_again() -> None:
    finished = 0

    def answer(head: bytes, number: int) -> bytes:
        nonlocal finished
        if b"uploads=" in head:
            return ok(STARTED)
        if head.startswith(b"POST"):
            finished += 1
            return ok(INTERNAL if finished == 1 else b'<R><ETag>"done-3"</ETag></R>')
        return ok()

    with serving(answering(answer)) as server, opened(server, OFTEN) as storage:
        assert storage.save("k", bytes(11 * MIB)).etag == "done-3"
    assert finished == 2


def test_a_lost_answer_to_the_end_of_an_upload_is_found_done() -> None:
    """The first answer is lost, the second try finds no such upload: the object itself has to tell."""
    parts = [Part(1, hashlib.md5(b"a").hexdigest(), 1), Part(2, hashlib.md5(b"b").hexdigest(), 1)]
    joined = b"".join(bytes.fromhex(part.etag) for part in parts)
    etag = f"{hashlib.md5(joined).hexdigest()}-2".encode()
    found = [etag, b"another-2"]

    def answer(head: bytes, number: int) -> bytes:
        if head.startswith(b"POST"):
            return error(404, b"NoSuchUpload")
        return b'HTTP/1.1 200 OK\r\nETag: "%s"\r\nContent-Length: 2\r\n\r\n' % found.pop(0)

    with serving(answering(answer)) as server, opened(server, ONCE) as storage:
        assert storage.backend.finish_upload("k", "u", parts).etag == etag.decode()
        with pytest.raises(FileNotFoundError, match="NoSuchUpload"):
            storage.backend.finish_upload("k", "u", parts)


def test_nothing_is_sent_that_other_vendors_refuse() -> None:
    """No aws-chunked, no trailers, no checksums of Amazon's own; a digest that every server can check."""
    with serving(answering(lambda head, number: ok())) as server, opened(server, ONCE) as storage:
        storage.save("k", b"content")
        head = server.requests[0].lower()
    assert b"aws-chunked" not in head
    assert b"transfer-encoding" not in head
    assert b"trailer" not in head
    assert b"x-amz-checksum" not in head
    assert f"x-amz-content-sha256: {hashlib.sha256(b'content').hexdigest()}".encode() in head


def test_a_batch_of_deletes_has_its_md5() -> None:
    """Most vendors refuse DeleteObjects without Content-MD5, and newer AWS SDKs do not send it."""
    bodies: list[bytes] = []

    def taking(peer: Peer) -> None:
        while True:
            data = b""
            while b"\r\n\r\n" not in data:
                piece = peer.socket.recv(65536)
                if not piece:
                    return
                data += piece
            head, _, body = data.partition(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            while len(body) < length:
                body += peer.socket.recv(65536)
            peer.requests.append(head)
            bodies.append(body)
            peer.send(ok(b"<DeleteResult/>"))

    with serving(taking) as server, opened(server, ONCE) as storage:
        storage.delete(["a&b", "<c>", "new\nline"])
        head = server.requests[0].lower()
    digest = base64.b64encode(hashlib.md5(bodies[0]).digest()).decode().lower()
    assert f"content-md5: {digest}".encode() in head
    assert b"<Key>a&amp;b</Key>" in bodies[0]
    assert b"<Key>new&#10;line</Key>" in bodies[0]


@pytest.mark.parametrize(
    ("headers", "vouched"),
    [
        (b'ETag: "9a0364b9e99bb480dd25e1f0284c8555"', True),
        (b'ETag: "9a0364b9e99bb480dd25e1f0284c8555-2"', False),
        (b'ETag: "9a0364b9e99bb480dd25e1f0284c8555"\r\nx-amz-server-side-encryption: aws:kms', False),
        (b'ETag: "not-an-md5-but-of-32-characters!"', False),
    ],
)
def test_an_etag_is_an_md5_only_sometimes(headers: bytes, vouched: bool) -> None:
    """Not of multipart uploads, and not under KMS: comparing it there would call good objects damaged."""
    raw = b"HTTP/1.1 200 OK\r\n%s\r\nContent-Length: 7\r\n\r\ncontent" % headers
    with serving(answering(lambda head, number: raw)) as server, opened(server, ONCE) as storage:
        assert storage.load("k") == b"content"
        assert ("md5" in storage.backend.get("k").info.checksums) is vouched


def test_a_wrong_md5_is_damage() -> None:
    raw = b'HTTP/1.1 200 OK\r\nETag: "00000000000000000000000000000000"\r\nContent-Length: 7\r\n\r\ncontent'
    script = answering(lambda head, number: raw)
    with serving(script) as server, opened(server, ONCE) as storage, pytest.raises(CorruptData, match="md5"):
        storage.load("k")


def test_a_refusal_of_a_head_is_asked_for_its_reason() -> None:
    """An answer to HEAD has no body: the reason comes with a GET of one byte."""

    def answer(head: bytes, number: int) -> bytes:
        if head.startswith(b"HEAD"):
            return b"HTTP/1.1 403 Forbidden\r\nContent-Length: 50\r\n\r\n"
        return error(403, b"InvalidAccessKeyId")

    with serving(answering(answer)) as server, opened(server, ONCE) as storage:
        with pytest.raises(PermissionDenied, match="InvalidAccessKeyId"):
            storage.head("k")
        assert b"range: bytes=0-0" in server.requests[1].lower()
        assert key_of(server.requests[1]) == b"k"


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 301 Moved\r\nx-amz-bucket-region: eu-central-1\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 400 No\r\nContent-Length: 89\r\n\r\n<Error><Code>AuthorizationHeaderMalformed</Code>"
        b"<Region>eu-central-1</Region></Error>    ",
    ],
)
def test_another_region_is_named(raw: bytes) -> None:
    with serving(answering(lambda head, number: raw)) as server, opened(server, ONCE) as storage:
        with pytest.raises(WrongRegion) as caught:
            storage.check()
        assert "eu-central-1" in caught.value.hint


def test_a_list_that_does_not_advance_ends() -> None:
    """A server that gives the same page for ever must not hold a migration for ever."""
    page = (
        b"<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
        b"<Contents><Key>a</Key><Size>1</Size></Contents></ListBucketResult>"
    )
    script = answering(lambda head, number: ok(page))
    found = pytest.raises(BackendError, match="does not advance")
    with serving(script) as server, opened(server, ONCE) as storage, found:
        list(storage.list())
