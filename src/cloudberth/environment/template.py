"""References in texts: ``${database.host}``, ``${secret.api_key}``, ``${secret.cache_password|url}``.

This file is also shipped to the machines, where Python 3.9 and the standard library are all there is.

Grammar, for a run of n dollar signs directly before a ``{``::

    n odd    (n-1)/2 literal dollar signs, then a reference      ${a.b}     the value of a.b
    n even   n/2 literal dollar signs, then a literal brace      $${a.b}    the text ${a.b}

Dollar signs anywhere else are plain text, so shell and nginx variables (``$host``) need no escape. A
reference is ``word(.word)*`` with an optional filter ``|url`` (percent-encoding, for passwords in URLs).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Union
from urllib.parse import quote

SECRET = "secret."  # noqa: S105 - a prefix, not a secret
_RUN = re.compile(r"(\$+)\{")
_REFERENCE = re.compile(r"([A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_][A-Za-z0-9_-]*)*)(?:\|([a-z0-9]+))?\}")
FILTERS = {"url": lambda value: quote(value, safe="")}


class TemplateError(ValueError):
    """A text cannot be read or filled in. line and column count from 1."""

    def __init__(self, what: str, line: int, column: int) -> None:
        super().__init__(f"line {line}, column {column}: {what}")
        self.what = what
        self.line = line
        self.column = column


class Reference(NamedTuple):
    """``${path|filter}`` at a place of a text. filter is ``""`` when there is none."""

    path: str
    filter: str
    line: int
    column: int

    @property
    def secret(self) -> str:
        """The name of the secret, ``""`` when this is no reference to one."""
        return self.path[len(SECRET) :] if self.path.startswith(SECRET) else ""

    @property
    def text(self) -> str:
        """The reference as it is written."""
        return "${" + self.path + ("|" + self.filter if self.filter else "") + "}"


Part = Union[str, Reference]  # noqa: UP007 - Python 3.9


def parse(text: str) -> list[Part]:
    """A text as literal parts (escapes undone) and references, in order.

    Raises TemplateError for ``${`` that starts no reference, and for an unknown filter.
    """
    parts: list[Part] = []
    literal = ""
    position = 0
    while True:
        run = _RUN.search(text, position)
        if not run:
            break
        literal += text[position : run.start()] + "$" * (len(run[1]) // 2)
        if len(run[1]) % 2 == 0:
            literal += "{"
            position = run.end()
            continue
        reference, position = _reference(text, run.end())
        parts.extend([literal, reference] if literal else [reference])
        literal = ""
    literal += text[position:]
    return [*parts, literal] if literal else parts


def _reference(text: str, start: int) -> tuple[Reference, int]:
    line = text.count("\n", 0, start) + 1
    column = start - (text.rfind("\n", 0, start) + 1) - 1
    found = _REFERENCE.match(text, start)
    if not found:
        raise TemplateError(
            "${ starts no reference such as ${database.host}; write $${ for the text ${", line, column
        )
    if found[2] and found[2] not in FILTERS:
        raise TemplateError(f"there is no filter {found[2]!r}", line, column)
    return Reference(found[1], found[2] or "", line, column), found.end()


def references(text: str) -> list[Reference]:
    """The references of a text, in order."""
    return [part for part in parse(text) if isinstance(part, Reference)]


def escape(text: str, before_reference: bool = False) -> str:
    """Write text so that `parse` gives it back as one literal.

    before_reference: a reference follows directly, so dollar signs at the end count as a run before it.
    """
    pattern = r"\$+(?=\{|\Z)" if before_reference else r"\$+(?=\{)"
    return re.sub(pattern, lambda run: run[0] * 2, text)


def write(parts: Sequence[Part]) -> str:
    """The text that `parse` reads as these parts."""
    whole: list[Part] = []
    for part in parts:
        if isinstance(part, str) and whole and isinstance(whole[-1], str):
            whole[-1] += part
        else:
            whole.append(part)
    return "".join(
        escape(part, before_reference=position + 1 < len(whole)) if isinstance(part, str) else part.text
        for position, part in enumerate(whole)
    )


def resolve(text: str, facts: Mapping[str, Any], secret: Callable[[str], str]) -> str:
    """Fill in a text. facts: nested mapping; secret: name → value.

    Raises TemplateError, with the place, where a fact does not exist; what *secret* raises goes through.
    """
    return "".join(part if isinstance(part, str) else _value(part, facts, secret) for part in parse(text))


def _value(reference: Reference, facts: Mapping[str, Any], secret: Callable[[str], str]) -> str:
    value = secret(reference.secret) if reference.secret else fact(reference, facts)
    return FILTERS[reference.filter](value) if reference.filter else value


def fact(reference: Reference, facts: Mapping[str, Any]) -> str:
    """The value of a fact as text (``true``/``false`` for truth values)."""
    value: Any = facts
    for step in reference.path.split("."):
        if not isinstance(value, Mapping) or step not in value:
            raise TemplateError(f"there is no fact {reference.path}", reference.line, reference.column)
        value = value[step]
    if isinstance(value, Mapping) or value is None:
        raise TemplateError(f"{reference.path} is not a single value", reference.line, reference.column)
    return str(value).lower() if isinstance(value, bool) else str(value)
