"""A browser's view of the server, without a browser: cookies, and forms with their tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from cloudberth.server.services import Services

ORIGIN = "http://console.test"


class Console:
    """A browser's view of the server: cookies, forms with their tokens."""

    def __init__(self, app: FastAPI, services: Services) -> None:
        self.services = services
        self.app = app
        self.client = TestClient(
            app,
            base_url=ORIGIN,
            follow_redirects=False,
            headers={"accept": "text/html"},
            client=("127.0.0.1", 50000),
            raise_server_exceptions=False,
        )

    def get(self, path: str, **headers: str) -> str:
        """The text of a page that has to be there."""
        answer = self.client.get(path, headers=headers)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[:300]}"
        return answer.text

    def post(self, path: str, page: str, **fields: str) -> httpx.Response:
        """Send a form of `page` to `path`, with the token that the page carries."""
        return self.client.post(path, data={"form_token": form_token(self.get(page)), **fields})

    def routes(self) -> Iterator[tuple[str, set[str]]]:
        """Path and methods of everything that the application answers."""
        waiting: list[Any] = list(self.app.routes)
        while waiting:
            route = waiting.pop()
            if hasattr(route, "original_router"):
                waiting.extend(route.original_router.routes)
            elif isinstance(route, APIRoute):
                yield route.path, set(route.methods)

    def sign_in(self, token: str, onward: str = "/") -> httpx.Response:
        page = self.client.get("/sign-in").text
        fields = {"form_token": form_token(page), "token": token, "next": onward}
        return self.client.post("/sign-in", data=fields)


def form_token(page: str) -> str:
    found = re.search(r'name="form_token" value="([^"]+)"', page)
    assert found, "the page has no form with a token"
    return found[1]
