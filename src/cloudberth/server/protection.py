"""What protects every answer: headers that a browser obeys, and a check where a request comes from."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Nothing but our own files; no inline scripts or styles, no frames, no plug-ins.
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
SAFE_METHODS = {"GET", "HEAD", "OPTIONS", "TRACE"}


class SecurityHeaders:
    """Adds the headers to every answer; pages are never kept by caches."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
                if scope.get("scheme") == "https":
                    headers.setdefault("Strict-Transport-Security", "max-age=31536000")
            await send(message)

        await self._app(scope, receive, send_protected)


class SameOrigin:
    """Refuses requests that change something and come from a page of another origin.

    The second guard beside the token in every form. Requests without `Origin` and `Sec-Fetch-Site` are no
    browser's (every browser sends one of them with a POST), so nobody's cookies are abused by them. Paths in
    `open_paths` know no cookies and are left alone.
    """

    def __init__(self, app: ASGIApp, open_paths: tuple[str, ...] = ()) -> None:
        self._app = app
        self._open = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (
            scope["type"] == "http"
            and scope["method"] not in SAFE_METHODS
            and scope["path"] not in self._open
        ):
            headers = Headers(scope=scope)
            if not is_same_origin(headers):
                answer = PlainTextResponse("This request comes from another site.\n", status_code=403)
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)


def is_same_origin(headers: Headers) -> bool:
    """Whether the browser says that one of our own pages sent the request."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in {"same-origin", "none"}
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host", "")
