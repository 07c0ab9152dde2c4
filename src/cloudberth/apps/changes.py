"""What differs between two releases, for the people who upgrade."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cloudberth.apps.model import App


@dataclass(frozen=True, slots=True)
class Difference:
    """Names that came, went, or stand for something else. changed: name → (before, after)."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        return not (self.added or self.removed or self.changed)


@dataclass(frozen=True, slots=True)
class Changes:
    """Two releases compared. variables: by service, also of services that only one of them has."""

    before: str
    after: str
    services: Difference
    images: Difference
    secrets: Difference
    variables: Mapping[str, Difference]

    @property
    def empty(self) -> bool:
        return self.services.empty and self.images.empty and self.secrets.empty and not self.variables


def environment_changes(a: App, b: App) -> Changes:
    """From *a* to *b*. Variables are compared as templates, so a deployment's own values play no part."""
    before, after = _variables(a), _variables(b)
    variables = {
        name: _difference(before.get(name, {}), after.get(name, {}))
        for name in dict.fromkeys([*before, *after])
    }
    return Changes(
        before=f"{a.name} {a.version}",
        after=f"{b.name} {b.version}",
        services=_difference(dict.fromkeys(a.services, ""), dict.fromkeys(b.services, "")),
        images=_difference(_images(a), _images(b)),
        secrets=_difference(_secrets(a), _secrets(b)),
        variables={name: difference for name, difference in variables.items() if not difference.empty},
    )


def _difference(before: Mapping[str, str], after: Mapping[str, str]) -> Difference:
    return Difference(
        added=tuple(sorted(set(after) - set(before))),
        removed=tuple(sorted(set(before) - set(after))),
        changed={k: (before[k], after[k]) for k in sorted(set(before) & set(after)) if before[k] != after[k]},
    )


def _images(app: App) -> dict[str, str]:
    """image name → tag."""
    return dict(_name_and_tag(service.image) for service in app.services.values())


def _name_and_tag(image: str) -> tuple[str, str]:
    """``registry:5000/a/b:1@sha256:…`` → (``registry:5000/a/b``, ``1@sha256:…``)."""
    path, slash, last = image.rpartition("/")
    name, _, tag = last.partition(":")
    return path + slash + name, tag


def _secrets(app: App) -> dict[str, str]:
    return {name: f"{secret.format}, {secret.length} characters" for name, secret in app.secrets.items()}


def _variables(app: App) -> dict[str, dict[str, str]]:
    """service → variable → template, with all variants of a group (storage types, tracing on and off)."""
    found: dict[str, dict[str, str]] = {}
    for name, service in app.services.items():
        variables: dict[str, str] = {}
        for include in service.include:
            stem = include.partition("{")[0]
            for group, values in app.shared_env.items():
                if group == include or (stem != include and group.startswith(stem)):
                    variables |= values
        sized = {key: value for values in service.env_by_size.values() for key, value in values.items()}
        found[name] = variables | sized | service.env
    return found


def describe(changes: Changes) -> str:
    """The comparison as text for a terminal or a change log."""
    lines = [f"{changes.before} → {changes.after}"]
    for title, difference in (
        ("services", changes.services),
        ("images", changes.images),
        ("secrets", changes.secrets),
        *((f"variables of {name}", difference) for name, difference in changes.variables.items()),
    ):
        if not difference.empty:
            lines += ["", title, *_described(difference)]
    return "\n".join(lines if len(lines) > 1 else [*lines, "", "nothing differs"])


def _described(difference: Difference) -> list[str]:
    return [
        *(f"  + {name}" for name in difference.added),
        *(f"  - {name}" for name in difference.removed),
        *(f"  ~ {name}: {before} → {after}" for name, (before, after) in difference.changed.items()),
    ]
