"""What the boot program asks of Google Cloud, against a server that speaks its interfaces; whole starts."""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from google_rig import BUCKET, MACHINE, PROJECT, TOKEN, Project, google, settings
from machine_rig import SOURCE, Rig, old_python, secret, set_up

from cloudberth.infra.workspace import boot_files

sys.path.insert(0, str(SOURCE / "terraform/boot"))

import boot_google


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    with google() as found:
        monkeypatch.setattr(boot_google, "_METADATA", found.address)
        monkeypatch.setattr(boot_google, "_ELSEWHERE", found.address)
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        yield found


def cloud(group: str = "stateful", **other: Any) -> boot_google.Cloud:
    bundle = {"name": "dify", "region": "europe-west1", "cloud": settings(group) | other}
    return boot_google.Cloud(bundle)


# ---- secrets


def test_a_secret(project: Project) -> None:
    value = "pä$$\"'\\ word\nwith ${x}"
    project.secrets["secret_key"] = value
    assert cloud().secret(f"projects/{PROJECT}/secrets/dify-secret_key") == value


def test_a_secret_that_is_not_there(project: Project) -> None:
    with pytest.raises(RuntimeError, match=r"secretmanager\.googleapis\.com latest:access: 404 NOT_FOUND"):
        cloud().secret(f"projects/{PROJECT}/secrets/dify-missing")


def test_an_entry_without_text(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boot_google.Cloud, "_ask", lambda *_: {"payload": {"data": "/////w=="}})
    with pytest.raises(RuntimeError, match="the entry holds no text"):
        cloud().secret("projects/p/secrets/binary")


def test_errors_hold_no_token(project: Project) -> None:
    project.refuse["secretmanager"] = 403
    with pytest.raises(RuntimeError) as caught:
        cloud().secret(f"projects/{PROJECT}/secrets/dify-secret_key")
    assert "403 PERMISSION_DENIED" in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_one_token_serves_many_calls(project: Project) -> None:
    project.secrets.update(a="1", b="2")
    machine = cloud()
    for name in ("a", "b", "a"):
        machine.secret(f"projects/{PROJECT}/secrets/dify-{name}")
    assert sum("/token" in line for line in project.asked) == 1


def test_a_token_is_renewed_before_its_end(project: Project) -> None:
    project.metadata["instance/service-accounts/default/token"] = json.dumps(
        {"access_token": TOKEN, "expires_in": 30}
    )
    project.secrets["a"] = "1"
    machine = cloud()
    machine.secret(f"projects/{PROJECT}/secrets/dify-a")
    machine.secret(f"projects/{PROJECT}/secrets/dify-a")
    assert sum("/token" in line for line in project.asked) == 2


def test_no_metadata_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boot_google, "_METADATA", "http://127.0.0.1:9")
    with pytest.raises(RuntimeError, match="metadata service"):
        _ = cloud().machine_id


# ---- marker, disk, name


def test_the_marker(project: Project) -> None:
    machine = cloud()
    assert machine.read_marker() == "none"
    machine.write_marker("dify-1.17.1-0a1b2c3d")
    assert project.objects == {"cloudberth/release": b"dify-1.17.1-0a1b2c3d"}
    assert cloud("app").read_marker() == "dify-1.17.1-0a1b2c3d"


def test_a_marker_that_cannot_be_read_is_no_release(project: Project) -> None:
    project.refuse["storage.googleapis.com"] = 403
    with pytest.raises(RuntimeError, match="403"):
        cloud().read_marker()


def test_the_disk_comes_from_the_group(tmp_path: Path) -> None:
    machine = cloud()
    with pytest.raises(RuntimeError, match="has not appeared yet"):
        machine.attach_volume(tmp_path)
    device = tmp_path / "dev/disk/by-id/google-data"
    device.parent.mkdir(parents=True)
    device.touch()
    assert machine.attach_volume(tmp_path) == str(device)
    assert machine.has_volume
    assert not cloud("app").has_volume


