"""From facts to verdicts and remedies. Pure: the same facts give the same report."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from cloudberth.errors import (
    BackendError,
    BucketNotFound,
    CloudberthError,
    ExpiredCredentials,
    Kind,
    PermissionDenied,
    WrongRegion,
)
from cloudberth.storage.doctor.facts import Attempt, Check, Facts, ServerFacts, Verdict, wrong_keys
from cloudberth.storage.doctor.judging_bucket import bucket_checks

OK, WARN, FAIL, UNKNOWN = Verdict.OK, Verdict.WARN, Verdict.FAIL, Verdict.UNKNOWN
ACCESS, NETWORK, OPERATIONS, SPEED = "Access", "Network", "Operations", "Speed"
_SKEW_WARN, _SKEW_FAIL = 60.0, 600.0  # S3, Azure, OSS and OBS refuse a signature that is 15 minutes off
_EXPIRY_WARN = timedelta(days=21)
_SLOW_CONNECT = 0.3
_SLOW_REQUEST = 0.25
_SLOW_RATE = 2 * 1024 * 1024
# What no application can do without; the rest has a way round.
_NEEDED = {"list", "put", "get", "head", "delete", "overwrite"}


def judge(facts: Facts) -> tuple[Check, ...]:
    """Every check, in the order in which things go wrong."""
    return (
        _settings(facts),
        *_network(facts),
        *_identity(facts),
        *_operations(facts),
        *bucket_checks(facts),
        *_speed(facts),
    )


def _settings(facts: Facts) -> Check:
    source = f", credentials: {facts.credentials}" if facts.credentials else ""
    if facts.credentials.startswith("none:"):
        return Check(
            "settings", ACCESS, "settings", FAIL, f"{facts.type} at {facts.place}{source}",
            "set the vendor's keys, or run with a role that may use the bucket",
        )  # fmt: skip
    return Check("settings", ACCESS, "settings", OK, f"{facts.type} at {facts.place}{source}")


# -- network -------------------------------------------------------------------------------------------------


def _network(facts: Facts) -> Iterator[Check]:
    for server in facts.servers:
        yield from _server(server, facts)
    if facts.servers:
        yield _clock(facts.skew)


def _server(server: ServerFacts, facts: Facts) -> Iterator[Check]:
    via = f" (by way of the proxy {server.proxy})" if server.proxy else ""
    if server.dns_trouble:
        remedy = "is the endpoint or the region misspelt? does this machine resolve names at all?"
        if server.proxy:
            remedy = "is the proxy in HTTPS_PROXY or HTTP_PROXY right? NO_PROXY names what needs none"
        said = f"{server.host} has no address: {server.dns_trouble}{via}"
        yield Check("dns", NETWORK, "name", FAIL, said, remedy)
        return
    addresses = ", ".join(server.addresses[:3]) + (" …" if len(server.addresses) > 3 else "")
    took = _milliseconds(server.dns_seconds)
    yield Check("dns", NETWORK, "name", OK, f"{server.host} is {addresses} ({took}){via}")
    if server.connect_trouble:
        yield Check(
            "tcp", NETWORK, "connection", FAIL,
            f"port {server.port} cannot be reached: {server.connect_trouble}",
            "a firewall, a security group, or a private endpoint that needs a route from here?",
        )  # fmt: skip
        return
    slow = (server.connect_seconds or 0) > _SLOW_CONNECT
    yield Check(
        "tcp", NETWORK, "connection", WARN if slow else OK,
        f"port {server.port} answers in {_milliseconds(server.connect_seconds)}",
        "the bucket is far away: use one in the region of the application" if slow else "",
    )  # fmt: skip
    yield _tls(server, facts)


def _tls(server: ServerFacts, facts: Facts) -> Check:
    if not server.encrypted:
        if server.loopback:
            return Check("tls", NETWORK, "certificate", OK, "not encrypted, and on this machine")
        return Check(
            "tls", NETWORK, "certificate", WARN, "not encrypted: everybody on the way can read the data",
            "use an https:// endpoint",
        )  # fmt: skip
    if server.tls is None:
        return Check("tls", NETWORK, "certificate", UNKNOWN, "not looked at, through a proxy")
    tls = server.tls
    if tls.trouble:
        return Check(
            "tls", NETWORK, "certificate", FAIL, f"the certificate is not accepted: {tls.trouble}",
            "a private authority: name its certificate in SSL_CERT_FILE; else: is the endpoint right?",
        )  # fmt: skip
    said = f"{tls.version}, by {tls.issuer or 'an authority without a name'}"
    if tls.expires:
        left = tls.expires - facts.at
        said += f", until {tls.expires:%Y-%m-%d}"
        if left < _EXPIRY_WARN:
            return Check("tls", NETWORK, "certificate", WARN, said, f"it ends in {left.days} days: renew it")
    return Check("tls", NETWORK, "certificate", OK, said)


def _clock(skew: float | None) -> Check:
    if skew is None:
        return Check("clock", NETWORK, "clock", UNKNOWN, "the server told no time")
    amount = abs(skew)
    if amount < 2:
        return Check("clock", NETWORK, "clock", OK, "right to the second or two")
    said = f"{amount:,.0f} seconds {'ahead of' if skew > 0 else 'behind'} the server's"
    remedy = "set this machine's clock by NTP (timedatectl set-ntp true)"
    if amount >= _SKEW_FAIL:
        return Check(
            "clock", NETWORK, "clock", FAIL, f"{said}: signatures are refused from 15 minutes on", remedy
        )
    if amount >= _SKEW_WARN:
        return Check("clock", NETWORK, "clock", WARN, said, remedy)
    return Check("clock", NETWORK, "clock", OK, said)


# -- who and where -------------------------------------------------------------------------------------------


def _identity(facts: Facts) -> Iterator[Check]:
    errors = [attempt.error for attempt in (facts.bucket, *facts.attempts) if attempt.error]
    refused = next((error for error in errors if wrong_keys(error)), None)
    worked = facts.bucket.outcome == "ok" or any(attempt.outcome == "ok" for attempt in facts.attempts)
    reached = worked or any(
        isinstance(error, BackendError) and error.kind is not Kind.UNAVAILABLE for error in errors
    )
    if refused is not None:
        yield Check("identity", ACCESS, "credentials", FAIL, refused.what, _keys_remedy(refused, facts))
    elif facts.type == "local":
        pass
    elif worked:
        yield Check("identity", ACCESS, "credentials", OK, "the server accepts them")
    else:
        said = "the server was not reached"
        if reached:
            refused_all = any(isinstance(error, PermissionDenied) for error in errors)
            said = (
                "it refuses all and gives no reason: a wrong secret, or no rights"
                if refused_all
                else "it did not say"
            )
        yield Check("identity", ACCESS, "credentials", UNKNOWN, said)
    yield _bucket(facts)


def _keys_remedy(error: CloudberthError, facts: Facts) -> str:
    if isinstance(error, ExpiredCredentials):
        clock = facts.skew is not None and abs(facts.skew) >= _SKEW_FAIL
        return "set the clock" if clock else "get new temporary credentials"
    return error.hint or "is the key of this account, still active, and its secret copied whole?"


def _bucket(facts: Facts) -> Check:
    attempt = facts.bucket
    region = (facts.settings.region if facts.settings else None) or ""
    if attempt.outcome == "ok":
        where = f", in {region}" if region else ""
        if region and facts.configured_region and region != facts.configured_region:
            return Check(
                "bucket", ACCESS, "bucket", WARN,
                f"is in {region}, the settings say {facts.configured_region}",
                "set the region of the bucket: others answer later, or not at all",
            )  # fmt: skip
        said = f"{attempt.detail or 'is there'}{where}"
        return Check("bucket", ACCESS, "bucket", OK, said)
    error = attempt.error
    said = error.what if error else "did not answer"
    if isinstance(error, BucketNotFound):
        remedy = (
            "is its name misspelt, or the region? --create makes it, private, in the region of the settings"
        )
        return Check("bucket", ACCESS, "bucket", FAIL, "there is no such bucket", remedy)
    if isinstance(error, WrongRegion):
        return Check("bucket", ACCESS, "bucket", FAIL, f"is in another region: {said}", error.hint)
    if isinstance(error, PermissionDenied) and not wrong_keys(error):
        worked = any(attempt.outcome == "ok" for attempt in facts.attempts)
        said = "may not be asked about, its objects may be" if worked else f"no access: {said}"
        return Check(
            "bucket", ACCESS, "bucket", OK if worked else FAIL, said, "" if worked else _grant(facts)
        )
    return Check("bucket", ACCESS, "bucket", FAIL, said, error.hint if error else "")


def _grant(facts: Facts) -> str:
    return "allow what the policy below says" if facts.policy else "let the owner of the bucket allow it"


# -- operations ----------------------------------------------------------------------------------------------


def _operations(facts: Facts) -> Iterator[Check]:
    for attempt in facts.attempts:
        if not wrong_keys(attempt.error):
            yield _operation(attempt, facts)
    if facts.left_behind:
        yield Check(
            "clean-up", OPERATIONS, "clean-up", FAIL, f"left behind: {', '.join(facts.left_behind)}",
            "delete these by hand; they are a few bytes each",
        )  # fmt: skip


def _operation(attempt: Attempt, facts: Facts) -> Check:
    name = attempt.name
    id_ = name.replace(" ", "-")
    if attempt.outcome == "ok":
        said = attempt.detail or _milliseconds(attempt.seconds)
        return Check(id_, OPERATIONS, name, OK, said)
    if attempt.outcome == "skipped":
        return Check(id_, OPERATIONS, name, UNKNOWN, f"not tried: {attempt.detail}")
    if attempt.outcome == "absent":
        return Check(id_, OPERATIONS, name, UNKNOWN, f"{facts.type} has none")
    error = attempt.error
    said = error.what if error else "failed"
    right = facts.rights.get(name, "")
    if isinstance(error, PermissionDenied):
        remedy = f"allow {right}" if right else _grant(facts)
    else:
        remedy = (error.hint if error else "") or _remedy(name)
    needed = name in _NEEDED or isinstance(error, PermissionDenied)
    return Check(id_, OPERATIONS, name, FAIL if needed else WARN, said, remedy)


def _remedy(name: str) -> str:
    return {
        "conditional put": "two writers can overwrite each other here: do not rely on if_absent",
        "metadata": "content types and metadata do not survive here",
        "multipart": "objects over 5 GiB cannot be written",
        "range": "every read of a part reads the whole object",
        "presigned get": "browsers cannot download directly",
        "presigned put": "browsers cannot upload directly",
        "copy": "copies go through this machine",
    }.get(name, "")


# -- speed ---------------------------------------------------------------------------------------------------


def _speed(facts: Facts) -> Iterator[Check]:
    speed = facts.speed
    if speed.put_seconds is None or speed.get_seconds is None:
        return
    slow = max(speed.put_seconds, speed.get_seconds) > _SLOW_REQUEST
    yield Check(
        "latency", SPEED, "small objects", WARN if slow else OK,
        f"put {_milliseconds(speed.put_seconds)}, get {_milliseconds(speed.get_seconds)} (median of 20)",
        "is the bucket in the region of the application?" if slow else "",
    )  # fmt: skip
    if speed.upload_rate is None or speed.download_rate is None:
        return
    slow = min(speed.upload_rate, speed.download_rate) < _SLOW_RATE
    yield Check(
        "throughput", SPEED, "large objects", WARN if slow else OK,
        f"up {_rate(speed.upload_rate)}, down {_rate(speed.download_rate)} (8 MiB, one connection)",
        "one connection is slow; parallel ones may make up for it (--concurrency)" if slow else "",
    )  # fmt: skip


def _milliseconds(seconds: float | None) -> str:
    return f"{(seconds or 0.0) * 1000:.1f} ms"


def _rate(rate: float) -> str:
    return f"{rate / (1024 * 1024):,.1f} MiB/s"
