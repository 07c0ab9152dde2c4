"""Live runs: Terraform in the user's workspace, with the user's credentials, providers and settings.

    runner = Runner(folder, listener=show)
    runner.init()
    plan = runner.plan(file)        # saved plan; the same, as a value
    runner.apply(file)
    runner.outputs(), runner.state(), runner.drift()

`listener` gets Terraform's events as they come (resource, action, seconds). On Ctrl-C Terraform is told
once and then waited for, so that it can save the state; a second Ctrl-C makes it hurry. A saved plan and
`outputs` may hold secret values: keep the file private, and show outputs through a mask.

Raises Rejected with file, line and address for everything that Terraform or a provider refuses.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cloudberth.errors import EngineError
from cloudberth.infra.engine import Engine, find_engine, live_environment
from cloudberth.infra.events import Listener, listening
from cloudberth.infra.local_values import locals_of
from cloudberth.infra.plan import Plan, Resource
from cloudberth.infra.plan_json import drift_from_json, plan_from_json
from cloudberth.infra.process import Completed

LOCK_TIMEOUT: Final = "-lock-timeout=60s"


@dataclass(frozen=True, slots=True)
class Applied:
    """What an apply did, in numbers of resources."""

    added: int
    changed: int
    removed: int


class Runner:
    """Terraform on one workspace.

    engine: by default the one that find_engine finds. environment: by default this process's.
    """

    def __init__(
        self,
        folder: Path,
        *,
        listener: Listener | None = None,
        engine: Engine | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.listener = listener
        self.engine = engine or find_engine(environment)
        self.environment = live_environment(environment)

    def init(self, *, migrate_state: bool = False, upgrade: bool = False) -> None:
        """Download providers and set the backend up. migrate_state: copy the state to a changed backend."""
        options = ["-input=false", "-no-color"]
        options += ["-migrate-state", "-force-copy"] if migrate_state else []
        options += ["-upgrade"] if upgrade else []
        self._run("init", *options)

    def plan(self, file: Path, *, destroy: bool = False) -> Plan:
        """Plan and save the plan to file (made readable for this user only)."""
        file.touch(mode=0o600)
        self._run("plan", *_PLAN, f"-out={file}", *(["-destroy"] if destroy else []))
        return plan_from_json(self._shown(file), locals_of(self.folder, self._data))

    def apply(self, file: Path, *, listener: Listener | None = None) -> Applied:
        """Carry a saved plan out."""
        done = self._run("apply", "-input=false", "-json", LOCK_TIMEOUT, str(file), listener=listener)
        return _applied(done.output)

    def outputs(self) -> dict[str, Any]:
        """Root outputs, name → value; empty when nothing was applied yet. Sensitive values stand in clear."""
        document = _parsed(self._run("output", "-json", patient=False))
        return {name: entry.get("value") for name, entry in document.items()}

    def state(self) -> Plan:
        """What exists according to the state: a plan that changes nothing."""
        document = _parsed(self._run("show", "-json", patient=False))
        return plan_from_json({"terraform_version": "", **document})

    def drift(self) -> tuple[Resource, ...]:
        """Resources that somebody changed outside Terraform."""
        with tempfile.TemporaryDirectory(prefix="berth-drift-") as private:
            file = Path(private) / "plan"
            self._run("plan", *_PLAN, "-refresh-only", f"-out={file}")
            return drift_from_json(self._shown(file))

    @property
    def _data(self) -> Path:
        """Where Terraform keeps what `init` installed."""
        return self.folder / self.environment.get("TF_DATA_DIR", ".terraform")

    def _shown(self, file: Path) -> Mapping[str, Any]:
        return _parsed(self._run("show", "-json", str(file), patient=False))

    def _run(
        self, command: str, *options: str, listener: Listener | None = None, patient: bool = True
    ) -> Completed:
        arguments: Sequence[str] = [command, *options]
        done = self.engine.run(
            arguments,
            self.folder,
            self.environment,
            on_line=listening(listener or self.listener),
            patient=patient,
        )
        return self.engine.check([command], done)


_PLAN: Final = ("-input=false", "-json", LOCK_TIMEOUT)


def _parsed(done: Completed) -> dict[str, Any]:
    try:
        document = json.loads(done.output)
    except ValueError as error:
        raise EngineError("Terraform's answer is not JSON", where="terraform") from error
    if not isinstance(document, dict):
        raise EngineError("Terraform's answer is not an object", where="terraform")
    return document


def _applied(output: str) -> Applied:
    """From the change summary of `apply -json`."""
    for line in reversed(output.splitlines()):
        message = json.loads(line) if line.startswith("{") else {}
        if message.get("type") == "change_summary":
            changes = message["changes"]
            return Applied(changes["add"], changes["change"], changes["remove"])
    return Applied(0, 0, 0)
