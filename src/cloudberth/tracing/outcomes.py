"""What an answer means for the spans that were sent. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum

from cloudberth.tracing.decoding import Malformed, fields, read_text, read_varint
from cloudberth.tracing.http_client import Answer

_LONGEST_WAIT = 900.0  # seconds; a server that asks for more is asked again after this
_SAID = 300


class Verdict(Enum):
    """What to do next."""

    TAKEN = "taken"
    WAIT = "wait"  # the same request may succeed later
    REFUSED = "refused"  # something in it will never be taken: look for it
    PAUSE = "pause"  # our key is not accepted: nothing helps but another one


@dataclass(frozen=True, slots=True)
class Outcome:
    """rejected: spans that the provider left out of a request that it took. wait: seconds that it asked
    for.
    """

    verdict: Verdict
    said: str = ""
    rejected: int = 0
    wait: float | None = None


def judge(answer: Answer) -> Outcome:
    """The outcome of an OTLP request."""
    status = answer.status
    if 200 <= status < 300:
        rejected, said = partial_success(answer)
        return Outcome(Verdict.TAKEN, said, rejected)
    said = f"{status} {_words(answer)}".strip()
    if status in (401, 403):
        return Outcome(Verdict.PAUSE, said)
    if status in (400, 413, 422):
        return Outcome(Verdict.REFUSED, said)
    # 404, 405, 415: the address or the project is wrong, which is put right without losing what waits.
    return Outcome(Verdict.WAIT, said, wait=retry_after(answer.headers.get("retry-after", "")))


def partial_success(answer: Answer) -> tuple[int, str]:
    """Spans that were left out, and why, of an ExportTraceServiceResponse. Anything else: none."""
    body = answer.body
    if not body or "json" in answer.headers.get("content-type", "") or body[:1] in (b"{", b"<"):
        return 0, ""
    rejected, said = 0, ""
    try:
        for number, wire, start, stop in fields(body, 0, len(body)):
            if number != 1 or wire != 2:
                continue
            for each, kind, first, last in fields(body, start, stop):
                if each == 1 and kind == 0:
                    rejected = read_varint(body, first, last)[0]
                elif each == 2 and kind == 2:
                    said = read_text(body, first, last)[:_SAID]
    except Malformed:
        return 0, ""
    return (rejected, said) if rejected < 1 << 31 else (0, "")


def retry_after(text: str) -> float | None:
    """Seconds from now, of a Retry-After header (seconds or a date)."""
    text = text.strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = parsedate_to_datetime(text)
        except (TypeError, ValueError):
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = (moment - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), _LONGEST_WAIT) if seconds == seconds else None


def back_off(failures: int, asked: float | None, *, first: float = 1.0, longest: float = 60.0) -> float:
    """How long to wait after so many failures in a row: 1, 2, 4 … 60 s, spread, and never less than asked
    for.
    """
    wait = min(longest, first * float(1 << min(failures - 1, 16))) * random.uniform(0.8, 1.2)  # noqa: S311
    return max(wait, asked or 0.0)


def _words(answer: Answer) -> str:
    text = answer.body[: 4 * _SAID].decode("utf-8", "replace")
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[:_SAID]
