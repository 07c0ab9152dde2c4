"""bce-auth-v1 against Baidu's own signer: the same text for the same request."""

from __future__ import annotations

import pytest
from baidubce.auth import bce_v1_signer
from baidubce.auth.bce_credentials import BceCredentials
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudberth.storage.credentials import Credentials
from cloudberth.storage.http.message import Origin, Request, encode_key
from cloudberth.storage.signing.bce_v1 import BceV1
from thoroughness import examples

NOW = 1_761_000_000.0
KEYS = Credentials("ak", "sk-secret")
ORIGIN = Origin.parse("https://bucket.bj.bcebos.com")
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), min_size=1, max_size=20)


def vendors(request: Request, names: set[bytes], seconds: int = 1800) -> str:
    """What Baidu's signer says of a request."""
    headers = {name.encode(): value.encode() for name, value in request.headers.items()}
    headers.pop(b"authorization", None)
    headers[b"host"] = request.origin.authority.encode()
    parameters = {name.encode(): value.encode() for name, value in request.query if name != "authorization"}
    return str(
        bce_v1_signer.sign(
            BceCredentials("ak", "sk-secret"), request.method.encode(), request.path.encode(), headers,
            parameters, int(NOW), seconds, names,
        ).decode()
    )  # fmt: skip


def signature(text: str) -> str:
    return text.rpartition("/")[2]


@settings(max_examples=examples(200, 60))
@given(key=TEXT, value=TEXT, query=st.dictionaries(TEXT, TEXT, max_size=3))
def test_headers_are_signed_as_baidu_signs_them(key: str, value: str, query: dict[str, str]) -> None:
    headers = {"content-type": "text/plain; charset=utf-8", "x-bce-meta-a": value.strip() or "a"}
    request = Request("PUT", ORIGIN, f"/{encode_key(key)}", tuple(query.items()), headers)
    BceV1().sign(request, KEYS, NOW)
    found = request.headers["authorization"]
    assert found.startswith(
        "bce-auth-v1/ak/2025-10-20T22:40:00Z/1800/content-type;host;x-bce-date;x-bce-meta-a/"
    )
    names = {b"host", b"content-type", b"content-md5"}
    assert signature(found) == signature(vendors(request, names))


@settings(max_examples=examples(100, 40))
@given(key=TEXT, query=st.dictionaries(TEXT, TEXT, max_size=3))
def test_urls_are_signed_as_baidu_signs_them(key: str, query: dict[str, str]) -> None:
    query.pop("authorization", None)
    request = Request("GET", ORIGIN, f"/{encode_key(key)}", tuple(query.items()))
    BceV1().presign(request, KEYS, NOW, 60)
    assert request.headers == {}
    (found,) = [value for name, value in request.query if name == "authorization"]
    assert found.startswith("bce-auth-v1/ak/2025-10-20T22:40:00Z/60/host/")
    assert signature(found) == signature(vendors(request, {b"host"}, 60))


def test_a_second_attempt_signs_anew() -> None:
    request = Request("GET", ORIGIN, "/a")
    signer = BceV1()
    signer.sign(request, KEYS, NOW)
    first = dict(request.headers)
    signer.sign(request, KEYS, NOW + 1)
    assert request.headers["x-bce-date"] == "2025-10-20T22:40:01Z"
    assert request.headers["authorization"] != first["authorization"]
    signer.sign(request, KEYS, NOW)
    assert request.headers == first


@pytest.mark.parametrize("name", ["x-bce-security-token", "authorization"])
def test_a_token_is_sent_and_signed(name: str) -> None:
    keys = Credentials("ak", "sk-secret", token="tok")
    plain, temporary = Request("GET", ORIGIN, "/a"), Request("GET", ORIGIN, "/a")
    BceV1().sign(plain, KEYS, NOW)
    BceV1().sign(temporary, keys, NOW)
    assert temporary.headers["x-bce-security-token"] == "tok"
    assert temporary.headers[name] != plain.headers.get(name)


def test_headers_without_a_value_are_not_signed() -> None:
    request = Request("PUT", ORIGIN, "/a", (), {"x-bce-meta-empty": ""})
    BceV1().sign(request, KEYS, NOW)
    assert "x-bce-meta-empty" not in request.headers["authorization"]
