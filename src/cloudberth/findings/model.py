"""What review and doctor report."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Finding:
    """One remark about a plan or a running deployment.

    id: stable, e.g. ``network.security-group-open``. resource: Terraform address, ``""`` for the whole.
    remedy: what to write in berth.yaml (or do) about it. suppressed: the reason given in the file, if any.
    """

    id: str
    severity: Severity
    title: str
    detail: str
    resource: str
    remedy: str
    suppressed: str | None = None
