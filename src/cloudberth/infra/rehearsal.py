"""Rehearsals: real Terraform against simulated providers, offline, without an account.

    plan = rehearse_plan(folder)          # init, plan: what would be created
    result = rehearse(folder)             # the whole life: apply, a second plan that must be empty, destroy
    result.plan, result.outputs, result.changes, result.destroyed

`folder` is any Terraform workspace; it is only read. A rehearsal proves names, types, references, order,
and that a second plan changes nothing. It says nothing about quotas, permissions, prices or what a cloud's
API would refuse beyond the simulated provider's rules.

Raises Rejected (file, line and address of every error), EngineMissing, Refused for configurations that
would run programs on this machine.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cloudberth.errors import EngineError, EngineMissing, Refused, Rejected
from cloudberth.infra.constraints import satisfied
from cloudberth.infra.engine import Engine, find_engine, install_command, isolated_environment
from cloudberth.infra.events import Listener, listening
from cloudberth.infra.local_values import locals_of
from cloudberth.infra.plan import Action, Plan, Resource
from cloudberth.infra.plan_json import plan_from_json
from cloudberth.infra.process import Completed
from cloudberth.infra.staging import Stage, staged

if TYPE_CHECKING:
    from cloudberth.infra.simulation.server import Serving

PARALLELISM: Final = 30
"""Simulated resources take no time, so many may be under way at once."""
NEEDED: Final = ("grpc", "google.protobuf", "msgpack")


@dataclass(frozen=True, slots=True)
class StepDone:
    """An ended step. name: init, validate, plan, show, apply, second plan, destroy. seconds: wall time."""

    name: str
    seconds: float
    detail: str = ""


Progress = Callable[[StepDone], None]


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A whole life of the deployment, simulated.

    plan: what was created. outputs: root outputs after apply. changes: what the second plan would have
    changed (must be empty). created, destroyed: numbers of resources. state: Terraform's state after apply.
    leaks: where a secret value was found, of state, plan and log (must be empty). label: how to call this in
    a report. exposed: how many secrets the state holds because their provider always keeps them there.
    """

    plan: Plan
    outputs: Mapping[str, Any]
    changes: tuple[Resource, ...]
    created: int
    destroyed: int
    steps: tuple[StepDone, ...]
    state: str
    leaks: tuple[str, ...]
    label: str
    exposed: int = 0

    @property
    def facts(self) -> Mapping[str, Any]:
        """The output `facts` (terraform/CONTRACT.md)."""
        found = self.outputs.get("facts")
        return found if isinstance(found, Mapping) else {}

    @property
    def seconds(self) -> float:
        return sum(step.seconds for step in self.steps)


def rehearse_plan(
    workspace: Path,
    *,
    engine: Engine | None = None,
    progress: Progress | None = None,
    listener: Listener | None = None,
    timeout: float = 600,
) -> Plan:
    """Plan a workspace offline. progress: called after each step; listener: each of Terraform's events."""
    with _rehearsing(workspace, engine, progress, listener, timeout) as run:
        run.init()
        run.terraform("plan", *PLAN, "-out=first.tfplan", "-refresh=false")
        return run.shown("first.tfplan")


def rehearse(
    workspace: Path,
    *,
    engine: Engine | None = None,
    progress: Progress | None = None,
    listener: Listener | None = None,
    timeout: float = 900,
) -> Rehearsal:
    """init, validate, plan, apply, second plan, destroy.

    A second plan with changes is in the result, not raised.
    """
    with _rehearsing(workspace, engine, progress, listener, timeout) as run:
        _refuse_provisioners(run.stage)
        run.init()
        run.terraform("validate", "-json")
        run.terraform("plan", *PLAN, "-out=first.tfplan")
        plan = run.shown("first.tfplan")
        run.terraform("apply", *APPLY, "first.tfplan")
        state = run.stage.state.read_text() if run.stage.state.exists() else "{}"
        changes = _second_plan(run)
        lifted = run.stage.lift_protection()
        destroyed = run.terraform(
            "destroy",
            *APPLY,
            "-auto-approve",
            "-refresh=false",
            detail=f"{lifted} protections lifted" if lifted else "",
        )
        return Rehearsal(
            plan=plan,
            outputs={name: entry["value"] for name, entry in json.loads(state).get("outputs", {}).items()},
            changes=changes,
            created=_counted(state),
            destroyed=_destroyed(destroyed),
            steps=tuple(run.steps),
            state=state,
            leaks=run.leaks({"state": state, "plan": run.document, "log": "".join(run.log)}),
            label=run.label,
            exposed=len(run.exposed),
        )


INIT: Final = ("-input=false", "-no-color")
PLAN: Final = ("-input=false", "-json", "-lock=false", f"-parallelism={PARALLELISM}")
APPLY: Final = ("-input=false", "-json", "-lock=false", f"-parallelism={PARALLELISM}")


def _second_plan(run: _Run) -> tuple[Resource, ...]:
    done = run.terraform(
        "plan", *PLAN, "-detailed-exitcode", "-out=second.tfplan", name="second plan", accept=(0, 2)
    )
    if done.code == 0:
        return ()
    second = run.shown("second.tfplan")
    return tuple(r for r in second.resources if r.action not in (Action.NONE, Action.READ))


def _counted(state: str) -> int:
    resources = json.loads(state).get("resources", ())
    return sum(len(entry["instances"]) for entry in resources if entry["mode"] == "managed")


