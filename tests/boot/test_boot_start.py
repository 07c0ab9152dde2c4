"""A machine starts: what happens, in which order, and what is where afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from machine_rig import (
    MACHINE,
    REGISTRY_PASSWORD,
    VOLUME,
    Metadata,
    Rig,
    is_root,
    mode,
    secret,
    serving,
    set_up,
)


@pytest.fixture(scope="module")
def metadata() -> Iterator[str]:
    with serving(Metadata) as address:
        yield address


@pytest.fixture
def app(tmp_path: Path, metadata: str) -> Rig:
    return set_up(tmp_path, "app", metadata)


@pytest.fixture
def stateful(tmp_path: Path, metadata: str) -> Rig:
    return set_up(tmp_path, "stateful", metadata)


def test_an_app_machine_starts(app: Rig) -> None:
    done = app.boot()
    assert done.code == 0, done.stdout
    assert done.names()[0] == "start"
    assert done.names()[-1] == "ready"
    up = done.lines("docker compose")[-1]
    assert up.endswith("up --detach --wait --wait-timeout 900 --remove-orphans")
    assert not done.lines("mount")
    assert not [line for line in done.lines("docker compose") if " run " in line]
    assert done.position("ssm get-parameter") < done.position(" up --detach")
    hook = next(line for line in done.lines("aws autoscaling"))
    assert "--lifecycle-action-result CONTINUE" in hook
    assert MACHINE in hook
    assert done.lines("systemctl") == ["systemctl start cloudberth-watch.service"]


def test_the_stateful_machine_starts(stateful: Rig) -> None:
    done = stateful.boot()
    assert done.code == 0, done.stdout
    order = [
        "ec2 attach-volume",
        "mkfs.ext4",
        "mount -o noatime",
        "get-secret-value",
        "docker pull",
        "--profile once pull",
        "run --rm --no-deps --quiet-pull -T database_setup",
        "run --rm --no-deps --quiet-pull -T migration",
        "ssm put-parameter",
        "up --detach",
        "route53 change-resource-record-sets",
        "systemctl start cloudberth-metric.timer",
    ]
    positions = [done.position(part) for part in order]
    assert positions == sorted(positions)
    assert stateful.marker == stateful.bundle()["release"]
    record = next(line for line in done.lines("aws route53"))
    assert '"Name": "stateful.dify.internal"' in record
    assert '"Value": "10.40.1.7"' in record
    assert not done.lines("aws autoscaling"), "nobody waits for the stateful machine"


def test_files_are_in_memory_and_closed(app: Rig) -> None:
    app.boot()
    files = {str(path.relative_to(app.run)): path for path in app.run.rglob("*") if path.is_file()}
    assert set(files) == set(app.bundle()["files"])
    assert {mode(path) for path in files.values()} == {"0o600"}
    assert {mode(path.parent) for path in files.values()} <= {"0o700"}
    environment = files["env/api.env"].read_text()
    assert f"SECRET_KEY={secret('secret_key')}\n" in environment
    assert "${" not in environment
    assert "rediss://:s3cr3t%2Fcache_password%2B%40%3A@cache.internal:6379/1" in environment
    assert f"awslogs-stream: {MACHINE}/api" in files["compose.yaml"].read_text()


@pytest.mark.skipif(not is_root(), reason="only root can give files away")
def test_files_belong_to_the_containers_user(app: Rig) -> None:
    app.boot()
    squid = (app.run / "files/ssrf_proxy/squid.conf").stat()
    assert (squid.st_uid, squid.st_gid) == (13, 13)
    assert (app.run / "env/api.env").stat().st_uid == 0


def test_each_secret_is_read_once(stateful: Rig) -> None:
    done = stateful.boot()
    asked = [
        call.argv[call.argv.index("--secret-id") + 1]
        for call in done.calls
        if "get-secret-value" in call.line
    ]
    assert len(asked) == len(set(asked))
    assert {name.rpartition("/")[2] for name in asked} == {
        *("database_password", "cache_password", "secret_key", "init_password", "sandbox_api_key"),
        *("plugin_daemon_key", "inner_api_key", "agent_api_token", "agent_server_secret_key"),
        *("agent_sandbox_token",),
    }


def test_a_machine_reads_only_what_it_needs(app: Rig) -> None:
    done = app.boot()
    asked = {
        call.argv[call.argv.index("--secret-id") + 1].rpartition("/")[2]
        for call in done.calls
        if "get-secret-value" in call.line
    }
    assert "agent_server_secret_key" not in asked
    assert "agent_sandbox_token" not in asked


def test_the_compose_plugin_is_installed_once(app: Rig) -> None:
    first, second = app.boot(), app.boot()
    plugin = app.root / "usr/local/lib/docker/cli-plugins/docker-compose"
    assert "docker cp c0ffee:/docker-compose" in " ".join(first.lines("docker cp"))
    assert mode(plugin) == "0o755"
    assert first.lines("docker rm") == ["docker rm --force c0ffee"]
    assert not second.lines("docker cp")
    app.change_bundle(stack={**app.bundle()["stack"], "compose_image": "docker/compose-bin:v9"})
    assert app.boot().lines("docker pull") == ["docker pull --quiet docker/compose-bin:v9"]


def test_a_disk_with_data_is_never_formatted(stateful: Rig) -> None:
    stateful.set("file_system", "ext4\n")
    done = stateful.boot()
    assert done.code == 0
    assert not done.lines("mkfs")
    assert len(done.lines("resize2fs")) == 1


def test_another_file_system_is_taken_as_it_is(stateful: Rig) -> None:
    stateful.set("file_system", "xfs\n")
    done = stateful.boot()
    assert done.code == 0
    assert not done.lines("mkfs")
    assert not done.lines("resize2fs")


def test_a_disk_that_is_neither_blank_nor_known_is_left_alone(stateful: Rig) -> None:
    device = next((stateful.root / "dev/disk/by-id").iterdir())
    device.write_bytes(b"\0" * 600 + b"precious")
    done = stateful.boot()
    assert done.code == 1
    assert "left alone" in done.why
    assert not done.lines("mkfs")
    assert not done.lines("mount")
    assert not done.lines("docker compose")


def test_volumes_have_a_folder_on_the_data_disk(stateful: Rig) -> None:
    stateful.boot()
    folders = sorted((stateful.root / "data/volumes").iterdir())
    assert [folder.name for folder in folders] == ["agent_home", "agent_workspace", "plugins"]
    assert {mode(folder) for folder in folders} == {"0o755"}


def test_after_a_reboot_everything_is_there_again(stateful: Rig) -> None:
    stateful.boot()
    (stateful.root / "data/volumes/plugins/kept").write_text("x")
    stateful.reboot()
    assert not stateful.run.exists()
    done = stateful.boot()
    assert done.code == 0
    assert f"SECRET_KEY={secret('secret_key')}\n" in (stateful.run / "env/api.env").read_text()
    assert not done.lines("mkfs")
    assert len(done.lines("mount")) == 1
    assert not done.lines("aws ec2 attach-volume")
    assert (stateful.root / "data/volumes/plugins/kept").read_text() == "x"


def test_a_second_start_without_a_reboot_changes_nothing(stateful: Rig) -> None:
    stateful.boot()
    done = stateful.boot()
    assert done.code == 0
    assert not done.lines("mount")
    assert not done.lines("mkfs")


def test_the_disk_comes_from_the_predecessor(stateful: Rig) -> None:
    """The old machine is still letting go: wait, then take it."""
    stateful.fail(
        "describe-volumes",
        times=3,
        exit=0,
        stdout=json.dumps(
            {"Volumes": [{"State": "in-use", "Attachments": [{"InstanceId": "i-old", "State": "attached"}]}]}
        ),
    )
    done = stateful.boot()
    assert done.code == 0
    assert len(done.lines("aws ec2 describe-volumes")) >= 4
    assert any("held by i-old" in event.get("why", "") for event in done.events)
    assert done.lines("aws ec2 attach-volume")[0].startswith(f"aws ec2 attach-volume --volume-id {VOLUME}")


def test_the_queue_is_measured_without_asking_for_the_secret_again(stateful: Rig) -> None:
    stateful.boot()
    note = json.loads((stateful.run / "queue.json").read_text())
    assert mode(stateful.run / "queue.json") == "0o600"
    assert note["cache"]["host"] == "cache.internal"
    assert len(note["queue"]["names"]) == 20


def test_stop_stops_the_services(app: Rig) -> None:
    app.boot()
    done = app.boot("stop")
    assert done.code == 0
    assert [call.argv[-1] for call in done.calls] == ["stop"]
    app.reboot()
    assert app.boot("stop").calls == []


def test_workers_finish_when_the_cloud_takes_the_machine_away(app: Rig, tmp_path: Path) -> None:
    app.boot()

    class Notice(Metadata):
        asked = 0

        def do_GET(self) -> None:
            if self.path.endswith("spot/instance-action"):
                type(self).asked += 1
                announced = type(self).asked > 3
                self._answer(200 if announced else 404, '{"action":"terminate"}' if announced else "")
                return
            super().do_GET()

    with serving(Notice) as address:
        app.metadata = address
        done = app.boot("watch")
    assert done.code == 0
    assert done.lines("docker compose")[0].endswith("compose.yaml stop worker")
    assert {"event", "ts", "stopping"} == set(done.events[0])


def test_the_journal_is_sent_to_the_log_group(app: Rig) -> None:
    done = app.boot()
    sent = next(call for call in done.calls if "put-log-events" in call.line)
    events = json.loads(sent.argv[sent.argv.index("--log-events") + 1])
    assert sent.argv[sent.argv.index("--log-group-name") + 1] == "/cloudberth/dify/boot"
    assert json.loads(events[0]["message"])["event"] == "start"
    assert json.loads(events[-1]["message"])["event"] == "ready"


def test_a_private_registry_gets_its_password_through_stdin(app: Rig) -> None:
    image = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/hub/docker/compose-bin:v2.39.4"
    app.change_bundle(stack={**app.bundle()["stack"], "compose_image": image})
    done = app.boot()
    login = next(call for call in done.calls if call.line.startswith("docker login"))
    assert login.stdin == REGISTRY_PASSWORD
    assert login.argv[-1] == "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
    assert all(REGISTRY_PASSWORD not in call.line for call in done.calls)


@pytest.mark.parametrize("command", [[], ["start", "now"], ["begin"]])
def test_it_says_how_it_is_used(app: Rig, command: list[str]) -> None:
    import subprocess

    from machine_rig import old_python

    done = subprocess.run(
        [old_python(), str(app.root / "opt/cloudberth/boot.py"), *command],
        env=app.environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "boot.py start" in done.stderr
