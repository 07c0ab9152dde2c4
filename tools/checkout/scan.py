"""The security part of `./check`: checkov over the workspaces that the examples become.

What checkov reports has to be mended, or skipped in the HCL beside the resource with a written reason
(``# checkov:skip=CKV_AWS_18:its own logs would never end``). Nothing is left out here. checkov's severities
need an account with its maker, so every check counts.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from checkout.environment import Environment
from checkout.progress import Progress

SKIP = re.compile(r"checkov:skip=(?P<check>\w+)(?P<reason>:.*)?")
SHORTEST_REASON = 10


@dataclass(frozen=True, slots=True)
class Scan:
    """complaints: one line for each thing that has to be mended; note: the counts in one line."""

    complaints: tuple[str, ...]
    note: str


def scan_examples(
    root: Path, environment: Environment, tool: Environment, scratch: Path, progress: Progress
) -> Scan:
    """Render every example into a folder of its own and scan it, as many at once as there are cores.

    scratch: an empty folder for them.
    """
    examples = sorted((root / "examples").glob("*-*.yaml"))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2
    with ThreadPoolExecutor(cores) as pool:
        running = {
            example: pool.submit(scan_example, example, environment, tool, scratch) for example in examples
        }
        while wait(running.values(), timeout=0.25).not_done:
            under_way = [example.name for example, scan in running.items() if scan.running()]
            progress.update(", ".join(under_way))
            progress.tick()
    scans = [running[example].result() for example in examples]
    complaints = [line for scan in scans for line in scan.complaints] + unreasoned(root / "src")
    if not examples:
        complaints.append("examples: there is none that could be scanned")
    passed, skipped = sum(scan.passed for scan in scans), sum(scan.skipped for scan in scans)
    counts = f"{passed} passed, {len(complaints)} failed, {skipped} skipped with a reason"
    return Scan(tuple(complaints), f"{counts}, in {len(examples)} examples")


@dataclass(frozen=True, slots=True)
class ExampleScan:
    """What was found in one example."""

    complaints: tuple[str, ...] = ()
    passed: int = 0
    skipped: int = 0


def scan_example(example: Path, environment: Environment, tool: Environment, scratch: Path) -> ExampleScan:
    """Render one example and scan it."""
    workspace = scratch / example.stem
    rendered = run([environment.program("berth"), "render", str(example), "--workspace", str(workspace)])
    if rendered.code != 0:
        return ExampleScan((f"{example.name}: cannot be rendered: {rendered.output.strip()}",))
    scan = [tool.program("checkov"), "-d", str(workspace), "--framework", "terraform", "--skip-download"]
    report = read_report(run([*scan, "--compact", "--quiet", "-o", "json"]).output)
    if report is None:
        return ExampleScan((f"{example.name}: the scanner said nothing that can be read",))
    complaints = tuple(f"{example.name}: {line}" for line in failures(report))
    return ExampleScan(complaints, report["summary"]["passed"], report["summary"]["skipped"])


@dataclass(frozen=True, slots=True)
class Ended:
    """What a program said on its standard output (or, when it failed, on both), and its exit code."""

    code: int
    output: str


def run(command: list[str]) -> Ended:
    """Run a program to its end."""
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    said = ended.stdout if ended.stdout.strip() or ended.returncode == 0 else ended.stderr
    return Ended(ended.returncode, said)


def read_report(output: str) -> dict[str, Any] | None:
    """The report of one scan; None when it is none (checkov prints bare counts when a folder has nothing)."""
    try:
        report = json.loads(output)
    except ValueError:
        return None
    return report if isinstance(report, dict) and "results" in report else None


def failures(report: dict[str, Any]) -> list[str]:
    """One line for each check that failed, and for a file that could not be parsed."""
    lines = [
        f"{check['check_id']} {check['check_name']}: {check['resource']} "
        f"({check['file_path'].lstrip('/')}:{check['file_line_range'][0]})"
        for check in report["results"]["failed_checks"]
    ]
    errors = report["summary"]["parsing_errors"]
    return [*lines, f"{errors} files could not be parsed"] if errors else lines


def unreasoned(source: Path) -> list[str]:
    """The skipped checks that say no reason."""
    return [
        f"{file.name}:{number}: {match['check']} is skipped without a reason"
        for file in sorted(source.rglob("*.tf"))
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        for match in SKIP.finditer(line)
        if len((match["reason"] or ":")[1:].strip()) < SHORTEST_REASON
    ]
