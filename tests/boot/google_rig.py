"""A Google Cloud of one project for the boot program: metadata, secrets, objects, records, metrics, logs.

Strict about what the real one is strict about: the metadata header, the token, records that exist already.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from machine_rig import serving

PROJECT = "my-project-123"
BUCKET = "my-project-123-dify-files"
MACHINE = "dify-stateful"
TOKEN = "ya29.token-of-the-machine"
METADATA = {
    "instance/name": MACHINE,
    "instance/id": "4520031799277581759",
    "instance/zone": "projects/000000000000/zones/europe-west1-b",
    "instance/network-interfaces/0/ip": "10.40.0.7",
    "instance/preempted": "FALSE",
    "instance/service-accounts/default/token": json.dumps(
        {"access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer"}
    ),
}


@dataclass
class Project:
    """secrets: short name → value. objects: name → content. refuse: part of a path → status."""

    address: str = ""
    metadata: dict[str, str] = field(default_factory=lambda: dict(METADATA))
    secrets: dict[str, str] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    series: list[dict[str, Any]] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    refuse: dict[str, int] = field(default_factory=dict)


def handler_of(project: Project) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._handle("GET")

        def do_POST(self) -> None:
            self._handle("POST")

        def do_PATCH(self) -> None:
            self._handle("PATCH")

        def _handle(self, method: str) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urlsplit(self.path)
            project.asked.append(f"{method} {self.path}")
            if parts.path == "/healthz":
                return self._answer(200, b"ok")
            if parts.path.startswith("/computeMetadata/v1/"):
                return self._metadata(parts.path.removeprefix("/computeMetadata/v1/"))
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                return self._refuse(401, "UNAUTHENTICATED")
            for part, status in project.refuse.items():
                if part in self.path:
                    return self._refuse(status, "PERMISSION_DENIED")
            return self._serve(method, parts.path.lstrip("/"), parse_qs(parts.query), body)

        def _metadata(self, path: str) -> None:
            if self.headers.get("Metadata-Flavor") != "Google":
                return self._answer(403, b"")
            value = project.metadata.get(path)
            return self._answer(404 if value is None else 200, (value or "").encode())

        def _serve(self, method: str, path: str, query: dict[str, list[str]], body: bytes) -> None:
            host, _, rest = path.partition("/")
            if host == "secretmanager.googleapis.com" and method == "GET":
                return self._secret(rest)
            if host == "storage.googleapis.com":
                return self._object(method, rest, query, body)
            if host == "dns.googleapis.com":
                return self._record(method, rest, json.loads(body))
            if host == "monitoring.googleapis.com" and rest == f"v3/projects/{PROJECT}/timeSeries":
                project.series += json.loads(body)["timeSeries"]
                return self._json({})
            if host == "logging.googleapis.com" and rest == "v2/entries:write":
                document = json.loads(body)
                project.entries += [
                    {**entry, "resource": document["resource"]} for entry in document["entries"]
                ]
                return self._json({})
            return self._refuse(404, "NOT_FOUND")

        def _secret(self, rest: str) -> None:
            prefix, ending = f"v1/projects/{PROJECT}/secrets/dify-", "/versions/latest:access"
            value = project.secrets.get(rest.removeprefix(prefix).removesuffix(ending))
            if value is None:
                return self._refuse(404, "NOT_FOUND")
            return self._json({"payload": {"data": base64.b64encode(value.encode()).decode()}})

        def _object(self, method: str, rest: str, query: dict[str, list[str]], body: bytes) -> None:
            if method == "POST" and rest == f"upload/storage/v1/b/{BUCKET}/o":
                assert query["uploadType"] == ["media"]
                project.objects[query["name"][0]] = body
                return self._json({})
            found = project.objects.get(unquote(rest.removeprefix(f"storage/v1/b/{BUCKET}/o/")))
            if found is None or query.get("alt") != ["media"]:
                return self._refuse(404, "NOT_FOUND")
            return self._answer(200, found)

        def _record(self, method: str, rest: str, entry: dict[str, Any]) -> None:
            place = f"dns/v1/projects/{PROJECT}/managedZones/dify-internal/rrsets"
            name = entry["name"]
            if method == "POST" and rest == place and name in project.records:
                return self._refuse(409, "ALREADY_EXISTS")
            if (method, rest) not in (("POST", place), ("PATCH", f"{place}/{name}/A")):
                return self._refuse(404, "NOT_FOUND")
            project.records[name] = entry
            return self._json(entry)

        def _refuse(self, status: int, word: str) -> None:
            message = f"{word.lower()} of {self.path}"
            self._answer(status, json.dumps({"error": {"status": word, "message": message}}).encode())

        def _json(self, document: object) -> None:
            self._answer(200, json.dumps(document).encode())

        def _answer(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


@contextmanager
def google() -> Iterator[Project]:
    project = Project()
    with serving(handler_of(project)) as address:
        project.address = address
        yield project


def settings(group: str = "stateful") -> dict[str, Any]:
    """What terraform/google/modules/compute puts into a bundle for this file."""
    stateful = group == "stateful"
    return {
        "project": PROJECT,
        "bucket": BUCKET,
        "marker_object": "cloudberth/release",
        "queue_metric": "custom.googleapis.com/cloudberth/queue_depth",
        "cache_certificates": [],
        "device": "data" if stateful else "",
        "record": {
            "zone": "dify-internal" if stateful else "",
            "name": "stateful.dify.internal" if stateful else "",
        },
    }
