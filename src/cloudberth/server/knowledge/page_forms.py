"""From the fields of forms to settings, and back; what does not fit is InvalidInput with its field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloudberth.errors import InvalidInput
from cloudberth.knowledge.model import Mode, RetrievalSettings
from cloudberth.server.forms import Form

CHUNKING_MODES = ("paragraph", "parent-child", "sentences")
PARENT_MODES = ("paragraph", "full-doc")
RULES = ("remove_extra_spaces", "remove_urls_emails", "join_hyphenated", "full_width_letters")
_DEFAULT_RULES = {"remove_extra_spaces": True, "join_hyphenated": True}
_ESCAPES = {"\\n": "\n", "\\t": "\t"}


def chunking(fields: Mapping[str, str]) -> dict[str, Any]:
    """How documents are cut, from the fields ``chunk-…`` and ``rule-…``; the service checks it."""
    found: dict[str, Any] = {
        "mode": fields.get("chunk-mode", "paragraph"),
        "max_tokens": _whole(fields, "chunk-max_tokens", 400),
        "overlap_tokens": _whole(fields, "chunk-overlap_tokens", 50),
        "separators": [_unescaped(line) for line in fields.get("chunk-separators", "").splitlines() if line],
        "cleaning": {rule: f"rule-{rule}" in fields for rule in RULES},
    }
    if found["mode"] == "parent-child":
        found["parent_mode"] = fields.get("chunk-parent_mode", "paragraph")
        found["child_max_tokens"] = _whole(fields, "chunk-child_max_tokens", 128)
    return found


def shown_chunking(kept: Mapping[str, Any]) -> dict[str, Any]:
    """The same as the form shows it, with the defaults of the service for what is not set."""
    return {
        "mode": kept.get("mode", "paragraph"),
        "max_tokens": kept.get("max_tokens", 400),
        "overlap_tokens": kept.get("overlap_tokens", 50),
        "separators": "\n".join(_escaped(one) for one in kept.get("separators", ())),
        "parent_mode": kept.get("parent_mode", "paragraph"),
        "child_max_tokens": kept.get("child_max_tokens", 128),
        "rules": {
            rule: bool(kept.get("cleaning", {}).get(rule, _DEFAULT_RULES.get(rule, False))) for rule in RULES
        },
    }


def retrieval(fields: Mapping[str, str], otherwise: RetrievalSettings) -> RetrievalSettings:
    """How to search. Fields that are not there are as in `otherwise`; the service checks the rest."""
    mode = fields.get("mode", str(otherwise.mode))
    if mode not in {str(one) for one in Mode}:
        raise InvalidInput("this way of searching is not known", where="mode")
    threshold = otherwise.score_threshold
    if "threshold" in fields:
        threshold = _decimal(fields["threshold"])
    kept_filter = otherwise.filter
    return RetrievalSettings(
        mode=Mode(mode),
        k=_whole(fields, "k", otherwise.k),
        score_threshold=threshold,
        filter=(fields["filter"].strip() or None) if "filter" in fields else kept_filter,
        rerank=fields.get("rerank", otherwise.rerank),
        candidates=_whole(fields, "candidates", otherwise.candidates),
    )


def fields_of(form: Form) -> dict[str, str]:
    """All fields of a form, each once."""
    return form.starting("")


def page_number(text: str | None) -> int:
    """A page of a list, from an address that anybody can type."""
    return int(text) if text and text.isdecimal() and len(text) < 6 and int(text) else 1


def _whole(fields: Mapping[str, str], name: str, otherwise: int) -> int:
    text = fields.get(name, "").strip()
    if not text:
        return otherwise
    if not text.isdecimal() or len(text) > 9:
        raise InvalidInput("this is no whole number", where=name.removeprefix("chunk-"))
    return int(text)


def _decimal(text: str) -> float | None:
    if not text.strip():
        return None
    try:
        return float(text.strip().replace(",", "."))
    except ValueError:
        raise InvalidInput("this is no number", where="score_threshold") from None


def _unescaped(text: str) -> str:
    for shown, meant in _ESCAPES.items():
        text = text.replace(shown, meant)
    return text


def _escaped(text: str) -> str:
    for shown, meant in _ESCAPES.items():
        text = text.replace(meant, shown)
    return text
