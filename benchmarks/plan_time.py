"""How long a plan takes: `berth plan` against Terraform's own commands on the same workspace, in one run.

    python benchmarks/plan_time.py [--runs 5] [example …]

The peer is plain Terraform (init, plan, show) with the same simulated providers as plugin executables, which
is how a rehearsal would work without serving them from our process. berth also prices, reviews and draws.
Prints medians and the ratio berth / peer; nothing is asserted.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from cloudberth import pipeline
from cloudberth.infra import workspace
from cloudberth.infra.engine import find_engine
from cloudberth.infra.simulation.standalone import write_mirror

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def timed(runs: int, action: Callable[[], None]) -> float:
    """Median wall seconds after one warm-up."""
    action()
    seconds = []
    for _ in range(runs):
        started = time.monotonic()
        action()
        seconds.append(time.monotonic() - started)
    return statistics.median(seconds)


def berth_plan(example: Path, folder: Path) -> Callable[[], None]:
    def run() -> None:
        command = [sys.executable, "-m", "cloudberth.cli", "plan", str(example)]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)

    return run


def terraform_alone(example: Path, folder: Path, configuration: Path) -> Callable[[], None]:
    engine = find_engine()
    environment = {**os.environ, "TF_CLI_CONFIG_FILE": str(configuration)}

    def run() -> None:
        with tempfile.TemporaryDirectory(dir=folder) as copy:
            workspace.write(pipeline.lay_out(pipeline.read(example)), Path(copy))
            for arguments in (["init", "-input=false"], ["plan", "-out=p"], ["show", "-json", "p"]):
                engine.check(arguments, engine.run(arguments, Path(copy), environment))

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("examples", nargs="*", type=Path, default=sorted(EXAMPLES.glob("*.yaml")))
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    print(f"{find_engine().label}, {os.cpu_count()} cores, median of {options.runs} runs")
    print(f"{'example':<24}{'berth plan':>12}{'terraform':>12}{'ratio':>8}")
    with tempfile.TemporaryDirectory(prefix="berth-benchmark-") as name:
        folder = Path(name)
        configuration = write_mirror(folder / "mirror")
        for example in options.examples:
            ours = timed(options.runs, berth_plan(example.resolve(), folder))
            theirs = timed(options.runs, terraform_alone(example.resolve(), folder, configuration))
            print(f"{example.name:<24}{ours:>10.2f} s{theirs:>10.2f} s{ours / theirs:>8.2f}")


if __name__ == "__main__":
    main()
