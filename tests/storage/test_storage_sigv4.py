"""Signature Version 4: what botocore signs, we sign the same, header by header and URL by URL."""

from __future__ import annotations

import datetime

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given
from hypothesis import strategies as some

from cloudberth.storage.body import BytesBody
from cloudberth.storage.credentials import Credentials
from cloudberth.storage.http.message import Origin, Request, encode_key
from cloudberth.storage.signing.sigv4 import SigV4

NOW = datetime.datetime(2026, 11, 26, 12, 30, 15, tzinfo=datetime.UTC)
ORIGIN = Origin("https", "bucket.s3.eu-central-1.amazonaws.com", 443)
KEYS = ["plain", "a//b", "a/../b", "é中文😀 +%&=", "'q\"uote", "~tilde", "/lead", "dir/"]


@pytest.fixture(autouse=True)
def _frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "botocore.auth.get_current_datetime", lambda remove_tzinfo=True: NOW.replace(tzinfo=None)
    )


def theirs(request: Request, token: str | None) -> str:
    headers = {name: value for name, value in request.headers.items() if name != "authorization"}
    boto = AWSRequest(request.method, request.url, headers=headers, data=request.body.read())
    boto.context["payload_signing_enabled"] = True
    S3SigV4Auth(BotoCredentials("AKID", "secret", token), "s3", "eu-central-1").add_auth(boto)
    return str(boto.headers["Authorization"])


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("token", [None, "a+session/token=="])
def test_headers_are_signed_as_botocore_does(key: str, token: str | None) -> None:
    request = Request(
        "PUT",
        ORIGIN,
        "/" + encode_key(key),
        (("partNumber", "3"), ("uploadId", "a b/c"), ("acl", "")),
        {"content-type": "text/plain", "x-amz-meta-a": "two  spaces"},
        BytesBody(b"content"),
    )
    SigV4("eu-central-1").sign(request, Credentials("AKID", "secret", token), NOW.timestamp())
    assert request.headers["authorization"] == theirs(request, token)


def test_signing_again_replaces_the_first() -> None:
    request = Request("GET", ORIGIN, "/k")
    signer = SigV4("eu-central-1")
    signer.sign(request, Credentials("AKID", "secret"), NOW.timestamp() - 100)
    signer.sign(request, Credentials("AKID", "secret"), NOW.timestamp())
    assert request.headers["authorization"] == theirs(request, None)


def test_a_key_that_was_kept_serves_its_own_day_secret_region_and_service_alone() -> None:
    """Twice over, so that each meets the keys of the others; botocore derives its own every time."""
    cases = [
        (day, secret, region, service)
        for day in ("20261126", "20261127")
        for secret in ("secret", "another")
        for region, service in (("eu-west-1", "s3"), ("eu-west-2", "s3"), ("eu-west-1", "es"))
    ]
    for day, secret, region, service in cases * 2:
        request = Request("GET", ORIGIN, "/k")
        moment = datetime.datetime.strptime(f"{day}T120000Z", "%Y%m%dT%H%M%S%z")
        SigV4(region, service).sign(request, Credentials("AKID", secret), moment.timestamp())
        headers = {name: value for name, value in request.headers.items() if name != "authorization"}
        boto = AWSRequest("GET", request.url, headers=headers)
        boto.context["timestamp"] = headers["x-amz-date"]
        signer = SigV4Auth(BotoCredentials("AKID", secret), service, region)
        theirs = signer.signature(signer.string_to_sign(boto, signer.canonical_request(boto)), boto)
        assert request.headers["authorization"].endswith(f"Signature={theirs}"), (day, region, service)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("token", [None, "a+session/token=="])
def test_urls_are_signed_as_botocore_does(key: str, token: str | None) -> None:
    path = "/" + encode_key(key)
    ours = SigV4("eu-central-1").presign(
        "GET", ORIGIN, path, {}, Credentials("AKID", "secret", token), 600, NOW.timestamp()
    )
    boto = AWSRequest("GET", f"{ORIGIN}{path}")
    S3SigV4QueryAuth(BotoCredentials("AKID", "secret", token), "s3", "eu-central-1", expires=600).add_auth(
        boto
    )
    assert dict(_pairs(ours)) == dict(_pairs(boto.url))


def _pairs(url: str) -> list[tuple[str, str]]:
    from urllib.parse import parse_qsl

    return parse_qsl(url.partition("?")[2])


@given(some.text(min_size=1, max_size=40), some.text(max_size=20))
def test_any_key_and_query(key: str, value: str) -> None:
    if any(0xD800 <= ord(character) < 0xE000 for character in key + value):
        return
    request = Request("GET", ORIGIN, "/" + encode_key(key), (("prefix", value),))
    SigV4("eu-central-1").sign(request, Credentials("AKID", "secret"), NOW.timestamp())
    assert request.headers["authorization"] == theirs(request, None)


def test_no_secret_is_shown() -> None:
    shown = repr(Credentials("AKID", "secret-of-the-test", "token-of-the-test"))
    assert "AKID" in shown
    assert "of-the-test" not in shown
