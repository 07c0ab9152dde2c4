"""Monthly usage: what an estimate must assume because no plan can say it.

Two levels. *Drivers* describe the application (people, chats, documents); *figures* describe the cloud's
meters (GB through the NAT gateway, log GB …). A figure that is not given follows from the drivers by the
formulas below; a driver that is not given comes from the profile (`small`, `medium`, `large`). Every value
that a price rests on is listed in the estimate with its origin, so nothing is hidden. Sizes are decimal for
transfer as the clouds bill them: 1 GB = 1,024 MB here, because AWS's "GB" is 2^30 bytes on every meter that
we price.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from cloudberth.cost.model import Assumption

HOURS = Decimal(730)
"""Hours of a month, as cloud price calculators count them."""
SECONDS = HOURS * 3600
KB_PER_GB = Decimal(1024 * 1024)
MB_PER_GB = Decimal(1024)

Profile = Literal["small", "medium", "large"]
PROFILES: tuple[Profile, ...] = get_args(Profile)
Figure = Annotated[
    Decimal, Field(ge=0, le=10**12, allow_inf_nan=False), WithJsonSchema({"type": "number", "minimum": 0})
]
Percent = Annotated[
    Decimal, Field(ge=0, le=100), WithJsonSchema({"type": "number", "minimum": 0, "maximum": 100})
]


def _unit(unit: str) -> Any:
    return Field(default=None, json_schema_extra={"unit": unit})


class Usage(BaseModel):
    """The `usage` section of berth.yaml. Everything is optional; what is absent is assumed and listed."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    profile: Profile = "small"
    """Which set of default drivers applies; berth uses the deployment's size."""
    free_allowances: bool = True
    """Whether the account's monthly free allowances (100 GB out, 10 alarms …) are still unused."""

    monthly_active_users: Figure | None = _unit("people")
    """People who use the application in a month."""
    chats_per_user: Figure | None = _unit("messages a person")
    """Messages that one person sends in a month."""
    tokens_in_per_chat: Figure | None = _unit("tokens")
    """Prompt tokens per message, with history and retrieved context. They pass the NAT gateway; the model
    provider's own bill is not part of this estimate."""
    tokens_out_per_chat: Figure | None = _unit("tokens")
    """Completion tokens per message."""
    requests_per_chat: Figure | None = _unit("requests")
    """HTTP requests at the balancer per message, pages and polling included."""
    seconds_per_chat: Figure | None = _unit("seconds")
    """How long the connection of one message stays open (streaming)."""
    response_kb_per_chat: Figure | None = _unit("KB")
    """Data sent to the browser per message: streamed answer, history, API replies."""
    page_mb_per_user: Figure | None = _unit("MB a person")
    """Static files that one person loads in a month."""
    internal_kb_per_chat: Figure | None = _unit("KB")
    """Data between application, database, cache and stateful machine per message."""
    log_kb_per_chat: Figure | None = _unit("KB")
    """Log text per message over all services."""
    log_mb_per_machine_hour: Figure | None = _unit("MB an hour")
    """Log text of an idle machine (health checks, schedulers)."""
    documents: Figure | None = _unit("documents")
    """Documents uploaded in a month."""
    document_mb: Figure | None = _unit("MB")
    """Mean size of a document."""
    document_months: Figure | None = _unit("months")
    """How long an uploaded document is kept."""
    machine_launches: Figure | None = _unit("launches")
    """Machines started in a month: scaling, spot replacements, updates."""
    image_gb_per_launch: Figure | None = _unit("GB")
    """Container images that a machine pulls when it starts."""
    database_used_percent: Percent | None = _unit("%")
    """Share of the database's allocated storage that holds data (backups are of used storage)."""
    cache_gb: Figure | None = _unit("GB")
    """Data in the cache (its snapshots are that large)."""
    disk_used_percent: Percent | None = _unit("%")
    """Share of a data volume that holds data (snapshots store used blocks)."""
    daily_change_percent: Percent | None = _unit("%")
    """Share of stored data that changes in a day (incremental backups and snapshots)."""
    capacity_percent: Percent | None = _unit("%")
    """Mean load of a serverless database between its minimum (0) and maximum (100) capacity."""
    lifecycle_percent: Percent | None = _unit("%")
    """Share of stored objects that a bucket's lifecycle rules apply to."""
    noncurrent_percent: Percent | None = _unit("%")
    """Overwritten and deleted versions, as a share of the stored objects of the last month."""

    app_machines_average: Figure | None = _unit("machines")
    """Mean number of machines of an elastic group; default: its minimum, schedules followed through the
    week."""
    egress_gb: Figure | None = _unit("GB")
    """Data out to the internet: answers to people and requests to model providers."""
    nat_gb: Figure | None = _unit("GB")
    """Data through the NAT gateways, both directions: model providers, image pulls, logs without an
    endpoint."""
    endpoint_gb: Figure | None = _unit("GB")
    """Data through interface endpoints."""
    inter_zone_gb: Figure | None = _unit("GB")
    """Data that crosses zones inside the network, counted once (it is billed at both ends)."""
    alb_new_connections_per_second: Figure | None = _unit("connections a second")
    """Mean over the month."""
    alb_active_connections: Figure | None = _unit("connections")
    """Mean number of open connections, as sampled each minute."""
    alb_gb: Figure | None = _unit("GB")
    """Data through the load balancer, both directions."""
    alb_requests_per_second: Figure | None = _unit("requests a second")
    """Mean over the month; rule evaluations follow from it."""
    requests_millions: Figure | None = _unit("million requests")
    """HTTP requests in a month (firewall, access logs, flow logs)."""
    logs_gb: Figure | None = _unit("GB")
    """Application logs taken in."""
    logs_scanned_gb: Figure | None = _unit("GB")
    """Log data that saved and ad-hoc queries read."""
    database_logs_gb: Figure | None = _unit("GB")
    """Logs and monitoring records that the database writes to the log service."""
    flow_logs_gb: Figure | None = _unit("GB")
    """Network flow logs taken in."""
    firewall_logs_gb: Figure | None = _unit("GB")
    """Records of requests that a firewall rule matched."""
    access_logs_gb: Figure | None = _unit("GB")
    """Balancer (and CDN) access logs written in a month."""
    logs_compression_percent: Percent | None = _unit("%")
    """Archived size of log text as a share of what was taken in."""
    storage_gb: Figure | None = _unit("GB")
    """Objects stored, current versions, all tiers."""
    storage_writes: Figure | None = _unit("requests")
    """Object writes and listings in a month."""
    storage_reads: Figure | None = _unit("requests")
    """Object reads in a month."""
    database_gb: Figure | None = _unit("GB")
    """Data in a database whose storage grows by itself (Aurora)."""
    database_io_millions: Figure | None = _unit("million requests")
    """Storage requests of a database that bills them (Aurora standard)."""
    database_capacity_units: Figure | None = _unit("units")
    """Mean capacity of one serverless database instance (ACU); default from capacity_percent."""
    cdn_gb: Figure | None = _unit("GB")
    """Data that the CDN sends out."""
    cdn_requests: Figure | None = _unit("requests")
    """Requests at the CDN."""
    dns_queries_millions: Figure | None = _unit("million queries")
    """Queries at public zones."""
    alarm_emails: Figure | None = _unit("e-mails")
    """E-mails that alarms and budgets send."""
    secret_reads: Figure | None = _unit("requests")
    """Reads of the secret store; default: each machine reads every secret when it starts."""
    key_requests: Figure | None = _unit("requests")
    """Requests at encryption keys that the deployment owns."""

    @classmethod
    def for_size(cls, size: Profile, values: Mapping[str, Any] | None = None) -> Usage:
        """The section of a file with the size's profile, unless the file names a profile itself."""
        return cls.model_validate({"profile": size, **(values or {})})


