"""Daily backup windows and weekly maintenance windows of AWS databases, which must not meet. In UTC."""

from __future__ import annotations

import re

from cloudberth.findings.model import Severity
from cloudberth.findings.rules.registry import resource_rule
from cloudberth.findings.values import at
from cloudberth.infra.plan import Resource

_DAY = 24 * 60
_TIME = r"(?:[a-z]{3}:)?(\d{2}):(\d{2})"
_WINDOW = re.compile(f"^{_TIME}-{_TIME}$", re.I)
_NAMES = {
    "aws_db_instance": ("backup_window", "maintenance_window"),
    "aws_rds_cluster": ("preferred_backup_window", "preferred_maintenance_window"),
}


def minutes(window: str) -> tuple[int, int] | None:
    """``23:30-00:30`` or ``sun:23:30-mon:00:30`` → (1410, 1470): minutes of the day."""
    match = _WINDOW.match(window)
    if match is None:
        return None
    start, end = (int(match[n]) * 60 + int(match[n + 1]) for n in (1, 3))
    return start, end if end > start else end + _DAY


def overlap(first: tuple[int, int], second: tuple[int, int]) -> bool:
    """Whether two windows share a minute on some day."""
    return any(first[0] + shift < second[1] and second[0] < first[1] + shift for shift in (-_DAY, 0, _DAY))


@resource_rule(
    "database.windows-overlap",
    Severity.HIGH,
    "Backup and maintenance windows overlap",
    why="AWS refuses a database whose daily backup may fall into its maintenance: the apply fails.",
    remedy="backup.window and backup.maintenance at different hours",
    types=tuple(_NAMES),
)
def windows_overlap(database: Resource) -> str | None:
    texts = [at(database, name).text for name in _NAMES[database.type]]
    backup, maintenance = (minutes(text) for text in texts)
    meet = backup is not None and maintenance is not None and overlap(backup, maintenance)
    return f"Backup {texts[0]}, maintenance {texts[1]}." if meet else None
