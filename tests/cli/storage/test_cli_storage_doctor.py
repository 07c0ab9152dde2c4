"""doctor: verdicts are a pure function of facts; the facts come from a real server that checks signatures."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from bucket_on_loopback import SECRET_KEY, Bucket
from typed_commands import Berth

from cloudberth.errors import (
    BackendError,
    BucketNotFound,
    ExpiredCredentials,
    Kind,
    PermissionDenied,
    TimedOut,
    WrongRegion,
)
from cloudberth.storage.contract import BucketFacts, DeleteFailure
from cloudberth.storage.doctor import Attempt, Check, Facts, Verdict, judge
from cloudberth.storage.doctor.collecting import shortened
from cloudberth.storage.doctor.facts import ServerFacts, Speed, TlsFacts
from cloudberth.storage.doctor.network import look_at, skew_of, tls_facts
from cloudberth.storage.doctor.policies import policy_for, rights_of
from cloudberth.storage.http.message import Origin
from cloudberth.storage.options import Options
from cloudberth.storage.registry import BACKENDS

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
SERVER = ServerFacts(
    "s3.example", 443, True, addresses=("192.0.2.1",), dns_seconds=0.01, connect_seconds=0.02,
    tls=TlsFacts("TLSv1.3", "Example CA", NOW + timedelta(days=90)),
)  # fmt: skip
NAMES = ("list", "put", "head", "get", "range", "metadata", "overwrite", "conditional put", "copy",
         "multipart", "presigned get", "presigned put", "delete")  # fmt: skip
HEALTHY = Facts(
    type="s3",
    place="s3://bucket",
    credentials="S3_ACCESS_KEY, key AKIA…00",
    read_only=False,
    at=NOW,
    bucket=Attempt("bucket", "ok"),
    configured_region="eu-west-1",
    servers=(SERVER,),
    skew=0.0,
    attempts=tuple(Attempt(name, "ok", 0.01) for name in NAMES),
    exposed=(),
    settings=BucketFacts(
        region="eu-west-1", public=False, versioning=True, encryption="AES256",
        lifecycle="1 rule, aborting unfinished uploads", cors="0 rules",
    ),
    uploads=Attempt("uploads", "ok"),
    speed=Speed(0.01, 0.01, 5e7, 5e7),
    multipart=True,
    rights=rights_of("s3"),
    policy=policy_for("s3", "bucket"),
)  # fmt: skip


def verdicts(facts: Facts) -> dict[str, Check]:
    return {check.id: check for check in judge(facts)}


def tried(name: str, error: BackendError) -> tuple[Attempt, ...]:
    return tuple(
        Attempt(name, "failed", error=error) if attempt.name == name else attempt
        for attempt in HEALTHY.attempts
    )


# -- judging -------------------------------------------------------------------------------------------------


def test_a_healthy_bucket_is_all_ok() -> None:
    assert {check.verdict for check in judge(HEALTHY)} == {Verdict.OK}
    assert not any(check.remedy for check in judge(HEALTHY))


def skewed(seconds: float) -> Facts:
    return replace(HEALTHY, skew=seconds)


def served(**changes: object) -> Facts:
    return replace(HEALTHY, servers=(replace(SERVER, **changes),))  # type: ignore[arg-type]


def settled(**changes: object) -> Facts:
    assert HEALTHY.settings is not None
    return replace(HEALTHY, settings=replace(HEALTHY.settings, **changes))  # type: ignore[arg-type]


CASES: Mapping[str, tuple[Facts, str, Verdict, str]] = {
    "no name": (served(dns_trouble="Name or service not known"), "dns", Verdict.FAIL, "misspelt"),
    "no way": (served(connect_trouble="timed out"), "tcp", Verdict.FAIL, "firewall"),
    "far away": (served(connect_seconds=0.9), "tcp", Verdict.WARN, "region"),
    "wrong certificate": (
        served(tls=TlsFacts(trouble="Hostname mismatch")), "tls", Verdict.FAIL, "SSL_CERT_FILE",
    ),
    "old certificate": (
        served(tls=TlsFacts("TLSv1.2", "CA", NOW + timedelta(days=5))), "tls", Verdict.WARN, "5 days",
    ),
    "plain http": (served(encrypted=False, tls=None), "tls", Verdict.WARN, "https"),
    "clock a bit off": (skewed(90), "clock", Verdict.WARN, "NTP"),
    "clock far off": (skewed(-2000), "clock", Verdict.FAIL, "NTP"),
    "no clock": (replace(HEALTHY, skew=None), "clock", Verdict.UNKNOWN, ""),
    "no bucket": (
        replace(HEALTHY, bucket=Attempt("bucket", "failed", error=BucketNotFound("gone")), attempts=()),
        "bucket", Verdict.FAIL, "--create",
    ),
    "another region": (
        replace(
            HEALTHY,
            bucket=Attempt("bucket", "failed", error=WrongRegion("see eu-west-2", hint="set eu-west-2")),
            attempts=(),
        ),
        "bucket", Verdict.FAIL, "eu-west-2",
    ),
    "region of the settings": (settled(region="us-east-1"), "bucket", Verdict.WARN, "region"),
    "bucket may not be asked": (
        replace(HEALTHY, bucket=Attempt("bucket", "failed", error=PermissionDenied("403"))),
        "bucket", Verdict.OK, "",
    ),
    "expired": (
        replace(HEALTHY, attempts=tried("list", ExpiredCredentials("ExpiredToken"))),
        "identity", Verdict.FAIL, "new temporary credentials",
    ),
    "may not delete": (
        replace(HEALTHY, attempts=tried("delete", PermissionDenied("AccessDenied"))),
        "delete", Verdict.FAIL, "s3:DeleteObject",
    ),
    "no condition": (
        replace(HEALTHY, attempts=tried("conditional put", BackendError("ignored", kind=Kind.UNEXPECTED))),
        "conditional-put", Verdict.WARN, "if_absent",
    ),
    "put is slow": (
        replace(HEALTHY, attempts=tried("put", TimedOut("no answer", hint="look at the network"))),
        "put", Verdict.FAIL, "network",
    ),
    "anybody reads": (replace(HEALTHY, exposed=("read",)), "public", Verdict.FAIL, "block public access"),
    "public by settings": (settled(public=True), "public", Verdict.FAIL, "block public access"),
    "no versions": (settled(versioning=False), "versioning", Verdict.WARN, "switch it on"),
    "versions unknown": (
        settled(versioning=None, unreadable={"versioning": "AccessDenied"}),
        "versioning", Verdict.UNKNOWN, "",
    ),
    "not encrypted": (settled(encryption="none"), "encryption", Verdict.WARN, "encryption"),
    "no rule aborts": (settled(lifecycle="2 rules"), "lifecycle", Verdict.WARN, "AbortIncomplete"),
    "old uploads": (
        replace(HEALTHY, pending=7, oldest_upload=NOW - timedelta(days=9)),
        "uploads", Verdict.WARN, "--abort",
    ),
    "new uploads": (
        replace(HEALTHY, pending=7, oldest_upload=NOW - timedelta(hours=1)), "uploads", Verdict.OK, "",
    ),
    "slow": (replace(HEALTHY, speed=Speed(0.9, 0.1, 1e7, 1e7)), "latency", Verdict.WARN, "region"),
    "thin": (replace(HEALTHY, speed=Speed(0.1, 0.1, 1e5, 1e7)), "throughput", Verdict.WARN, "parallel"),
    "left behind": (replace(HEALTHY, left_behind=("k",)), "clean-up", Verdict.FAIL, "by hand"),
    "no credentials": (
        replace(HEALTHY, credentials="none: there are no AWS credentials"), "settings", Verdict.FAIL, "role",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_each_trouble_has_a_verdict_and_a_remedy(case: str) -> None:
    facts, check_id, verdict, remedy = CASES[case]
    check = verdicts(facts)[check_id]
    assert check.verdict is verdict
    assert remedy in check.remedy
    assert bool(check.remedy) == (verdict in {Verdict.WARN, Verdict.FAIL})
    others = [other for other in judge(facts) if other.id != check_id and other.verdict is Verdict.FAIL]
    assert not others, "one trouble is told once"


def test_the_clock_is_compared_with_whole_seconds() -> None:
    assert skew_of(100.2, 100.9, 100.0) == 0
    assert skew_of(100.2, 102.9, 101.0) == 0
    assert skew_of(1000.0, 1001.0, 700.0) == 299.0
    assert skew_of(1000.0, 1001.0, 1300.0) == -299.0


def test_every_type_has_rights_and_a_policy() -> None:
    for type_id in BACKENDS:
        if type_id == "opendal":  # is whatever it is told to be
            continue
        rights = rights_of(type_id)
        assert {"list", "get", "put", "delete", "head", "overwrite", "copy"} <= set(rights), type_id
        assert type_id == "local" or "my-bucket" in policy_for(type_id, "my-bucket"), type_id


@pytest.mark.parametrize("type_id", ["s3", "aliyun-oss", "tencent-cos", "huawei-obs", "volcengine-tos"])
def test_a_policy_stays_inside_the_prefix(type_id: str) -> None:
    policy = policy_for(type_id, "my-bucket", "team/")
    json.loads(policy)
    assert "my-bucket/team/*" in policy
    assert '"*"' not in policy


def test_a_key_is_shown_by_its_ends() -> None:
    assert shortened("AKIAIOSFODNN7EXAMPLE") == "AKIA…LE"
    assert shortened("short") == "sh…"


# -- the way to a server -------------------------------------------------------------------------------------


def test_a_name_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_arguments: object, **_keywords: object) -> object:
        raise OSError(-2, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", unknown)
    facts = look_at(Origin("https", "s3.nowhere.invalid", 443), Options())
    assert facts.dns_trouble == "Name or service not known"
    assert facts.connect_seconds is None


def test_a_port_where_nobody_listens() -> None:
    facts = look_at(Origin("https", "127.0.0.1", 1), Options(connect_timeout=2))
    assert "refused" in facts.connect_trouble


class Silent(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


def certificate(folder: Path) -> Path:
    """A certificate for localhost that no authority signed."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Home-made")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=10))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


