"""From the fields of a form to a draft of a destination, and back."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cloudberth.errors import InvalidInput
from cloudberth.server.forms import Form
from cloudberth.tracing.content import Policy
from cloudberth.tracing.destinations import Destination, Draft
from cloudberth.tracing.profile import Profile

SETTING, REMOVE = "setting-", "remove-"


@dataclass(frozen=True, slots=True)
class Shown:
    """What a form shows: texts as they stand in its fields. secrets: name → hint of those that are set."""

    name: str = ""
    scope: str = "global"
    tenant: str = ""
    app: str = ""
    enabled: bool = True
    sample: str = "100"
    content: str = "full"
    content_limit: str = "2000"
    redact: str = ""
    version: int = 0
    settings: tuple[tuple[str, str], ...] = ()
    secrets: tuple[tuple[str, str], ...] = ()

    def setting(self, name: str) -> str:
        return dict(self.settings).get(name, "")

    def secret(self, name: str) -> str:
        return dict(self.secrets).get(name, "")


def empty(profile: Profile) -> Shown:
    """The form of a destination that is to be made."""
    return Shown(name=profile.title, settings=tuple((one.name, one.default) for one in profile.fields))


def stored(destination: Destination) -> Shown:
    """The form of a destination that there is."""
    return Shown(
        name=destination.name,
        scope=destination.scope,
        tenant=destination.tenant,
        app=destination.app,
        enabled=destination.enabled,
        sample=f"{destination.sample * 100:g}",
        content=destination.policy.content,
        content_limit=str(destination.policy.limit),
        redact="\n".join(destination.policy.redact),
        version=destination.version,
        settings=tuple(destination.settings.items()),
        secrets=tuple(destination.secrets.items()),
    )


def again(form: Form, profile: Profile, before: Shown) -> Shown:
    """What somebody filled in, to be mended. Secrets are not sent back: they are filled in once more."""
    return replace(
        before,
        name=form.text("name"),
        scope=form.text("scope", "global"),
        tenant=form.text("tenant"),
        app=form.text("app"),
        enabled=form.flag("enabled"),
        sample=form.text("sample"),
        content=form.text("content", "full"),
        content_limit=form.text("content_limit"),
        redact=form.text("redact"),
        settings=tuple((one.name, form.text(SETTING + one.name)) for one in profile.fields if not one.secret),
    )


def draft(form: Form, profile: Profile) -> Draft:
    """What somebody asks for. Raises InvalidInput for a number that is none.

    A secret that is left empty stays as it is; its box "remove" takes it away.
    """
    settings: dict[str, str | None] = {}
    for one in profile.fields:
        value = form.text(SETTING + one.name)
        if one.secret and not value:
            settings[one.name] = "" if form.flag(REMOVE + one.name) else None
        else:
            settings[one.name] = value
    scope = form.text("scope", "global")
    return Draft(
        provider=profile.id,
        name=form.text("name"),
        scope=scope,
        # The fields of a narrower scope may still be filled in; they mean nothing then.
        tenant=form.text("tenant") if scope != "global" else "",
        app=form.text("app") if scope == "app" else "",
        enabled=form.flag("enabled"),
        settings=settings,
        sample=_number(form, "sample") / 100,
        policy=Policy(
            form.text("content", "full"),
            int(_number(form, "content_limit")),
            tuple(line.strip() for line in form.text("redact").splitlines() if line.strip()),
        ),
    )


def _number(form: Form, name: str) -> float:
    value = form.text(name)
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1e9:
        raise InvalidInput(f"{value[:40]!r} is no number", where=name)
    return number
