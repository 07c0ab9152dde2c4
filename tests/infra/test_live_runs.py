"""The live code path: a plain Terraform installs simulated providers from a mirror, as it would real ones."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from small_workspaces import NETWORK, STORE

from cloudberth.errors import Rejected
from cloudberth.infra.engine import Engine
from cloudberth.infra.events import Event, State
from cloudberth.infra.plan import Action
from cloudberth.infra.runner import Applied, Runner
from cloudberth.infra.simulation.standalone import write_mirror
from thoroughness import MARK

pytestmark = pytest.mark.terraform

Write = Callable[..., Path]
Live = Callable[[Path], Runner]


def environment(mirror: Path) -> dict[str, str]:
    return {**os.environ, "TF_CLI_CONFIG_FILE": str(mirror)}


@pytest.fixture
def live(any_engine: Engine, mirror: Path) -> Live:
    """live(folder): a runner that finds its providers in the mirror."""
    return lambda folder: Runner(folder, engine=any_engine, environment=environment(mirror))


def up(runner: Runner, tmp_path: Path) -> Applied:
    file = tmp_path / "up.tfplan"
    runner.init()
    runner.plan(file)
    return runner.apply(file)


def test_a_whole_life(engine: Engine, mirror: Path, write: Write, tmp_path: Path) -> None:
    events: list[Event] = []
    folder = write(NETWORK + STORE)
    runner = Runner(folder, engine=engine, environment=environment(mirror), listener=events.append)
    runner.init()
    assert runner.outputs() == {}
    plan = runner.plan(tmp_path / "plan")
    assert sum(resource.action is Action.CREATE for resource in plan.resources) == 7
    assert not plan.rehearsal
    assert (tmp_path / "plan").stat().st_mode & 0o077 == 0
    assert runner.apply(tmp_path / "plan") == Applied(added=7, changed=0, removed=0)
    assert runner.outputs()["address"].endswith(".elb.amazonaws.com")
    assert {resource.type for resource in runner.state().managed()} >= {
        "aws_vpc",
        "aws_lb",
        "aws_db_instance",
    }
    assert runner.drift() == ()
    again = runner.plan(tmp_path / "again")
    assert {resource.action for resource in again.resources if not resource.data} == {Action.NONE}
    removal = runner.plan(tmp_path / "removal", destroy=True)
    assert sum(resource.action is Action.DELETE for resource in removal.resources) == 7
    assert runner.apply(tmp_path / "removal") == Applied(added=0, changed=0, removed=7)
    done = [event for event in events if event.state is State.DONE]
    assert {event.action for event in done} >= {"create", "read", "refresh", "delete"}


def test_what_a_change_replaces(live: Live, write: Write, tmp_path: Path) -> None:
    """An address range cannot be changed in place, and what hangs on the network goes with it; a tag can."""
    folder = write(NETWORK)
    runner = live(folder)
    up(runner, tmp_path)
    text = (folder / "main.tf").read_text()
    (folder / "main.tf").write_text(text.replace('Name = "main"', 'Name = "other"'))
    plan = runner.plan(tmp_path / "tags")
    changed = {r.address: r.action for r in plan.resources if r.action not in (Action.NONE, Action.READ)}
    assert changed == {"aws_vpc.main": Action.UPDATE}
    runner.apply(tmp_path / "tags")
    (folder / "main.tf").write_text(text.replace("10.0.0.0/16", "10.7.0.0/16"))
    plan = runner.plan(tmp_path / "range")
    actions = {r.address: r.action for r in plan.resources if not r.data}
    assert actions["aws_vpc.main"] is Action.REPLACE
    assert actions['aws_subnet.public["eu-central-1a"]'] is Action.REPLACE
    assert actions["aws_lb.front"] is Action.UPDATE
    before = {r.address: r.values["id"] for r in runner.state().managed()}
    runner.apply(tmp_path / "range")
    after = {r.address: r.values["id"] for r in runner.state().managed()}
    assert before["aws_vpc.main"] != after["aws_vpc.main"]
    assert before["aws_lb.front"] == after["aws_lb.front"]


@MARK
def test_a_new_secret_version_replaces_only_itself(live: Live, write: Write, tmp_path: Path) -> None:
    folder = write(STORE)
    runner = live(folder)
    up(runner, tmp_path)
    text = (folder / "main.tf").read_text()
    (folder / "main.tf").write_text(
        text.replace("secret_string_wo_version = 1", "secret_string_wo_version = 2")
    )
    plan = runner.plan(tmp_path / "next")
    assert plan.resource("aws_secretsmanager_secret_version.database").action is Action.REPLACE  # type: ignore[union-attr]
    assert plan.resource("aws_secretsmanager_secret.database").action is Action.NONE  # type: ignore[union-attr]
    runner.apply(tmp_path / "next")
    again = runner.plan(tmp_path / "again")
    assert {r.action for r in again.managed()} == {Action.NONE}


@MARK
def test_a_launch_template_counts_its_versions(live: Live, write: Write, tmp_path: Path) -> None:
    text = """
