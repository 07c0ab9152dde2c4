"""What the boot program asks of Google Cloud: its REST interfaces, as the machine's own service account,
never with a stored key.

Failures are RuntimeErrors whose text is Google's status and message; no answer that holds a secret is ever
part of an error. Python 3.9, standard library only: the machines have no gcloud.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

# https://cloud.google.com/compute/docs/metadata/overview
_METADATA = os.environ.get("CLOUDBERTH_METADATA", "http://169.254.169.254").rstrip("/")
_ELSEWHERE = os.environ.get("CLOUDBERTH_GOOGLE", "").rstrip("/")
"""Another server that answers for all of Google; only to rehearse the program."""

_BATCH = 500  # lines in a request; the limit is 10 MB
_SEVERITIES = {
    "critical": "CRITICAL",
    "fatal": "CRITICAL",
    "panic": "CRITICAL",
    "error": "ERROR",
    "warning": "WARNING",
    "warn": "WARNING",
    "notice": "NOTICE",
    "info": "INFO",
    "debug": "DEBUG",
    "trace": "DEBUG",
}
"""How services say it → how Cloud Logging does. Everything else is DEFAULT."""


class Refused(RuntimeError):
    """Google said no. status: of HTTP."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class Cloud:
    """Google Cloud, as one machine of a deployment sees it."""

    registry_user = "oauth2accesstoken"  # what Artifact Registry wants beside a token
    ships_logs = True

    def __init__(self, bundle: Mapping[str, Any]) -> None:
        self._name: str = bundle["name"]
        self._settings: Mapping[str, Any] = bundle["cloud"]
        self._project: str = self._settings["project"]
        self._kept: tuple[str, float] = ("", 0.0)

    # ---------------------------------------------------------------- the machine

    @cached_property
    def machine_id(self) -> str:
        return self._metadata("instance/name")

    @cached_property
    def _resource(self) -> Mapping[str, Any]:
        """The machine as Logging and Monitoring know it."""
        labels = {
            "project_id": self._project,
            "instance_id": self._metadata("instance/id"),
            "zone": self._metadata("instance/zone").rpartition("/")[2],
        }
        return {"type": "gce_instance", "labels": labels}

    def ends_soon(self) -> bool:
        """Whether a spot machine was given its thirty seconds."""
        try:
            return self._metadata("instance/preempted") == "TRUE"
        except RuntimeError:
            return False

    def _metadata(self, path: str) -> str:
        address = f"{_METADATA}/computeMetadata/v1/{path}"
        request = urllib.request.Request(address, headers={"Metadata-Flavor": "Google"})  # noqa: S310
        # Never through a proxy: the metadata service answers this machine alone.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        return _answer(opener, request, "metadata service").decode().strip()

    # ---------------------------------------------------------------- secrets, marker, registry

    def secret(self, identifier: str) -> str:
        """The newest version of projects/PROJECT/secrets/NAME."""
        address = f"https://secretmanager.googleapis.com/v1/{identifier}/versions/latest:access"
        payload = self._ask("GET", address).get("payload")
        data = payload.get("data") if isinstance(payload, dict) else None
        try:
            return base64.b64decode(data or "", validate=True).decode() if data else _no_text()
        except ValueError:
            return _no_text()

    def read_marker(self) -> str:
        """The release that the database is prepared for."""
        try:
            return self._send("GET", f"{self._object()}?alt=media").decode().strip() or "none"
        except Refused as error:
            if error.status == 404:
                return "none"
            raise

    def write_marker(self, release: str) -> None:
        name = quote(self._settings["marker_object"], safe="")
        address = f"https://storage.googleapis.com/upload/storage/v1/b/{self._settings['bucket']}/o"
        self._send("POST", f"{address}?uploadType=media&name={name}", release.encode(), "text/plain")

    def _object(self) -> str:
        name = quote(self._settings["marker_object"], safe="")
        return f"https://storage.googleapis.com/storage/v1/b/{self._settings['bucket']}/o/{name}"

    def is_registry(self, image: str) -> bool:
        """Whether an image comes from a private registry of this cloud."""
        return image.split("/")[0].endswith("-docker.pkg.dev")

    def registry_password(self) -> str:
        return self._token()

    # ---------------------------------------------------------------- disk and name

    @property
    def has_volume(self) -> bool:
        return bool(self._settings.get("device"))

    def attach_volume(self, root: Path) -> str:
        """The device of the data disk, which the group gives to its machine. Raises RuntimeError until it is
        there."""
        device = root / f"dev/disk/by-id/google-{self._settings['device']}"
        if not device.exists():
            raise RuntimeError(f"the disk {self._settings['device']} has not appeared yet")
        return str(device)

    def register_name(self) -> None:
        """Point the private name of the stateful machine to this one."""
        record = self._settings["record"]
        if not record["zone"]:
            return
        name = f"{record['name'].rstrip('.')}."
        address = self._metadata("instance/network-interfaces/0/ip")
        entry = {"name": name, "type": "A", "ttl": 15, "rrdatas": [address]}
        zone = f"https://dns.googleapis.com/dns/v1/projects/{self._project}/managedZones/{record['zone']}"
        try:
            self._ask("POST", f"{zone}/rrsets", entry)
        except Refused as error:
            if error.status != 409:
                raise
            self._ask("PATCH", f"{zone}/rrsets/{name}/A", entry)

    # ---------------------------------------------------------------- what it tells

    def publish_depth(self, depth: int) -> None:
        """A metric of our own."""
        series = {
            "metric": {"type": self._settings["queue_metric"], "labels": {"deployment": self._name}},
            "resource": self._resource,
            "points": [{"interval": {"endTime": _moment()}, "value": {"int64Value": str(depth)}}],
        }
        address = f"https://monitoring.googleapis.com/v3/projects/{self._project}/timeSeries"
        self._ask("POST", address, {"timeSeries": [series]})

    def tell_outcome(self, *, ready: bool) -> None:
        """Nobody waits for a word: the load balancer and the group ask each machine whether it is healthy."""

    def ship(self, lines: Sequence[str]) -> None:
        """Send the journal of the start. What cannot be sent stays on the machine."""
        moment = _moment()
        try:
            self.send([(moment, "boot", line) for line in lines])
        except (RuntimeError, OSError) as error:
            print(json.dumps({"event": "journal not sent", "why": str(error)}), flush=True)

    def send(self, lines: Sequence[tuple[str, str, str]]) -> None:
        """Lines as (time, service, text), each into the log of its service."""
        for start in range(0, len(lines), _BATCH):
            entries = [
                self._entry(*line, number=start + index)
                for index, line in enumerate(lines[start : start + _BATCH])
            ]
            body = {"resource": self._resource, "partialSuccess": True, "entries": entries}
            self._ask("POST", "https://logging.googleapis.com/v2/entries:write", body)

    def _entry(self, moment: str, service: str, text: str, number: int) -> dict[str, Any]:
        """A line with its severity. The same line sent again has the same id, which Logging keeps once."""
        parsed = _object_in(text)
        word = str(parsed.get("severity") or parsed.get("level") or "").lower() if parsed else ""
        short = hashlib.sha256(f"{self.machine_id}|{moment}|{service}|{text}".encode()).hexdigest()[:24]
        return {
            "logName": f"projects/{self._project}/logs/cloudberth-{self._name}-{quote(service, safe='')}",
            "timestamp": moment,
            "severity": _SEVERITIES.get(word, "DEFAULT"),
            "labels": {"deployment": self._name, "service": service, "machine": self.machine_id},
            # Lines of one moment in their order: two equal ones of a start are told apart by their number.
            "insertId": f"{short}-{number:06}" if service == "boot" else short,
            **({"jsonPayload": parsed} if parsed else {"textPayload": text}),
        }

    # ---------------------------------------------------------------- REST

    def _token(self) -> str:
        """A token of the machine's service account, kept until a minute before its end."""
        token, ends = self._kept
        if time.time() > ends - 60:
            answer = json.loads(self._metadata("instance/service-accounts/default/token"))
            token, ends = str(answer["access_token"]), time.time() + float(answer["expires_in"])
            self._kept = token, ends
        return token

    def _ask(self, method: str, address: str, body: object = None) -> dict[str, Any]:
        answer = self._send(method, address, None if body is None else json.dumps(body).encode())
        try:
            parsed = json.loads(answer or b"{}")
        except ValueError:
            raise RuntimeError(f"{_place(address)}: the answer is no JSON") from None
        return parsed if isinstance(parsed, dict) else {}

    def _send(
        self, method: str, address: str, content: bytes | None = None, kind: str = "application/json"
    ) -> bytes:
        headers = {"Authorization": f"Bearer {self._token()}", "Content-Type": kind}
        target = f"{_ELSEWHERE}/{address.partition('://')[2]}" if _ELSEWHERE else address
        request = urllib.request.Request(target, data=content, method=method, headers=headers)  # noqa: S310
        return _answer(urllib.request.build_opener(), request, _place(address))


