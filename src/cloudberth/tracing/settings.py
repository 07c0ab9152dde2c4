"""Settings of tracing from environment variables."""

from __future__ import annotations

from collections.abc import Mapping

from cloudberth.errors import InvalidInput
from cloudberth.tracing.courier import Pacing
from cloudberth.tracing.exporter import URL, ExporterSettings
from cloudberth.tracing.retention import Retention

# variable → what it sets, for the documentation.
VARIABLES = {
    URL: "where spans are kept: sqlite:///path/traces.db or postgresql://…",
    "BERTH_TRACES_KEYS": "keys for the secrets of destinations: id:base64, comma between, the first encrypts",
    "BERTH_TRACES_KEY_FILE": "a file with such keys, one per line",
    "BERTH_TRACES_ALLOW": "addresses besides public ones that are allowed: networks, hosts, private",
    "BERTH_TRACES_DAYS": "days for which spans are kept (7)",
    "BERTH_TRACES_MEGABYTES": "megabytes of spans that are kept (2048)",
    "BERTH_TRACES_TIMEOUT": "seconds for one request to a provider, from beginning to end (10)",
    "BERTH_TRACES_LONGEST_WAIT": "seconds between two tries at a provider that fails, at most (60)",
    "BERTH_TRACES_REPORT": "seconds between two lines of counters on standard error (60)",
}


def exporter_settings(environment: Mapping[str, str]) -> ExporterSettings:
    """The settings of an exporter. Raises InvalidInput, with the variable's name."""
    retention = Retention(
        days=_number(environment, "BERTH_TRACES_DAYS", 7.0),
        megabytes=int(_number(environment, "BERTH_TRACES_MEGABYTES", 2048)),
    )
    retention.check()
    longest = _number(environment, "BERTH_TRACES_LONGEST_WAIT", 60.0)
    pacing = Pacing(
        # A lease lasts 30 s: a request must be over before.
        timeout=min(25.0, _number(environment, "BERTH_TRACES_TIMEOUT", 10.0)),
        first_wait=min(1.0, longest),
        longest_wait=longest,
    )
    return ExporterSettings(
        retention=retention, pacing=pacing, report_every=_number(environment, "BERTH_TRACES_REPORT", 60.0)
    )


def _number(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name, "").strip()
    if not text:
        return default
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 < number < 1e9:
        raise InvalidInput(f"{text[:40]!r} is no number above 0", where=name)
    return number