_SAME = {
    "chats_per_user": "60", "tokens_in_per_chat": "1500", "tokens_out_per_chat": "400",
    "requests_per_chat": "30", "seconds_per_chat": "20", "response_kb_per_chat": "200",
    "page_mb_per_user": "20", "internal_kb_per_chat": "500",
    "log_kb_per_chat": "20", "log_mb_per_machine_hour": "1", "document_mb": "2", "document_months": "12",
    "image_gb_per_launch": "6", "database_used_percent": "50", "disk_used_percent": "50",
    "daily_change_percent": "3", "capacity_percent": "10", "lifecycle_percent": "100",
    "noncurrent_percent": "5", "logs_compression_percent": "15", "alarm_emails": "100",
}  # fmt: skip
_BY_SIZE = {
    "small": {"monthly_active_users": "50", "documents": "200", "machine_launches": "5", "cache_gb": "0.5"},
    "medium": {"monthly_active_users": "500", "documents": "2000", "machine_launches": "40", "cache_gb": "1"},
    "large": {
        "monthly_active_users": "5000",
        "documents": "20000",
        "machine_launches": "150",
        "cache_gb": "3",
    },
}
_SETTLED = {"database_capacity_units": ("capacity_percent",)}
"""Figures that a plan suggests with the help of a driver."""
_BYTES_PER_TOKEN_IN = Decimal(4)
_BYTES_PER_TOKEN_OUT = Decimal(250)
"""A streamed token arrives as one JSON event of about 250 bytes; a prompt token is about four bytes of
text."""
_OBJECTS_PER_DOCUMENT = Decimal(3)
_READS_PER_WRITE = Decimal(5)
_FLOW_KB_PER_REQUEST = Decimal("0.5")
_ACCESS_LOG_KB_PER_REQUEST = Decimal("0.5")
_MATCHED_GB_PER_MILLION = Decimal("0.04")
"""Two requests in a hundred match a rule; a firewall record has about two kilobytes."""
_FLOW_GB_PER_MACHINE = Decimal("0.02")


