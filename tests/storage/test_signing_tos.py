"""TOS4-HMAC-SHA256 against Volcengine's own signer: the same text for the same request."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote

from hypothesis import given, settings
from hypothesis import strategies as st
from tos import http as tos_http
from tos.auth import Auth
from tos.models2 import GenericInput

from cloudberth.storage.credentials import Credentials
from cloudberth.storage.http.message import Origin, Request, encode_key
from cloudberth.storage.signing.tos_v4 import TosV4
from thoroughness import examples

NOW = 1_761_000_000.0
KEYS = Credentials("ak", "sk-secret")
ORIGIN = Origin.parse("https://bucket.tos-cn-beijing.volces.com")
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), min_size=1, max_size=20)


def vendors(key: str, query: dict[str, str], headers: dict[str, str], token: str | None = None) -> str:
    """The Authorization header that Volcengine's signer puts on a request."""
    moment = datetime.fromtimestamp(NOW, UTC)
    request = tos_http.Request(
        "PUT", f"https://{ORIGIN.host}/{quote(key)}", f"/{key}", ORIGIN.host, params=dict(query),
        headers={"x-tos-content-sha256": "UNSIGNED-PAYLOAD", **headers},
        generic_input=GenericInput(request_date=moment),
    )  # fmt: skip
    Auth("ak", "sk-secret", "cn-beijing", token).sign_request(request)
    return str(request.headers["Authorization"])


@settings(max_examples=examples(200, 60))
@given(key=TEXT, value=TEXT, query=st.dictionaries(TEXT, TEXT, max_size=3))
def test_headers_are_signed_as_volcengine_signs_them(key: str, value: str, query: dict[str, str]) -> None:
    query.pop("x-tos-signature", None)
    headers = {"content-type": "text/plain; charset=utf-8", "x-tos-meta-a": quote(value, safe="")}
    request = Request("PUT", ORIGIN, f"/{encode_key(key)}", tuple(query.items()), dict(headers))
    TosV4("cn-beijing").sign(request, KEYS, NOW)
    assert request.headers["x-tos-date"] == "20251020T224000Z"
    assert request.headers["authorization"] == vendors(key, query, headers)


def test_a_token_is_sent_and_signed() -> None:
    request = Request("PUT", ORIGIN, "/a")
    TosV4("cn-beijing").sign(request, Credentials("ak", "sk-secret", token="tok"), NOW)
    assert request.headers["x-tos-security-token"] == "tok"
    assert "x-tos-security-token" in request.headers["authorization"]
    assert request.headers["authorization"] == vendors("a", {}, {}, "tok")


def test_a_second_attempt_signs_anew() -> None:
    request = Request("GET", ORIGIN, "/a")
    signer = TosV4("cn-beijing")
    signer.sign(request, KEYS, NOW)
    first = dict(request.headers)
    signer.sign(request, KEYS, NOW + 90_000)
    assert request.headers["x-tos-date"] == "20251021T234000Z"
    assert "/20251021/cn-beijing/tos/request" in request.headers["authorization"]
    signer.sign(request, KEYS, NOW)
    assert request.headers == first


def test_a_signed_url_tells_what_has_to_be_sent() -> None:
    request = Request("PUT", ORIGIN, "/a%20b", (), {"content-type": "text/plain"})
    TosV4("cn-beijing").presign(request, Credentials("ak", "sk-secret", token="to+k"), NOW, 60)
    query = dict(request.query)
    assert query["X-Tos-Credential"] == "ak/20251020/cn-beijing/tos/request"
    assert query["X-Tos-SignedHeaders"] == "content-type;host"
    assert query["X-Tos-Security-Token"] == "to+k"
    assert (query["X-Tos-Date"], query["X-Tos-Expires"]) == ("20251020T224000Z", "60")
    assert len(query["X-Tos-Signature"]) == 64
    assert "to%2Bk" in request.url