def test_a_certificate_nobody_knows_and_one_that_is_known(tmp_path: Path) -> None:
    file = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    server = HTTPServer(("127.0.0.1", 0), Silent)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        origin = Origin("https", "localhost", server.server_port)
        refused = look_at(origin, Options()).tls
        assert refused is not None
        assert "self-signed" in refused.trouble
        known = look_at(origin, Options(ca_bundle=str(file))).tls
        assert known is not None
        assert (known.trouble, known.issuer) == ("", "Home-made")
        assert known.expires is not None
        assert timedelta(days=9) < known.expires - datetime.now(UTC) < timedelta(days=11)
        other = look_at(Origin("https", "127.0.0.1", server.server_port), Options(ca_bundle=str(file))).tls
        assert other is not None
        assert "not valid for '127.0.0.1'" in other.trouble
    finally:
        server.shutdown()
        server.server_close()


def test_an_issuer_without_an_organisation() -> None:
    found = tls_facts(
        "TLSv1.3", {"issuer": ((("commonName", "R3"),),), "notAfter": "Jan  5 09:34:43 2027 GMT"}
    )
    assert (found.issuer, found.expires) == ("R3", datetime(2027, 1, 5, 9, 34, 43, tzinfo=UTC))


# -- a real bucket -------------------------------------------------------------------------------------------


