"""berth.yaml as a value: what the user asked for.

Every section validates itself; cross-section rules live on `Deployment`. A size preset
(``sizes/<cloud>.yaml``) is merged under the user's file before validation, so every field here
has its final value and later steps never ask which size it was.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """Base of all sections: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Domain(Section):
    name: str
    """Host name users open, e.g. dify.example.com."""
    zone: str | None = None
    """Hosted zone in which the records are created (name or id)."""
    certificate: str | None = None
    """Existing certificate (ARN) instead of one that is issued and validated through the zone."""


class ExistingNetwork(Section):
    id: str
    public_subnets: tuple[str, ...]
    private_subnets: tuple[str, ...]
    data_subnets: tuple[str, ...]


class Network(Section):
    cidr: str = "10.40.0.0/16"
    zones: Annotated[int, Field(ge=2, le=3)] = 2
    nat: Literal["single", "per-zone", "none"] = "single"
    endpoints: tuple[str, ...] = ()
    """Interface endpoints to create, by service name (e.g. secretsmanager, logs, ssm)."""
    flow_logs: bool = True
    existing: ExistingNetwork | None = None


class Access(Section):
    allowed_cidrs: tuple[str, ...] = ("0.0.0.0/0",)
    waf: bool = False
    idle_timeout_seconds: int = 600
    access_logs: bool = True


class AppGroup(Section):
    """The stateless virtual machines."""

    machine_types: tuple[str, ...]
    """First is preferred; the others are alternatives for spot capacity (same architecture)."""
    min: int
    max: int
    on_demand: int = 1
    """Machines that are always on demand; the rest follows spot_percent."""
    spot_percent: int = 0
    target_cpu_percent: int = 60
    disk_gb: int = 50


class StatefulGroup(Section):
    """The one machine for roles that must run exactly once."""

    machine_type: str
    disk_gb: int = 30
    data_disk_gb: int = 50


class Schedule(Section):
    name: str
    cron: str
    """When it takes effect: five-field cron in time_zone."""
    min: int
    max: int
    time_zone: str = "UTC"


class Compute(Section):
    app: AppGroup
    stateful: StatefulGroup
    image: str | None = None
    """Machine image (AMI) to pin; default: the newest patched Amazon Linux 2023 at launch."""
    registry_mirror: str | None = None
    """Host that mirrors Docker Hub, put before every image name."""
    schedules: tuple[Schedule, ...] = ()


class Database(Section):
    engine: Literal["postgres", "aurora"] = "postgres"
    version: str = "16"
    machine_type: str
    """Instance class, e.g. db.t4g.medium; db.serverless with aurora."""
    storage_gb: int = 50
    max_storage_gb: int = 200
    multi_zone: bool = False
    min_capacity: float = 0.5
    """Aurora capacity units; aurora only."""
    max_capacity: float = 4
    deletion_protection: bool = True


class Cache(Section):
    machine_type: str
    version: str = "8.0"
    replicas: int = 0
    multi_zone: bool = False


class LifecycleRule(Section):
    prefix: str = ""
    after_days: int
    tier: Literal["infrequent", "archive-instant", "archive", "deep-archive"]
    min_size_kb: int = 128


class Storage(Section):
    type: str = "s3"
    """Dify's STORAGE_TYPE."""
    versioning: bool = True
    lifecycle: tuple[LifecycleRule, ...] = ()
    noncurrent_days: int = 30
    """Days that an overwritten or deleted object can be restored."""
    abort_multipart_days: int = 7
    cdn: bool = False
    """Serve static files of the web front end through the cloud's CDN."""


class Vector(Section):
    store: str = "pgvector"
    """Dify's VECTOR_STORE. pgvector uses the deployment's own database."""
    env: dict[str, str] = {}
    """The store's own variables (Dify's names) when it is not pgvector; ${ENV_NAME} and secret references allowed."""


class Tracing(Section):
    otlp_endpoint: str | None = None
    sampling: float = 0.1
    headers_secret: str | None = None
    """Secret reference of the OTLP API key."""


class Logs(Section):
    retention_days: int = 30
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


class Alarms(Section):
    enabled: bool = True
    emails: tuple[str, ...] = ()
    cpu_percent: int = 85
    database_free_storage_gb: int = 10
    cache_memory_percent: int = 80
    queue_depth: int = 500
    errors_per_5_minutes: int = 20


class Budget(Section):
    amount: float
    """US dollars a month."""
    thresholds: tuple[int, ...] = (50, 80, 100)
    """Percent of the amount at which mail is sent."""
    emails: tuple[str, ...] = ()
    anomaly: bool = True
    anomaly_usd: float = 50


class Backup(Section):
    retention_days: int = 7
    window: str = "02:00-03:00"
    """Daily backup window, UTC."""
    maintenance: str = "sun:03:30-sun:04:30"
    final_snapshot: bool = True


class State(Section):
    type: Literal["s3", "local"] = "s3"
    bucket: str | None = None
    """Bucket of the Terraform state; default: <name>-state-<account>, which `berth up` creates."""
    key: str | None = None
    region: str | None = None


class Suppression(Section):
    id: str
    reason: str
    resource: str | None = None


class Service(Section):
    """A container of `app: custom`, or an override of one of Dify's services."""

    # Filled in by deployment/: the fields are those of apps.model.Service.


class Deployment(Section):
    name: str
    app: Literal["dify", "custom"]
    cloud: Literal["aws"]
    region: str
    version: str | None = None
    size: Literal["small", "medium", "large"] = "small"
    domain: Domain | None = None
    network: Network
    access: Access
    compute: Compute
    database: Database | None
    cache: Cache | None
    storage: Storage
    vector: Vector
    tracing: Tracing
    logs: Logs
    alarms: Alarms
    budget: Budget | None
    backup: Backup
    state: State
    tags: dict[str, str] = {}
    env: dict[str, str] = {}
    """Additional variables for every service of the app (Dify's names)."""
    services: dict[str, Any] = {}
    suppress: tuple[Suppression, ...] = ()
    usage: dict[str, Any] = {}
    """Monthly usage assumptions for the cost estimate; see `berth docs usage`."""
