"""Signing in with the administrator's token, signing out, and the reader's language and theme."""

from __future__ import annotations

import math
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from cloudberth.server.forms import read_form
from cloudberth.server.pages import LANGUAGE_COOKIE, THEME_COOKIE, THEMES
from cloudberth.server.secrets_at_rest import new_token
from cloudberth.server.services import Here, Posted, cookie_name, services_of
from cloudberth.server.wording import LANGUAGES

PATH = "/sign-in"
# The form is not bound to a session yet: the token is in a cookie as well, which other sites cannot set.
VISIT_COOKIE = "berth_visit"
YEAR = 365 * 86_400

router = APIRouter()


@router.get(PATH)
def form(request: Request) -> Response:
    """The page with the one field; whoever is signed in goes on at once."""
    here = services_of(request)
    onward = local_path(request.query_params.get("next"))
    token = request.cookies.get(cookie_name(request), "")
    if token and here.sessions.find(token) is not None:
        return RedirectResponse(onward, status_code=303)
    return _page(request, onward)


@router.post(PATH)
async def enter(request: Request, here: Here) -> Response:
    """Begin a session when the token is right."""
    visit = request.cookies.get(visit_cookie(request)) or new_token()
    fields = await read_form(request, here.settings.form_body, visit)
    onward = local_path(fields.text("next"))
    address = request.client.host if request.client else ""
    wait = here.limits.wait(address)
    if wait > 0:
        answer = _page(request, onward, status=429, problem="Too many attempts. Wait a few minutes.")
        answer.headers["Retry-After"] = str(math.ceil(wait))
        return answer
    if not here.admin.accepts(fields.text("token")):
        here.limits.failed(address)
        return _page(request, onward, status=401, problem="This token is wrong.")
    here.limits.succeeded(address)
    here.sessions.end(request.cookies.get(cookie_name(request), ""))
    answer = RedirectResponse(onward, status_code=303)
    _set(request, answer, cookie_name(request), here.sessions.start(), hidden=True)
    answer.delete_cookie(visit_cookie(request), path="/", secure=request.url.scheme == "https")
    return answer


@router.post("/sign-out")
def leave(request: Request, here: Here, _form: Posted) -> Response:
    """End the session."""
    here.sessions.end(request.cookies.get(cookie_name(request), ""))
    answer = RedirectResponse(PATH, status_code=303)
    answer.delete_cookie(cookie_name(request), path="/", secure=request.url.scheme == "https")
    return answer


@router.get("/language/{language}")
def language(request: Request, language: str) -> Response:
    """Remember the language and go back to the page."""
    answer = RedirectResponse(local_path(request.query_params.get("next")), status_code=303)
    if language in LANGUAGES:
        _set(request, answer, LANGUAGE_COOKIE, language, seconds=YEAR)
    return answer


@router.get("/theme/{theme}")
def theme(request: Request, theme: str) -> Response:
    """Remember light, dark or the system's choice and go back to the page."""
    answer = RedirectResponse(local_path(request.query_params.get("next")), status_code=303)
    if theme in THEMES:
        _set(request, answer, THEME_COOKIE, theme, seconds=YEAR)
    return answer


def sign_in_address(request: Request) -> str:
    """Where somebody who is not signed in is sent, with the way back."""
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return PATH if wanted == "/" else f"{PATH}?next={quote(wanted, safe='/')}"


def local_path(wanted: str | None) -> str:
    """A path on this server; the first page for anything else, so that nobody is sent to a foreign site."""
    if (
        not wanted
        or not wanted.startswith("/")
        or wanted.startswith(("//", "/\\"))
        or not wanted.isprintable()
    ):
        return "/"
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return "/"
    return "/" if parts.scheme or parts.netloc or "\\" in wanted else wanted


def visit_cookie(request: Request) -> str:
    return f"__Host-{VISIT_COOKIE}" if request.url.scheme == "https" else VISIT_COOKIE


def _page(request: Request, onward: str, *, status: int = 200, problem: str = "") -> Response:
    here = services_of(request)
    visit = request.cookies.get(visit_cookie(request)) or new_token()
    answer = here.pages.page(
        request, "sign_in.html", status=status, onward=onward, problem=problem, visit=visit
    )
    _set(request, answer, visit_cookie(request), visit, hidden=True)
    return answer


def _set(
    request: Request,
    answer: Response,
    name: str,
    value: str,
    *,
    hidden: bool = False,
    seconds: int | None = None,
) -> None:
    answer.set_cookie(
        name,
        value,
        max_age=seconds,
        path="/",
        secure=request.url.scheme == "https",
        httponly=hidden,
        samesite="lax",
    )
