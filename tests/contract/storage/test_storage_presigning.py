"""Signed URLs, used without our client, as a browser would: they work, and only for what was signed."""

from __future__ import annotations

import time

import pytest
from rig import Running
from storage_cases import ODD_KEYS, Lacks, Refused, content, save_all, send

from cloudberth.errors import InvalidInput
from cloudberth.storage.contract import SignedRequest
from cloudberth.storage.storage import Storage


def address_of(running: Running) -> tuple[str, int]:
    assert running.address is not None, "a rig that signs URLs has to say where its server listens"
    return running.address


@pytest.mark.parametrize("case", ["plain", "query-signs", "percent", "chinese-emoji", "two-slashes", "plus"])
def test_a_signed_get(storage: Storage, running: Running, lacks: Lacks, refused: Refused, case: str) -> None:
    key = ODD_KEYS[case]
    if "GET" not in storage.capabilities.presign:
        with lacks("signed URLs for GET"):
            storage.presign(key)
        return
    if key not in save_all(storage, [key, "a"], refused, content(10_000)):
        return
    signed = storage.presign(key, seconds=60)
    assert signed.method == "GET"
    assert send(signed, address_of(running)) == (200, content(10_000))


def test_a_signed_put(storage: Storage, running: Running, lacks: Lacks) -> None:
    if "PUT" not in storage.capabilities.presign:
        with lacks("signed URLs for PUT"):
            storage.presign("a", "PUT")
        return
    signed = storage.presign("a +1", "PUT", seconds=60, content_type="text/plain")
    status, body = send(signed, address_of(running), b"from anybody")
    assert status in (200, 201), body
    assert storage.load("a +1") == b"from anybody"
    if storage.capabilities.attributes:
        assert storage.head("a +1").attributes.content_type == "text/plain"


def test_a_signed_url_is_for_one_object(storage: Storage, running: Running, lacks: Lacks) -> None:
    if "GET" not in storage.capabilities.presign:
        with lacks("signed URLs for GET"):
            storage.presign("object-1")
        return
    storage.save("object-1", b"one")
    storage.save("object-2", b"two")
    signed = storage.presign("object-1", seconds=60)
    other = SignedRequest(signed.method, signed.url.replace("object-1", "object-2"), signed.headers)
    assert other.url != signed.url
    status, body = send(other, address_of(running))
    assert 400 <= status < 500
    assert body != b"two"


def test_a_signed_get_does_not_write(storage: Storage, running: Running, lacks: Lacks) -> None:
    if "GET" not in storage.capabilities.presign:
        with lacks("signed URLs for GET"):
            storage.presign("a")
        return
    storage.save("a", b"old")
    signed = storage.presign("a", seconds=60)
    status, _ = send(SignedRequest("PUT", signed.url, signed.headers), address_of(running), b"new")
    assert 400 <= status < 500
    assert storage.load("a") == b"old"


def test_a_signed_url_expires(storage: Storage, running: Running, lacks: Lacks) -> None:
    if "GET" not in storage.capabilities.presign:
        with lacks("signed URLs for GET"):
            storage.presign("a")
        return
    storage.save("a", b"x")
    signed = storage.presign("a", seconds=1)
    end = time.monotonic() + 6
    while (status := send(signed, address_of(running))[0]) == 200 and time.monotonic() < end:
        time.sleep(0.3)
    assert 400 <= status < 500


@pytest.mark.parametrize("seconds", [0, -1, 604_801])
def test_a_time_that_no_vendor_takes_is_refused(storage: Storage, lacks: Lacks, seconds: int) -> None:
    if "GET" not in storage.capabilities.presign:
        with lacks("signed URLs for GET"):
            storage.presign("a", seconds=seconds)
        return
    with pytest.raises(InvalidInput, match="7 days"):
        storage.presign("a", seconds=seconds)


def test_signing_makes_no_request(storage: Storage, lacks: Lacks) -> None:
    if "GET" not in storage.capabilities.presign:
        with lacks("signed URLs for GET"):
            storage.presign("missing")
        return
    before = dict(storage.metrics.calls)
    assert storage.presign("missing").url
    after = {name: count for name, count in storage.metrics.calls.items() if name != "presign"}
    assert after == {name: count for name, count in before.items() if name != "presign"}
