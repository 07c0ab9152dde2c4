"""What runs, as data: an application is services, routes, databases and secrets.

Read from ``apps/dify/<version>.yaml``, or made from the ``services`` of an `app: custom` file.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class AppPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Resources(AppPart):
    cpu: float
    """vCPUs; the container's upper limit."""
    memory_mb: int


class Health(AppPart):
    path: str | None = None
    """HTTP path that answers 200 on the service's port."""
    command: tuple[str, ...] = ()
    """Or a command inside the container that exits 0."""
    start_seconds: int = 60
    statuses: tuple[int, ...] = (200,)


class Volume(AppPart):
    name: str
    path: str
    """Mount path in the container."""
    persistent: bool = True
    """On the data disk of the stateful machine; False: scratch that goes with the machine."""
    owner: str | None = None
    """uid:gid the directory must belong to."""


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

    runs: ``many`` on every app machine; ``one`` exactly once, on the stateful machine; ``once`` a one-shot step
    that must end with 0 before the others start (migration), on the stateful machine.
    env: literal text with references: ``${database.host}`` (a fact of the deployment), ``${service.api}``
    (``host:port``-free host name of another service), ``${secret.NAME}`` and ``${secret.NAME|url}`` (percent-encoded).
    """

    image: str
    runs: Literal["many", "one", "once"] = "many"
    spot: bool = True
    """Whether losing the machine with two minutes' notice is safe."""
    command: tuple[str, ...] = ()
    user: str | None = None
    port: int | None = None
    routes: tuple[Route, ...] = ()
    health: Health | None = None
    resources: dict[Literal["small", "medium", "large"], Resources]
    volumes: tuple[Volume, ...] = ()
    after: tuple[str, ...] = ()
    """Services on the same machine that must be healthy (or done, for `once`) first."""
    networks: tuple[str, ...] = ("default",)
    """`isolated` networks have no way out: only services that share one can talk."""
    capabilities: tuple[str, ...] = ()
    files: dict[str, str] = {}
    """Container path → file of the release's folder (templates with the same references as env)."""
    env: dict[str, str] = {}
    database_connections: int = 0
    """Upper limit of connections one container of this service holds to PostgreSQL."""


class Secret(AppPart):
    """A generated secret. length: characters before formatting."""

    length: int = 40
    format: Literal["alphanumeric", "base64url-32"] = "alphanumeric"
    """base64url-32: unpadded base64url of exactly 32 bytes."""
    purpose: str = ""


class Queue(AppPart):
    """Redis lists whose length is the application's backlog."""

    database: int = 0
    names: tuple[str, ...] = ()


class App(AppPart):
    name: str
    version: str
    services: dict[str, Service]
    databases: tuple[str, ...] = ()
    """PostgreSQL databases that must exist; the first is the default."""
    extensions: tuple[str, ...] = ()
    secrets: dict[str, Secret] = Field(default_factory=dict)
    networks: dict[str, Literal["open", "isolated"]] = {"default": "open"}
    queue: Queue | None = None
    shared_env: dict[str, dict[str, str]] = {}
    """Named groups of variables that services include, so that a fact stands once."""
    max_body_mb: int = 100
    needs: tuple[Literal["database", "cache", "storage", "vector"], ...] = ("database", "cache", "storage", "vector")
