"""What works at a cache and what does not: `collect` tries it, `judge` says what to do about it.

Tries: to reach it, to write and read and delete, a lock, a rate. What was written is deleted again, but for
the number behind the lock, which ends after a day.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from cloudberth.cache.cache import Cache
from cloudberth.cache.contract import Capabilities, Health, Rate
from cloudberth.errors import BackendError, CloudberthError

NAMESPACE = "doctor"
_SLOW = 0.02  # seconds for one answer
_FULL = 0.9


class Verdict(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report. id: stable, for machines. said: what was found; remedy: what to do."""

    id: str
    verdict: Verdict
    said: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found out. health None: it could not be asked. tried: ability → its error, or None."""

    place: str
    capabilities: Capabilities
    health: Health | None
    tried: dict[str, CloudberthError | None]


def collect(cache: Cache) -> Facts:
    """Try everything, even after a failure; but nothing more at a store that cannot be reached."""
    mine, key = cache.under(NAMESPACE), secrets.token_hex(8)
    tried: dict[str, CloudberthError | None] = {}
    health: Health | None = None
    try:
        health = cache.health()
        tried["reach"] = None
    except CloudberthError as error:
        tried["reach"] = error
        if not (isinstance(error, BackendError) and error.code == "NOPERM"):
            return Facts(cache.backend.place, cache.capabilities, None, tried)
    steps: dict[str, Callable[[], object]] = {
        "write": lambda: mine.set(key, b"1", seconds=60),
        "read": lambda: mine.get(key),
        "number": lambda: mine.increment(key),
        "lock": lambda: (mine.acquire(key, key, 5), mine.release(key, key)),
        "rate": lambda: mine.take(f"{key}-rate", Rate(10, 10)),
        "delete": lambda: mine.delete(key, f"{key}-rate"),
    }
    for name, step in steps.items():
        try:
            step()
            tried[name] = None
        except CloudberthError as error:
            tried[name] = error
    return Facts(cache.backend.place, cache.capabilities, health, tried)


def judge(facts: Facts) -> list[Check]:
    """The report, from the facts alone."""
    checks = [_tried(name, error) for name, error in facts.tried.items()]
    if facts.health is not None:
        checks += _of_health(facts.health, facts.capabilities)
    return checks


def _tried(name: str, error: CloudberthError | None) -> Check:
    if error is None:
        return Check(name, Verdict.OK, "works")
    return Check(name, Verdict.FAIL, error.what, error.hint)


def _of_health(health: Health, capabilities: Capabilities) -> list[Check]:
    checks = [Check("version", Verdict.OK, f"{health.product} {health.version}")]
    milliseconds = f"{health.seconds * 1000:.1f} ms for an answer"
    slow = health.seconds > _SLOW
    checks.append(
        Check(
            "latency", Verdict.WARN if slow else Verdict.OK, milliseconds,
            "a cache belongs into the same network zone as what uses it" if slow else "",
        )
    )  # fmt: skip
    if capabilities.reach == "network":
        checks += _of_network(health)
    elif capabilities.reach == "process":
        checks.append(
            Check("shared", Verdict.WARN, "seen by one process only", "CACHE_TYPE=local or redis for several")
        )
    checks += _of_memory(health)
    return checks


def _of_network(health: Health) -> list[Check]:
    facts, checks = health.facts, []
    if facts.get("loopback") != "yes":
        checks.append(_tls(facts.get("tls", "off")))
        signed = facts.get("signed in by", "nothing")
        checks.append(
            Check("password", Verdict.WARN, "anybody in the network can read it", "set REDIS_PASSWORD")
            if signed == "nothing"
            else Check("password", Verdict.OK, f"signed in by {signed}")
        )
    elif facts.get("tls") == "not verified":
        checks.append(_tls("not verified"))
    if facts.get("mode") == "standalone" and facts.get("replicas") == "0":
        checks.append(
            Check(
                "replicas", Verdict.WARN, "no replica", "sessions end when this server does; a replica helps"
            )
        )
    return checks


def _tls(state: str) -> Check:
    if state == "verified":
        return Check("tls", Verdict.OK, "TLS, certificate verified")
    if state == "off":
        return Check("tls", Verdict.WARN, "no TLS", "set REDIS_USE_SSL=true")
    return Check(
        "tls", Verdict.WARN, "the certificate is not verified",
        "set REDIS_SSL_CERT_REQS=CERT_REQUIRED and REDIS_SSL_CA_CERTS",
    )  # fmt: skip


def _of_memory(health: Health) -> list[Check]:
    policy, used, limit = health.facts.get("policy", ""), health.bytes_used or 0, health.bytes_limit
    checks = []
    if limit is None:
        checks.append(
            Check("memory", Verdict.WARN, "no limit of memory", "set maxmemory and an eviction policy")
        )
    else:
        full = used > limit * _FULL and policy == "noeviction"
        said = f"{used:,} of {limit:,} bytes, {policy}"
        checks.append(
            Check("memory", Verdict.FAIL, said, "writes are about to fail: raise maxmemory, or let it evict")
            if full
            else Check("memory", Verdict.OK, said)
        )
    if limit is not None and policy.startswith("allkeys"):
        checks.append(
            Check(
                "eviction", Verdict.WARN, f"{policy} may evict locks and sessions",
                "give it more memory, or a server of its own; tokens of locks stay right all the same",
            )
        )  # fmt: skip
    return checks
