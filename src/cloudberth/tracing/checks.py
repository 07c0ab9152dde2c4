"""The test of a destination, in two steps: are the credentials good, and does the address take spans.

The first is a cheap request of the provider's own interface, the second an OTLP request without spans.
Nothing is written at the provider. What the server said is shown in its own words, without our secrets
should it repeat them.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloudberth.errors import CloudberthError
from cloudberth.tracing.delivery import Wire, without_secrets
from cloudberth.tracing.guard import Guard
from cloudberth.tracing.http_client import Answer, HttpClient
from cloudberth.tracing.profile import Profile
from cloudberth.tracing.redaction import Redaction

_SAID = 400  # characters of a server's words
_WORDS = {
    401: "the key is wrong or missing",
    403: "the key is right but may not do this",
    404: "there is nothing at this address, or no such project",
    405: "this address takes no spans",
    413: "the server takes only smaller requests",
    415: "the server does not take OTLP in protobuf",
    429: "the server asks for a pause",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One request. name: ``credentials`` or ``spans``; status 0: there was no answer. milliseconds: how
    long it took.
    """

    name: str
    good: bool
    status: int
    milliseconds: int
    meaning: str
    said: str


@dataclass(frozen=True, slots=True)
class TestResult:
    """good: every step was. project_url: where people look at their spans; empty when it is not known."""

    __test__ = False  # not a test of ours, whatever its name suggests

    good: bool
    steps: tuple[Step, ...]
    project_url: str


async def check_provider(
    profile: Profile, settings: Mapping[str, str], guard: Guard, *, timeout: float = 10.0
) -> TestResult:
    """Ask a provider. settings: complete, with secrets. Never raises for what a server does."""
    client = HttpClient(guard)
    found: Mapping[str, str] = {}
    steps: list[Step] = []
    redaction = without_secrets(profile, settings)
    try:
        if profile.check is not None:
            headers = profile.filled_pairs(profile.check.headers, settings) or profile.request_headers(
                settings
            )
            body = profile.check.body.encode()
            if body:
                headers = {**headers, "content-type": "application/json"}
            url = profile.filled(profile.check.url, settings)
            step, answer = await _step(
                client, "credentials", (profile.check.method, url, headers, body), profile.check.good,
                redaction, timeout,
            )  # fmt: skip
            steps.append(step)
            found = _project(profile, answer, settings)
        wire = Wire(profile, settings)
        step, _ = await _step(
            client, "spans", ("POST", wire.url, wire.headers(compressed=False), b""), profile.empty_good,
            redaction, timeout,
        )  # fmt: skip
        steps.append(step)
    finally:
        await client.close()
    return TestResult(all(step.good for step in steps), tuple(steps), project_url(profile, settings, found))


def check_provider_now(
    profile: Profile, settings: Mapping[str, str], guard: Guard, *, timeout: float = 10.0
) -> TestResult:
    """The same for callers without an event loop."""
    return asyncio.run(check_provider(profile, settings, guard, timeout=timeout))


def project_url(profile: Profile, settings: Mapping[str, str], found: Mapping[str, str] | None = None) -> str:
    """Where people look at the spans of a destination, or empty when an id is missing that only a test
    finds.
    """
    known = {name: value for name, value in settings.items() if name not in profile.secrets}
    pairs = profile.filled_pairs((("url", profile.project_url),), {**known, **(found or {})})
    return pairs.get("url", "")


async def _step(
    client: HttpClient,
    name: str,
    request: tuple[str, str, Mapping[str, str], bytes],
    good: tuple[int, ...],
    redaction: Redaction,
    timeout: float,
) -> tuple[Step, Answer | None]:
    started = time.monotonic()
    try:
        answer = await client.request(*request, timeout=timeout)
    except CloudberthError as error:
        took = round((time.monotonic() - started) * 1000)
        return Step(name, False, 0, took, error.what, redaction.text(error.hint)), None
    took = round((time.monotonic() - started) * 1000)
    said = redaction.text(answer.body[: 4 * _SAID].decode("utf-8", "replace"))[:_SAID].strip()
    is_good = answer.status in good
    meaning = "" if is_good else _meaning(answer.status)
    return Step(name, is_good, answer.status, took, meaning, "" if is_good else said), answer


def _meaning(status: int) -> str:
    if status in _WORDS:
        return _WORDS[status]
    if 300 <= status < 400:
        return "the server sends us elsewhere; enter the address that it names, redirects are not followed"
    return "the server has a fault of its own" if status >= 500 else "the server refused the request"


def _project(profile: Profile, answer: Answer | None, settings: Mapping[str, str]) -> Mapping[str, str]:
    if profile.project_from is None or answer is None or answer.status not in (200,):
        return {}
    try:
        document: Any = json.loads(answer.body)
        return profile.project_from(document, settings)
    except (ValueError, LookupError, TypeError):
        return {}
