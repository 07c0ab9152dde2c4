"""Which resources a resource's configuration names, followed through modules, outputs and variables.

The configuration part of a plan lists, for every expression, the names in it. Local values are not in it:
what is named through one is followed only when the workspace was read as well (local_values.py). A reference
to all instances of a resource has no key; one to a single instance (`aws_eip.nat[0]`) keeps its key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cloudberth.infra.local_values import Locals

Json = Mapping[str, Any]

_STEP = re.compile(r'\[(?:"(?:[^"\\]|\\.)*"|\d+)\]|[^.\[]+')
_KEY = re.compile(r"\[.*\]$")
NOT_RESOURCES: Final = frozenset(
    {"var", "local", "each", "count", "self", "path", "terraform", "module", "data"}
)


def split_steps(text: str) -> list[str]:
    """`module.a["x.y"].aws_vpc.main[0].id` → module, a["x.y"], aws_vpc, main[0], id: keys stay in place."""
    steps: list[str] = []
    for part in _STEP.findall(text):
        if part.startswith("[") and steps:
            steps[-1] += part
        else:
            steps.append(part)
    return steps


def split_address(address: str) -> tuple[list[str], str]:
    """(module names with keys, the rest): `module.a["x"].aws_vpc.main` → (['a["x"]'], 'aws_vpc.main')."""
    steps = split_steps(address)
    modules = []
    while len(steps) > 2 and steps[0] == "module":
        modules.append(steps[1])
        steps = steps[2:]
    return modules, ".".join(steps)


def without_key(step: str) -> str:
    return _KEY.sub("", step)


def module_path(modules: list[str]) -> str:
    """Dotted names without keys, "" for the root."""
    return ".".join(without_key(name) for name in modules)


def named(expression: object) -> Iterator[str]:
    """Every reference in an expressions tree."""
    if isinstance(expression, Mapping):
        references = expression.get("references")
        if isinstance(references, list):
            yield from most_specific(references)
        for name, inner in expression.items():
            if name != "references":
                yield from named(inner)
    elif isinstance(expression, list):
        for inner in expression:
            yield from named(inner)


def most_specific(references: list[str]) -> list[str]:
    """Terraform lists `a.b.c`, `a.b` for one expression: keep the longest of each."""
    kept: list[str] = []
    for reference in references:
        if not any(other.startswith((reference + ".", reference + "[")) for other in references):
            kept.append(reference)
    return kept


@dataclass(frozen=True, slots=True)
class _Scope:
    """One module in the configuration. instance: module names with keys, as in addresses."""

    module: Json
    instance: tuple[str, ...]
    call: Json
    parent: _Scope | None

    @property
    def prefix(self) -> str:
        return "".join(f"module.{name}." for name in self.instance)


class References:
    """References of every resource of one configuration."""

    def __init__(self, root: Json, local_values: Locals | None = None) -> None:
        self.root = _Scope(root, (), {}, None)
        self._locals = local_values or {}
        self._known: dict[tuple[str, str], tuple[str, ...]] = {}

    def of(self, address: str) -> tuple[str, ...]:
        """Addresses that a resource's configuration names, sorted, without itself."""
        modules, rest = split_address(address)
        scope = self._scope(modules)
        bare = ".".join(without_key(step) for step in split_steps(rest))
        entry = self._entry(scope, bare) if scope else None
        if scope is None or entry is None:
            return ()
        found: set[str] = set()
        for part in ("expressions", "count_expression", "for_each_expression"):
            for reference in named(entry.get(part) or {}):
                found.update(self._resolve(scope, reference, frozenset()))
        for reference in entry.get("depends_on") or ():
            found.update(self._resolve(scope, reference, frozenset()))
        own = scope.prefix + bare
        return tuple(sorted(found - {own, address}))

    def _scope(self, modules: list[str]) -> _Scope | None:
        scope = self.root
        for name in modules:
            call = (scope.module.get("module_calls") or {}).get(without_key(name))
            if call is None:
                return None
            scope = _Scope(call.get("module") or {}, (*scope.instance, name), call, scope)
        return scope

    @staticmethod
    def _entry(scope: _Scope, bare: str) -> Json | None:
        for entry in scope.module.get("resources") or ():
            if entry.get("address") == bare:
                found: Json = entry
                return found
        return None

    def _resolve(self, scope: _Scope, reference: str, seen: frozenset[tuple[str, str]]) -> tuple[str, ...]:
        key = (scope.prefix, reference)
        if key in seen:
            return ()
        if key not in self._known:
            self._known[key] = tuple(sorted(self._targets(scope, reference, seen | {key})))
        return self._known[key]

    def _targets(self, scope: _Scope, reference: str, seen: frozenset[tuple[str, str]]) -> set[str]:
        steps = split_steps(reference)
        match steps:
            case ["var", name, *_]:
                return self._variable(scope, without_key(name), seen)
            case ["local", *path]:
                return self._local(scope, [without_key(step) for step in path], seen)
            case ["module", name, output, *_]:
                return self._output(scope, name, without_key(output), seen)
            case ["module", name]:
                return self._whole_module(scope, name)
            case ["data", kind, name, *_]:
                return {f"{scope.prefix}data.{kind}.{name}"}
            case [kind, name, *_] if kind not in NOT_RESOURCES:
                return {f"{scope.prefix}{kind}.{name}"}
        return set()

    def _local(self, scope: _Scope, path: list[str], seen: frozenset[tuple[str, str]]) -> set[str]:
        found: set[str] = set()
        values = self._locals.get(module_path(list(scope.instance)), {})
        for reference in values.get(".".join(path[:2])) or values.get(path[0], ()):
            # A name in the source may also be that of a loop: only what the module declares counts.
            kind, _, rest = reference.partition(".")
            if kind in NOT_RESOURCES or self._entry(scope, f"{kind}.{rest.split('.')[0]}"):
                found.update(self._resolve(scope, reference, seen))
        return found

    def _variable(self, scope: _Scope, name: str, seen: frozenset[tuple[str, str]]) -> set[str]:
        if scope.parent is None:
            return set()
        expression = (scope.call.get("expressions") or {}).get(name) or {}
        found: set[str] = set()
        for reference in named(expression):
            found.update(self._resolve(scope.parent, reference, seen))
        return found

    def _output(self, scope: _Scope, name: str, output: str, seen: frozenset[tuple[str, str]]) -> set[str]:
        child = self._child(scope, name)
        if child is None:
            return set()
        entry = (child.module.get("outputs") or {}).get(output) or {}
        found: set[str] = set()
        for reference in named(entry.get("expression") or {}):
            found.update(self._resolve(child, reference, seen))
        return found

    def _whole_module(self, scope: _Scope, name: str) -> set[str]:
        child = self._child(scope, name)
        return (
            {child.prefix + entry["address"] for entry in child.module.get("resources") or ()}
            if child
            else set()
        )

    @staticmethod
    def _child(scope: _Scope, name: str) -> _Scope | None:
        call = (scope.module.get("module_calls") or {}).get(without_key(name))
        return _Scope(call.get("module") or {}, (*scope.instance, name), call, scope) if call else None
