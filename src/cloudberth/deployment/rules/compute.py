"""Machines, how many of them, and when."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cloudberth.deployment.document import Path
from cloudberth.deployment.facts import Machine
from cloudberth.deployment.model.base import shown
from cloudberth.deployment.rules.rule import Fault, Question
from cloudberth.deployment.wording import nearest

APP: Path = ("compute", "app")
STATEFUL: Path = ("compute", "stateful", "machine_type")
TYPES: Path = (*APP, "machine_types")


def machine_types(question: Question) -> Iterator[Fault]:
    """Every machine type exists, and is named once."""
    types = question.deployment.compute.app.machine_types
    for i, name in enumerate(types):
        yield from _known(question, name, (*TYPES, i))
        if name in types[:i]:
            yield Fault((*TYPES, i), f"{shown(name)} stands twice", "name each type once")
    yield from _known(question, question.deployment.compute.stateful.machine_type, STATEFUL)


def _known(question: Question, name: str, path: Path) -> Iterator[Fault]:
    known = question.facts.machines
    if name not in known:
        bare = name.removeprefix("db.").removeprefix("cache.")
        example = f"for instance {question.facts.example('machine')}"
        hint = f"did you mean {bare}?" if bare in known else nearest(name, known) or example
        yield Fault(path, f"there is no machine type {shown(name)}", hint)


def architecture(question: Question) -> Iterator[Fault]:
    """All machines run the same images, so all have the same processor architecture."""
    types = question.deployment.compute.app.machine_types
    first = question.facts.machine(types[0])
    if first is None:
        return
    for i, name in enumerate(types):
        machine = question.facts.machine(name)
        if machine and machine.architecture != first.architecture:
            yield _mixed(machine, first, (*TYPES, i), "take types of one architecture")
    stateful = question.facts.machine(question.deployment.compute.stateful.machine_type)
    if stateful and stateful.architecture != first.architecture:
        path = question.first_given(STATEFUL, TYPES)
        note = question.origin(*STATEFUL)
        fault = _mixed(stateful, first, path, "both run the same images: set both", note)
        yield Fault(fault.path, fault.what, fault.hint, also=(TYPES, STATEFUL))


def _mixed(machine: Machine, first: Machine, path: Path, hint: str, note: str = "") -> Fault:
    return Fault(
        path,
        f"{machine.type}{note} is {machine.architecture}, but {first.type} is {first.architecture}",
        hint,
    )


def numbers(question: Question) -> Iterator[Fault]:
    """Fewest, most, on demand and spot fit together."""
    app = question.deployment.compute.app
    fewest, most, fixed = (*APP, "min"), (*APP, "max"), (*APP, "on_demand")
    if app.min > app.max:
        yield Fault(
            question.first_given(fewest, most),
            f"min {app.min}{question.origin(*fewest)} is more than max {app.max}{question.origin(*most)}",
            "set both",
            also=(fewest, most),
        )
    if app.on_demand > app.max:
        yield Fault(
            question.first_given(fixed, most),
            f"on_demand {app.on_demand}{question.origin(*fixed)} is more than max "
            f"{app.max}{question.origin(*most)}",
            "at most max machines can be on demand",
            also=(fixed, most),
        )
    spot = (*APP, "spot_percent")
    if app.spot_percent and question.given(*spot) and app.on_demand == app.max:
        yield Fault(
            spot,
            f"no machine can be spot: on_demand{question.origin(*fixed)} and "
            f"max{question.origin(*most)} are both {app.max}",
            "lower on_demand, or leave spot_percent out",
            also=(fixed, most),
        )


def schedules(question: Question) -> Iterator[Fault]:
    """Names are unique, no two schedules fight for the same minute, and fewest is not more than most."""
    names: dict[str, int] = {}
    times: dict[tuple[str, str], str] = {}
    for i, schedule in enumerate(question.deployment.compute.schedules):
        path: Path = ("compute", "schedules", i)
        if schedule.min > schedule.max:
            yield Fault((*path, "min"), f"min {schedule.min} is more than max {schedule.max}", "set both")
        if names.setdefault(schedule.name, i) != i:
            yield Fault(
                (*path, "name"),
                f"schedules[{names[schedule.name]}] is called {shown(schedule.name)} as well",
                "give each a name of its own",
            )
        moment = (schedule.cron, schedule.time_zone)
        if times.setdefault(moment, schedule.name) != schedule.name:
            yield Fault(
                (*path, "cron"),
                f"takes effect at the same time as {shown(times[moment])}",
                "one of them would win by chance",
            )


def image(question: Question) -> Iterator[Fault]:
    """A pinned machine image looks like an image's id; a mirror is a host, not a URL."""
    compute = question.deployment.compute
    if compute.image is not None and not re.match(question.facts.pattern("image"), compute.image):
        yield Fault(
            ("compute", "image"),
            f"{shown(compute.image)} is not the id of a machine image",
            f"it looks like {question.facts.example('image')}",
        )
    mirror = compute.registry_mirror
    if mirror is not None and not re.match(r"[a-z0-9.-]+(:\d{1,5})?(/[a-z0-9._-]+)*\Z", mirror):
        hint = "leave out https://" if "://" in mirror else "write it like registry.example.com/docker-hub"
        yield Fault(("compute", "registry_mirror"), f"{shown(mirror)} is not a registry's host", hint)


RULES = (machine_types, architecture, numbers, schedules, image)
