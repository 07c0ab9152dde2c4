"""From rows to a provider's request: its resource, its extra attributes, its limits. Pure; `exporter`
sends.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from typing import Any

from cloudberth.tracing import attributes as names
from cloudberth.tracing import wire
from cloudberth.tracing.decoding import read_attributes
from cloudberth.tracing.headers import read_headers
from cloudberth.tracing.profile import Profile, Settings
from cloudberth.tracing.redaction import Redaction
from cloudberth.tracing.store import SpanRow

_COLUMN = {name: number for number, name in enumerate(SpanRow._fields)}
_REMEMBERED = 1000
_SECRET_HEADERS = {"authorization", "x-api-key", "wandb-api-key"}


class Wire:
    """One destination's way of writing. settings: complete, with secrets."""

    def __init__(self, profile: Profile, settings: Settings) -> None:
        self.profile = profile
        self.url = profile.url(settings)
        self._settings = settings
        self._headers = {**profile.request_headers(settings), **read_headers(settings.get("headers", ""))}
        self._resource = profile.filled_pairs(profile.resource, settings)
        self._compressed = settings.get("compression") != "none"
        self._copies = [(target, _COLUMN[source]) for target, source in profile.copies]
        self._resources: dict[bytes, bytes] = {}
        self._owners: dict[tuple[str, str], bytes] = {}

    def __repr__(self) -> str:
        return f"Wire({self.profile.id})"

    def headers(self, *, compressed: bool | None = None) -> dict[str, str]:
        found = {"Content-Type": "application/x-protobuf", **self._headers}
        if self._compressed if compressed is None else compressed:
            found["Content-Encoding"] = "gzip"
        return found

    def span(self, row: SpanRow, data: bytes) -> bytes:
        """A span with what this provider wants besides: fields behind a message belong to it."""
        owner = (row.tenant, row.app)
        whose = self._owners.get(owner)
        if whose is None:
            whose = self._owner(*owner)
        if not self._copies and self.profile.derive is None:
            return data + whose
        extra: dict[str, Any] = {}
        for target, column in self._copies:
            extra[target] = row[column]
        if self.profile.derive is not None:
            extra.update(self.profile.derive(row, self._settings))
        return data + whose + wire.attributes(wire.SPAN_ATTRIBUTE, extra)

    def _owner(self, tenant: str, app: str) -> bytes:
        """The attributes that say whose a span is; most spans are of few tenants."""
        if len(self._owners) >= _REMEMBERED:
            self._owners.clear()
        values = {names.TENANT: tenant or None, names.APP: app or None}
        encoded = self._owners[tenant, app] = wire.attributes(wire.SPAN_ATTRIBUTE, values)
        return encoded

    def body(self, spans: Iterable[tuple[bytes, bytes]]) -> bytes:
        """A request of (resource, span), compressed if the destination wants that."""
        grouped: dict[bytes, list[bytes]] = {}
        for resource, data in spans:
            grouped.setdefault(resource, []).append(data)
        message = b"".join(
            wire.resource_spans(self._merged(resource), inside) for resource, inside in grouped.items()
        )
        return gzip.compress(message, 1) if self._compressed else message

    def _merged(self, resource: bytes) -> bytes:
        """A sender's resource with the destination's own attributes over it."""
        merged = self._resources.get(resource)
        if merged is None:
            if len(self._resources) >= _REMEMBERED:
                self._resources.clear()
            values = {names.SERVICE: "cloudberth", **read_attributes(resource), **self._resource}
            merged = self._resources[resource] = wire.attributes(wire.RESOURCE_ATTRIBUTE, values)
        return merged


def without_secrets(profile: Profile, settings: Settings) -> Redaction:
    """What keeps a destination's secrets out of what its server says: as they are, and as headers carry
    them.
    """
    values = [settings.get(name, "") for name in profile.secrets if name != "headers"]
    headers = {**profile.request_headers(settings), **read_headers(settings.get("headers", ""))}
    for name, value in headers.items():
        if name.lower() in _SECRET_HEADERS or "headers" in profile.secrets:
            values += [value, value.rpartition(" ")[2]]
    return Redaction(values, shortest=4)


def is_sampled(trace_id: bytes, share: float) -> bool:
    """Whether a trace is in a sample. The same traces for everybody, and a smaller share is part of a
    larger.
    """
    return share >= 1 or int.from_bytes(trace_id[8:], "big") < share * 2**64
