"""Sections about running the deployment: logs, alarms, money, backups, Terraform's state."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from cloudberth.deployment.model.base import (
    Bucket,
    DailyWindow,
    Email,
    FindingId,
    Section,
    VariableName,
    WeeklyWindow,
    Words,
    shown,
    wrong,
)
from cloudberth.deployment.model.secrets import SecretText


class Vector(Section):
    """Where vectors are kept."""

    store: Annotated[str, Field(examples=["qdrant"])] = "pgvector"
    """Vector store (Dify's VECTOR_STORE). pgvector uses the deployment's own database."""
    env: Annotated[
        dict[VariableName, str],
        Field(
            examples=[
                {"QDRANT_URL": "https://qdrant.example.com:6333", "QDRANT_API_KEY": "secret:prod/qdrant"}
            ]
        ),
    ] = Field(default_factory=dict)
    """The store's own variables (Dify's names) when it is not pgvector. Keys and passwords are references:
    secret:NAME."""


def _endpoint(value: str) -> str:
    if not re.match(r"https?://[^\s/@:]+(:\d{1,5})?(/\S*)?\Z", value):
        raise wrong(f"{shown(value)} is not an http(s) address", "write it like https://otlp.example.com")
    return value


class Tracing(Section):
    """Where traces (OpenTelemetry) are sent."""

    otlp_endpoint: Annotated[
        str | None,
        AfterValidator(lambda v: v if v is None else _endpoint(v)),
        Field(examples=["https://otlp.example.com"]),
    ] = None
    """Base address of an OTLP/HTTP receiver; without one no traces are sent."""
    sampling: Annotated[float, Field(ge=0, le=1, examples=[0.25])] = 0.1
    """Share of requests that are traced, 0 to 1."""
    headers_secret: Annotated[SecretText | None, Field(examples=["secret:prod/otlp-key"])] = None
    """Reference to the secret with the receiver's API key."""


class Logs(Section):
    """Log groups of the services."""

    retention_days: Annotated[int, Field(ge=1, examples=[90])] = 30
    """Days that logs are kept. Of the numbers that AWS knows the next up is taken; `berth plan` says so."""
    level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], Field(examples=["WARNING"])] = "INFO"
    """Least severe messages that are written. ERROR hides what migrations did."""


class Alarms(Section):
    """Alarms on errors, load and space, and a dashboard."""

    enabled: Annotated[bool, Field(examples=[False])] = True
    """Create alarms and dashboard."""
    emails: Annotated[tuple[Email, ...], Field(max_length=50, examples=[["ops@example.com"]])] = ()
    """Who gets mail when an alarm goes off."""
    cpu_percent: Annotated[int, Field(ge=1, le=100, examples=[90])] = 85
    """CPU load of machines and database."""
    database_free_storage_gb: Annotated[int, Field(ge=1, le=10000, examples=[20])] = 10
    """Free database storage in GB below which the alarm goes off."""
    cache_memory_percent: Annotated[int, Field(ge=1, le=100, examples=[75])] = 80
    """Used cache memory."""
    queue_depth: Annotated[int, Field(ge=1, le=10_000_000, examples=[1000])] = 500
    """Waiting background tasks."""
    errors_per_5_minutes: Annotated[int, Field(ge=1, le=10_000_000, examples=[50])] = 20
    """Answers with status 5xx within five minutes."""


class Budget(Section):
    """Mail when the month gets expensive. `budget: null` does without."""

    amount: Annotated[float, Field(gt=0, le=100_000_000, examples=[300])]
    """US dollars a month."""
    thresholds: Annotated[
        tuple[Annotated[int, Field(ge=1, le=1000)], ...],
        Field(min_length=1, max_length=8, examples=[[50, 80, 100]]),
    ] = (50, 80, 100)
    """Percentages of the amount at which mail is sent, rising."""
    emails: Annotated[tuple[Email, ...], Field(max_length=10, examples=[["finance@example.com"]])] = ()
    """Who gets the mail; in addition to alarms.emails."""
    anomaly: Annotated[bool, Field(examples=[False])] = True
    """Let the cloud watch for unusual spending."""
    anomaly_usd: Annotated[float, Field(gt=0, le=100_000_000, examples=[100])] = 50
    """US dollars a day of unusual spending from which mail is sent."""
    billing_account: Annotated[str | None, Field(examples=["012345-6789AB-CDEF01"])] = None
    """Google Cloud alone: the billing account to which the budget belongs; without it there is none."""


class Backup(Section):
    """Backups of the database, and when the cloud may do maintenance."""

    retention_days: Annotated[int, Field(ge=1, le=35, examples=[14])] = 7
    """Days back to which the database can be restored, to the second."""
    window: Annotated[DailyWindow, Field(examples=["02:00-03:00"])] = "02:00-03:00"
    """Daily backup window, UTC, at least an hour."""
    maintenance: Annotated[WeeklyWindow, Field(examples=["sun:03:30-sun:04:30"])] = "sun:03:30-sun:04:30"
    """Weekly maintenance window, UTC, apart from the backup window."""
    final_snapshot: Annotated[bool, Field(examples=[False])] = True
    """Take a last snapshot before the database is deleted."""


class State(Section):
    """Where Terraform keeps its state."""

    type: Annotated[Literal["s3", "azurerm", "gcs", "local"], Field(examples=["local"])] = "s3"
    """s3 (AWS), azurerm (Azure), gcs (Google Cloud): a versioned, locked bucket or storage account. local: a
    file in the workspace, for trials."""
    bucket: Annotated[Bucket | None, Field(examples=["example-terraform-state"])] = None
    """Bucket of the state; on Azure the storage account. Default: one named after the deployment and the
    account, which `berth up` creates."""
    key: Annotated[str | None, Field(min_length=1, max_length=1024, examples=["dify/production.tfstate"])] = (
        None
    )
    """Key of the state in the bucket. Default: <name>/terraform.tfstate."""
    region: Annotated[str | None, Field(examples=["eu-central-1"])] = None
    """Region of the bucket. Default: the deployment's region."""


class Suppression(Section):
    """A finding of the review that is accepted, with the reason."""

    id: Annotated[FindingId, Field(examples=["network.single-nat"])]
    """Id of the finding, as `berth plan` prints it."""
    reason: Annotated[Words, Field(examples=["Trial; one zone is enough until May."])]
    """Why it is accepted; stands beside the finding in every report."""
    resource: Annotated[str | None, Field(examples=["module.network.aws_nat_gateway.main"])] = None
    """Only for this resource (Terraform address). Default: wherever it is found."""
