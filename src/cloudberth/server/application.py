"""The ASGI application: protection around everything, then health, sign-in, and the sections of the
console.
"""

from __future__ import annotations

from importlib.metadata import version

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException as AnyHTTPException
from starlette.routing import Match
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from cloudberth.errors import CloudberthError, InvalidInput, NotFound, PermissionDenied, Refused, Unavailable
from cloudberth.server import health, otlp, sign_in
from cloudberth.server.knowledge import api as knowledge_api
from cloudberth.server.metrics import RequestTimes
from cloudberth.server.pages import STATIC
from cloudberth.server.protection import SameOrigin, SecurityHeaders
from cloudberth.server.sections import Section
from cloudberth.server.services import Services, SignInNeeded, services_of, signed_in

# The status of an error for those who read statuses; the first class that fits.
STATUSES: tuple[tuple[type[CloudberthError], int], ...] = (
    (NotFound, 404),
    (PermissionDenied, 403),
    (Refused, 409),
    (Unavailable, 503),
    (InvalidInput, 400),
)
YEAR = 365 * 86_400


def create_application(services: Services, sections: tuple[Section, ...]) -> FastAPI:
    """The server as one ASGI application. services: see `building`; sections: the parts of the console."""
    app = FastAPI(title="Cloudberth", version=version("cloudberth"), docs_url=None, redoc_url=None)
    app.state.services = services
    app.add_exception_handler(SignInNeeded, _ask_to_sign_in)
    app.add_exception_handler(CloudberthError, _explain)
    app.add_exception_handler(AnyHTTPException, _refuse)
    app.add_exception_handler(Exception, _apologise)
    app.include_router(health.router)
    app.include_router(otlp.router)
    app.include_router(sign_in.router, include_in_schema=False)
    for router in knowledge_api.ROUTERS:
        app.include_router(router)
    for section in sections:
        app.include_router(section.routes(), dependencies=[Depends(signed_in)], include_in_schema=False)
    app.mount("/static", VersionedFiles(directory=STATIC), name="static")
    # The last one added is the outermost.
    app.add_middleware(SameOrigin, open_paths=(otlp.PATH,))
    app.add_middleware(SecurityHeaders)
    app.add_middleware(RequestTimes, metrics=services.metrics)
    return app


class VersionedFiles(StaticFiles):
    """Static files; those that are asked for by version never change."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        answer = await super().get_response(path, scope)
        if answer.status_code == 200 and b"v=" in scope.get("query_string", b""):
            answer.headers["Cache-Control"] = f"public, max-age={YEAR}, immutable"
        return answer


def status_of(error: CloudberthError) -> int:
    return next((status for kind, status in STATUSES if isinstance(error, kind)), 500)


def _ask_to_sign_in(request: Request, _error: Exception) -> Response:
    if request.method != "GET" or not _wants_page(request):
        return JSONResponse({"error": "sign in first"}, status_code=401)
    if request.headers.get("x-part"):
        # A part of a page that refreshes itself: the whole page has to go to the sign-in.
        return Response(status_code=401, headers={"X-Sign-In": sign_in.PATH})
    return RedirectResponse(sign_in.sign_in_address(request), status_code=303)


def _explain(request: Request, error: Exception) -> Response:
    assert isinstance(error, CloudberthError)  # noqa: S101 (how handlers are typed)
    return _problem(request, status_of(error), str(error), error.hint)


def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, AnyHTTPException)  # noqa: S101 (how handlers are typed)
    said = {404: "There is nothing here.", 405: "This address takes no such request."}
    text = (
        said.get(error.status_code)
        if not isinstance(error, HTTPException) or error.status_code == 404
        else None
    )
    answer = _problem(request, error.status_code, text or str(error.detail), "")
    answer.headers.update(error.headers or {})
    if error.status_code == 405:
        answer.headers["Allow"] = ", ".join(_methods_of(request))
    return answer


def _methods_of(request: Request) -> list[str]:
    """What the address takes. The framework names the methods of the first route only that has the path."""
    routes = request.app.routes
    asked = [{**request.scope, "method": method} for method in ("DELETE", "GET", "PATCH", "POST", "PUT")]
    return [
        scope["method"] for scope in asked if any(route.matches(scope)[0] is Match.FULL for route in routes)
    ]


def _apologise(request: Request, _error: Exception) -> Response:
    return _problem(request, 500, "The server failed in an unforeseen way; its log says more.", "")


def _wants_page(request: Request) -> bool:
    accepted = request.headers.get("accept", "*/*")
    return "text/html" in accepted or "*/*" in accepted


def _problem(request: Request, status: int, what: str, hint: str) -> Response:
    if request.url.path.startswith(f"{knowledge_api.PREFIX}/"):
        code = knowledge_api.WORDS.get(status, "failed")
        return JSONResponse({"code": code, "message": what, "hint": hint}, status_code=status)
    if "text/html" not in request.headers.get("accept", ""):
        return JSONResponse({"error": what, "hint": hint}, status_code=status)
    pages = services_of(request).pages
    return pages.page(request, "error.html", status=status, code=status, what=what, hint=hint)
