"""What runs, as data: an application is services, routes, databases and secrets.

Read from ``apps/dify/<version>.yaml``, or made from the services of an `app: custom` file (`apps.catalog`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Size = Literal["small", "medium", "large"]
SIZES: tuple[Size, ...] = ("small", "medium", "large")
Group = Literal["app", "stateful"]
GROUPS: tuple[Group, ...] = ("app", "stateful")


class AppPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Resources(AppPart):
    cpu: float = Field(gt=0)
    """vCPUs under contention (a weight, so that a smaller machine still starts it); a hard limit for services
    that run foreign code (those on isolated networks only)."""
    memory_mb: int = Field(gt=0)
    """The container is killed and restarted above this."""


class Health(AppPart):
    path: str | None = None
    """HTTP path that answers 200 on the service's port."""
    command: tuple[str, ...] = ()
    """Or a command inside the container that exits 0."""
    client: Literal["curl", "wget", "node", "python"] = "curl"
    """What the image brings to ask its own HTTP path with."""
    start_seconds: int = 60
    statuses: tuple[int, ...] = (200,)


class Volume(AppPart):
    name: str
    path: str
    """Mount path in the container."""
    persistent: bool = True
    """On the data disk of the stateful machine; False: scratch that goes with the machine."""
    owner: str | None = None
    """uid:gid the directory must belong to; default: as the image has it."""


class Route(AppPart):
    path: str
    """Public path prefix, e.g. /console/api."""
    headers: dict[str, str] = {}
    """Headers the router adds (nginx variables allowed), e.g. Dify-Hook-Url."""
    websocket: bool = False
    cacheable: bool = False
    """Immutable static files that a CDN may keep."""


class Service(AppPart):
    """One container.

    runs: ``many`` on every app machine; ``every`` on every machine of both groups (for services that both
    call on their own machine); ``one`` exactly once, on the stateful machine; ``once`` a one-shot step that
    must end with 0 before the others start (migration), on the stateful machine.
    env: literal text with references: ``${database.host}`` (a fact of the deployment), ``${service.api}``
    (host name under which this machine reaches another service), ``${setting.log_level}`` (a value that
    follows from the deployment file), ``${secret.NAME}`` and ``${secret.NAME|url}`` (percent-encoded).
    """

    image: str
    runs: Literal["many", "every", "one", "once"] = "many"
    spot: bool = True
    """Whether losing the machine with two minutes' notice is safe."""
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    user: str | None = None
    port: int | None = None
    routes: tuple[Route, ...] = ()
    health: Health | None = None
    resources: dict[Size, Resources]
    volumes: tuple[Volume, ...] = ()
    after: tuple[str, ...] = ()
    """Services on the same machine that must be healthy (or done, for `once`) first."""
    networks: tuple[str, ...] = ("default",)
    """`isolated` networks have no way out: only services that share one can talk."""
    capabilities: tuple[str, ...] | None = None
    """Linux capabilities the container keeps; None: Docker's default set."""
    read_only: bool = False
    """The image's file system is not written to (tmpfs and volumes are)."""
    tmpfs: tuple[str, ...] = ()
    stop_seconds: int = 30
    """Time between the polite and the hard signal when the container is stopped."""
    files: dict[str, str] = {}
    """Container path → file of the release's folder (templates with the same references as env)."""
    include: tuple[str, ...] = ()
    """Groups of `shared_env`, later ones win; ``storage-{storage}`` follows a choice of the deployment."""
    env: dict[str, str] = {}
    env_by_size: dict[Size, dict[str, str]] = {}
    extra_env: bool = False
    """Takes the variables that the deployment file adds (`env`, `vector.env`)."""
    database_connections: int = Field(default=0, ge=0)
    """Upper limit of connections one container of this service holds to PostgreSQL, besides its pools."""
    database_pools: dict[Size, int] = {}
    """Processes of one container that hold a connection pool each; the connection budget sets its size."""

    @field_validator("resources", mode="before")
    @classmethod
    def _same_for_all_sizes(cls, value: Any) -> Any:
        """One figure stands for all sizes."""
        one = isinstance(value, Resources) or (
            isinstance(value, Mapping) and value and not set(value) & set(SIZES)
        )
        return dict.fromkeys(SIZES, value) if one else value


class Secret(AppPart):
    """A generated secret. length: characters before formatting."""

    length: int = Field(default=40, ge=16)
    format: Literal["alphanumeric", "base64url-32"] = "alphanumeric"
    """base64url-32: unpadded base64url of exactly 32 bytes."""
    purpose: str = ""


