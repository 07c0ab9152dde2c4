"""Facts and secrets → the environment of every service. Pure.

`templates` is what the workspace carries (references to facts and secrets stay in it); `wire` is the same
with everything filled in, for `berth env` and the runtime roles.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cloudberth.apps.model import App, Group, groups_of, in_group
from cloudberth.apps.references import bind
from cloudberth.apps.settings import Settings, settings
from cloudberth.deployment.model import Deployment
from cloudberth.environment.template import Reference, TemplateError, parse, resolve, write
from cloudberth.errors import InvalidInput

MASK = "********"


def wire(
    app: App, deployment: Deployment, facts: Mapping[str, Any], secret: Callable[[str], str] | None = None
) -> dict[str, dict[str, str]]:
    """service → variable → value. secret: name → value; None masks every secret.

    A service of both groups is shown as on an app machine. Raises InvalidInput for a fact that is missing.
    """
    chosen = settings(app, deployment)
    return {
        name: _filled_in(name, templates(app, name, chosen, groups_of(service)[0]), facts, secret)
        for name, service in app.services.items()
    }


def _masked(text: str) -> str:
    """A template whose secrets are masked, in URLs as well."""
    return write([MASK if isinstance(part, Reference) and part.secret else part for part in parse(text)])


def _filled_in(
    service: str,
    variables: Mapping[str, str],
    facts: Mapping[str, Any],
    secret: Callable[[str], str] | None,
) -> dict[str, str]:
    result = {}
    for name, text in variables.items():
        try:
            result[name] = resolve(text, facts, secret) if secret else resolve(_masked(text), facts, str)
        except TemplateError as error:
            raise InvalidInput(error.what, where=f"{service}.{name}") from None
    return result


def templates(app: App, name: str, chosen: Settings, group: Group) -> dict[str, str]:
    """variable → template of a service on a machine of a group; facts and secrets are left as references.

    Later sources win: included groups, figures by size, the deployment file's additions, the service's own.
    """
    service = app.services[name]
    variables: dict[str, str] = {}
    for include in service.include:
        variables |= _included(app, include, chosen)
    variables |= service.env_by_size.get(chosen.size, {})
    variables |= chosen.extra_env if service.extra_env else {}
    variables |= service.env
    return {
        key: bind(value, app, group, chosen.values, f"services.{name}.env.{key}")
        for key, value in variables.items()
    }


def _included(app: App, include: str, chosen: Settings) -> Mapping[str, str]:
    group = include.format(**chosen.choices)
    if group not in app.shared_env:
        kind = include.partition("{")[2].rstrip("}")
        raise InvalidInput(
            f"{app.name} {app.version} does not know {kind} {chosen.choices.get(kind, '')!r}",
            where=kind,
            hint="known: " + ", ".join(_variants(app, include)),
        )
    return app.shared_env[group]


def _variants(app: App, include: str) -> list[str]:
    stem = include.partition("{")[0]
    return sorted(group.removeprefix(stem) for group in app.shared_env if group.startswith(stem))


def all_templates(app: App, chosen: Settings, group: Group) -> dict[str, dict[str, str]]:
    """service → variable → template, for every service of a machine group."""
    return {name: templates(app, name, chosen, group) for name in in_group(app, group)}