@dataclass(frozen=True, slots=True)
class PlanFacts:
    """What formulas need to know of the plan.

    machines: mean number of machines. zones: network zones in use. cdn: whether a CDN stands in front of the
    balancer, so that answers leave through it. log_endpoint: whether logs go past the NAT gateway.
    store_endpoints: whether files and the cache are reached through endpoints that bill data.
    """

    machines: Decimal = Decimal(1)
    zones: int = 1
    secrets: int = 0
    cdn: bool = False
    log_endpoint: bool = False
    store_endpoints: bool = False


Formula = Callable[["Figures"], Decimal]


def _chats(f: Figures) -> Decimal:
    return f["monthly_active_users"] * f["chats_per_user"]


def _documents_gb(f: Figures) -> Decimal:
    return f["documents"] * f["document_mb"] / MB_PER_GB


def _prompt_gb(f: Figures) -> Decimal:
    """What leaves for model providers: prompts, and documents once for embedding."""
    return _chats(f) * f["tokens_in_per_chat"] * _BYTES_PER_TOKEN_IN / 1024 / KB_PER_GB + _documents_gb(f)


def _completion_gb(f: Figures) -> Decimal:
    return _chats(f) * f["tokens_out_per_chat"] * _BYTES_PER_TOKEN_OUT / 1024 / KB_PER_GB


def _responses_gb(f: Figures) -> Decimal:
    pages = f["monthly_active_users"] * f["page_mb_per_user"] / MB_PER_GB
    return _chats(f) * f["response_kb_per_chat"] / KB_PER_GB + pages


def _egress_gb(f: Figures) -> Decimal:
    """Answers to people, unless they leave through a CDN (which fetches them free of charge), and prompts."""
    return _prompt_gb(f) + (Decimal(0) if f.facts.cdn else _responses_gb(f))


def _nat_gb(f: Figures) -> Decimal:
    logs = Decimal(0) if f.facts.log_endpoint else f["logs_gb"]
    return _prompt_gb(f) + _completion_gb(f) + f["machine_launches"] * f["image_gb_per_launch"] + logs


def _endpoint_gb(f: Figures) -> Decimal:
    """Logs, where an endpoint takes them; files as they are written and read, and all internal traffic for
    the cache's part of it, where those have endpoints."""
    stores = _chats(f) * f["internal_kb_per_chat"] / KB_PER_GB + _documents_gb(f) * (1 + _READS_PER_WRITE)
    logs = f["logs_gb"] if f.facts.log_endpoint else Decimal(0)
    return logs + (stores if f.facts.store_endpoints else 0)


def _inter_zone_gb(f: Figures) -> Decimal:
    """Peers in n zones, placed evenly: (n-1)/n of the internal traffic crosses a zone."""
    return _chats(f) * f["internal_kb_per_chat"] / KB_PER_GB * (f.facts.zones - 1) / max(f.facts.zones, 1)


def _logs_gb(f: Figures) -> Decimal:
    idle = f["log_mb_per_machine_hour"] * HOURS * f.facts.machines / MB_PER_GB
    return _chats(f) * f["log_kb_per_chat"] / KB_PER_GB + idle


def _flow_logs_gb(f: Figures) -> Decimal:
    requests = f["requests_millions"] * 1_000_000 * _FLOW_KB_PER_REQUEST / KB_PER_GB
    return requests + f.facts.machines * _FLOW_GB_PER_MACHINE