resource "aws_launch_template" "t" {
  name          = "app"
  instance_type = "t4g.small"
}
resource "aws_autoscaling_group" "g" {
  name     = "g"
  min_size = 1
  max_size = 2
  launch_template {
    id      = aws_launch_template.t.id
    version = aws_launch_template.t.latest_version
  }
}
"""
    folder = write(text)
    runner = live(folder)
    up(runner, tmp_path)
    main = folder / "main.tf"
    main.write_text(main.read_text().replace("t4g.small", "t4g.large"))
    plan = runner.plan(tmp_path / "next")
    template, group = plan.resource("aws_launch_template.t"), plan.resource("aws_autoscaling_group.g")
    assert template is not None
    assert group is not None
    assert template.unknown["latest_version"] is True
    assert group.action is Action.UPDATE
    runner.apply(tmp_path / "next")
    state = runner.state()
    assert state.resource("aws_launch_template.t").values["latest_version"] == 2  # type: ignore[union-attr]
    group = state.resource("aws_autoscaling_group.g")
    assert group is not None
    assert group.get("launch_template.0.version") == "2"


def test_the_provider_refuses(live: Live, write: Write, tmp_path: Path) -> None:
    runner = live(write('resource "aws_cloudwatch_log_group" "g" {\n  retention_in_days = 2\n}\n'))
    runner.init()
    with pytest.raises(Rejected, match="retention_in_days must be one of") as caught:
        runner.plan(tmp_path / "plan")
    assert caught.value.where == "main.tf:10:23 aws_cloudwatch_log_group.g"


def test_a_failed_apply_keeps_what_was_made(live: Live, write: Write, tmp_path: Path) -> None:
    text = (
        'resource "aws_vpc" "m" {\n  cidr_block = "10.0.0.0/16"\n}\n'
        'resource "aws_subnet" "s" {\n  vpc_id = aws_vpc.m.id\n  cidr_block = "10.9.0.0/24"\n}\n'
    )
    runner = live(write(text))
    with pytest.raises(Rejected, match="not inside the VPC's block"):
        up(runner, tmp_path)
    assert [resource.address for resource in runner.state().managed()] == ["aws_vpc.m"]


def test_state_moves_to_another_backend(live: Live, write: Write, tmp_path: Path) -> None:
    folder = write('resource "aws_sns_topic" "t" {\n  name = "t"\n}\n')
    runner = live(folder)
    up(runner, tmp_path)
    elsewhere = tmp_path / "elsewhere.tfstate"
    backend = {"terraform": {"backend": {"local": {"path": str(elsewhere)}}}}
    (folder / "backend.tf.json").write_text(json.dumps(backend))
    with pytest.raises(Rejected, match="state migration"):
        runner.init()
    runner.init(migrate_state=True)
    assert json.loads(elsewhere.read_text())["resources"][0]["type"] == "aws_sns_topic"


# ---- interrupts ------------------------------------------------------------------------------

SLOW = "".join(
    f'resource "aws_sns_topic" "t{i}" {{\n  name = "t{i}"\n'
    + (f"  depends_on = [aws_sns_topic.t{i - 1}]\n" if i else "")
    + "}\n"
    for i in range(8)
)
"""Eight topics, one after the other."""

SCRIPT = """
import pathlib, sys
from cloudberth.infra.runner import Runner
def show(event):
    print(event.state, event.address, flush=True)
runner = Runner(pathlib.Path(sys.argv[1]), listener=show)
runner.init()
runner.plan(pathlib.Path(sys.argv[1]) / "plan")
print("applying", flush=True)
try:
    runner.apply(pathlib.Path(sys.argv[1]) / "plan")
except KeyboardInterrupt:
    print("interrupted", flush=True)
    sys.exit(130)
"""


@pytest.fixture(scope="module")
def slow_mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every change takes a second and a half."""
    return write_mirror(tmp_path_factory.mktemp("slow"), delay=1.5)


def start_slow_apply(folder: Path, engine: Engine, mirror: Path) -> subprocess.Popen[str]:
    """A process in the middle of an apply: the first resource exists, the second is being created."""
    choice = "embedded" if engine.source.value == "embedded" else engine.command[0]
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(folder)],
        env={**environment(mirror), "BERTH_ENGINE": choice},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if line.startswith("started aws_sns_topic.t1") and "applying\n" in seen:
            return process
    raise AssertionError("".join(seen))


def processes_of(folder: Path) -> list[int]:
    """Terraform and plugin processes that work in this folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "cwd").resolve() == folder.resolve():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def wait_until_gone(folder: Path, seconds: float) -> list[int]:
    deadline = time.monotonic() + seconds
    while (left := processes_of(folder)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


def recorded(folder: Path) -> list[str]:
    return [entry["name"] for entry in json.loads((folder / "terraform.tfstate").read_text())["resources"]]


def test_ctrl_c_lets_terraform_save_the_state(engine: Engine, slow_mirror: Path, write: Write) -> None:
    folder = write(SLOW)
    process = start_slow_apply(folder, engine, slow_mirror)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "interrupted" in output
    assert wait_until_gone(folder, 5) == []
    # Terraform may hear of the end before or after it has asked for the second one.
    assert recorded(folder) in (["t0"], ["t0", "t1"])
    assert not (folder / ".terraform.tfstate.lock.info").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent was killed")
def test_terraform_saves_the_state_even_when_we_are_killed(
    engine: Engine, slow_mirror: Path, write: Write
) -> None:
    folder = write(SLOW)
    process = start_slow_apply(folder, engine, slow_mirror)
    process.kill()
    process.wait()
    assert wait_until_gone(folder, 20) == []
    # Terraform may hear of the end before or after it has asked for the second one.
    assert recorded(folder) in (["t0"], ["t0", "t1"])