def by_id(out: str) -> dict[str, dict[str, str]]:
    return {check["id"]: check for check in json.loads(out)["checks"]}


def test_doctor_of_a_bucket_that_works(berth: Berth, bucket: Bucket) -> None:
    bucket.fill(mine=b"1")
    result = berth("storage", "doctor", bucket.env)
    assert result.code == 0, result.out
    assert "✓ put " in result.out
    assert "✓ public access       none: requests without credentials are refused" in result.out
    assert "✗" not in result.out
    assert SECRET_KEY not in result.out
    assert bucket.keys == ["mine"], "nothing is left behind"
    assert list(bucket.store.uploads()) == []


def test_doctor_json_has_every_check(berth: Berth, bucket: Bucket) -> None:
    result = berth("storage", "doctor", "--json", f"{bucket.env}#below/")
    document = json.loads(result.out)
    assert {check["verdict"] for check in document["checks"]} <= {"ok", "warn", "unknown"}
    assert {"settings", "identity", "bucket", "dns", "tcp", "tls", "clock", "list", "put", "delete", "public",
            "latency", "throughput", "uploads"} <= {check["id"] for check in document["checks"]}  # fmt: skip
    assert document["place"].endswith("/below")
    assert sum(document["verdicts"].values()) == len(document["checks"])


