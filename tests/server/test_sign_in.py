"""Signing in: the token, the limits, the cookies, and where somebody is sent afterwards."""

from __future__ import annotations

import stat

import pytest

from cloudberth.server.admin import AdminToken
from cloudberth.server.sessions import DatabaseSessions
from cloudberth.server.sign_in import local_path
from cloudberth.server.sign_in_limits import ATTEMPTS, WINDOW_SECONDS, SignInLimits, network
from doubles.console import form_token


def test_the_token_is_made_once_and_kept_as_a_hash(tmp_path) -> None:
    admin = AdminToken(tmp_path / "admin-token")
    assert not admin.accepts("")
    token = admin.ensure()
    assert token is not None and len(token) > 40
    assert admin.ensure() is None
    assert admin.accepts(token) and admin.accepts(f" {token}\n") and not admin.accepts(token[:-1])
    assert token not in (tmp_path / "admin-token").read_text()
    assert stat.S_IMODE((tmp_path / "admin-token").stat().st_mode) == 0o600
    newer = admin.renew()
    assert admin.accepts(newer) and not admin.accepts(token)


def test_whoever_is_not_signed_in_sees_nothing_but_the_door(visitor) -> None:
    for path in ("/", "/traces", "/traces/00", "/sessions", "/providers", "/providers/live", "/keys"):
        answer = visitor.client.get(path)
        assert answer.status_code == 303, path
        assert answer.headers["location"].startswith("/sign-in"), path
    for path in ("/keys", "/providers/new/otlp", "/providers/x/delete", "/sign-out"):
        assert visitor.client.post(path, data={"a": "b"}).status_code == 401, path
    part = visitor.client.get("/providers/live", headers={"X-Part": "1"})
    assert (part.status_code, part.headers["x-sign-in"]) == (401, "/sign-in")
    assert visitor.client.get("/traces", headers={"accept": "application/json"}).status_code == 401


def test_every_route_but_the_public_ones_needs_a_session(visitor) -> None:
    """Also those that somebody adds and forgets to think about."""
    public = {
        "/livez", "/readyz", "/metrics", "/status.json", "/v1/traces", "/sign-in", "/openapi.json",
        "/retrieval", "//retrieval",  # 403, as Dify wants it: tests/server/knowledge
        "/language/{language}", "/theme/{theme}",
    }  # fmt: skip
    seen = 0
    for path, methods in visitor.routes():
        if path in public:
            continue
        for method in methods - {"HEAD"}:
            seen += 1
            address = path.replace("{session_id:path}", "x")
            for name in ("trace_id", "span_id", "provider", "destination", "key"):
                address = address.replace("{" + name + "}", "x")
            assert visitor.client.request(method, address).status_code in (303, 401), f"{method} {path}"
    assert seen > 15


def test_signing_in_leads_back_to_the_page(visitor) -> None:
    first = visitor.client.get("/traces?app=a&range=7d")
    assert first.headers["location"] == "/sign-in?next=/traces%3Fapp%3Da%26range%3D7d"
    page = visitor.client.get(first.headers["location"]).text
    assert 'value="/traces?app=a&amp;range=7d"' in page
    answer = visitor.sign_in(visitor.services.admin.renew(), "/traces?app=a&range=7d")
    assert (answer.status_code, answer.headers["location"]) == (303, "/traces?app=a&range=7d")
    assert visitor.client.get("/traces").status_code == 200


def test_a_wrong_token_is_refused_and_after_five_of_them_the_right_one_too(visitor) -> None:
    token = visitor.services.admin.renew()
    for _ in range(ATTEMPTS):
        answer = visitor.sign_in("berth-admin-wrong")
        assert answer.status_code == 401
        assert "This token is wrong." in answer.text
    answer = visitor.sign_in(token)
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= WINDOW_SECONDS
    assert visitor.client.get("/traces").status_code == 303