def _answer(opener: urllib.request.OpenerDirector, request: urllib.request.Request, place: str) -> bytes:
    try:
        with opener.open(request, timeout=60) as answer:
            body: bytes = answer.read()
            return body
    except urllib.error.HTTPError as error:
        raise Refused(f"{place}: {error.code} {_said(error)}", error.code) from None
    except (OSError, http.client.HTTPException) as error:
        raise RuntimeError(f"{place}: {error}") from None


def _said(error: urllib.error.HTTPError) -> str:
    """Google's own status and message."""
    try:
        inner = json.loads(error.read(8000))["error"]
        return f"{inner.get('status', '')}: {inner.get('message', '')}"[:500]
    except (ValueError, KeyError, TypeError, AttributeError):
        return str(error.reason)[:500]


def _place(address: str) -> str:
    """Host and last step of an address: enough to know what was asked."""
    parts = urlsplit(address)
    return f"{parts.netloc} {parts.path.rpartition('/')[2]}"


def _no_text() -> str:
    raise RuntimeError("the entry holds no text")


def _object_in(text: str) -> dict[str, Any] | None:
    """A line that is one JSON object, as most services write them."""
    if not text.startswith("{"):
        return None
    try:
        parsed = json.loads(text)
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) and parsed else None


def _moment() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
