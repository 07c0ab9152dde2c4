"""Temporary keys that end while a large object is on its way: fetched anew in time, or refused.

Ceph's gateway is the judge: its own session tokens, made to end in a few seconds, come to our client through
AWS's default chain (the container endpoint, as on ECS and EKS).
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from rigs.s3 import BUCKET, create_bucket, environment_of
from servers import ceph
from servers.ceph_tokens import Session, session
from storage_cases import OPTIONS, PART, content, opened

from cloudberth.errors import PermissionDenied

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(bool(ceph.missing()), reason=f"s3 sessions: {ceph.missing()}"),
]
LIFE = 3.0


class Issuer(ThreadingHTTPServer):
    """A container's credential endpoint. sessions: given out one after the other, the last one for ever."""

    daemon_threads = True

    def __init__(self, sessions: list[Session]) -> None:
        super().__init__(("127.0.0.1", 0), IssuerHandler)
        self.sessions = sessions
        self.given = 0

    def next(self) -> Session:
        """The one that holds now."""
        self.given += 1
        while len(self.sessions) > 1 and self.sessions[0].expires - datetime.now(UTC) < timedelta(seconds=1):
            self.sessions.pop(0)
        return self.sessions[0]


class IssuerHandler(BaseHTTPRequestHandler):
    """The answer of https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html."""

    def do_GET(self) -> None:
        assert isinstance(self.server, Issuer)
        found = self.server.next()
        body = json.dumps(
            {
                "AccessKeyId": found.access_key,
                "SecretAccessKey": found.secret_key,
                "Token": found.token,
                "Expiration": found.expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
        ).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> ceph.Ceph:
    found = ceph.up()
    create_bucket(found.url, found.owner.access_key, found.owner.secret_key, found.region)
    return found


@pytest.fixture
def issue(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """Starts an issuer and points AWS's chain at it."""
    started: list[Issuer] = []

    def start(*sessions: Session) -> Issuer:
        issuer = Issuer(list(sessions))
        threading.Thread(target=issuer.serve_forever, args=(0.05,), daemon=True).start()
        started.append(issuer)
        port = issuer.server_address[1]
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://127.0.0.1:{port}/keys")
        return issuer

    yield start
    for issuer in started:
        issuer.shutdown()
        issuer.server_close()


def slowly(data: bytes, end: datetime) -> Iterator[bytes]:
    """The first parts at once, the others when the first keys are no good any more."""
    yield data[: 2 * PART + 1]
    while datetime.now(UTC) < end + timedelta(seconds=1):
        time.sleep(0.1)
    yield data[2 * PART + 1 :]


def chain_environment(server: ceph.Ceph) -> dict[str, str]:
    return environment_of(server.url, "", "", server.region)


def test_keys_that_end_in_the_middle_of_an_upload_are_renewed(server: ceph.Ceph, issue) -> None:  # type: ignore[no-untyped-def]
    end = datetime.now(UTC) + timedelta(seconds=LIFE)
    short, long = session(server, end), session(server)
    issuer = issue(short, long)
    data = content(4 * PART)
    with opened(chain_environment(server), OPTIONS) as storage:
        storage.save("sessions/renewed", slowly(data, end))
        assert issuer.given >= 2
        assert storage.load("sessions/renewed") == data
        assert list(storage.uploads("sessions/")) == []


def test_without_new_keys_the_upload_fails_and_leaves_no_object(server: ceph.Ceph, issue) -> None:  # type: ignore[no-untyped-def]
    """The same with keys that are not renewed: so the test above passes for its reason."""
    end = datetime.now(UTC) + timedelta(seconds=LIFE)
    issue(session(server, end))
    with opened(chain_environment(server), OPTIONS) as storage:
        storage.save("sessions/early", b"x")
        with pytest.raises(PermissionDenied) as caught:
            storage.save("sessions/late", slowly(content(4 * PART), end))
        assert not caught.value.retryable
    owner = environment_of(server.url, server.owner.access_key, server.owner.secret_key, server.region)
    with opened(owner, OPTIONS) as storage:
        assert not storage.exists("sessions/late")
        assert storage.load("sessions/early") == b"x"
        # What expired keys could not abort any more is found and cleared away with good ones.
        assert storage.abort_uploads("sessions/") == 1
        assert list(storage.uploads("sessions/")) == []


def test_a_user_without_rights_is_denied(server: ceph.Ceph) -> None:
    stranger = server.stranger
    environment = environment_of(server.url, stranger.access_key, stranger.secret_key, server.region)
    with opened(environment, OPTIONS) as storage:
        for attempt in (
            lambda: storage.save("sessions/theirs", b"x"),
            lambda: list(storage.list()),
            lambda: storage.load("sessions/early"),
            lambda: storage.head("sessions/early"),
            lambda: storage.delete("sessions/early"),
            lambda: storage.check(),
        ):
            with pytest.raises(PermissionDenied):
                attempt()
    assert BUCKET in environment.values()