def test_the_name_follows_the_machine(project: Project) -> None:
    cloud().register_name()
    wanted = {"name": "stateful.dify.internal.", "type": "A", "ttl": 15, "rrdatas": ["10.40.0.7"]}
    assert project.records == {"stateful.dify.internal.": wanted}
    project.metadata["instance/network-interfaces/0/ip"] = "10.40.0.9"
    cloud().register_name()
    assert project.records["stateful.dify.internal."]["rrdatas"] == ["10.40.0.9"]


def test_app_machines_have_no_name(project: Project) -> None:
    cloud("app").register_name()
    assert project.asked == []


def test_a_record_that_is_refused(project: Project) -> None:
    project.refuse["dns.googleapis.com"] = 403
    with pytest.raises(RuntimeError, match="403"):
        cloud().register_name()


# ---- what it tells


def test_the_length_of_the_queue(project: Project) -> None:
    cloud().publish_depth(17)
    (series,) = project.series
    assert series["metric"] == {
        "type": "custom.googleapis.com/cloudberth/queue_depth",
        "labels": {"deployment": "dify"},
    }
    assert series["points"][0]["value"] == {"int64Value": "17"}
    assert series["resource"]["labels"]["zone"] == "europe-west1-b"


@pytest.mark.parametrize(
    ("text", "severity", "payload"),
    [
        ('{"severity": "ERROR", "message": "no"}', "ERROR", "jsonPayload"),
        ('{"level": "warn", "msg": "hm"}', "WARNING", "jsonPayload"),
        ('{"level": "panic"}', "CRITICAL", "jsonPayload"),
        ("plain text", "DEFAULT", "textPayload"),
        ("{broken", "DEFAULT", "textPayload"),
        ("[1, 2]", "DEFAULT", "textPayload"),
        ("{}", "DEFAULT", "textPayload"),
    ],
)
def test_lines_get_their_severity(project: Project, text: str, severity: str, payload: str) -> None:
    cloud().send([("2026-01-01T00:00:00.000001Z", "api", text)])
    (entry,) = project.entries
    assert entry["severity"] == severity
    assert payload in entry
    assert entry["logName"] == f"projects/{PROJECT}/logs/cloudberth-dify-api"
    assert entry["labels"] == {"deployment": "dify", "service": "api", "machine": MACHINE}
    assert entry["resource"]["type"] == "gce_instance"


def test_a_line_that_is_sent_twice_is_kept_once(project: Project) -> None:
    line = ("2026-01-01T00:00:00.000001Z", "api", "once")
    cloud().send([line])
    cloud().send([line, ("2026-01-01T00:00:00.000002Z", "api", "once")])
    identities = [entry["insertId"] for entry in project.entries]
    assert identities[0] == identities[1] != identities[2]


def test_many_lines_go_in_batches_and_in_order(project: Project) -> None:
    lines = [(f"2026-01-01T00:00:00.{number:06}Z", "api", f"line {number}") for number in range(1100)]
    cloud().send(lines)
    assert [entry["textPayload"] for entry in project.entries] == [text for _, _, text in lines]
    assert sum("entries:write" in line for line in project.asked) == 3


def test_the_journal_of_the_start(project: Project) -> None:
    cloud().ship(['{"event": "start"}', '{"event": "start"}'])
    assert [entry["logName"].rpartition("-")[2] for entry in project.entries] == ["boot", "boot"]
    assert len({entry["insertId"] for entry in project.entries}) == 2


