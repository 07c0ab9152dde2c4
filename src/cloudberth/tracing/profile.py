"""What a provider is to us: data. One small file per provider in `providers/`.

Texts in braces are filled from a destination's settings: ``{endpoint}/v1/traces``. A header or resource
attribute whose settings are empty is left out. ``{basic}`` is the base64 of two settings with a colon
between (``=api`` is the word itself).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from cloudberth.errors import InvalidInput
from cloudberth.tracing.decoding import fields, read_pair
from cloudberth.tracing.store import SpanRow

Settings = Mapping[str, str]
_NAMED = re.compile(r"\{([a-z_]+)(:path)?\}")
MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Field:
    """Something to fill in. label and label_zh: for people; secret: write-only and encrypted; choices: the
    only values.
    """

    name: str
    label: str
    label_zh: str
    secret: bool = False
    required: bool = False
    default: str = ""
    choices: tuple[str, ...] = ()
    example: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may hold. spans: count; body: bytes before compression; span: bytes of one span.

    requests_per_minute and spans_per_minute: a pace that we keep; 0: none is known.
    """

    spans: int = 512
    body: int = 3 * MEBIBYTE
    span: int = 3 * MEBIBYTE
    requests_per_minute: int = 0
    spans_per_minute: int = 0


@dataclass(frozen=True, slots=True)
class Check:
    """The first step of a test: a cheap request that proves the credentials. body: JSON; headers: instead
    of the usual.
    """

    method: str
    url: str
    good: tuple[int, ...] = (200,)
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""


@dataclass(frozen=True, slots=True)
class FeedbackCall:
    """How feedback reaches a provider. body(row): the JSON document for a row of trace_feedback."""

    method: str
    url: str
    body: Callable[[Mapping[str, Any]], Any]
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Profile:
    """A provider. copies: attribute to add → the column or attribute it is taken from (`NAME` of `SOURCES`).

    derive: attributes that no copy can express. empty_good: statuses of an empty OTLP request that mean
    "well set up". proved: what the profile was held to. reject_partial: the provider refuses a whole
    request for one bad span.
    """

    id: str
    title: str
    fields: tuple[Field, ...]
    traces_url: str | Callable[[Settings], str]
    headers: tuple[tuple[str, str], ...] = ()
    basic: tuple[str, str] | None = None
    resource: tuple[tuple[str, str], ...] = ()
    copies: tuple[tuple[str, str], ...] = ()
    derive: Callable[[SpanRow, Settings], Mapping[str, Any]] | None = None
    limits: Limits = field(default_factory=Limits)
    check: Check | None = None
    empty_good: tuple[int, ...] = (200, 202, 204)
    project_url: str = ""
    project_from: Callable[[Any, Settings], Mapping[str, str]] | None = None
    feedback: FeedbackCall | None = None
    proved: str = (
        "against a recording server that enforces the documented authentication, path, type and limits"
    )
    notes: tuple[str, ...] = ()

    def completed(self, settings: Settings) -> dict[str, str]:
        """The settings with defaults. Raises InvalidInput: unknown, missing, not one of the choices."""
        known = {each.name: each for each in self.fields}
        for name in settings:
            if name not in known:
                raise InvalidInput(
                    f"{self.title} has no setting {name!r}", where=name, hint=f"it has {', '.join(known)}"
                )
        complete = {name: str(settings.get(name) or each.default).strip() for name, each in known.items()}
        for name, each in known.items():
            value = complete[name]
            if each.required and not value:
                raise InvalidInput(f"{self.title} needs {each.label}", where=name, hint=each.example)
            if each.choices and value not in each.choices:
                raise InvalidInput(
                    f"{each.label} cannot be {value!r}", where=name, hint=f"one of {', '.join(each.choices)}"
                )
            if any(letter < " " or letter == "\x7f" for letter in value) and name != "headers":
                raise InvalidInput(f"{each.label} must be one line", where=name)
        return complete

    def url(self, settings: Settings) -> str:
        """Where spans go. It may hold a secret (Alibaba Cloud's key is part of the path): never show it."""
        if isinstance(self.traces_url, str):
            return self.filled(self.traces_url, settings)
        return self.traces_url(settings)

    def request_headers(self, settings: Settings) -> dict[str, str]:
        """The headers beside content type and encoding."""
        return self.filled_pairs(self.headers, settings)

    def filled_pairs(self, pairs: tuple[tuple[str, str], ...], settings: Settings) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, template in pairs:
            wanted = [each for each, _ in _NAMED.findall(template)]
            if "basic" in wanted and self.basic is not None:
                wanted += [name for name in self.basic if not name.startswith("=")]
                wanted.remove("basic")
            if all(settings.get(each) for each in wanted):
                found[name] = self.filled(template, settings)
        return found

    def filled(self, template: str, settings: Settings) -> str:
        def value(found: re.Match[str]) -> str:
            if found[1] == "basic" and self.basic is not None:
                pair = ":".join(
                    name[1:] if name.startswith("=") else settings.get(name, "") for name in self.basic
                )
                return base64.b64encode(pair.encode()).decode()
            text = settings.get(found[1], "")
            if found[1] in ("endpoint", "url", "host"):
                return text.rstrip("/")
            return quote(text, safe="") if found[2] else text

        return _NAMED.sub(value, template)

    @property
    def secrets(self) -> frozenset[str]:
        return frozenset(each.name for each in self.fields if each.secret)


def attribute(row: SpanRow, name: str) -> Any:
    """One attribute of a row's span, or None; spans without it are not taken apart."""
    wanted = name.encode()
    if wanted not in row.data:
        return None
    for number, kind, start, stop in fields(row.data, 0, len(row.data)):
        if number == 9 and kind == 2 and wanted in row.data[start:stop]:
            found, value = read_pair(row.data, start, stop)
            if found == name:
                return value
    return None


def endpoint_field(default: str, example: str = "", name: str = "endpoint") -> Field:
    """The usual field for an address."""
    return Field(name, "Endpoint", "接入地址", required=True, default=default, example=example or default)


def key_field(
    name: str = "api_key", label: str = "API key", label_zh: str = "API 密钥", required: bool = True
) -> Field:
    """The usual field for a secret."""
    return Field(name, label, label_zh, secret=True, required=required)


def project_field(default: str = "default", required: bool = True) -> Field:
    """The usual field for a project."""
    return Field("project", "Project", "项目", required=required, default=default)
