"""What of a span a destination gets: its content policy and redaction, applied on the way out."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass
from typing import Any

from cloudberth.errors import InvalidInput
from cloudberth.tracing import attributes as names
from cloudberth.tracing.rewriting import DROP, SPAN_NAME, Change, rewrite

POLICIES = ("full", "truncated", "none")
_ATTRIBUTE = "attribute:"
_MOST_ENTRIES = 50
# Every expression is linear in its input: it runs over whatever people write.
PERSONAL = {
    "email": re.compile(r"\b[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,190}\.[A-Za-z]{2,24}\b"),
    "phone": re.compile(
        r"(?<![\w.])(?:\+\d{1,3}[ -]?)?(?:\(\d{2,4}\)[ -]?)?\d{3,4}[ -]?\d{3,4}[ -]?\d{3,4}(?![\w.])"
    ),
    "card": re.compile(r"\b\d(?:[ -]?\d){12,18}\b"),
    "china-id": re.compile(r"\b\d{17}[\dXx]\b"),
    "ip": re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b"),
}


@dataclass(frozen=True, slots=True)
class Policy:
    """content: ``full``, ``truncated`` to `limit` characters per value, or ``none`` (prompts, answers,
    documents).

    redact: kinds of personal data (`PERSONAL`), or ``attribute:NAME`` with ``*`` for attributes that never
    leave.
    """

    content: str = "full"
    limit: int = 2000
    redact: tuple[str, ...] = ()

    def check(self) -> None:
        """Raises InvalidInput for a policy that cannot be."""
        if self.content not in POLICIES:
            raise InvalidInput(
                f"there is no content policy {self.content!r}", where="content", hint=", ".join(POLICIES)
            )
        if not 1 <= self.limit <= 1_000_000:
            raise InvalidInput("the limit of characters is not 1 … 1,000,000", where="content_limit")
        if len(self.redact) > _MOST_ENTRIES:
            raise InvalidInput(f"more than {_MOST_ENTRIES} entries", where="redact")
        for entry in self.redact:
            name = entry.removeprefix(_ATTRIBUTE)
            fits = name and len(name) <= 200 and name.count("*") <= 3
            if entry not in PERSONAL and not (entry.startswith(_ATTRIBUTE) and fits):
                raise InvalidInput(
                    f"{entry[:60]!r} is nothing to redact",
                    where="redact",
                    hint=f"{', '.join(PERSONAL)}, or attribute:NAME with up to three *",
                )

    @property
    def is_plain(self) -> bool:
        """Whether spans go out as they are stored."""
        return self.content == "full" and not self.redact

    def apply(self, data: bytes) -> bytes:
        """A span as this destination gets it."""
        return data if self.is_plain else rewrite(data, self._change)

    def _change(self, name: str, value: Any) -> Any:
        for entry in self.redact:
            if entry.startswith(_ATTRIBUTE) and fnmatch.fnmatchcase(name, entry.removeprefix(_ATTRIBUTE)):
                return DROP
        if names.is_content(name):
            if self.content == "none" and not _is_type(name):
                return DROP
            if self.content == "truncated":
                value = cut(value, self.limit)
        elif name == SPAN_NAME:
            return self._without_personal(value)
        return self._without_personal(value)

    def _without_personal(self, value: Any) -> Any:
        if isinstance(value, str):
            for entry in self.redact:
                if pattern := PERSONAL.get(entry):
                    value = pattern.sub(f"[{entry}]", value)
            return value
        if isinstance(value, list):
            return [self._without_personal(each) for each in value]
        if isinstance(value, dict):
            return {name: self._without_personal(each) for name, each in value.items()}
        return value


def _is_type(name: str) -> bool:
    return name in (names.OI_INPUT_TYPE, names.OI_OUTPUT_TYPE)


def cut(value: Any, limit: int) -> Any:
    """A value of at most `limit` characters; what was cut says so."""
    if isinstance(value, str):
        return value if len(value) <= limit else f"{value[:limit]}… [{len(value) - limit} characters cut]"
    if isinstance(value, bytes):
        return value[:limit]
    if isinstance(value, list):
        return [cut(each, limit) for each in value[:1000]]
    if isinstance(value, dict):
        return {name: cut(each, limit) for name, each in list(value.items())[:1000]}
    return value


def _cutter(limit: int) -> Change:
    return lambda _name, value: cut(value, limit)


def shrink(data: bytes, most: int) -> bytes | None:
    """A span that is too large for a provider with its longest texts cut, or None when that is not enough."""
    limit = most // 4
    while limit >= 64:
        smaller = rewrite(data, _cutter(limit))
        if len(smaller) <= most:
            return smaller
        limit //= 8
    return None
