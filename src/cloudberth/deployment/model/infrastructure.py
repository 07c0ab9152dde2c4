"""Sections about machines, networks and stores. What differs by size has no default here: sizes/ gives it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cloudberth.deployment.model.base import (
    AddressRange,
    DatabaseName,
    HostName,
    Identifier,
    PrivateRange,
    Section,
)
from cloudberth.deployment.model.cron import Cron, TimeZone


class Domain(Section):
    """The host name that users open. Without one the deployment answers on the load balancer's own name, in
    plain HTTP."""

    name: Annotated[HostName, Field(examples=["dify.example.com"])]
    """Host name that users open."""
    zone: Annotated[str | None, Field(examples=["example.com"])] = None
    """Public DNS zone (name or id) in the same account; records and the certificate's validation go there."""
    certificate: Annotated[
        str | None,
        Field(
            examples=[
                "arn:aws:acm:eu-central-1:123456789012:certificate/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
            ]
        ),
    ] = None
    """Certificate (ARN) that already exists, instead of one issued and validated through the zone."""


class ExistingNetwork(Section):
    """A network that already exists and is used instead of a new one. Its routing stays yours."""

    id: Annotated[str, Field(examples=["vpc-0a1b2c3d4e5f67890"])]
    """Id of the VPC."""
    public_subnets: Annotated[
        tuple[str, ...], Field(json_schema_extra={"minItems": 2}, examples=[["subnet-0aa1", "subnet-0aa2"]])
    ]
    """Subnets of the load balancer, in at least two zones, with a route to the internet gateway."""
    private_subnets: Annotated[
        tuple[str, ...], Field(json_schema_extra={"minItems": 2}, examples=[["subnet-0bb1", "subnet-0bb2"]])
    ]
    """Subnets of the machines, in at least two zones, with a way out (NAT) or endpoints."""
    data_subnets: Annotated[
        tuple[str, ...], Field(json_schema_extra={"minItems": 2}, examples=[["subnet-0cc1", "subnet-0cc2"]])
    ]
    """Subnets of database and cache, in at least two zones; they need no way out."""


class Network(Section):
    """The private network: public, private and data subnets over several zones."""

    cidr: Annotated[PrivateRange, Field(examples=["10.40.0.0/16"])] = "10.40.0.0/16"
    """Private IPv4 range of the network."""
    zones: Annotated[int, Field(ge=2, le=3, examples=[3])] = 2
    """Number of zones (data centres) the subnets lie in."""
    nat: Annotated[Literal["single", "per-zone", "none"], Field(examples=["per-zone"])] = "single"
    """Way out for the machines: one NAT gateway for all zones, one in each zone (survives the loss of a zone,
    costs as many times more), or none (then every service is reached through endpoints)."""
    endpoints: Annotated[tuple[str, ...], Field(examples=[["secretsmanager", "logs"]])] = ()
    """Interface endpoints, by service name: traffic to these services stays inside the network."""
    flow_logs: Annotated[bool, Field(examples=[False])] = True
    """Record which addresses talked to each other."""
    existing: ExistingNetwork | None = None
    """Use this network instead of creating one; cidr, zones and nat then play no part."""


class Access(Section):
    """Who reaches the deployment, and how."""

    allowed_cidrs: Annotated[tuple[AddressRange, ...], Field(min_length=1, examples=[["203.0.113.0/24"]])] = (
        "0.0.0.0/0",
    )
    """Address ranges that may open the site; 0.0.0.0/0 is everybody with IPv4."""
    waf: Annotated[bool, Field(examples=[True])] = False
    """Put the cloud's web application firewall with its managed rules in front."""
    idle_timeout_seconds: Annotated[int, Field(ge=60, le=4000, examples=[900])] = 600
    """Seconds a connection may stay silent before the load balancer closes it; long answers need minutes."""
    access_logs: Annotated[bool, Field(examples=[False])] = True
    """Keep the load balancer's access log in a bucket."""
    max_body_mb: Annotated[int | None, Field(ge=1, le=5000, examples=[200])] = None
    """Largest request body in MB (uploads). Default: what the application's release asks for."""


