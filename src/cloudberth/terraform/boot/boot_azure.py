"""What the boot program asks of Azure: through REST, with the machine's own identity, never a stored key.

Failures are RuntimeErrors whose text is Azure's error code and message; no answer that holds a secret is ever
part of an error. Python 3.9, standard library only: the machines have no Azure CLI.
"""

from __future__ import annotations

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
from urllib.parse import quote, urlencode, urlsplit

# https://learn.microsoft.com/azure/virtual-machines/instance-metadata-service
_METADATA = os.environ.get("CLOUDBERTH_METADATA", "http://169.254.169.254").rstrip("/")
_ELSEWHERE = os.environ.get("CLOUDBERTH_AZURE", "").rstrip("/")
"""Another server that answers for all of Azure; only to rehearse the program."""

_MANAGEMENT = "https://management.azure.com"
_STORAGE = {"x-ms-version": "2023-11-03"}
_BATCH = 500  # lines in a request; the limit is 1 MB
_SCSI = ("dev/disk/azure/scsi1/lun0", "dev/disk/azure/data/by-lun/0")
_LUN = 0


class Refused(RuntimeError):
    """Azure said no. status: of HTTP."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class Cloud:
    """Azure, as one machine of a deployment sees it."""

    registry_user = "00000000-0000-0000-0000-000000000000"  # what Azure's registries want beside a token
    ships_logs = True

    def __init__(self, bundle: Mapping[str, Any]) -> None:
        self._name: str = bundle["name"]
        self._region: str = bundle["region"]
        self._settings: Mapping[str, Any] = bundle["cloud"]
        self._registry: str = bundle["stack"].get("compose_image", "").split("/")[0]
        self._tokens: dict[str, tuple[str, float]] = {}

    # ---------------------------------------------------------------- the machine

    @cached_property
    def _compute(self) -> Mapping[str, Any]:
        """What Azure tells a machine about itself."""
        found: Mapping[str, Any] = self._metadata("instance/compute", "2021-02-01")
        return found

    @property
    def machine_id(self) -> str:
        return str(self._compute["name"])

    def ends_soon(self) -> bool:
        """Whether a spot machine was given its thirty seconds, or the group shrinks."""
        try:
            events = self._metadata("scheduledevents", "2020-07-01").get("Events", [])
        except RuntimeError:
            return False
        return any(
            event.get("EventType") in ("Preempt", "Terminate")
            and self.machine_id in event.get("Resources", [])
            for event in events
        )

    def _metadata(self, path: str, version: str, **query: str) -> Any:
        address = f"{_METADATA}/metadata/{path}?{urlencode({'api-version': version, **query})}"
        request = urllib.request.Request(address, headers={"Metadata": "true"})  # noqa: S310
        # Never through a proxy: the metadata service answers this machine alone.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        return json.loads(_answer(opener, request, "metadata service") or b"{}")

    # ---------------------------------------------------------------- secrets, marker, registry

    def secret(self, identifier: str) -> str:
        """VAULT/NAME: a secret of a Key Vault. /subscriptions/…: a cache database, whose key Azure keeps."""
        if identifier.startswith("/subscriptions/"):
            answer = self._manage("POST", f"{identifier}/listKeys", "2024-10-01", {})
            value = answer.get("primaryKey")
        else:
            vault, _, name = identifier.partition("/")
            host = f"{vault}.vault.azure.net"
            address = f"https://{host}/secrets/{quote(name, safe='')}?api-version=7.4"
            value = self._ask("GET", address, "https://vault.azure.net").get("value")
        if not isinstance(value, str):
            raise RuntimeError("the entry holds no text")
        return value

    def read_marker(self) -> str:
        """The release that the database is prepared for."""
        try:
            return self._blob("GET").decode().strip() or "none"
        except Refused as error:
            if error.status == 404:
                return "none"
            raise

    def write_marker(self, release: str) -> None:
        self._blob("PUT", release.encode())

    def _blob(self, method: str, content: bytes | None = None) -> bytes:
        headers = {**_STORAGE, "Authorization": f"Bearer {self._token('https://storage.azure.com/')}"}
        if content is not None:
            headers.update({"x-ms-blob-type": "BlockBlob", "Content-Type": "text/plain"})
        return self._send(method, self._settings["marker_url"], headers, content)

    def is_registry(self, image: str) -> bool:
        """Whether an image comes from a private registry of this cloud."""
        return image.split("/")[0].endswith(".azurecr.io")

    def registry_password(self) -> str:
        """A token of the registry in exchange for one of the machine."""
        form = {
            "grant_type": "access_token",
            "service": self._registry,
            "access_token": self._token(f"{_MANAGEMENT}/"),
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        address = f"https://{self._registry}/oauth2/exchange"
        answer = json.loads(self._send("POST", address, headers, urlencode(form).encode()))
        return str(answer["refresh_token"])

    # ---------------------------------------------------------------- disk and name

    @property
    def has_volume(self) -> bool:
        return bool(self._settings.get("disk_id"))

    def attach_volume(self, root: Path) -> str:
        """The device of the data disk, attached to this machine. Raises RuntimeError while that is not so."""
        disk = self._settings["disk_id"]
        found = self._manage("GET", disk, "2024-03-02")
        state, holder = found["properties"].get("diskState"), found.get("managedBy") or ""
        if state == "Unattached" and not holder:
            wanted = {"diskId": disk, "lun": _LUN, "caching": "None", "deleteOption": "Detach"}
            path = f"{self._compute['resourceId']}/attachDetachDataDisks"
            self._manage("POST", path, "2024-07-01", {"dataDisksToAttach": [wanted]})
        elif _machine(holder) != _machine(self._compute["resourceId"]):
            raise RuntimeError(f"{_last(disk)} is {state}, held by {_last(holder) or 'nobody yet'}")
        for name in _SCSI:
            if (root / name).exists():
                return str(root / name)
        raise RuntimeError(f"{_last(disk)} has not appeared yet")

    def register_name(self) -> None:
        """Point the private name of the stateful machine to this one."""
        record = self._settings["record"]
        if not record["zone_id"]:
            return
        interfaces = self._metadata("instance/network", "2021-02-01")["interface"]
        address = interfaces[0]["ipv4"]["ipAddress"][0]["privateIpAddress"]
        properties = {"ttl": 15, "aRecords": [{"ipv4Address": address}]}
        path = f"{record['zone_id']}/A/{record['name']}"
        self._manage("PUT", path, "2020-06-01", {"properties": properties})

    # ---------------------------------------------------------------- what it tells

    def publish_depth(self, depth: int) -> None:
        """A metric of our own, on the group of the stateful machine."""
        series = {"dimValues": [self._name], "min": depth, "max": depth, "sum": depth, "count": 1}
        data = {
            "metric": "QueueDepth",
            "namespace": self._settings["metric_namespace"],
            "dimNames": ["Deployment"],
            "series": [series],
        }
        address = f"https://{self._region}.monitoring.azure.com{self._settings['metric_resource']}/metrics"
        body = {"time": _moment(), "data": {"baseData": data}}
        self._ask("POST", address, "https://monitoring.azure.com/", body)

    def tell_outcome(self, *, ready: bool) -> None:
        """Nobody waits for a word: the group asks each machine whether it is healthy."""

    def ship(self, lines: Sequence[str]) -> None:
        """Send the journal of the start. What cannot be sent stays on the machine."""
        moment = _moment()
        try:
            self.send([(moment, "boot", line) for line in lines])
        except (RuntimeError, OSError) as error:
            print(json.dumps({"event": "journal not sent", "why": str(error)}), flush=True)

    def send(self, lines: Sequence[tuple[str, str, str]]) -> None:
        """Lines as (time, service, text) into the table of the deployment."""
        target = self._settings["ingestion"]
        address = (
            f"{target['endpoint']}/dataCollectionRules/{target['rule']}/streams/{target['stream']}"
            "?api-version=2023-01-01"
        )
        for start in range(0, len(lines), _BATCH):
            records = [
                {"TimeGenerated": moment, "Service": service, "Machine": self.machine_id, "Message": text}
                for moment, service, text in lines[start : start + _BATCH]
            ]
            self._ask("POST", address, "https://monitor.azure.com/", records)

    # ---------------------------------------------------------------- REST

    def _token(self, resource: str) -> str:
        """A token of the machine's identity, kept until five minutes before its end."""
        token, ends = self._tokens.get(resource, ("", 0.0))
        if time.time() > ends - 300:
            answer = self._metadata("identity/oauth2/token", "2018-02-01", resource=resource)
            token, ends = str(answer["access_token"]), float(answer["expires_on"])
            self._tokens[resource] = token, ends
        return token

    def _manage(self, method: str, path: str, version: str, body: object = None) -> dict[str, Any]:
        """A call of Azure's resource manager."""
        return self._ask(method, f"{_MANAGEMENT}{path}?api-version={version}", f"{_MANAGEMENT}/", body)

    def _ask(self, method: str, address: str, resource: str, body: object = None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._token(resource)}", "Content-Type": "application/json"}
        content = None if body is None else json.dumps(body).encode()
        answer = self._send(method, address, headers, content)
        try:
            parsed = json.loads(answer or b"{}")
        except ValueError:
            raise RuntimeError(f"{_place(address)}: the answer is no JSON") from None
        return parsed if isinstance(parsed, dict) else {}

    def _send(self, method: str, address: str, headers: Mapping[str, str], content: bytes | None) -> bytes:
        parts = urlsplit(address)
        where = f"{_ELSEWHERE}/{parts.netloc}{parts.path}" if _ELSEWHERE else address.partition("?")[0]
        target = f"{where}?{parts.query}" if parts.query else where
        request = urllib.request.Request(target, data=content, method=method, headers=dict(headers))  # noqa: S310
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
    """Azure's own code and message, of which there are three forms."""
    text = error.read(4000).decode(errors="replace")
    try:
        document = json.loads(text)
        inner = document.get("error", document)
        if isinstance(inner, dict):
            return f"{inner.get('code', '')}: {inner.get('message', '')}"[:500]
        return f"{inner}: {document.get('error_description', '')}"[:500]
    except (ValueError, AttributeError):
        return str(error.headers.get("x-ms-error-code") or error.reason)[:500]


def _place(address: str) -> str:
    """Host and last step of an address: enough to know what was asked."""
    parts = urlsplit(address)
    return f"{parts.netloc} {_last(parts.path)}"


def _last(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


def _machine(path: str) -> tuple[str, str]:
    """Group and number of a machine: its disks call it GROUP_0, it calls itself 0."""
    before, _, name = path.lower().rpartition("/virtualmachines/")
    return _last(before), name.rpartition("_")[2]


def _moment() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