def _destroyed(completed: Completed) -> int:
    """From the last change summary of `destroy -json`."""
    removed = 0
    for line in completed.output.splitlines():
        message = json.loads(line) if line.startswith("{") else {}
        if message.get("type") == "change_summary" and message["changes"].get("operation") == "destroy":
            removed = message["changes"]["remove"]
    return removed


def _refuse_provisioners(stage: Stage) -> None:
    found = stage.provisioners()
    if found:
        raise Refused(
            f"provisioners would run on this machine ({', '.join(found)})",
            where="rehearsal",
            hint="a plan can be rehearsed; to rehearse apply, take the provisioners out",
        )


# ---- one run -----------------------------------------------------------------------------------------------


class _Run:
    """Terraform commands on one stage, timed and reported."""

    def __init__(
        self,
        engine: Engine,
        stage: Stage,
        serving: Serving,
        progress: Progress | None,
        listener: Listener | None,
        timeout: float,
    ) -> None:
        self.engine = engine
        self.stage = stage
        self.serving = serving
        self.environment = isolated_environment(stage.home, serving.reattach)
        self.progress = progress
        self.on_line = listening(listener)
        self.deadline = time.monotonic() + timeout
        self.steps: list[StepDone] = []
        self.document = ""
        self.log: list[str] = []
        self.used: frozenset[str] = frozenset()

    @property
    def label(self) -> str:
        versions = sorted(self.serving.versions.items())
        schemas = ", ".join(f"{name} {version}" for name, version in versions if name in self.used)
        return f"simulated providers, schema {schemas}"

    def terraform(
        self, command: str, *arguments: str, name: str = "", accept: Sequence[int] = (0,), detail: str = ""
    ) -> Completed:
        """Run one command; raises what it says when its exit code is not accepted."""
        done = self.engine.run(
            [command, *arguments],
            self.stage.folder,
            self.environment,
            on_line=self.on_line,
            timeout=max(1.0, self.deadline - time.monotonic()),
        )
        if command != "show":
            self.log += (done.output, done.error_output)
        self.engine.check([command], done, accept)
        step = StepDone(name or command, done.seconds, detail)
        self.steps.append(step)
        if self.progress:
            self.progress(step)
        return done

    def init(self) -> None:
        try:
            self.terraform("init", *INIT)
        except Rejected as error:
            if not any("provider packages" in problem.what for problem in error.problems):
                raise
            served = ", ".join(f"{name} {version}" for name, version in self.serving.versions.items())
            hint = f"rehearsals simulate these providers only: {served}"
            raise Rejected(error.problems, hint=hint) from error

    def shown(self, file: str) -> Plan:
        """The plan in a plan file."""
        self.document = self.terraform("show", "-json", file).output
        plan = plan_from_json(json.loads(self.document), locals_of(self.stage.folder, self.stage.data))
        self.used = frozenset(source.rpartition("/")[2] for source in plan.providers)
        self._check_versions(plan)
        return dataclasses.replace(plan, rehearsal=True, providers=self._providers(plan))

    def _check_versions(self, plan: Plan) -> None:
        """Terraform does not check versions of providers that are served to it."""
        for source, constraint in plan.providers.items():
            name = source.rpartition("/")[2]
            version = self.serving.versions.get(name, "")
            if version and not satisfied(version, constraint):
                raise EngineError(
                    f"the configuration asks for the provider {name} {constraint}, "
                    f"but rehearsals serve the schema of {version}",
                    where="rehearsal",
                    hint="widen the constraint in required_providers, or plan with the real provider",
                )

    def _providers(self, plan: Plan) -> dict[str, str]:
        versions = self.serving.versions
        return {
            source: versions.get(source.rpartition("/")[2], version)
            for source, version in plan.providers.items()
        }

    def leaks(self, documents: Mapping[str, str]) -> tuple[str, ...]:
        """Documents in which a value stands that was write-only or came from an ephemeral resource; in the
        state those are forgiven that the real provider keeps there, whatever one does."""
        accounts = self.serving.accounts.values()
        secrets = {secret for account in accounts for secret in account.secrets | account.exposed}
        allowed = {"state": self.exposed}
        return tuple(
            name
            for name, text in documents.items()
            if any(
                json.dumps(secret)[1:-1] in text
                for secret in secrets - allowed.get(name, frozenset())
                if len(secret) >= 8
            )
        )

    @property
    def exposed(self) -> frozenset[str]:
        """Secrets that providers keep in the state, whatever one does."""
        return frozenset().union(*(account.exposed for account in self.serving.accounts.values()))


@contextlib.contextmanager
def _rehearsing(
    workspace: Path,
    engine: Engine | None,
    progress: Progress | None,
    listener: Listener | None,
    timeout: float,
) -> Iterator[_Run]:
    _need_packages()
    from cloudberth.infra.simulation.server import serve

    engine = engine or find_engine()
    with staged(workspace) as stage, serve() as serving:
        yield _Run(engine, stage, serving, progress, listener, timeout)


def _need_packages() -> None:
    """EngineMissing when the extra `rehearsal` is not installed."""
    for name in NEEDED:
        try:
            found = importlib.util.find_spec(name)
        except ModuleNotFoundError:
            found = None
        if found is None:
            raise EngineMissing(
                f"the package {name} is not installed",
                where="rehearsal",
                hint=install_command("rehearsal", "terraform"),
            )