class Queue(AppPart):
    """Redis lists whose length is the application's backlog."""

    database: int = 0
    names: tuple[str, ...] = ()
    prefix: str = ""


class App(AppPart):
    name: str
    version: str
    services: dict[str, Service]
    databases: tuple[str, ...] = ()
    """PostgreSQL databases that must exist; the first is the default."""
    extensions: tuple[str, ...] = ()
    """PostgreSQL extensions that every one of them must have."""
    secrets: dict[str, Secret] = Field(default_factory=dict)
    networks: dict[str, Literal["open", "isolated"]] = {"default": "open"}
    queue: Queue | None = None
    shared_env: dict[str, dict[str, str]] = {}
    """Named groups of variables that services include, so that a fact stands once."""
    texts: dict[str, str] = {}
    """Content of the release's own configuration files, by the names that `Service.files` uses."""
    health: str | None = None
    """The service whose health decides whether a machine gets traffic; default: the one behind ``/``."""
    cdn_paths: tuple[str, ...] = ()
    """Path prefixes of immutable static files, besides those of cacheable routes."""
    max_body_mb: int = 100
    needs: tuple[Literal["database", "cache", "storage", "vector"], ...] = (
        "database",
        "cache",
        "storage",
        "vector",
    )

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        taken: dict[str, str] = {}
        for name, service in self.services.items():
            for route in service.routes:
                if route.path in taken:
                    raise ValueError(
                        f"services.{name}: {taken[route.path]} has the route {route.path} already"
                    )
                taken[route.path] = name
        for name, service in self.services.items():
            for problem in _problems(self, service):
                raise ValueError(f"services.{name}: {problem}")
        return self


def groups_of(service: Service) -> tuple[Group, ...]:
    """The machine groups on which a service has a container."""
    return {"many": ("app",), "every": GROUPS, "one": ("stateful",), "once": ("stateful",)}[service.runs]


def in_group(app: App, group: Group) -> dict[str, Service]:
    """The services of a machine group, in the order of the data."""
    return {name: service for name, service in app.services.items() if group in groups_of(service)}


def _problems(app: App, service: Service) -> list[str]:
    """What does not fit together inside an application; the first is enough to refuse it."""
    found = [
        f"there is no network {network!r}" for network in service.networks if network not in app.networks
    ]
    for other in service.after:
        if other not in app.services:
            found.append(f"runs after {other!r}, which does not exist")
        elif not set(groups_of(service)) <= set(groups_of(app.services[other])):
            found.append(f"runs after {other!r}, which is not on the same machine")
    if any(volume.persistent for volume in service.volumes) and service.runs != "one":
        found.append("only a service with `runs: one` can have a persistent volume")
    if service.routes and service.port is None:
        found.append("has routes but no port")
    if service.routes and service.runs == "once":
        found.append("a one-shot step cannot have routes")
    if service.health and service.health.path and service.port is None:
        found.append("has a health path but no port")
    found += [f"there is no file {name!r}" for name in service.files.values() if name not in app.texts]
    return found + [f"{text!r} cannot be {what}" for what, text in _unusable(service)]


# What ends up in the router's configuration or in the Compose file, where other signs would mean something.
_PATH = re.compile(r"/[A-Za-z0-9._~/-]*")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_HEADER = re.compile(r"[A-Za-z0-9-]{1,64}")
_HEADER_VALUE = re.compile(r"[^\s;{}'\"\\]{1,1024}")
_OWNER = re.compile(r"\d+(:\d+)?")


def _unusable(service: Service) -> Iterator[tuple[str, str]]:
    """(what it should be, text) of every text that has another form."""
    paths = [route.path for route in service.routes]
    paths += [service.health.path] if service.health and service.health.path is not None else []
    headers = [pair for route in service.routes for pair in route.headers.items()]
    texts = (
        ("a path", _PATH, paths),
        ("the name of a network", _NAME, service.networks),
        ("the name of a volume", _NAME, [volume.name for volume in service.volumes]),
        (
            "the owner of a volume (uid:gid)",
            _OWNER,
            [v.owner for v in service.volumes if v.owner is not None],
        ),
        ("the name of a header", _HEADER, [name for name, _ in headers]),
        ("the value of a header", _HEADER_VALUE, [value for _, value in headers]),
    )
    return ((what, text) for what, form, found in texts for text in found if not form.fullmatch(text))
