"""Templates as text for Terraform's ``templatefile()``.

Two fillings follow each other: Terraform puts in the facts, then the machine puts in the secrets. So a fact
becomes ``${database.host}``, a secret ``$${secret.x}`` (of which Terraform leaves ``${secret.x}``), and text
survives both.
"""

from __future__ import annotations

import re
import unicodedata

from cloudberth.apps.references import ON_THE_MACHINE
from cloudberth.environment.template import Reference, parse, write

_FILTERS = {"": "{}", "url": "urlencode({})"}
"""Our filters as Terraform expressions."""
_RUN = re.compile(r"[$%]+(?=\{)")
_RUN_OR_END = re.compile(r"[$%]+(?=\{|\Z)")


def for_terraform(template: str) -> str:
    """A bound template (facts and secrets are its only references) as a Terraform template.

    Text is normalised (NFC), as Terraform does with every string.
    """
    pieces: list[str | Reference] = []
    on_the_machine: list[str | Reference] = []
    for part in [*parse(template), None]:
        fact = isinstance(part, Reference) and not _later(part)
        if part is None or fact:
            pieces += [write(on_the_machine)] if on_the_machine else []
            on_the_machine = []
        if part is not None:
            (pieces if fact else on_the_machine).append(part)
    written = [
        _fact(piece) if isinstance(piece, Reference) else _escaped(piece, position + 1 < len(pieces))
        for position, piece in enumerate(pieces)
    ]
    return "".join(written)


def _fact(reference: Reference) -> str:
    return "${" + _FILTERS[reference.filter].format(reference.path) + "}"


def _later(reference: Reference) -> bool:
    return bool(reference.secret) or reference.path in ON_THE_MACHINE


def _escaped(text: str, before_fact: bool) -> str:
    pattern = _RUN_OR_END if before_fact else _RUN
    return pattern.sub(_run, unicodedata.normalize("NFC", text))


def _run(match: re.Match[str]) -> str:
    """One sign has an escape of its own; a longer run, or one before a fact, is given as a string."""
    run = match[0]
    if len(run) == 1 and match.end() < len(match.string):
        return run * 2
    return f'${{"{run}"}}'
