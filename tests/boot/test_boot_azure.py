"""What the boot program asks of Azure: a server answers for the metadata service and for all of Azure."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from machine_rig import SOURCE, old_python, serving

from cloudberth.infra.workspace import boot_files

sys.path.insert(0, str(SOURCE / "terraform/boot"))

import boot_azure
import container_logs

GROUP = "/subscriptions/s/resourceGroups/dify"
MACHINE = f"{GROUP}/providers/Microsoft.Compute/virtualMachineScaleSets/dify-stateful/virtualMachines/0"
DISK = f"{GROUP}/providers/Microsoft.Compute/disks/dify-data"
ZONE = f"{GROUP}/providers/Microsoft.Network/privateDnsZones/dify.internal"
CACHE = f"{GROUP}/providers/Microsoft.Cache/redisEnterprise/dify/databases/default"
SECRET = "pä$$\"'\\ word${x}"


class Azure(BaseHTTPRequestHandler):
    """Each test gets a subclass: asked is what came in, the rest is the state of this Azure."""

    asked: list[tuple[str, str, Any]]
    disk: dict[str, Any]
    blobs: dict[str, bytes]
    events: list[dict[str, Any]]
    refuse: tuple[int, Any] | None

    def handle_one_request(self) -> None:
        super().handle_one_request()

    def do_GET(self) -> None:
        self._any()

    do_PUT = do_POST = do_GET

    def _any(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if parts.path.startswith("/metadata/"):
            self._metadata(parts.path.removeprefix("/metadata/"), parse_qs(parts.query))
            return
        host, _, path = parts.path.removeprefix("/").partition("/")
        self.asked.append((self.command, f"{host}/{path}", body))
        token = self.headers.get("Authorization", "").removeprefix("Bearer token for ")
        if self.refuse:
            self._answer(*self.refuse)
        elif not host.endswith("azurecr.io") and not self._fits(host, token):
            self._answer(401, {"error": {"code": "InvalidAuthenticationToken", "message": token}})
        else:
            self._service(host, "/" + path, body)

    @staticmethod
    def _fits(host: str, token: str) -> bool:
        """A token is good for one service alone."""
        audiences = {
            "management.azure.com": "https://management.azure.com/",
            "vault.azure.net": "https://vault.azure.net",
            "blob.core.windows.net": "https://storage.azure.com/",
            "monitoring.azure.com": "https://monitoring.azure.com/",
            "ingest.monitor.azure.com": "https://monitor.azure.com/",
        }
        return any(host.endswith(end) and token == audience for end, audience in audiences.items())

    def _metadata(self, path: str, query: dict[str, list[str]]) -> None:
        if self.headers.get("Metadata") != "true":
            self._answer(400, {"error": "Bad request"})
        elif path == "identity/oauth2/token":
            token = f"token for {query['resource'][0]}"
            self._answer(200, {"access_token": token, "expires_on": "9999999999"})
        elif path == "instance/compute":
            self._answer(200, {"name": "dify-stateful_0", "resourceId": MACHINE})
        elif path == "instance/network":
            address = {"privateIpAddress": "10.40.32.4"}
            self._answer(200, {"interface": [{"ipv4": {"ipAddress": [address]}}]})
        elif path == "scheduledevents":
            self._answer(200, {"Events": self.events})
        else:
            self._answer(404, {"error": "Not found"})

    def _service(self, host: str, path: str, body: bytes) -> None:
        if host == "kv-dify.vault.azure.net" and path == "/secrets/secret-key":
            self._answer(200, {"value": SECRET, "id": "x"})
        elif path == f"{CACHE}/listKeys":
            self._answer(200, {"primaryKey": "key-of-the-cache", "secondaryKey": "other"})
        elif host == "files.blob.core.windows.net":
            self._blob(path, body)
        elif path == DISK:
            self._answer(200, self.disk)
        elif path == f"{MACHINE}/attachDetachDataDisks":
            self.disk.update(managedBy=f"{MACHINE[:-1]}dify-stateful_0", properties={"diskState": "Attached"})
            self._answer(202, {})
        elif path.endswith("/oauth2/exchange"):
            self._answer(200, {"refresh_token": "token of the registry"})
        elif path.startswith((f"{ZONE}/A/", "/dataCollectionRules/")) or path.endswith("/metrics"):
            self._answer(200, {})
        else:
            self._answer(404, {"error": {"code": "NotFound", "message": f"{host}{path}"}})

    def _blob(self, path: str, body: bytes) -> None:
        if self.command == "PUT" and self.headers.get("x-ms-blob-type") == "BlockBlob":
            self.blobs[path] = body
            self._answer(201, {})
        elif path in self.blobs:
            self._answer(200, self.blobs[path])
        else:
            self._answer(404, {"error": {"code": "BlobNotFound", "message": path}})

    def _answer(self, status: int, document: Any) -> None:
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Azure]]:
    free = {"managedBy": None, "properties": {"diskState": "Unattached"}}
    state = {"asked": [], "disk": free, "blobs": {}, "events": [], "refuse": None}
    handler = type("OneAzure", (Azure,), state)
    with serving(handler) as address:
        monkeypatch.setattr(boot_azure, "_METADATA", address)
        monkeypatch.setattr(boot_azure, "_ELSEWHERE", address)
        handler.address = address  # type: ignore[attr-defined]
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
            monkeypatch.delenv(name, raising=False)
        yield handler


def cloud(**settings: Any) -> boot_azure.Cloud:
    defaults = {
        "marker_url": "https://files.blob.core.windows.net/release/release",
        "metric_namespace": "Cloudberth",
        "metric_resource": MACHINE.rpartition("/virtualMachines/")[0],
        "ingestion": {
            "endpoint": "https://d.westeurope-1.ingest.monitor.azure.com",
            "rule": "dcr-1",
            "stream": "S",
        },
        "disk_id": "",
        "record": {"zone_id": "", "name": ""},
    }
    stack = {"compose_image": "mirror.azurecr.io/docker/compose-bin:v2"}
    return boot_azure.Cloud(
        {"name": "dify", "region": "westeurope", "stack": stack, "cloud": defaults | settings}
    )


def test_a_secret_of_the_vault(azure: type[Azure]) -> None:
    assert cloud().secret("kv-dify/secret-key") == SECRET


def test_the_key_of_the_cache(azure: type[Azure]) -> None:
    assert cloud().secret(CACHE) == "key-of-the-cache"
    assert azure.asked[0][0] == "POST"


@pytest.mark.parametrize(
    ("status", "document", "words"),
    [
        (403, {"error": {"code": "Forbidden", "message": "no role"}}, "403 Forbidden: no role"),
        (
            400,
            {"error": "invalid_request", "error_description": "no identity"},
            "invalid_request: no identity",
        ),
        (502, b"<html>bad gateway</html>", "502"),
    ],
)
def test_what_azure_refuses_is_said(azure: type[Azure], status: int, document: Any, words: str) -> None:
    azure.refuse = (status, document)
    with pytest.raises(RuntimeError, match=words):
        cloud().secret("kv-dify/secret-key")


def test_an_answer_that_is_no_json_is_not_shown(azure: type[Azure]) -> None:
    azure.refuse = (200, SECRET.encode())
    with pytest.raises(RuntimeError) as caught:
        cloud().secret("kv-dify/secret-key")
    assert SECRET not in str(caught.value)
    assert "no JSON" in str(caught.value)


def test_the_marker(azure: type[Azure]) -> None:
    machine = cloud()
    assert machine.read_marker() == "none", "nothing was written yet"
    machine.write_marker("dify-1.17.1-abc")
    assert machine.read_marker() == "dify-1.17.1-abc"


def test_a_marker_that_may_not_be_read_is_not_taken_for_none(azure: type[Azure]) -> None:
    azure.refuse = (403, {"error": {"code": "AuthorizationPermissionMismatch", "message": ""}})
    with pytest.raises(RuntimeError, match="403"):
        cloud().read_marker()


def test_the_disk_is_attached_once(azure: type[Azure], tmp_path: Path) -> None:
    machine = cloud(disk_id=DISK)
    assert machine.has_volume
    with pytest.raises(RuntimeError, match="has not appeared yet"):
        machine.attach_volume(tmp_path)
    (tmp_path / "dev/disk/azure/scsi1").mkdir(parents=True)
    (tmp_path / "dev/disk/azure/scsi1/lun0").touch()
    assert machine.attach_volume(tmp_path) == str(tmp_path / "dev/disk/azure/scsi1/lun0")
    attached = [
        json.loads(body) for method, path, body in azure.asked if path.endswith("attachDetachDataDisks")
    ]
    assert attached == [
        {"dataDisksToAttach": [{"diskId": DISK, "lun": 0, "caching": "None", "deleteOption": "Detach"}]}
    ]


def test_a_disk_of_another_machine_is_left_alone(azure: type[Azure], tmp_path: Path) -> None:
    azure.disk.update(managedBy=f"{MACHINE[:-1]}dify-stateful_7", properties={"diskState": "Attached"})
    with pytest.raises(RuntimeError, match="held by dify-stateful_7"):
        cloud(disk_id=DISK).attach_volume(tmp_path)
    assert not any(method == "POST" for method, _, _ in azure.asked)


def test_the_name_points_to_this_machine(azure: type[Azure]) -> None:
    cloud(record={"zone_id": ZONE, "name": "stateful"}).register_name()
    ((method, path, body),) = azure.asked
    assert (method, path) == ("PUT", f"management.azure.com{ZONE}/A/stateful")
    assert json.loads(body) == {"properties": {"ttl": 15, "aRecords": [{"ipv4Address": "10.40.32.4"}]}}


def test_an_app_machine_has_no_name(azure: type[Azure]) -> None:
    cloud().register_name()
    assert azure.asked == []


def test_the_metric(azure: type[Azure]) -> None:
    cloud().publish_depth(7)
    ((_, path, body),) = azure.asked
    assert path.startswith("westeurope.monitoring.azure.com/subscriptions/")
    data = json.loads(body)["data"]["baseData"]
    assert (data["metric"], data["namespace"], data["dimNames"]) == (
        "QueueDepth",
        "Cloudberth",
        ["Deployment"],
    )
    assert data["series"] == [{"dimValues": ["dify"], "min": 7, "max": 7, "sum": 7, "count": 1}]


def test_lines_go_out_in_batches(azure: type[Azure]) -> None:
    cloud().send([("2026-01-01T00:00:00Z", "api", f"line {n}") for n in range(1001)])
    sizes = [len(json.loads(body)) for _, _, body in azure.asked]
    assert sizes == [500, 500, 1]
    assert json.loads(azure.asked[0][2])[0] == {
        "TimeGenerated": "2026-01-01T00:00:00Z",
        "Service": "api",
        "Machine": "dify-stateful_0",
        "Message": "line 0",
    }


def test_a_journal_that_cannot_be_sent_is_no_failure(
    azure: type[Azure], capsys: pytest.CaptureFixture[str]
) -> None:
    azure.refuse = (429, {"error": {"code": "TooManyRequests", "message": "later"}})
    cloud().ship(["one"])
    assert "journal not sent" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("events", "ends"),
    [
        ([], False),
        ([{"EventType": "Preempt", "Resources": ["dify-stateful_0"]}], True),
        ([{"EventType": "Terminate", "Resources": ["dify-stateful_0"]}], True),
        ([{"EventType": "Preempt", "Resources": ["dify-app_1"]}], False),
        ([{"EventType": "Freeze", "Resources": ["dify-stateful_0"]}], False),
    ],
)
def test_the_end_of_this_machine(azure: type[Azure], events: list[dict[str, Any]], ends: bool) -> None:
    azure.events = events
    assert cloud().ends_soon() is ends


def test_a_private_registry(azure: type[Azure]) -> None:
    machine = cloud()
    assert machine.is_registry("mirror.azurecr.io/library/nginx:1")
    assert not machine.is_registry("nginx:1")
    assert not machine.is_registry("evil.example/azurecr.io/x")
    assert machine.registry_password() == "token of the registry"


# ---- the bundle --------------------------------------------------------------------------------------------


def user_data(url: str, sha256: str) -> dict[str, Any]:
    files = boot_files("azure")
    download = files["fetch.py.tftpl"].replace("${url}", url).replace("\n", "\n      ")
    text = files["cloud-init.yaml.tftpl"].replace("${indent(6, download)}", download)
    text = text.replace("${sha256}", sha256).replace("${install}", "apt-get install -y docker.io")
    assert "${" not in text
    document: dict[str, Any] = yaml.safe_load(text)
    return {entry["path"]: entry["content"] for entry in document["write_files"]}


@pytest.mark.parametrize("changed", [False, True])
def test_the_bundle_is_fetched_and_checked(azure: type[Azure], tmp_path: Path, changed: bool) -> None:
    content = json.dumps({"programs": boot_files("azure") | {"boot.py": "print(1)"}}).encode()
    azure.blobs["/boot/b.json"] = content + (b" " if changed else b"")
    url = f"{azure.address}/files.blob.core.windows.net/boot/b.json"  # type: ignore[attr-defined]
    program = tmp_path / "fetch.py"
    program.write_text(user_data(url, hashlib.sha256(content).hexdigest())["/opt/cloudberth/fetch.py"])
    (tmp_path / "opt/cloudberth").mkdir(parents=True)
    environment = {
        "CLOUDBERTH_ROOT": str(tmp_path),
        "CLOUDBERTH_METADATA": azure.address,  # type: ignore[attr-defined]
        "PATH": os.environ["PATH"],
    }
    done = subprocess.run(
        [old_python(), str(program)], env=environment, capture_output=True, text=True, check=False
    )
    bundle = tmp_path / "opt/cloudberth/bundle.json"
    if changed:
        assert "not the one that was meant" in done.stderr
        assert not bundle.exists()
    else:
        assert done.returncode == 0, done.stderr
        assert bundle.read_bytes() == content
        assert gzip.decompress((tmp_path / "opt/cloudberth/bundle.gz").read_bytes()) == content


def test_a_workspace_has_the_programs_of_its_cloud_alone() -> None:
    azure_files, aws_files = boot_files("azure"), boot_files("aws")
    assert set(azure_files) == set(aws_files)
    assert "class Cloud" in azure_files["boot_cloud.py"]
    assert azure_files["boot_cloud.py"] == (SOURCE / "terraform/boot/boot_azure.py").read_text()
    assert not any(name.startswith(("boot_aws", "boot_azure", "boot_google")) for name in azure_files)


def test_it_answers_all_that_the_boot_program_asks() -> None:
    from cloudberth.terraform.boot.cloud import Cloud as Wanted

    names = {name for name in vars(Wanted) if not name.startswith("_")} | set(Wanted.__annotations__)
    assert {name for name in names if not hasattr(boot_azure.Cloud, name)} == set()


# ---- what containers write ---------------------------------------------------------------------------------


def entry(number: int, tag: str | None = "cloudberth/api", message: Any = "hello") -> dict[str, Any]:
    moment = 1_767_225_600_000_000 + number
    return {
        "__CURSOR": f"c{number}",
        "__REALTIME_TIMESTAMP": str(moment),
        "CONTAINER_TAG": tag,
        "MESSAGE": message,
    }


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (entry(5), ("2026-01-01T00:00:00.000005Z", "api", "hello")),
        (entry(0, message=[104, 105, 255]), ("2026-01-01T00:00:00.000000Z", "api", "hi�")),
        (entry(0, tag="other"), None),
        (entry(0, tag=None), None),
    ],
)
def test_lines_of_containers(given: dict[str, Any], line: tuple[str, str, str] | None) -> None:
    assert container_logs.line_of(given) == line


def test_nothing_is_lost_between_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """journalctl is a program that prints; the cloud fails once, and then takes everything."""
    entries = [entry(n, message=f"m{n}") for n in range(1203)] + [entry(1203, tag=None)]
    printed = tmp_path / "entries"
    printed.write_text("".join(json.dumps(item) + "\n" for item in entries))
    program = tmp_path / "bin/journalctl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\ncat {printed}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(sys.modules["journal"], "PATIENCE", 0.001)
    taken: list[str] = []
    failures = [RuntimeError("503")]

    class Store:
        def send(self, lines: list[tuple[str, str, str]]) -> None:
            if failures:
                raise failures.pop()
            taken.extend(text for _, _, text in lines)

    container_logs.follow(tmp_path, Store(), sys.modules["journal"].Journal())  # type: ignore[arg-type]
    assert taken == [f"m{n}" for n in range(1203)]
    assert (tmp_path / "var/lib/cloudberth/journal-cursor").read_text() == "c1203"
    container_logs.follow(tmp_path, Store(), sys.modules["journal"].Journal())  # type: ignore[arg-type]
    assert "--after-cursor=c1203" in (tmp_path / "asked").read_text()
