"""The whole file, and the two kinds of application it can describe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, Field

from cloudberth.apps.model import Queue, Resources, Secret, Service
from cloudberth.cost.usage import Usage
from cloudberth.deployment.model.base import Identifier, Name, SecretName, Section, VariableName
from cloudberth.deployment.model.infrastructure import (
    Access,
    Cache,
    Compute,
    Database,
    Domain,
    Network,
    Storage,
)
from cloudberth.deployment.model.operations import (
    Alarms,
    Backup,
    Budget,
    Logs,
    State,
    Suppression,
    Tracing,
    Vector,
)
from cloudberth.deployment.model.secrets import SecretReference


class ServiceOverride(Section):
    """What may be changed about one of Dify's services; the rest belongs to the release."""

    image: Annotated[str | None, Field(examples=["registry.example.com/dify-api:1.17.1-patched"])] = None
    """Image with tag or digest, instead of the release's."""
    resources: Annotated[Resources | None, Field(examples=[{"cpu": 2, "memory_mb": 4096}])] = None
    """Upper limits of CPU and memory, instead of the release's for this size."""
    env: Annotated[dict[VariableName, str], Field(examples=[{"CELERY_WORKER_AMOUNT": "4"}])] = Field(
        default_factory=dict
    )
    """Additional variables for this service alone."""


class Deployment(Section):
    """A whole deployment file. `name`, `app`, `cloud` and `region` are enough; everything else has a
    default."""

    name: Annotated[Name, Field(examples=["dify"])]
    """Name of the deployment; part of the name of everything that is created."""
    app: Annotated[Literal["dify", "custom"], Field(examples=["dify"])]
    """What runs: Dify, or your own containers (`services`)."""
    cloud: Annotated[Literal["aws", "azure", "google"], Field(examples=["aws"])]
    """Where it runs."""
    region: Annotated[str, Field(examples=["eu-central-1"])]
    """Region of the cloud."""
    account: Annotated[str | None, Field(examples=["123456789012"])] = None
    """What the cloud bills: the id of the AWS account or of the Google Cloud project. Default: the one that
    your credentials name. Terraform refuses to touch any other."""
    version: Annotated[str | None, Field(min_length=1, max_length=64, examples=["1.17.1"])] = None
    """Dify's release. Default: the newest one this berth knows. With `app: custom`: a word for your own
    release, which is shown and tagged."""
    size: Annotated[Literal["small", "medium", "large"], Field(examples=["medium"])] = "small"
    """Preset for every number below: small, medium or large. small suits a team, medium some hundred users,
    large thousands; large goes on when a zone fails."""
    domain: Domain | None = None
    """Host name, DNS zone and certificate. Default: none, plain HTTP on the load balancer's name."""
    network: Network = Network()
    """The private network."""
    access: Access = Access()
    """Who may reach it."""
    compute: Compute
    """The machines."""
    database: Database | None = None
    """PostgreSQL. `app: custom` may write `database: null` to do without."""
    cache: Cache | None = None
    """Valkey. `app: custom` may write `cache: null` to do without."""
    storage: Storage = Storage()
    """The object store."""
    vector: Vector = Vector()
    """The vector store."""
    tracing: Tracing = Tracing()
    """Traces."""
    logs: Logs = Logs()
    """Logs."""
    alarms: Alarms = Alarms()
    """Alarms and dashboard."""
    budget: Budget | None = None
    """Monthly budget; every size sets one. `budget: null` does without."""
    backup: Backup = Backup()
    """Backups and maintenance."""
    state: State = State()
    """Terraform's state: where it is kept."""
    tags: Annotated[
        dict[str, str], Field(max_length=40, examples=[{"team": "platform", "cost-center": "4711"}])
    ] = Field(default_factory=dict)
    """Tags on everything that can carry them."""
    env: Annotated[dict[VariableName, str], Field(examples=[{"LOG_TZ": "Europe/Berlin"}])] = Field(
        default_factory=dict
    )
    """Additional variables for every service of the app (Dify's names). Secrets are references:
    secret:NAME."""
    services: dict[str, Any] = Field(default_factory=dict)
    """`app: custom`: the containers. `app: dify`: changes to the release's services (image, resources,
    env)."""
    secrets: Annotated[
        dict[SecretName, Secret],
        Field(examples=[{"session_key": {"length": 48, "purpose": "signs cookies"}}]),
    ] = Field(default_factory=dict)
    """`app: custom` only: secrets to generate once. They are kept in the secret store; variables use them as
    ${secret.session_key}."""
    queue: Annotated[Queue | None, Field(examples=[{"database": 1, "names": ["default"]}])] = None
    """`app: custom` only: Redis lists whose length is the backlog that alarms.queue_depth watches."""
    suppress: tuple[Suppression, ...] = ()
    """Findings that are accepted, with the reason."""
    usage: dict[str, Any] = Field(default_factory=dict)
    """Monthly usage for the cost estimate, where the size's assumptions are off."""

    @property
    def secret_references(self) -> dict[str, str]:
        """Entries of the secret store that the file refers to: name in templates → id in the store."""
        found = (SecretReference.parse(text) for text in self._texts())
        return {reference.name: reference.id for reference in found if reference}

    def _texts(self) -> Iterator[str]:
        yield from self.env.values()
        yield from self.vector.env.values()
        if self.tracing.headers_secret:
            yield self.tracing.headers_secret
        for service in self.services.values():
            yield from service.get("env", {}).values()

    @property
    def own_services(self) -> dict[str, Service]:
        """The containers of `app: custom`; empty for Dify."""
        return {} if self.app == "dify" else _each(Service, self.services)

    @property
    def overrides(self) -> dict[str, ServiceOverride]:
        """What is changed about Dify's services; empty for `app: custom`."""
        return _each(ServiceOverride, self.services) if self.app == "dify" else {}


_Part = TypeVar("_Part", bound=BaseModel)


def _each(kind: type[_Part], values: Mapping[str, Any]) -> dict[str, _Part]:
    return {name: kind.model_validate(value) for name, value in values.items()}


class DeploymentFile(Deployment):
    """A deployment as its file is checked: with types for what `Deployment` keeps as it stands in the
    file."""

    usage: Usage = Usage()  # type: ignore[assignment]  # the model of what is kept as a mapping
    """Monthly usage for the cost estimate, where the size's assumptions are off. What is not given is assumed
    and listed by the estimate."""

    def deployment(self) -> Deployment:
        """The same as a `Deployment`: services and usage as plain mappings of what was given."""
        values = {name: getattr(self, name) for name in Deployment.model_fields}
        services = {name: service.model_dump(exclude_unset=True) for name, service in self.services.items()}
        return Deployment(
            **{**values, "services": services, "usage": self.usage.model_dump(exclude_unset=True)}
        )


class DifyFile(DeploymentFile):
    """A file with `app: dify`."""

    services: Annotated[
        dict[Identifier, ServiceOverride],
        Field(examples=[{"worker": {"env": {"CELERY_WORKER_AMOUNT": "4"}}}]),
    ] = Field(default_factory=dict)
    """Changes to the release's services: image, resources and env."""


class CustomFile(DeploymentFile):
    """A file with `app: custom`."""

    services: Annotated[
        dict[Identifier, Service],
        Field(
            min_length=1,
            max_length=40,
            examples=[
                {"web": {"image": "ghcr.io/example/app:1.2.3", "resources": {"cpu": 1, "memory_mb": 1024}}}
            ],
        ),
    ]
    """Your containers."""
