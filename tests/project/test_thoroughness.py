"""What the default run leaves out is counted and said, and `--thorough` runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from checkout.checks import read_report
from thoroughness import with_thorough

ROOT = Path(__file__).parents[2]
# Two cases that only a thorough run has.
FEW = ("tests/mutations", "-k", "aws and (circle or cycle or closed)")


def ran(report: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junit-xml={report}"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment.pop("CLOUDBERTH_TESTS_THOROUGH", None)
    return subprocess.run(
        [*command, *options, *FEW], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.terraform
@pytest.mark.parametrize("options", with_thorough([("-n", "2")], [()]))
def test_what_is_left_out_is_counted(tmp_path: Path, options: tuple[str, ...]) -> None:
    done = ran(tmp_path / "report.xml", *options)
    counts, _, left_out = read_report(tmp_path / "report.xml")
    assert left_out > 0, done.stdout
    assert f"{left_out} tests" in done.stdout
    assert "--thorough" in done.stdout
    whole = ran(tmp_path / "whole.xml", "--thorough", "--collect-only")
    assert f"{left_out + int(counts.split()[0])}/" in whole.stdout, whole.stdout