class AppGroup(Section):
    """The stateless machines behind the load balancer: any number of equals."""

    machine_types: Annotated[
        tuple[str, ...], Field(min_length=1, max_length=20, examples=[["m7g.large", "m6g.large"]])
    ]
    """Machine types, the preferred one first. The others are alternatives when spot capacity is short; all
    have the same processor architecture."""
    min: Annotated[int, Field(ge=1, le=100, examples=[2])]
    """Fewest machines."""
    max: Annotated[int, Field(ge=1, le=100, examples=[6])]
    """Most machines."""
    on_demand: Annotated[int, Field(ge=0, le=100, examples=[1])] = 1
    """Machines that are always on demand; of those above, spot_percent are spot machines."""
    spot_percent: Annotated[int, Field(ge=0, le=100, examples=[50])] = 0
    """Share of spot machines among those above on_demand. Spot is about 60 % cheaper and can be taken away
    with two minutes' notice."""
    target_cpu_percent: Annotated[int, Field(ge=10, le=95, examples=[55])] = 60
    """Machines are added and removed to keep the average CPU load here."""
    disk_gb: Annotated[int, Field(ge=20, le=16384, examples=[80])] = 50
    """System disk of each machine in GB (images, logs, scratch)."""


class StatefulGroup(Section):
    """The one machine for roles that must run exactly once (scheduler, plugin daemon, local sandbox). Always
    on demand; its data disk survives its replacement."""

    machine_type: Annotated[str, Field(examples=["m7g.large"])]
    """Machine type; the same processor architecture as compute.app.machine_types."""
    disk_gb: Annotated[int, Field(ge=20, le=16384, examples=[50])] = 30
    """System disk in GB."""
    data_disk_gb: Annotated[int, Field(ge=10, le=16384, examples=[100])] = 50
    """Data disk in GB (installed plugins, workspaces)."""


class Schedule(Section):
    """Sets the number of app machines at a time of day, for instance fewer at night."""

    name: Annotated[Identifier, Field(examples=["evening"])]
    """Name of the schedule, unique in the list."""
    cron: Annotated[Cron, Field(examples=["0 20 * * MON-FRI"])]
    """When it takes effect: minute, hour, day of month, month, day of week, in time_zone."""
    min: Annotated[int, Field(ge=0, le=100, examples=[1])]
    """Fewest machines from then on."""
    max: Annotated[int, Field(ge=0, le=100, examples=[2])]
    """Most machines from then on."""
    time_zone: Annotated[TimeZone, Field(examples=["Europe/Berlin"])] = "UTC"
    """Time zone of cron, by its IANA name."""


class Compute(Section):
    """The virtual machines that run the containers."""

    app: AppGroup
    """The stateless machines."""
    stateful: StatefulGroup
    """The one machine for roles that must run exactly once."""
    image: Annotated[str | None, Field(examples=["ami-0123456789abcdef0"])] = None
    """Machine image to pin. Default: the newest patched Amazon Linux 2023 at the time a machine starts."""
    registry_mirror: Annotated[
        str | None, Field(examples=["123456789012.dkr.ecr.eu-central-1.amazonaws.com/docker-hub"])
    ] = None
    """Registry (host, optionally with a path) that mirrors Docker Hub; put before every image name."""
    schedules: Annotated[tuple[Schedule, ...], Field(max_length=50)] = ()
    """Off-peak schedules of the app machines."""


