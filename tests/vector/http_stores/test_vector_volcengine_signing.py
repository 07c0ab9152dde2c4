"""Volcengine's signature: the same, letter by letter, as that of the vendor's library."""

from __future__ import annotations

import calendar
import time
from typing import Any

import pytest

from cloudberth.storage.http.message import Origin, Request
from cloudberth.vector._volcengine_v4 import sign

MOMENT = "20261127T050607Z"
NOW = calendar.timegm(time.strptime(MOMENT, "%Y%m%dT%H%M%SZ"))
SCOPE = "cn-shanghai/air/request"

CASES = {
    "post": ("POST", "http://api-vikingdb.example.com", "/api/collection/create", (), '{"a":"值"}'),
    "get with a body": ("GET", "https://api-vikingdb.example.com", "/api/collection/list", (), "{}"),
    "port": ("POST", "http://127.0.0.1:8080", "/api/index/search", (), ""),
    "query": ("GET", "http://h", "/api/x", (("b", "a b+c"), ("a", "~/值")), ""),
}


def ours(method: str, url: str, path: str, query: tuple[tuple[str, str], ...], body: str) -> str:
    headers = {"content-type": "application/json"}
    request = Request(method, Origin.parse(url), path, query, headers)
    sign(request, body.encode(), "AKTESTS", "of-tests-no-secret", SCOPE, NOW)
    assert headers["x-date"] == MOMENT
    return headers["authorization"]


@pytest.mark.parametrize("case", CASES)
def test_the_signature_is_that_of_the_vendor(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    signer = pytest.importorskip("volcengine.auth.SignerV4").SignerV4
    from volcengine.base.Request import Request as VendorRequest
    from volcengine.Credentials import Credentials

    method, url, path, query, body = CASES[case]
    request: Any = VendorRequest()
    request.set_method(method)
    request.set_path(path)
    request.set_query(dict(query))
    request.set_body(body)
    request.set_headers({"Host": Origin.parse(url).authority, "Content-Type": "application/json"})
    monkeypatch.setattr(signer, "get_current_format_date", staticmethod(lambda: MOMENT))
    signer.sign(request, Credentials("AKTESTS", "of-tests-no-secret", "air", "cn-shanghai"))
    assert ours(*CASES[case]) == request.headers["Authorization"]


def test_the_signature_stays_what_it_was() -> None:
    """Recorded from the vendor's library, for machines that do not have it."""
    assert ours(*CASES["post"]) == (
        "HMAC-SHA256 Credential=AKTESTS/20261127/cn-shanghai/air/request, "
        "SignedHeaders=content-type;host;x-content-sha256;x-date, "
        "Signature=e570101713abce0070c41a71bf2b362114dff43004c386738e9fe234e28843a0"
    )
