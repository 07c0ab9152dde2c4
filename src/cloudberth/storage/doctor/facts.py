"""What doctor finds out, as values. Collecting fills them in; judging reads nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

from cloudberth.errors import BackendError, CloudberthError, Kind
from cloudberth.storage.contract import BucketFacts

Outcome = Literal["ok", "failed", "skipped", "absent"]
"""What became of something that was tried. absent: the store has no such thing at all."""

# Vendors' words for keys that are wrong as such, whatever they would be allowed to do.
_WRONG_KEYS = (
    "signature",
    "accesskey",
    "authenticat",
    "invalidtoken",
    "invalid_token",
    "expired",
    "unauthorized",
    "invalidsecurity",
)


class Verdict(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report. id: stable, for machines. said: what was found; remedy: what to do."""

    id: str
    group: str
    title: str
    verdict: Verdict
    said: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One thing that was tried. name: of an operation. seconds: how long it took. detail: in words."""

    name: str
    outcome: Outcome
    seconds: float = 0.0
    detail: str = ""
    error: CloudberthError | None = None


@dataclass(frozen=True, slots=True)
class TlsFacts:
    """What a handshake showed. trouble: why the certificate was not accepted, or there was no handshake."""

    version: str = ""
    issuer: str = ""
    expires: datetime | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """One server that the bucket's requests go to. Times in seconds; None: it did not come to that.

    proxy: by way of which proxy, without its password. The steps after a failed one were not tried.
    """

    host: str
    port: int
    encrypted: bool
    proxy: str = ""
    addresses: tuple[str, ...] = ()
    dns_seconds: float | None = None
    dns_trouble: str = ""
    connect_seconds: float | None = None
    connect_trouble: str = ""
    tls: TlsFacts | None = None

    @property
    def loopback(self) -> bool:
        return bool(self.addresses) and all(
            address == "::1" or address.startswith("127.") for address in self.addresses
        )


@dataclass(frozen=True, slots=True)
class Speed:
    """Seconds of the median small request, and bytes a second of a larger one; None: not measured."""

    put_seconds: float | None = None
    get_seconds: float | None = None
    upload_rate: float | None = None
    download_rate: float | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything about one bucket.

    skew: seconds that this machine's clock is ahead of the server's; None: the server tells no time.
    exposed: what anybody can do without credentials (``list``, ``read``); None: it could not be tried.
    uploads: unfinished ones; oldest_upload: when the first began. left_behind: what could not be removed of
    what we wrote. rights, policy: what the identity has to be allowed, in the vendor's words.
    """

    type: str
    place: str
    credentials: str
    read_only: bool
    at: datetime
    bucket: Attempt
    configured_region: str = ""
    servers: tuple[ServerFacts, ...] = ()
    skew: float | None = None
    attempts: tuple[Attempt, ...] = ()
    exposed: tuple[str, ...] | None = None
    settings: BucketFacts | None = None
    uploads: Attempt | None = None
    pending: int = 0
    oldest_upload: datetime | None = None
    speed: Speed = Speed()
    left_behind: tuple[str, ...] = ()
    multipart: bool = False
    rights: Mapping[str, str] = field(default_factory=dict)
    policy: str = ""


def wrong_keys(error: CloudberthError | None) -> bool:
    """Whether an error means that nobody is who these credentials say."""
    if not isinstance(error, BackendError) or error.kind is not Kind.PERMISSION:
        return False
    said = f"{error.code} {type(error).__name__}".replace(" ", "").lower()
    return error.code == "401" or any(word in said for word in _WRONG_KEYS)