class Database(Section):
    """PostgreSQL, run by the cloud."""

    engine: Annotated[Literal["postgres", "aurora"], Field(examples=["aurora"])] = "postgres"
    """postgres: one server of a fixed size. aurora: Aurora Serverless v2, which follows the load."""
    version: Annotated[str, Field(examples=["16"])] = "16"
    """PostgreSQL version: the major version, or major.minor to pin one."""
    machine_type: Annotated[str, Field(examples=["db.t4g.medium"])]
    """Instance class; db.serverless with aurora."""
    storage_gb: Annotated[int, Field(ge=20, le=65536, examples=[100])] = 50
    """Storage in GB at the start (postgres)."""
    max_storage_gb: Annotated[int, Field(ge=0, le=65536, examples=[500])] = 200
    """Storage grows by itself up to this many GB; 0: it never grows (postgres)."""
    multi_zone: Annotated[bool, Field(examples=[True])] = False
    """Keep a standby in another zone that takes over when the first fails."""
    min_capacity: Annotated[float, Field(ge=0, le=256, examples=[1])] = 0.5
    """Fewest Aurora capacity units (1 unit is about 2 GiB of memory), in steps of 0.5; aurora only."""
    max_capacity: Annotated[float, Field(ge=1, le=256, examples=[8])] = 4
    """Most Aurora capacity units, in steps of 0.5; aurora only."""
    deletion_protection: Annotated[bool, Field(examples=[False])] = True
    """The cloud refuses to delete the database while this is on."""
    names: Annotated[tuple[DatabaseName, ...], Field(max_length=50, examples=[["shop"]])] = ()
    """`app: custom` only: databases to create, the first is the default one. Default: one, called like the
    deployment."""
    extensions: Annotated[tuple[str, ...], Field(examples=[["vector", "pg_trgm"]])] = ()
    """`app: custom` only: PostgreSQL extensions to create in every database; `vector` comes with pgvector."""


class Cache(Section):
    """Valkey (the open successor of Redis), run by the cloud: TLS, password, nothing is ever evicted."""

    machine_type: Annotated[str, Field(examples=["cache.t4g.small"])]
    """Node type."""
    version: Annotated[str, Field(examples=["8.0"])] = "8.0"
    """Valkey version."""
    replicas: Annotated[int, Field(ge=0, le=5, examples=[1])] = 0
    """Copies beside the primary node."""
    multi_zone: Annotated[bool, Field(examples=[True])] = False
    """Spread over zones, and let a replica take over when the primary fails; needs replicas."""


class LifecycleRule(Section):
    """Moves objects to a cheaper storage class when they are old enough."""

    prefix: Annotated[str, Field(max_length=1024, examples=["upload_files/"])] = ""
    """Only objects whose key starts like this; empty: all."""
    after_days: Annotated[int, Field(ge=1, le=36500, examples=[30])]
    """Days after the object was written."""
    tier: Annotated[
        Literal["infrequent", "archive-instant", "archive", "deep-archive"], Field(examples=["infrequent"])
    ]
    """Storage class. infrequent and archive-instant stay readable at once; archive and deep-archive have to
    be restored first, which takes hours."""
    min_size_kb: Annotated[int, Field(ge=0, le=5_000_000, examples=[128])] = 128
    """Leave smaller objects (KB) where they are: the cheaper classes bill at least 128 KB each."""


class Storage(Section):
    """The object store for uploaded and produced files."""

    type: Annotated[str, Field(examples=["s3"])] = "s3"
    """Kind of object store (Dify's STORAGE_TYPE); s3 on AWS."""
    versioning: Annotated[bool, Field(examples=[False])] = True
    """Keep overwritten and deleted objects for noncurrent_days."""
    lifecycle: Annotated[tuple[LifecycleRule, ...], Field(max_length=100)] = ()
    """Rules that move old objects to cheaper storage classes."""
    noncurrent_days: Annotated[int, Field(ge=1, le=36500, examples=[90])] = 30
    """Days that an overwritten or deleted object can be restored."""
    abort_multipart_days: Annotated[int, Field(ge=1, le=36500, examples=[3])] = 7
    """Days after which unfinished uploads are removed."""
    cdn: Annotated[bool, Field(examples=[True])] = False
    """Serve static files of the web front end through the cloud's content delivery network."""
