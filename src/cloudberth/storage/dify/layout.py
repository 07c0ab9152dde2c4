"""Which keys a Dify installation writes, and what it means to lose one.

Read from Dify 1.15.0 to 1.17; a key that fits nothing here is moved all the same and reported as unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from cloudberth.storage.contract import ObjectInfo

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


class Criticality(StrEnum):
    """How bad a loss is."""

    CRITICAL = "critical"
    """Stored credentials, or every session, become unreadable; there is no way back."""
    HIGH = "high"
    """Users lose what they uploaded or made, or a paused run."""
    MEDIUM = "medium"
    """Something has to be fetched again, or a trigger's payload cannot be looked at."""
    LOW = "low"
    TRANSIENT = "transient"
    """Lives for seconds between two steps."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of object. pattern: of the whole key. dify_moves: whether Dify's own `migrate-oss` moves it."""

    name: str
    shape: str
    pattern: str
    criticality: Criticality
    holds: str
    dify_moves: bool


KINDS = (
    Kind(
        "privkeys", "privkeys/{tenant}/private.pem", r"privkeys/[^/]+/private\.pem", Criticality.CRITICAL,
        "the private key of a workspace: without it no stored credential can be read", True,
    ),
    Kind(
        "secret key", ".dify_secret_key", r"\.dify_secret_key", Criticality.CRITICAL,
        "the SECRET_KEY that Dify made for itself when none was set", False,
    ),
    Kind(
        "upload_files", "upload_files/{tenant}/{uuid}.{ext}", r"upload_files/.+", Criticality.HIGH,
        "uploads, documents of knowledge bases, icons, large workflow variables", True,
    ),
    Kind(
        "tools", "tools/{tenant}/{uuid}.{ext}", r"tools/.+", Criticality.HIGH, "files that tools made", True,
    ),
    Kind(
        "image_files", "image_files/{tenant}/…", r"image_files/.+", Criticality.HIGH,
        "pictures taken out of documents", True,
    ),
    Kind(
        "keyword_files", "keyword_files/{tenant}/{dataset}.txt", r"keyword_files/.+", Criticality.HIGH,
        "keyword tables (KEYWORD_DATA_SOURCE_TYPE=object_storage)", True,
    ),
    Kind(
        "datasources", "datasources/{tenant}/…", r"datasources/.+", Criticality.HIGH,
        "files that pipelines fetched from online drives", False,
    ),
    Kind(
        "workflow state", "workflow-state-{uuid}.json", rf"workflow-state-{_UUID}\.json", Criticality.HIGH,
        "workflows that wait for a person", False,
    ),
    Kind(
        "website_files", "website_files/{job}.txt", r"website_files/.+", Criticality.MEDIUM,
        "crawled web sites", True,
    ),
    Kind(
        "triggers", "triggers/{request}.raw, .payload", r"triggers/.+\.(raw|payload)", Criticality.MEDIUM,
        "what webhooks and plugins were called with", False,
    ),
    Kind(
        "free plan logs", "free_plan_tenant_expired_logs/…", r"free_plan_tenant_expired_logs/.+",
        Criticality.LOW, "archived logs of expired workspaces", False,
    ),
    Kind(
        "ops_trace", "ops_trace/{app}/{uuid}.json", r"ops_trace/.+", Criticality.TRANSIENT,
        "traces on their way to a provider", True,
    ),
    Kind(
        "telemetry", "telemetry/{tenant}/{event}.json", r"telemetry/.+", Criticality.TRANSIENT,
        "telemetry of the enterprise edition on its way", False,
    ),
)  # fmt: skip

UNKNOWN = Kind(
    "unknown", "anything else", r".*", Criticality.UNKNOWN,
    "not a key of Dify that we know of (exports have names of the user's choice)", False,
)  # fmt: skip

_MATCHERS = tuple((re.compile(kind.pattern, re.DOTALL), kind) for kind in KINDS)
_BY_FOLDER = {kind.pattern.partition("/")[0]: kind for kind in KINDS if kind.pattern.endswith("/.+")}


def kind_of(key: str) -> Kind:
    """What kind of object a key is; UNKNOWN when it fits nothing."""
    folder, slash, rest = key.partition("/")
    if slash and rest and (found := _BY_FOLDER.get(folder)):
        return found
    for matcher, kind in _MATCHERS:
        if matcher.fullmatch(key):
            return kind
    return UNKNOWN


def private_key_of(tenant: str) -> str:
    """The key of a workspace's private key."""
    return f"privkeys/{tenant}/private.pem"


@dataclass(slots=True)
class Tally:
    """How many objects, and how many bytes in all."""

    objects: int = 0
    bytes: int = 0

    def add(self, size: int) -> None:
        self.objects += 1
        self.bytes += size


@dataclass
class Census:
    """What lies in a store, by kind. unknown: the first few keys that fit nothing."""

    EXAMPLES: ClassVar[int] = 20

    by_kind: dict[str, Tally] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)

    def count(self, info: ObjectInfo) -> Kind:
        """Take an object into account."""
        kind = kind_of(info.key)
        self.by_kind.setdefault(kind.name, Tally()).add(info.size)
        if kind is UNKNOWN and len(self.unknown) < self.EXAMPLES:
            self.unknown.append(info.key)
        return kind

    @property
    def total(self) -> Tally:
        return Tally(
            sum(tally.objects for tally in self.by_kind.values()),
            sum(tally.bytes for tally in self.by_kind.values()),
        )

    @property
    def rows(self) -> tuple[tuple[Kind, Tally], ...]:
        """Kinds that there are, in the order of this module."""
        return tuple(
            (kind, self.by_kind[kind.name]) for kind in (*KINDS, UNKNOWN) if kind.name in self.by_kind
        )


def census(objects: Iterable[ObjectInfo]) -> Census:
    """Count objects by kind, in constant memory."""
    found = Census()
    for info in objects:
        found.count(info)
    return found