_FORMULAS: Mapping[str, Formula] = {
    "egress_gb": _egress_gb,
    "nat_gb": _nat_gb,
    "endpoint_gb": _endpoint_gb,
    "inter_zone_gb": _inter_zone_gb,
    "alb_new_connections_per_second": lambda f: f["alb_requests_per_second"] / 3,
    "alb_active_connections": lambda f: (
        _chats(f) * f["seconds_per_chat"] / SECONDS + f["alb_new_connections_per_second"] * 60
    ),
    "alb_gb": lambda f: _responses_gb(f) + _documents_gb(f),
    "alb_requests_per_second": lambda f: f["requests_millions"] * 1_000_000 / SECONDS,
    "requests_millions": lambda f: _chats(f) * f["requests_per_chat"] / 1_000_000,
    "logs_gb": _logs_gb,
    "logs_scanned_gb": lambda f: f["logs_gb"] * 2,
    "database_logs_gb": lambda f: _chats(f) / KB_PER_GB + Decimal("0.3"),
    "flow_logs_gb": _flow_logs_gb,
    "firewall_logs_gb": lambda f: f["requests_millions"] * _MATCHED_GB_PER_MILLION,
    "access_logs_gb": lambda f: f["requests_millions"] * 1_000_000 * _ACCESS_LOG_KB_PER_REQUEST / KB_PER_GB,
    "storage_gb": lambda f: _documents_gb(f) * f["document_months"],
    "storage_writes": lambda f: f["documents"] * _OBJECTS_PER_DOCUMENT + _chats(f) / 10,
    "storage_reads": lambda f: f["documents"] * _OBJECTS_PER_DOCUMENT * _READS_PER_WRITE + _chats(f),
    "database_gb": lambda f: (
        10 + _documents_gb(f) * f["document_months"] / 2 + _chats(f) * 12 * 10 / KB_PER_GB
    ),
    "database_io_millions": lambda f: _chats(f) * 200 / 1_000_000 + 10,
    "cdn_gb": _responses_gb,
    "cdn_requests": lambda f: f["requests_millions"] * 1_000_000,
    "dns_queries_millions": lambda f: _chats(f) * 2 / 1_000_000,
    "secret_reads": lambda f: f["machine_launches"] * f.facts.secrets,
    "key_requests": lambda f: (f["storage_writes"] + f["storage_reads"]) / 10 + f.facts.machines * 1000,
}


def default_of(key: str, profile: Profile) -> Decimal | None:
    """A driver's default in a profile; None for figures that follow from others or from the plan."""
    text = _BY_SIZE[profile].get(key) or _SAME.get(key)
    return None if text is None else Decimal(text)


def follows_from(key: str) -> tuple[str, ...]:
    """The keys that a figure is worked out from, when it is not given; empty for what only the plan says."""
    if key not in _FORMULAS:
        return _SETTLED.get(key, ())
    plans = (PlanFacts(zones=2), PlanFacts(zones=2, cdn=True, log_endpoint=True, store_endpoints=True))
    return tuple(dict.fromkeys(name for facts in plans for name in Figures(Usage(), facts).origins(key)))


@dataclass
class Figures:
    """Every usage figure of one estimate, worked out when asked for, with a record of what was asked."""

    usage: Usage
    facts: PlanFacts = field(default_factory=PlanFacts)
    _values: dict[str, Decimal] = field(default_factory=dict)
    _origins: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _asking: list[list[str]] = field(default_factory=list)

    def given(self, key: str) -> bool:
        return getattr(self.usage, key) is not None

    def __getitem__(self, key: str) -> Decimal:
        """The figure's value: as given, by its formula, or the default. KeyError: no such figure."""
        if self._asking and key not in self._asking[-1]:
            self._asking[-1].append(key)
        if key not in self._values:
            self._asking.append([])
            self._values[key] = self._work_out(key)
            self._origins[key] = tuple(self._asking.pop())
        return self._values[key]

    def _work_out(self, key: str) -> Decimal:
        given: Decimal | None = getattr(self.usage, key) if key in Usage.model_fields else None
        if given is not None:
            return given
        if key in _FORMULAS:
            return _FORMULAS[key](self).quantize(Decimal("0.000001"))
        default = default_of(key, self.usage.profile)
        if default is None:
            raise KeyError(key)
        return default

    def origins(self, key: str) -> tuple[str, ...]:
        """The keys that this figure was worked out from here."""
        self[key]
        return self._origins[key]

    def settle(self, key: str, value: Decimal) -> Decimal:
        """The given figure, else a value that the plan suggests; recorded under the key."""
        given: Decimal | None = getattr(self.usage, key)
        self._origins.setdefault(key, _SETTLED.get(key, ()))
        return self._values.setdefault(key, given if given is not None else value)

    def assumptions(self, keys: set[str]) -> tuple[Assumption, ...]:
        """The figures with these keys and everything that they were worked out from, in the model's order."""
        wanted: set[str] = set()
        pending = [key for key in keys if key in self._values]
        while pending:
            key = pending.pop()
            if key not in wanted:
                wanted.add(key)
                pending += self._origins.get(key, ())
        return tuple(self._assumption(key) for key in Usage.model_fields if key in wanted)

    def _assumption(self, key: str) -> Assumption:
        about = Usage.model_fields[key]
        extra = about.json_schema_extra
        unit = str(extra.get("unit", "")) if isinstance(extra, dict) else ""
        return Assumption(
            key=key,
            value=self._values[key],
            unit=unit,
            given=self.given(key),
            description=" ".join((about.description or "").split()),
            derived_from=() if self.given(key) else self._origins.get(key, ()),
        )
