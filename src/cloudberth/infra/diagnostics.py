"""What Terraform says, as Problems: from `-json` diagnostics, from plain text where there are none."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from cloudberth.errors import EngineError, Problem, Rejected

HINTS: Final[tuple[tuple[str, str], ...]] = (
    (
        r"No valid credential sources|InvalidClientTokenId|ExpiredToken|failed to refresh cached credentials",
        "Terraform found no usable AWS credentials: sign in (aws sso login) or set AWS_PROFILE",
    ),
    (
        r"Error acquiring the state lock|state blob is already locked",
        "another run holds the state; wait for it, or `terraform force-unlock ID` in the workspace",
    ),
    (
        r"Backend initialization required|Backend configuration changed|approval for state migration",
        "the state lives elsewhere than before: `terraform init -migrate-state` in the workspace moves it",
    ),
    (
        r"Failed to query available provider packages|could not query provider registry|no such host",
        "Terraform could not download a provider: check the network, or use a provider mirror",
    ),
    (r"Instance cannot be destroyed", "lifecycle.prevent_destroy protects this resource"),
    (r"UnauthorizedOperation|AccessDenied|is not authorized to perform", "the credentials lack a permission"),
    (r"LimitExceeded|Quota|quota", "a service quota of the account is used up: ask for a higher one"),
)
"""Pattern in a diagnostic → what to do."""

_PLACE = re.compile(r"^\s*on (?P<file>\S+) line (?P<line>\d+)", re.MULTILINE)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_FRAME = re.compile(r"^[╷│╵]\s?", re.MULTILINE)


def one_line(text: str) -> str:
    return " ".join(text.split())


def hint_for(text: str) -> str:
    return next((hint for pattern, hint in HINTS if re.search(pattern, text)), "")


def problem(diagnostic: Mapping[str, Any]) -> Problem:
    """One diagnostic of `-json` output."""
    place = diagnostic.get("range") or {}
    start = place.get("start") or {}
    summary, detail = one_line(diagnostic.get("summary", "")), one_line(diagnostic.get("detail", ""))
    return Problem(
        file=place.get("filename") or "terraform",
        line=start.get("line", 0),
        column=start.get("column", 0),
        path=diagnostic.get("address") or "",
        what=f"{summary}: {detail}" if detail else summary,
        hint=hint_for(f"{summary} {detail}"),
    )


def errors(lines: Iterable[str]) -> Iterator[Problem]:
    """Errors in `-json` output: one JSON object a line, or one document with diagnostics."""
    for line in lines:
        try:
            message = json.loads(line) if line.startswith("{") else None
        except ValueError:
            continue
        if not isinstance(message, Mapping):
            continue
        found = message.get("diagnostics") or [message.get("diagnostic")]
        for diagnostic in found:
            if isinstance(diagnostic, Mapping) and diagnostic.get("severity") == "error":
                yield problem(diagnostic)


def plain_errors(text: str) -> Iterator[Problem]:
    """Errors in plain output: `Error: summary`, a place, and a detail."""
    text = _FRAME.sub("", _COLOUR.sub("", text))
    for part in text.split("Error: ")[1:]:
        summary, _, rest = part.partition("\n")
        place = _PLACE.search(rest)
        detail = one_line(rest[place.end() :].partition(":")[2] if place else rest)
        yield Problem(
            file=place["file"] if place else "terraform",
            line=int(place["line"]) if place else 0,
            column=1 if place else 0,
            path="",
            what=one_line(f"{summary}: {detail}") if detail else one_line(summary),
            hint=hint_for(part),
        )


def rejection(command: str, code: int, output: str, error_output: str) -> EngineError:
    """The error for a command that failed."""
    found = list(errors([output, *output.splitlines()])) or list(plain_errors(f"{output}\n{error_output}"))
    unique = tuple(dict.fromkeys(found))
    if unique:
        return Rejected(unique)
    said = one_line(_COLOUR.sub("", error_output or output))[-400:]
    return EngineError(f"`{command}` ended with code {code}: {said or 'it said nothing'}", where="terraform")