def test_a_journal_that_cannot_be_sent_stays(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.refuse["logging.googleapis.com"] = 500
    cloud().ship(["{}"])
    assert json.loads(capsys.readouterr().out)["event"] == "journal not sent"


def test_a_spot_machine_is_warned(project: Project) -> None:
    assert not cloud("app").ends_soon()
    project.metadata["instance/preempted"] = "TRUE"
    assert cloud("app").ends_soon()
    project.metadata.pop("instance/preempted")
    assert not cloud("app").ends_soon()


def test_private_registries(project: Project) -> None:
    machine = cloud()
    assert machine.is_registry(f"europe-west1-docker.pkg.dev/{PROJECT}/docker-hub/library/nginx:1.28")
    assert not machine.is_registry("nginx:1.28")
    assert not machine.is_registry("evil-docker.pkg.dev.example.com/nginx")
    assert (machine.registry_user, machine.registry_password()) == ("oauth2accesstoken", TOKEN)


# ---- user data


def test_the_bundle_is_fetched_as_the_machine(project: Project, tmp_path: Path) -> None:
    text = json.dumps({"programs": {}, "files": {}})
    name = f"cloudberth/boot/app-{hashlib.sha256(text.encode()).hexdigest()}.json"
    project.objects[name] = text.encode()
    template = boot_files("google")["fetch.py.tftpl"]
    program = template.replace("${bucket}", BUCKET).replace(
        '${replace(key, "/", "%2F")}', name.replace("/", "%2F")
    )
    assert "${" not in program
    target = tmp_path / "bundle.gz"
    code = f"import gzip, json, os, sys\n{program}\nsys.exit(0 if download({str(target)!r}) else 1)"
    environment = {
        "CLOUDBERTH_METADATA": project.address,
        "CLOUDBERTH_STORAGE": f"{project.address}/storage.googleapis.com",
    }
    run = [old_python(), "-I", "-c", code]
    assert subprocess.run(run, env=environment, check=False).returncode == 0
    assert gzip.decompress(target.read_bytes()).decode() == text
    project.objects.clear()
    failed = subprocess.run(run, env=environment, check=False, capture_output=True, text=True)
    assert failed.returncode == 1
    assert "404" in failed.stderr
    assert TOKEN not in failed.stderr


# ---- whole starts


@dataclass
class GoogleRig(Rig):
    google: str = ""

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "CLOUDBERTH_METADATA": self.google, "CLOUDBERTH_GOOGLE": self.google}


def machine(root: Path, project: Project, group: str) -> GoogleRig:
    """A machine of Google after cloud-init."""
    rig = set_up(root, group, project.address)
    programs = {name: text for name, text in boot_files("google").items() if name.endswith(".py")}
    for name, text in programs.items():
        (root / "opt/cloudberth" / name).write_text(text)
    names = rig.bundle()["secrets"]
    project.secrets.update({name: secret(name) for name in names})
    rig.change_bundle(
        cloud=settings(group), secrets={name: f"projects/{PROJECT}/secrets/dify-{name}" for name in names}
    )
    device = root / "dev/disk/by-id/google-data"
    device.parent.mkdir(parents=True, exist_ok=True)
    device.write_bytes(bytes(4096))
    return GoogleRig(root, group, project.address, project.address.removeprefix("http://"), project.address)


def test_a_stateful_machine_starts(project: Project, tmp_path: Path) -> None:
    rig = machine(tmp_path, project, "stateful")
    done = rig.boot()
    assert done.code == 0, done.stdout + done.stderr
    assert done.names()[-1] == "ready"
    assert project.objects["cloudberth/release"].decode() == rig.bundle()["release"]
    assert "stateful.dify.internal." in project.records
    assert done.lines("mkfs.ext4")[0].endswith("google-data")
    assert "systemctl start cloudberth-logs.service" in [call.line for call in done.calls]
    assert "aws" not in {call.argv[0] for call in done.calls}


def test_an_app_machine_waits_for_the_release(project: Project, tmp_path: Path) -> None:
    rig = machine(tmp_path, project, "app")
    project.objects["cloudberth/release"] = rig.bundle()["release"].encode()
    done = rig.boot()
    assert done.code == 0, done.stdout + done.stderr
    assert done.names()[-1] == "ready"
    assert project.records == {}


def test_no_secret_leaves_memory(project: Project, tmp_path: Path) -> None:
    rig = machine(tmp_path, project, "stateful")
    done = rig.boot()
    told = [done.stdout, done.stderr, json.dumps(project.entries), *(call.line for call in done.calls)]
    on_disk = [path.read_bytes().decode(errors="replace") for path in rig.files_outside_memory()]
    for value in [*project.secrets.values(), TOKEN]:
        assert not any(value in text for text in told)
        assert not any(value in text for text in on_disk)


def test_a_secret_that_is_refused_stops_the_start(project: Project, tmp_path: Path) -> None:
    project.refuse["dify-secret_key"] = 403
    done = machine(tmp_path, project, "app").boot()
    assert done.code == 1
    assert "403 PERMISSION_DENIED" in done.why
    assert project.entries, "the journal tells why"
