"""Which answers may be kept, under which name, and who gets them."""

from __future__ import annotations

import pytest

from cloudberth.cache import http_rules as rules
from cloudberth.cache.http_rules import Lifetime, Request, Response

VARYING = ("accept", "accept-language")


def asked(*headers: tuple[str, str], method: str = "GET", principal: str | None = "") -> Request:
    return Request(method, "/p", "", headers, principal)


def answer(*headers: tuple[str, str], status: int = 200) -> Response:
    return Response(status, headers, b"body")


@pytest.mark.parametrize(
    ("request_", "may"),
    [
        (asked(), True),
        (asked(method="HEAD"), True),
        (asked(method="POST"), False),
        (asked(("Range", "bytes=0-1")), False),
        (asked(("Cache-Control", "no-store")), False),
        (asked(("Authorization", "Bearer x"), principal=None), False),
        (asked(("Cookie", "s=1"), principal=None), False),
        (asked(("Authorization", "Bearer x"), principal="ada"), True),
        (asked(principal=None), True),
    ],
    ids=range(9),
)
def test_what_is_looked_up(request_: Request, may: bool) -> None:
    assert rules.may_be_looked_up(request_) is may


@pytest.mark.parametrize(
    ("response", "principal", "may"),
    [
        (answer(), "", True),
        (answer(status=404), "", False),
        (answer(status=500), "", False),
        (answer(status=206), "", False),
        (answer(("set-cookie", "s=1")), "ada", False),
        (answer(("Cache-Control", "no-store")), "", False),
        (answer(("Cache-Control", "public, no-cache")), "", False),
        (answer(("Cache-Control", "max-age=0")), "", False),
        (answer(("Cache-Control", "private")), "", False),
        (answer(("Cache-Control", "private")), "ada", True),
        (answer(("Vary", "Accept, Accept-Language")), "", True),
        (answer(("Vary", "*")), "ada", False),
        (answer(("Vary", "X-Tenant")), "ada", False),
        (answer(("Vary", "Authorization")), None, False),
        (answer(("Vary", "Authorization, Cookie")), "ada", True),
    ],
    ids=range(15),
)
def test_what_is_kept(response: Response, principal: str | None, may: bool) -> None:
    assert rules.may_be_kept(asked(principal=principal), response, VARYING) is may


def test_what_the_answer_says_of_its_time_goes_first() -> None:
    otherwise = Lifetime(60, 300)
    assert rules.lifetime(answer(), otherwise) == otherwise
    said = answer(("Cache-Control", "max-age=5, stale-while-revalidate=7"))
    assert rules.lifetime(said, otherwise) == Lifetime(5, 7)
    shared = answer(("Cache-Control", "max-age=5, s-maxage=9, must-revalidate"))
    assert rules.lifetime(shared, otherwise) == Lifetime(9, 0)
    assert rules.lifetime(answer(("Cache-Control", "max-age=-5")), otherwise) == otherwise


def test_names() -> None:
    def name(query: str = "", principal: str | None = "", accept: str = "", path: str = "/p") -> str:
        headers = (("Accept", accept),) if accept else ()
        return rules.name_of(Request("GET", path, query, headers, principal), VARYING)

    assert name("a=1&b=2") == name("b=2&a=1") == name("b=2&a=%31")
    assert name("a=1&a=2") != name("a=2&a=1"), "the order of one parameter's values means something"
    assert name("a=") != name("")
    assert len({name(), name(principal=None), name(principal="ada"), name(principal="bob")}) == 4
    assert name(accept="text/html") != name(accept="application/json")
    assert name(accept="Text/HTML") == name(accept="text/html")
    assert name(path="/p") != name(path="/P")
    assert "ada" not in name(principal="ada")


@pytest.mark.parametrize(
    ("asked_for", "not_modified"),
    [
        ('"a"', True),
        ('W/"a"', True),
        ('"b", "a"', True),
        ("*", True),
        ('"b"', False),
        ("", False),
        ("a", False),
    ],
)
def test_conditions(asked_for: str, not_modified: bool) -> None:
    response = answer(("ETag", '"a"'), ("Cache-Control", "max-age=1"), ("Content-Type", "text/plain"))
    found = rules.as_asked(asked(("If-None-Match", asked_for)), response)
    assert (found.status == 304) is not_modified
    if not_modified:
        assert found.body == b""
        assert dict(found.headers) == {"ETag": '"a"', "Cache-Control": "max-age=1"}


def test_head_has_no_body() -> None:
    found = rules.as_asked(asked(method="HEAD"), answer(("ETag", '"a"')))
    assert (found.status, found.body, found.header("etag")) == (200, b"", '"a"')
