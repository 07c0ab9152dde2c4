"""``${NAME}`` in a deployment file: values from the environment of whoever runs berth.

``${NAME}`` is the variable's value, ``${NAME:-text}`` the text where the variable is not set, ``$${`` a literal
``${``. The value stays one value: it is never read as YAML. References in lower case (``${database.host}``,
``${secret.session_key}``) are left alone: they are filled in when the deployment runs. A secret has no business in
a variable here, because its value would be written to the workspace: it is named with ``secret:NAME``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from cloudberth.deployment.document import Document, Scalar
from cloudberth.errors import Problem

_REFERENCE = re.compile(r"\$\$\{|\$\{(?P<name>[A-Z_][A-Z0-9_]*)(?::-(?P<default>[^}]*))?\}")
_LONGEST_VALUE = 4096


def fill_in(document: Document, environment: Mapping[str, str]) -> list[Problem]:
    """Replace the variables of all values, in place; what could not be replaced comes back as problems."""
    problems: list[Problem] = []
    for scalar in document.scalars:
        if "${" in scalar.source:
            problems += _fill(document.file, scalar, environment)
    return problems


def _fill(file: str, scalar: Scalar, environment: Mapping[str, str]) -> list[Problem]:
    problems: list[Problem] = []

    def value(match: re.Match[str]) -> str:
        name = match["name"]
        if name is None:
            return "${"
        text = environment.get(name, match["default"])
        if text is None:
            problems.append(_unset(file, scalar, name))
        elif len(text) > _LONGEST_VALUE or not text.isprintable():
            problems.append(_unusable(file, scalar, name))
        else:
            return text
        return match.group()

    scalar.text = _REFERENCE.sub(value, scalar.source)
    scalar.filled = scalar.text != scalar.source
    return problems


def _unset(file: str, scalar: Scalar, name: str) -> Problem:
    hint = f"set it, or write a fallback: ${{{name}:-text}}"
    return Problem(file, scalar.line, scalar.column, "", f"the environment variable {name} is not set", hint)


def _unusable(file: str, scalar: Scalar, name: str) -> Problem:
    what = f"the environment variable {name} holds line breaks, control characters or more than {_LONGEST_VALUE} characters"
    return Problem(file, scalar.line, scalar.column, "", what, "")


def concealed(problem: Problem, document: Document) -> Problem:
    """The problem without values that came from the environment: they may be secret, and the file shows their names."""
    what, hint = problem.what, problem.hint
    for scalar in document.scalars:
        if scalar.filled and len(scalar.text) >= 3:
            what, hint = what.replace(scalar.text, scalar.source), hint.replace(scalar.text, scalar.source)
    return Problem(problem.file, problem.line, problem.column, problem.path, what, hint)
