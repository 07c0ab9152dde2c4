"""The security part of `./check`: checkov over the workspaces that the examples become.

What checkov reports has to be mended, or skipped in the HCL beside the resource with a written reason
(``# checkov:skip=CKV_AWS_18:its own logs would never end``). Nothing is left out here. checkov's severities
need an account with its maker, so every check counts.
"""

from __future__ import annotations

import json
import re
import subprocess
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
    """Render every example into a folder of its own and scan it. scratch: an empty folder for them."""
    complaints: list[str] = []
    passed = skipped = 0
    examples = sorted((root / "examples").glob("*.yaml"))
    for example in examples:
        workspace = scratch / example.stem
        progress.update(example.name)
        render = [environment.program("berth"), "render", str(example), "--workspace", str(workspace)]
        rendered = run(render, progress)
        if rendered.code != 0:
            complaints.append(f"{example.name}: cannot be rendered: {rendered.output.strip()}")
            continue
        scan = [tool.program("checkov"), "-d", str(workspace), "--framework", "terraform", "--skip-download"]
        report = read_report(run([*scan, "--compact", "--quiet", "-o", "json"], progress).output)
        if report is None:
            complaints.append(f"{example.name}: the scanner said nothing that can be read")
            continue
        complaints += [f"{example.name}: {line}" for line in failures(report)]
        passed += report["summary"]["passed"]
        skipped += report["summary"]["skipped"]
    complaints += unreasoned(root / "src")
    counts = f"{passed} passed, {len(complaints)} failed, {skipped} skipped with a reason"
    return Scan(tuple(complaints), f"{counts}, in {len(examples)} examples")


@dataclass(frozen=True, slots=True)
class Ended:
    """What a program said on its standard output (or, when it failed, on both), and its exit code."""

    code: int
    output: str


def run(command: list[str], progress: Progress) -> Ended:
    """Run a program to its end with the progress going."""
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while True:
        try:
            out, error = child.communicate(timeout=0.25)
        except subprocess.TimeoutExpired:
            progress.tick()
            continue
        return Ended(child.returncode, out if out.strip() or child.returncode == 0 else error)


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
