"""What the local values of a configuration name.

A plan's JSON leaves local values out, so a reference that goes through one (`vpc_id = local.vpc_id`) would
end there. With the workspace at hand, its `locals` blocks say what stands behind each name. Only names are
read here, nothing is evaluated. A local value that is written as an object is known by its members alone
(`local.facts.database`): the whole of it would connect everything with everything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

Locals = Mapping[str, Mapping[str, tuple[str, ...]]]
"""Module (dotted names of calls, "" for the root) → `name` or `name.member` → names in its expression."""

_LOCALS = re.compile(r"^locals\s*\{", re.MULTILINE)
_ASSIGNMENT = re.compile(r"\s*([A-Za-z_][\w-]*)\s*=(?![=>])")
_MEMBER = re.compile(r"\s*(?:([A-Za-z_][\w-]*)|\"\s*\")\s*(?:=(?![=>])|:)")
_NAME = re.compile(r"(?<![\w.\]\"])([A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)+)")
_LOOP = re.compile(r"\{\s*for\b")
_HEREDOC = re.compile(r"<<-?(\w+)\n")
_OPENING: Final = {"{": "}", "[": "]", "(": ")"}


def without_text(source: str) -> str:
    """The source with comments and literal text blanked out; what stands in `${…}` stays. Same length."""
    kept: list[str] = []
    position = 0
    while position < len(source):
        end, piece = _piece(source, position)
        kept.append(piece)
        position = end
    return "".join(kept)


def _piece(source: str, start: int) -> tuple[int, str]:
    """(where it ends, what remains of it) of one comment, text, here-document or plain character."""
    if source[start] == "#" or source.startswith("//", start):
        end = source.find("\n", start)
        end = len(source) if end < 0 else end
        return end, " " * (end - start)
    if source.startswith("/*", start):
        end = source.find("*/", start)
        end = len(source) if end < 0 else end + 2
        return end, _blank(source[start:end])
    if source[start] == '"':
        end = _end_of_text(source, start + 1)
        closed = end - 1 > start and source[end - 1] == '"'
        return end, '"' + (
            _template(source[start + 1 : end - 1]) + '"' if closed else _blank(source[start + 1 : end])
        )
    heredoc = _HEREDOC.match(source, start)
    if heredoc:
        closing = re.compile(rf"^\s*{heredoc[1]}\s*$", re.MULTILINE).search(source, heredoc.end())
        end = closing.end() if closing else len(source)
        return end, _blank(source[start : heredoc.end()]) + _template(source[heredoc.end() : end])
    return start + 1, source[start]


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def _end_of_text(source: str, position: int) -> int:
    """After the quote that closes a text; quotes within `${…}` belong to other texts."""
    while position < len(source) and source[position] != '"':
        if source[position] == "\\":
            position += 2
        elif source.startswith(("${", "%{"), position) and source[position - 1] != source[position]:
            position = _end_of_bracket(source, position + 1)
        else:
            position += 1
    return min(position + 1, len(source))


def _end_of_bracket(source: str, start: int) -> int:
    """After the bracket that closes the one at start."""
    closing = _OPENING[source[start]]
    position = start + 1
    while position < len(source) and source[position] != closing:
        if source[position] == '"':
            position = _end_of_text(source, position + 1)
        elif source[position] in _OPENING:
            position = _end_of_bracket(source, position)
        else:
            position += 1
    return min(position + 1, len(source))


def _template(text: str) -> str:
    """Literal text blanked, interpolations kept."""
    kept: list[str] = []
    position = 0
    while position < len(text):
        if text.startswith(("${", "%{"), position) and (
            position == 0 or text[position - 1] != text[position]
        ):
            end = _end_of_bracket(text, position + 1)
            kept.append("  " + without_text(text[position + 2 : end - 1]) + " ")
            position = end
        else:
            kept.append("\n" if text[position] == "\n" else " ")
            position += 1
    return "".join(kept)


def names_in_locals(source: str) -> dict[str, tuple[str, ...]]:
    """`name` or `name.member` → dotted names in its expression, of one file."""
    plain = without_text(source)
    found: dict[str, tuple[str, ...]] = {}
    for match in _LOCALS.finditer(plain):
        body = plain[match.end() : _end_of_bracket(plain, match.end() - 1) - 1]
        for name, expression in _assignments(body, _ASSIGNMENT):
            inner = expression.strip()
            if inner.startswith("{") and not _LOOP.match(inner) and inner.endswith("}"):
                for member, part in _assignments(inner[1:-1], _MEMBER):
                    found[f"{name}.{member}"] = _names(part)
            else:
                found[name] = _names(expression)
    return found


def _names(expression: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_NAME.findall(expression)))


def _assignments(body: str, form: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """(name, expression) at the top level of a block's body."""
    starts = []
    position = 0
    while position < len(body):
        at_start = position == 0 or body[position - 1] in "\n,"
        match = form.match(body, position) if at_start else None
        if match:
            starts.append(match)
            position = match.end()
        elif body[position] in _OPENING:
            position = _end_of_bracket(body, position)
        elif body[position] == '"':
            position = _end_of_text(body, position + 1)
        else:
            position += 1
    for match, following in zip(starts, [*starts[1:], None], strict=False):
        if match[1]:  # a quoted key has no name that a reference could use
            yield match[1], body[match.end() : following.start() if following else len(body)]


def locals_of(folder: Path, data: Path | None = None) -> Locals:
    """Local values of a workspace and its installed modules (after `terraform init`).

    data: Terraform's data folder, by default `.terraform` in the workspace.
    """
    places = {"": folder}
    index = (data or folder / ".terraform") / "modules" / "modules.json"
    if index.is_file():
        for entry in json.loads(index.read_text()).get("Modules") or ():
            places[entry["Key"]] = folder / entry["Dir"]
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for key, place in places.items():
        found[key] = {}
        for file in sorted(place.glob("*.tf")):
            found[key].update(names_in_locals(file.read_text(errors="replace")))
    return found
