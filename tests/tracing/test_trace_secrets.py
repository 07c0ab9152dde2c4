"""Secrets stay where they belong: not in spans, files, logs, answers, errors or process lists; and
addresses are guarded.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cloudberth.errors import CloudberthError, InvalidInput, Refused
from cloudberth.tracing import open_tracer, wire
from cloudberth.tracing.ciphers import KeyRing, key_ring, new_key
from cloudberth.tracing.cursors import read_states
from cloudberth.tracing.database import Database
from cloudberth.tracing.destinations import Destinations, Draft
from cloudberth.tracing.guard import Guard, host_of
from cloudberth.tracing.headers import read_headers
from cloudberth.tracing.health import log_line
from cloudberth.tracing.ingest import PROTOBUF, Ingest
from cloudberth.tracing.keys import IngestKeys
from cloudberth.tracing.reading import TraceFilter, list_traces, read_trace
from cloudberth.tracing.redaction import Redaction
from cloudberth.tracing.store import TraceStore
from cloudberth.tracing.supervision import Supervisor
from doubles.trace_provider import Request, provider

# Made-up ones of every form; in pieces, so that no scanner takes this file for a leak.
PLANTED = {
    "openai": "sk-" + "proj-Ab12Cd34Ef56Gh78Ij90Kl12",
    "langfuse": "sk-" + "lf-11111111-2222-3333-4444-555555555555",
    "aws": "AKIA" + "IOSFODNN7EXAMPLE",
    "google": "AIza" + "SyA1234567890abcdefghijklmnopqrstuv",
    "aliyun": "LTAI" + "5tQx9ExampleKeyId01",
    "tencent": "AKID" + "z8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE",
    "github": "ghp_" + "1234567890abcdefghijklmnopqrstuvwxyz",
    "slack": "xoxb-" + "123456789012-abcdefghijkl",
    "jwt": "eyJ" + "hbGciOiJIUzI1NiJ9.eyJ" + "zdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
    "password": "hunter2-correct-horse",
    "private": "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj",
    "database": "pgpass-7Xq-secret",
    "environment": "env.value!with/odd:signs",
}
TEXTS = {
    **{name: f"please use {PLANTED[name]} for it" for name in list(PLANTED)[:8]},
    "jwt": f"Authorization: Bearer {PLANTED['jwt']}",
    "password": f'{{"user": "ann", "password": "{PLANTED["password"]}"}}',
    "private": f"-----BEGIN RSA PRIVATE KEY-----\n{PLANTED['private']}\n-----END RSA PRIVATE KEY-----",
    "database": f"postgresql://ann:{PLANTED['database']}@db:5432/shop",
    "environment": f"the value is {PLANTED['environment']}, really",
}


def assert_clean(where: str, content: str | bytes) -> None:
    text = content.decode("utf-8", "replace") if isinstance(content, bytes) else content
    found = [name for name, secret in PLANTED.items() if secret in text]
    assert not found, f"{where} shows {found}"


@pytest.fixture(autouse=True)
def _a_secret_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_API_KEY", PLANTED["environment"])


def test_planted_secrets_appear_nowhere(store: TraceStore, url: str, tmp_path: Path) -> None:
    """In every place of a recorded and of a received span, and in the settings of a destination."""
    tracer = open_tracer(url, service="shop")
    with tracer.workflow("w", input=TEXTS) as work:
        for name, text in TEXTS.items():
            with tracer.llm(f"call {text}", input=[{"role": "user", "content": text}]) as call:
                call.output(text).documents([{"id": name, "content": text, "metadata": {"note": text}}])
                call.metadata(note=text).set("own", [text]).event("happened", said=text).tags(text)
                call.error(ValueError(text))
        work.feedback("good", 1, comment=TEXTS["openai"])
    assert tracer.close(10)
    received = [
        wire.span(
            b"\7" * 16, number.to_bytes(8, "big"), None, text, 10**18, 10**18 + 5, {"input.value": text}
        )
        for number, text in enumerate(TEXTS.values(), 1)
    ]
    Ingest(store).ingest(wire.resource_spans(b"", received), PROTOBUF, tenant="", app="")

    def repeat(request: Request) -> tuple[int, dict[str, str], bytes]:
        return 401, {}, f"bad: {request.headers.get('authorization')}".encode()

    with provider(repeat) as double:
        destinations = Destinations(store.database)
        made = destinations.create(
            Draft("phoenix", settings={"endpoint": double.url, "api_key": PLANTED["openai"]}), backlog=True
        )
        supervisor = Supervisor(url)
        supervisor.start()
        deadline = time.monotonic() + 60
        while read_states(store.database)[made.id].state != "paused":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        listing = subprocess.run(["ps", "-ef"], capture_output=True, text=True, check=True).stdout
        supervisor.stop()
    assert_clean("the list of processes", listing)
    assert_clean("a destination", json.dumps(made.shown()) + repr(made) + repr(destinations.list()))
    assert_clean("the state of a destination", repr(read_states(store.database)))
    assert_clean("the log line", log_line(store.database))
    for line in list_traces(store.database, TraceFilter()).traces:
        assert_clean("a line of the list", repr(line))
        trace = read_trace(store.database, line.trace_id)
        assert trace is not None
        assert_clean("a trace", repr(trace))
        assert "[redacted" in repr(trace)
    with store.database.connection() as connection:
        connection.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    for file in tmp_path.iterdir():
        if file.name != "traces.keys":
            assert_clean(file.name, file.read_bytes())


def test_what_is_no_secret_stays(url: str) -> None:
    texts = [
        "What is a token? Use the password field.", "the api_key is a setting", "https://example.com/a:b@c",
        "skating-association-of-switzerland", "basic understanding of the secret garden", "eyJust a word",
        "input_tokens: 123456", "https://example.com/very/long/path/with-many-words-in-it?page=1",
        "秘密 花园",
        "550e8400-e29b-41d4-a716-446655440000",
    ]  # fmt: skip
    redaction = Redaction.standard({})
    for text in texts:
        assert redaction.text(text) == text
        data = wire.span(b"\1" * 16, b"\2" * 8, None, "n", 1, 2, {"input.value": text})
        assert redaction.span(data) is data or redaction.span(data) == data


@pytest.mark.parametrize("name", TEXTS)
def test_every_kind_is_found_in_a_span_alone(name: str) -> None:
    """The quick look before the thorough one misses none of them."""
    redaction = Redaction.standard({"SHOP_API_KEY": PLANTED["environment"]})
    data = wire.span(b"\1" * 16, b"\2" * 8, None, "n", 1, 2, {"input.value": TEXTS[name]})
    assert PLANTED[name].encode() not in redaction.span(data)
    assert PLANTED[name] not in redaction.text(TEXTS[name])


@pytest.mark.parametrize(
    "piece",
    ["eyJ-", "eyJa.", "sk-", "sk-a ", "a://", "a://b:", "password=", "password: ", "AKIA", "Bearer ",
     "-----BEGIN ", "-----BEGIN PRIVATE KEY-----", "api_key:\\", "ghp_", "a@", "1-", "1 2 ", "a.a@a.",
     "xoxb-1 ", "secret_key "],
)  # fmt: skip
def test_no_text_makes_looking_slow(piece: str) -> None:
    """Whoever writes a prompt must not stop the writer: the time grows with the text, not faster."""
    from cloudberth.tracing.content import PERSONAL, Policy

    data = wire.span(b"\1" * 16, b"\2" * 8, None, "n", 1, 2, {"input.value": piece * (400_000 // len(piece))})
    started = time.process_time()
    Redaction.standard({}).span(data)
    Policy(redact=tuple(PERSONAL)).apply(data)
    assert time.process_time() - started < 8


def test_a_file_of_traces_is_its_owners(url: str, tmp_path: Path) -> None:
    with TraceStore.open(url) as store:
        Destinations(store.database).create(Draft("langsmith", settings={"api_key": "0123456789abcdef"}))
    for name in ("traces.db", "traces.keys"):
        assert (tmp_path / name).stat().st_mode & 0o077 == 0


def test_the_key_is_made_once_and_found_again(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/t.db")
    sealed = key_ring(database, {}).encrypt({"a": "b"}, "row")
    assert key_ring(database, {}).decrypt(sealed, "row") == {"a": "b"}
    with pytest.raises(InvalidInput, match="cannot be decrypted"):
        key_ring(database, {}).decrypt(sealed, "another row")
    entry = new_key()
    file = tmp_path / "keys"
    file.write_text(f"# ours\n{entry}\n")
    from_file = key_ring(database, {"BERTH_TRACES_KEY_FILE": str(file)})
    assert key_ring(database, {"BERTH_TRACES_KEYS": entry}).decrypt(
        from_file.encrypt({"a": "c"}, "r"), "r"
    ) == {"a": "c"}
    assert entry.partition(":")[2] not in repr(from_file)


@pytest.mark.parametrize("text", ["k1", "k1:", "k1:c2hvcnQ=", ":" + "A" * 44, "k 1:" + "A" * 43 + "="])
def test_a_key_that_is_none_is_named_but_not_shown(text: str) -> None:
    with pytest.raises(InvalidInput, match="entry 1 is no key") as caught:
        key_ring(Database(":memory:x"), {"BERTH_TRACES_KEYS": text})
    assert text not in str(caught.value) + caught.value.hint


def test_two_entries_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidInput, match="entry 2"):
        key_ring(Database("x.db"), {"BERTH_TRACES_KEYS": ",".join([f"k1:{'A' * 43}="] * 2)})


def test_every_encryption_is_another_text() -> None:
    ring = KeyRing({"k1": b"1" * 32})
    assert len({ring.encrypt({"a": "b"}, "row") for _ in range(50)}) == 50


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1/", "http://localhost:6006", "http://10.1.2.3", "http://192.168.1.1", "http://172.16.0.1",
        "http://169.254.169.254/latest", "http://100.100.100.200", "http://[::1]/", "http://[fe80::1]/",
        "http://[fd00:ec2::254]/", "http://[::ffff:127.0.0.1]/", "http://0.0.0.0/", "http://100.64.0.1",
        "http://[::ffff:169.254.169.254]/", "http://[2002:7f00:1::]/", "http://224.0.0.1/", "http://198.18.0.1/",
        "http://[64:ff9b::7f00:1]/", "http://2130706433/", "http://0x7f.1/", "http://127.1/",
    ],
)  # fmt: skip
def test_addresses_inside_are_refused(address: str) -> None:
    """What is written in odd forms is a name, which is resolved and checked when we connect."""
    guard = Guard()
    host = host_of(address)
    with pytest.raises((Refused, InvalidInput)):
        guard.check_url(address)
        # What the system makes of such a name.
        guard.check(host, socket.inet_ntoa(socket.inet_aton(host)))


@pytest.mark.parametrize(
    "address", ["https://1.1.1.1", "https://[2606:4700::1111]/", "https://cloud.langfuse.com"]
)
def test_public_addresses_are_allowed(address: str) -> None:
    Guard().check_url(address)


@pytest.mark.parametrize(
    "address",
    [
        "ftp://example.com", "file:///etc/passwd", "example.com", "http://", "http://a:b@example.com", "http://[bad",
        "http://exa mple.com/", "http://example.com:99999", "http://example.com/\r\nX: y", "gopher://x", "",
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_server_is_refused(address: str) -> None:
    with pytest.raises(InvalidInput):
        Guard().check_url(address)


def test_what_the_operator_allows() -> None:
    private = Guard.of(["private"])
    private.check("phoenix", "10.0.0.5")
    private.check("localhost", "127.0.0.1")
    for metadata in ("169.254.169.254", "100.100.100.200", "fd00:ec2::254", "::ffff:169.254.169.254"):
        with pytest.raises(Refused):
            private.check("metadata", metadata)
    named = Guard.of(["phoenix", "*.corp.example", "10.9.0.0/16"])
    named.check("phoenix", "10.0.0.5")
    named.check("a.corp.example", "192.168.7.7")
    named.check("whatever", "10.9.1.1")
    for host, at in (("other", "10.0.0.5"), ("corp.example", "10.0.0.5"), ("phoenix", "169.254.169.254")):
        with pytest.raises(Refused, match="no public address"):
            named.check(host, at)
    Guard.of(["169.254.169.254"]).check("metadata", "169.254.169.254")
    for bad in ("10.0.0.0/33", "a b", "*"):
        with pytest.raises(InvalidInput):
            Guard.of([bad])


def test_a_name_that_leads_inside_is_refused_when_we_connect(store: TraceStore) -> None:
    """It may look harmless when it is entered: what counts is the address that we would connect to."""
    from cloudberth.tracing.checks import check_provider_now
    from cloudberth.tracing.providers import profile

    with provider() as double:
        known = profile("otlp")
        settings = known.completed(
            {"url": double.url.replace("127.0.0.1", "localhost.localdomain") + "/v1/traces"}
        )
        result = check_provider_now(known, settings, Guard())
        assert not double.requests
    assert not result.good
    assert "no public address" in result.steps[0].meaning or "no such host" in result.steps[0].meaning


@pytest.mark.parametrize("text", ["no colon", "a b: c", "x: é", "Host: y", "content-length: 5", ": v"])
def test_headers_that_are_none_are_refused_without_showing_them(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"line 2 is no header|is ours to set") as caught:
        read_headers(f"good: 1\n{text}")
    assert text not in str(caught.value) or text.lower().startswith(("host", "content"))


def test_a_password_of_a_database_is_not_shown() -> None:
    for address in (
        "postgresql://ann:geheim-99@127.0.0.1:1/x",
        "postgresql://ann:ge heim-99@h/x",
        "postgresql://ann:%67eheim-99@",
    ):
        database = Database(address)
        with pytest.raises(CloudberthError) as caught, database.connection():
            pass
        assert "eheim-99" not in f"{caught.value} {caught.value.hint} {database!r} {database.shown}"


def test_a_key_of_a_sender_is_kept_as_a_digest(store: TraceStore, tmp_path: Path) -> None:
    key = IngestKeys(store.database).create("acme", "shop")
    with store.database.connection() as connection:
        connection.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    assert key.encode() not in (tmp_path / "traces.db").read_bytes()


def test_importing_tracing_loads_nothing_heavy() -> None:
    code = "import sys, cloudberth.tracing; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = {
        "pydantic",
        "cryptography",
        "psycopg",
        "opentelemetry",
        "httpx",
        "asyncio",
        "google.protobuf",
        "ssl",
    }
    assert not heavy & set(loaded)
    assert os.environ["SHOP_API_KEY"]