def test_the_limit_is_of_one_place_and_ends() -> None:
    now = 1000.0
    limits = SignInLimits(lambda: now)
    for _ in range(ATTEMPTS):
        assert limits.wait("10.0.0.1") == 0
        limits.failed("10.0.0.1")
    assert limits.wait("10.0.0.1") == WINDOW_SECONDS
    assert limits.wait("10.0.0.2") == 0
    now += WINDOW_SECONDS
    assert limits.wait("10.0.0.1") == 0


def test_a_subscriber_of_ipv6_is_one_place() -> None:
    assert network("2001:db8:1:2:3::4") == network("2001:db8:1:2:ffff::1")
    assert network("2001:db8:1:2::1") != network("2001:db8:1:3::1")
    assert network("192.0.2.1") == "192.0.2.1"


@pytest.mark.parametrize(
    "wanted",
    [
        None,
        "",
        "https://evil.test/",
        "//evil.test",
        "/\\evil.test",
        "javascript:alert(1)",
        "/a\\b",
        "/a\nb",
        "x",
    ],
)
def test_nobody_is_sent_to_a_foreign_site(wanted: str | None) -> None:
    assert local_path(wanted) == "/"


def test_local_paths_stay() -> None:
    assert local_path("/traces?text=https://x.test&a=1") == "/traces?text=https://x.test&a=1"


def test_the_cookie_is_out_of_reach_of_scripts_and_bound_to_tls(visitor) -> None:
    plain = visitor.sign_in(visitor.services.admin.renew())
    cookie = next(one for one in plain.headers.get_list("set-cookie") if one.startswith("berth_session="))
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Secure" not in cookie
    visitor.client.cookies.clear()
    visitor.client.base_url = "https://console.test"
    secure = visitor.sign_in(visitor.services.admin.renew())
    cookies = secure.headers.get_list("set-cookie")
    cookie = next(one for one in cookies if one.startswith("__Host-berth_session="))
    assert "HttpOnly" in cookie and "Secure" in cookie and "Path=/" in cookie
    assert "max-age" in visitor.client.get("/").headers["strict-transport-security"]


def test_signing_in_makes_a_new_session_and_signing_out_ends_it(console) -> None:
    first = console.client.cookies["berth_session"]
    console.client.post("/sign-out", data={"form_token": form_token(console.get("/keys"))})
    assert console.client.get("/keys").status_code == 303
    console.client.cookies.set("berth_session", first)
    assert console.client.get("/keys").status_code == 303, "the session lives on in the server"


def test_a_session_that_is_not_used_ends(services) -> None:
    now = 1_000_000.0
    sessions = DatabaseSessions(services.console, hours=2, clock=lambda: now)
    token = sessions.start()
    now += 3600 * 1.5
    assert sessions.find(token) is not None
    now += 3600 * 1.5
    assert sessions.find(token) is not None, "it was used in between"
    now += 3600 * 2.1
    assert sessions.find(token) is None
    assert sessions.find("something else") is None


def test_sessions_are_kept_as_hashes(console) -> None:
    token = console.client.cookies["berth_session"]
    with console.services.console.connection() as connection:
        rows = connection.rows("SELECT hash, form_token FROM console_session")
    assert len(rows) == 1
    assert token not in rows[0]


def test_a_form_without_our_token_is_refused(console) -> None:
    console.get("/keys")
    for token in ("", "guess", "ß"):
        answer = console.client.post("/keys", data={"form_token": token, "tenant": "a", "app": "b"})
        assert answer.status_code == 403
    assert console.services.keys.list() == ()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.test"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://console.test", "Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
def test_other_sites_cannot_post(console, headers: dict[str, str], status: int) -> None:
    token = form_token(console.get("/keys"))
    fields = {"form_token": token, "tenant": "a", "app": "b"}
    assert console.client.post("/keys", data=fields, headers=headers).status_code == status


def test_forms_have_a_limit(console) -> None:
    token = form_token(console.get("/keys"))
    large = console.client.post("/keys", data={"form_token": token, "tenant": "a" * 300_000})
    assert large.status_code == 413
    many = console.client.post("/keys", data={"form_token": token, **{f"f{n}": "1" for n in range(400)}})
    assert many.status_code == 400
    assert console.client.post("/keys", json={"form_token": token}).status_code == 415
