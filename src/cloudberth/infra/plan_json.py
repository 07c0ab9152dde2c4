"""From `terraform show -json` to a Plan: any plan (or state) of Terraform ≥ 0.12 or OpenTofu."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from cloudberth.errors import InvalidInput
from cloudberth.infra.local_values import Locals
from cloudberth.infra.plan import Action, Plan, Resource
from cloudberth.infra.references import References, module_path, split_address

ACTIONS: Final[Mapping[tuple[str, ...], Action]] = {
    ("no-op",): Action.NONE,
    ("create",): Action.CREATE,
    ("read",): Action.READ,
    ("update",): Action.UPDATE,
    ("delete",): Action.DELETE,
    ("forget",): Action.FORGET,
    ("delete", "create"): Action.REPLACE,
    ("create", "delete"): Action.REPLACE,
    ("create", "forget"): Action.REPLACE,
    ("forget", "create"): Action.REPLACE,
}

HINT: Final = "make it with: terraform plan -out=plan.bin && terraform show -json plan.bin > plan.json"
MAXIMUM_BYTES: Final = 512 * 1024 * 1024

Json = Mapping[str, Any]


def read_plan(path: Path) -> Plan:
    """The plan in a file that `terraform show -json` wrote; InvalidInput when it is anything else."""
    try:
        if path.stat().st_size > MAXIMUM_BYTES:
            raise InvalidInput("the file is too large for a plan", where=str(path), hint=HINT)
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise InvalidInput(f"cannot be read: {error.strerror}", where=str(path)) from error
    except (ValueError, RecursionError) as error:
        raise InvalidInput("not JSON (a binary plan file?)", where=str(path), hint=HINT) from error
    try:
        return plan_from_json(document)
    except InvalidInput as error:
        raise InvalidInput(error.what, where=str(path), hint=error.hint) from error


def plan_from_json(document: object, local_values: Locals | None = None) -> Plan:
    """The plan in a parsed document; InvalidInput when the document is something else.

    local_values: of the workspace, where it is at hand, so that references through them are followed.
    """
    if not isinstance(document, Mapping) or "format_version" not in document:
        raise InvalidInput("not the output of `terraform show -json`", where="plan", hint=HINT)
    known = ("resource_changes", "planned_values", "values", "terraform_version")
    if not any(key in document for key in known):
        raise InvalidInput("neither a plan nor a state", where="plan", hint=HINT)
    try:
        return _plan(document, local_values)
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        words = f"the plan is damaged ({type(error).__name__}: {error})"
        raise InvalidInput(words, where="plan", hint=HINT) from error


def drift_from_json(document: object) -> tuple[Resource, ...]:
    """Resources that changed outside Terraform, from a plan's `resource_drift`."""
    plan_from_json(document)  # says what is wrong with a document that is no plan
    references = References({})
    entries = (document.get("resource_drift") or ()) if isinstance(document, Mapping) else ()
    return tuple(_changed(entry, references) for entry in entries)


def _plan(document: Json, local_values: Locals | None) -> Plan:
    configuration = document.get("configuration") or {}
    references = References(configuration.get("root_module") or {}, local_values)
    changes = [_changed(change, references) for change in document.get("resource_changes") or ()]
    seen = {resource.address for resource in changes if resource.action is not Action.DELETE}
    rest = []
    for section in ("planned_values", "values", "prior_state"):
        for entry in _state_resources(document.get(section) or {}, data_only=section == "prior_state"):
            if entry["address"] not in seen and not entry.get("deposed_key"):
                seen.add(entry["address"])
                rest.append(_existing(entry, references))
    resources = tuple(sorted((*changes, *rest), key=lambda resource: resource.address))
    variables = _variables(document, configuration)
    return Plan(
        resources=resources,
        outputs=_outputs(document),
        variables=variables,
        terraform_version=str(document.get("terraform_version", "")),
        providers=_providers(configuration),
        region=_region(configuration, variables, resources),
        name=str(variables.get("name") or ""),
    )


