"""``${NAME}`` in a deployment file: values from the environment of whoever runs berth.

``${NAME}`` is the variable's value, ``${NAME:-text}`` the text where the variable is not set, ``$${NAME}``
the text ``${NAME}``. The value stays one value: it is never read as YAML, nor as a reference. References in
lower case (``${database.host}``, ``${secret.session_key}``) are left alone: they are filled in when the
deployment runs. A secret has no business in a variable here, because its value would be written to the
workspace: it is named with ``secret:NAME``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from cloudberth.deployment.document import Document, Scalar
from cloudberth.deployment.model.base import shown
from cloudberth.errors import Problem

_REFERENCE = re.compile(
    r"\$\$\{(?=[A-Z_])"
    r"|\$\{(?P<name>[A-Z_][A-Z0-9_]*)(?::-(?P<default>[^}]*))?\}"
    r"|(?P<later>\$+\{(?=[a-z]))"
    r"|(?P<stray>\$\{)"
)
_DEPLOYMENT_REFERENCE = re.compile(r"\$\{(?=[a-z])")
_LONGEST_VALUE = 4096


def fill_in(document: Document, environment: Mapping[str, str]) -> list[Problem]:
    """Replace the variables of all values, in place; what could not be replaced comes back as problems."""
    problems: list[Problem] = []
    for path, scalar in document.scalars():
        if "${" in scalar.source:
            problems += (document.problem(path, what, hint) for what, hint in _fill(scalar, environment))
    return problems


def _fill(scalar: Scalar, environment: Mapping[str, str]) -> list[tuple[str, str]]:
    """Fill in one value; what is wrong and what to do about it come back."""
    problems: list[tuple[str, str]] = []

    def value(match: re.Match[str]) -> str:
        name = match["name"]
        if match["stray"]:
            problems.append(_STRAY)
        if match["later"] or match["stray"]:
            return match.group()
        if name is None:
            return "${"
        text = environment.get(name, match["default"])
        if text is None:
            problems.append(_unset(name))
        elif len(text) > _LONGEST_VALUE or not text.isprintable():
            problems.append((_UNUSABLE.format(name), ""))
        else:
            scalar.filled[name] = text
            return _DEPLOYMENT_REFERENCE.sub("$${", text)
        return match.group()

    scalar.filled.clear()
    scalar.text = _REFERENCE.sub(value, scalar.source)
    return problems


_STRAY = (
    "${ starts neither a variable such as ${NAME} nor a reference such as ${database.host}",
    "is the } missing? Names of variables are in upper case",
)
_UNUSABLE = f"the environment variable {{}} is no single line of at most {_LONGEST_VALUE} characters"


def _unset(name: str) -> tuple[str, str]:
    return f"the environment variable {name} is not set", f"set it, or write a fallback: ${{{name}:-text}}"


def concealed(problem: Problem, filled: Iterable[Scalar]) -> Problem:
    """The problem without values that came from the environment: the file shows their names only."""
    what, hint = problem.what, problem.hint
    for scalar in filled:
        names = {
            scalar.text: scalar.source,
            **{value: f"${{{name}}}" for name, value in scalar.filled.items()},
        }
        for text, name in names.items():
            for form in (text, shown(text)[1:-1]):
                if len(form) >= 4:
                    what, hint = what.replace(form, name), hint.replace(form, name)
    return Problem(problem.file, problem.line, problem.column, problem.path, what, hint)