def test_doctor_that_writes_nothing(berth: Berth, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.fill(mine=b"12")
    for name in ("put", "delete", "start_upload", "copy"):
        monkeypatch.setattr(f"cloudberth.storage.layers.Layered.{name}", _forbidden)
    result = berth("storage", "doctor", "--read-only", "--json", bucket.env)
    checks = by_id(result.out)
    assert (result.code, checks["get"]["verdict"], checks["range"]["verdict"]) == (0, "ok", "ok")
    assert checks["put"]["verdict"] == "unknown"
    assert "not tried" in checks["put"]["said"]


def _forbidden(*_arguments: object, **_keywords: object) -> object:
    raise AssertionError("doctor wrote")


def test_doctor_of_one_who_may_only_read(
    berth: Berth, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.fill(mine=b"12")
    deleted: list[str] = []

    def refused(*_arguments: object, **_keywords: object) -> object:
        raise PermissionDenied("AccessDenied")

    def delete(_self: object, keys: list[str]) -> list[DeleteFailure]:
        deleted.extend(keys)
        return [DeleteFailure(key, PermissionDenied("AccessDenied")) for key in keys]

    monkeypatch.setattr("cloudberth.storage.layers.Layered.put", refused)
    monkeypatch.setattr("cloudberth.storage.layers.Layered.delete", delete)
    checks = by_id(berth("storage", "doctor", "--json", bucket.env).out)
    assert {name: checks[name]["verdict"] for name in ("list", "get", "range", "head")} == dict.fromkeys(
        ("list", "get", "range", "head"), "ok"
    )
    assert checks["put"]["remedy"] == "allow OBJECT_CREATE"
    assert checks["delete"]["remedy"] == "allow OBJECT_DELETE"
    assert checks["multipart"]["said"] == "not tried: nothing could be written"
    assert "clean-up" not in checks, "what was never written is not left behind"
    assert all(key.startswith(".berth-doctor-") for key in deleted)


def test_doctor_with_a_wrong_secret(berth: Berth, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCI_SECRET_KEY", "wrong-and-secret")
    result = berth("storage", "doctor", "--json", bucket.url)
    checks = by_id(result.out)
    assert result.code == 4
    assert checks["identity"]["verdict"] == "fail"
    assert "put" not in checks, "thirteen times the same error says no more"
    assert "wrong-and-secret" not in result.out + result.err


def test_doctor_without_a_bucket_and_making_it(
    berth: Berth, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = bucket.url.replace("berth-cli", "berth-new")
    result = berth("storage", "doctor", missing)
    assert result.code == 4
    assert "✗ bucket              there is no such bucket" in result.out
    assert "--create" in result.out
    assert berth("storage", "doctor", "--create", missing).code == 0
    assert berth("storage", "ls", missing).code == 0


def test_doctor_of_a_server_that_is_not_there(
    berth: Berth, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OCI_ENDPOINT", "http://127.0.0.1:1")
    result = berth("storage", "doctor", "--json", bucket.url)
    checks = by_id(result.out)
    assert result.code == 4
    assert checks["tcp"]["verdict"] == "fail"
    assert "put" not in checks


def test_doctor_removes_its_objects_when_it_is_interrupted(
    berth: Berth, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_arguments: object, **_keywords: object) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr("cloudberth.storage.layers.Layered.copy", interrupted)
    assert berth("storage", "doctor", bucket.env).code == 130
    assert bucket.keys == []


def test_doctor_of_a_folder(berth: Berth, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    result = berth("storage", "doctor", "tree")
    assert result.code == 0
    assert "local has none" in result.out
    assert list((tmp_path / "tree").rglob("*probe*")) == []


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ((), "LOCATION"),
        (("--read-only", "--create", "x"), "--read-only"),
        (("-",), "no store"),
        (("s3://b/?endpoint=nonsense%3A%2F%2F&access_key=x",), "S3_SECRET_KEY"),
    ],
)
def test_doctor_with_wrong_input(berth: Berth, arguments: tuple[str, ...], part: str) -> None:
    result = berth("storage", "doctor", *arguments)
    assert (result.code, result.out) == (2, "")
    assert part in result.err
