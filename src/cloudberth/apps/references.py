"""The references that an application may use, and which of them are known before anything exists.

=====================  ===========================================  ===============
``${setting.x}``        follows from the deployment file             here
``${service.x}``        host name of another container               here
``${database.host}`` …  a fact of the infrastructure                 by Terraform
``${secret.x}``         an entry of the secret store                 on the machine
``${machine.id}``       the machine's own id                         on the machine
=====================  ===========================================  ===============
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

from cloudberth.apps.model import App, Group, groups_of
from cloudberth.deployment.model.secrets import SecretReference
from cloudberth.environment.template import Part, Reference, TemplateError, escape, parse, write
from cloudberth.errors import InvalidInput

FACTS = frozenset(
    {
        *(
            "name",
            "region",
            "public.host",
            "public.url",
            "public.scheme",
            "public.websocket_url",
            "stateful.host",
        ),
        *("database.host", "database.port", "database.username", "database.name"),
        *("cache.host", "cache.port", "cache.tls", "cache.username"),
        *("storage.bucket", "storage.region", "storage.endpoint", "logs.region"),
    }
)
"""Paths of the facts object (terraform/CONTRACT.md)."""

ON_THE_MACHINE = frozenset({"machine.id"})
"""Facts that only the machine itself knows."""

ALWAYS_MADE = ("database_password", "cache_password")
"""Secrets that the infrastructure makes for every application."""

STATEFUL_HOST = "${stateful.host}"
_USERS_REFERENCE = re.compile(r"(\$+)\{(?=[a-z])")


def from_user(text: str) -> str:
    """A value of the deployment file as a template.

    ``secret:NAME`` is a secret; ``${lower.case}`` are references; any other ``${`` is text (upper case was
    already filled in from the environment when the file was read).
    """
    reference = SecretReference.parse(text)
    if reference:
        return reference.placeholder
    pieces = _USERS_REFERENCE.split(text)
    result = escape(pieces[0])
    for dollars, rest in zip(pieces[1::2], pieces[2::2], strict=True):
        end = rest.find("}") + 1
        result += dollars + "{" + rest[:end] + escape(rest[end:])
    return result


def address(app: App, name: str, group: Group, where: str = "") -> str:
    """The host name (a template) under which a machine of a group reaches a service.

    Raises InvalidInput when it cannot: services of app machines have no address from the stateful machine.
    """
    service = app.services.get(name)
    if service is None:
        close = difflib.get_close_matches(name, app.services, 1, 0.6)
        raise InvalidInput(
            f"there is no service {name!r}", where=where, hint=f"did you mean {close[0]}?" if close else ""
        )
    if service.runs == "once":
        raise InvalidInput(f"{name} is a one-shot step and cannot be called", where=where)
    if group in groups_of(service):
        return name
    if group == "app":
        return STATEFUL_HOST
    raise InvalidInput(
        f"{name} runs on the app machines, which have no fixed address for the stateful machine",
        where=where,
        hint=f"give {name} `runs: every`",
    )


def bind(text: str, app: App, group: Group, settings: Mapping[str, str], where: str = "") -> str:
    """Fill in what is known here; facts and secrets stay references. The result is a template again.

    Raises InvalidInput for what does not exist.
    """
    return write(
        [part for piece in _parsed(text, where) for part in _bound(piece, app, group, settings, where)]
    )


def _bound(part: Part, app: App, group: Group, settings: Mapping[str, str], where: str) -> list[Part]:
    if isinstance(part, str):
        return [part]
    kind, _, name = part.path.partition(".")
    if kind == "service":
        return _parsed(address(app, name, group, where), where)
    if kind == "setting":
        if name not in settings:
            raise _unknown(part, [f"setting.{known}" for known in settings], where)
        return _parsed(settings[name], where)
    _check(part, app, where)
    return [part]


def _check(reference: Reference, app: App, where: str) -> None:
    if reference.secret:
        known = [*ALWAYS_MADE, *app.secrets]
        if reference.secret not in known and not reference.secret.startswith("external_"):
            raise _unknown(reference, [f"secret.{name}" for name in known], where)
    elif reference.path not in FACTS | ON_THE_MACHINE:
        raise _unknown(reference, [*FACTS, *(f"service.{name}" for name in app.services)], where)


def _unknown(reference: Reference, known: list[str], where: str) -> InvalidInput:
    close = difflib.get_close_matches(reference.path, sorted(known), 1, 0.6)
    hint = f"did you mean ${{{close[0]}}}?" if close else "write $${ for the text ${"
    return InvalidInput(f"{reference.text} does not exist", where=where, hint=hint)


def _parsed(text: str, where: str) -> list[Part]:
    try:
        return parse(text)
    except TemplateError as error:
        raise InvalidInput(str(error), where=where) from None
