"""House rules that a reader would otherwise have to watch: size, names, leftovers, what is committed."""

from __future__ import annotations

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MOST_LINES = 500
# A file past the limit, and why it is one idea all the same.
LONG_FILES: dict[str, str] = {
    "src/cloudberth/infra/simulation/aws/shapes.py": "one table: a short entry for each resource type",
    "tests/deployment/test_load.py": "one function under test: load, with all that YAML can do to it",
}
VAGUE = re.compile(r"(^|_)(utils?|helpers?|managers?|misc|common|stuff)($|_)", re.IGNORECASE)
# Written in two pieces so that this file does not find itself.
LEFTOVER = re.compile(r"\b(" + "TO" + "DO|FIX" + "ME|X" + r"XX)\b")
TEXT = {".py", ".tf", ".yaml", ".yml", ".md", ".toml", ".json", ".hcl", ".sh", ".tftpl", ""}
CODE = ("src/cloudberth/", "tools/", "tests/", "benchmarks/")


@cache
def files() -> tuple[str, ...]:
    """The files of the checkout that are, or could be, committed."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        names = answer.stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        # Not a git checkout (an unpacked archive): everything outside the caches is a file of the project.
        found = (file.relative_to(ROOT) for file in ROOT.rglob("*") if file.is_file())
        names = [str(file) for file in found if not any(part.startswith(".") for part in file.parts[:-1])]
    return tuple(name for name in sorted(set(names)) if (ROOT / name).is_file())


def python_files() -> list[str]:
    return [name for name in files() if name.endswith(".py")]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_there_is_something_to_check() -> None:
    assert "src/cloudberth/errors.py" in python_files()


def test_no_file_is_too_long() -> None:
    """Past the limit: do two ideas live there? (Terraform keeps all variables of a root in one file.)"""
    long = {
        name: lines
        for name in files()
        if name.endswith((".py", ".tf")) and not name.endswith("/variables.tf")
        if (lines := read(name).count("\n")) > MOST_LINES
    }
    assert set(long) <= set(LONG_FILES), long


def test_the_list_of_long_files_is_true() -> None:
    for name in LONG_FILES:
        assert read(name).count("\n") > MOST_LINES, f"{name} is not long any more"


def test_no_leftovers() -> None:
    found = [
        f"{name}:{number}"
        for name in files()
        if Path(name).suffix in TEXT and not name.startswith("requirements/")
        for number, line in enumerate(read(name).splitlines(), 1)
        if LEFTOVER.search(line)
    ]
    assert not found


def test_names_say_what_a_thing_is() -> None:
    """No file, class or function is called a manager, a helper or a utility: those words say nothing."""
    found: list[str] = []
    for name in python_files():
        if not name.startswith(CODE):
            continue
        if any(VAGUE.search(part.removesuffix(".py")) for part in Path(name).parts):
            found.append(name)
        for node in ast.walk(ast.parse(read(name))):
            if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", node.name)
            if VAGUE.search(words):
                found.append(f"{name}:{node.lineno} {node.name}")
    assert not found


@pytest.mark.parametrize(
    ("name", "vague"),
    [
        ("FileManager", True),
        ("string_utils", True),
        ("helper", True),
        ("secretsmanager", False),
        ("utility", False),
    ],
)
def test_the_rule_about_names_knows_a_vague_one(name: str, vague: bool) -> None:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    assert bool(VAGUE.search(words)) is vague


def test_no_file_has_the_marks_of_a_merge() -> None:
    marks = ("<" * 7 + " ", ">" * 7 + " ")
    found = [
        f"{name}:{number}"
        for name in files()
        if Path(name).suffix in TEXT
        for number, line in enumerate(read(name).splitlines(), 1)
        if line.startswith(marks)
    ]
    assert not found


def test_every_test_file_has_its_own_name() -> None:
    """The folders of tests are no packages, so two files of one name would hide each other."""
    names = [Path(name).name for name in python_files() if name.startswith("tests/")]
    tests = [name for name in names if name.startswith("test_")]
    assert len(tests) == len(set(tests)), sorted({name for name in tests if tests.count(name) > 1})