def _changed(entry: Json, references: References) -> Resource:
    change = entry["change"]
    actions = tuple(change["actions"])
    if actions not in ACTIONS:
        raise ValueError(f"unknown action {'/'.join(actions)}")
    return _resource(
        entry,
        references,
        action=ACTIONS[actions],
        values=change.get("after") or {},
        before=change.get("before") or {},
        unknown=_tree(change.get("after_unknown")),
        sensitive=_tree(change.get("after_sensitive")),
    )


def _existing(entry: Json, references: References) -> Resource:
    """A resource that the plan leaves alone, or a data source that was read while planning."""
    values = entry.get("values") or {}
    return _resource(
        entry,
        references,
        action=Action.NONE,
        values=values,
        before=values,
        unknown={},
        sensitive=_tree(entry.get("sensitive_values")),
    )


def _resource(
    entry: Json,
    references: References,
    *,
    action: Action,
    values: Json,
    before: Json,
    unknown: Json,
    sensitive: Json,
) -> Resource:
    address: str = entry["address"]
    modules = split_address(address)[0]
    return Resource(
        address=address,
        module=module_path(modules),
        type=entry["type"],
        name=entry["name"],
        key=entry.get("index"),
        provider=entry.get("provider_name", ""),
        action=action,
        values=values,
        before=before,
        unknown=unknown,
        references=references.of(address),
        data=entry.get("mode", "managed") == "data",
        sensitive=sensitive,
    )


def _tree(value: object) -> Json:
    """Terraform writes `false` or `{}` where nothing in a tree is marked."""
    return value if isinstance(value, Mapping) else {}


def _state_resources(section: Json, *, data_only: bool) -> Iterator[Json]:
    values = section.get("values", section) or {}
    modules = [values.get("root_module") or {}]
    while modules:
        module = modules.pop()
        modules.extend(module.get("child_modules") or ())
        for entry in module.get("resources") or ():
            if not data_only or entry.get("mode") == "data":
                yield entry


def _outputs(document: Json) -> dict[str, Any]:
    changes = document.get("output_changes") or {}
    outputs = {name: _output_value(change) for name, change in changes.items()}
    for section in ("planned_values", "values"):
        for name, entry in ((document.get(section) or {}).get("outputs") or {}).items():
            outputs.setdefault(name, entry.get("value"))
    return outputs


def _output_value(change: Json) -> Any:
    return None if change.get("after_unknown") is True else change.get("after")


def _variables(document: Json, configuration: Json) -> dict[str, Any]:
    """Values that were given, else defaults."""
    declared = (configuration.get("root_module") or {}).get("variables") or {}
    values = {name: entry["default"] for name, entry in declared.items() if "default" in entry}
    values.update({name: entry.get("value") for name, entry in (document.get("variables") or {}).items()})
    return values


def _providers(configuration: Json) -> dict[str, str]:
    """Source address → version constraint (a plan does not say which version was installed)."""
    found: dict[str, str] = {}
    for entry in (configuration.get("provider_config") or {}).values():
        source = entry.get("full_name") or entry.get("name", "")
        found[source] = found.get(source) or entry.get("version_constraint", "")
    return found


def _region(configuration: Json, variables: Json, resources: tuple[Resource, ...]) -> str:
    """From the default provider configuration, else what most resources say about themselves."""
    for key, entry in (configuration.get("provider_config") or {}).items():
        if "alias" in entry or ":" in key:
            continue
        region = _constant((entry.get("expressions") or {}).get("region"), variables)
        if region:
            return region
    counted = Counter(
        value
        for resource in resources
        for name in ("region", "location")
        if isinstance(value := resource.values.get(name), str) and value and not resource.data
    )
    return counted.most_common(1)[0][0] if counted else ""


def _constant(expression: object, variables: Json) -> str:
    """An expression that is a constant or a root variable."""
    if not isinstance(expression, Mapping):
        return ""
    if isinstance(expression.get("constant_value"), str):
        return str(expression["constant_value"])
    names = [r.removeprefix("var.") for r in expression.get("references") or () if r.startswith("var.")]
    value = variables.get(names[0]) if len(names) == 1 else None
    return value if isinstance(value, str) else ""
