"""Rules that make text better to find, applied to blocks. Pure.

Always: control characters out, Unicode NFC, line ends as ``\\n``, the special tokens of language models
(``<|…|>``) taken apart, so that a document cannot speak as the system. By rule: Dify's two, under Dify's
names, and what is ours. Code keeps its spaces.

Dify's ``remove_urls_emails`` leaves the addresses of Markdown links and pictures alone; so does this.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Self

from cloudberth.errors import InvalidInput
from cloudberth.knowledge.documents.model import Block, BlockKind, Document

_CONTROL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff\ufffe\uffff\u200b\u2060\u00ad\ud800-\udfff]"
)
_LINE_END = re.compile("\r\n?|\u2028|\u0085")
_PARAGRAPH_END = re.compile("\u2029")
_MODEL_TOKEN = re.compile(r"<\|([^<>|\n]{1,64})\|>")
_SPACES = re.compile("[ \t\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]+")
_EMPTY_LINES = re.compile(r"\n[ \t]*(?:\n[ \t]*)+\n")
_SPACES_AT_LINE_END = re.compile(r"[ \t]+(?=\n|\Z)")
_HYPHEN = re.compile(r"(?<=[a-zà-öø-ÿ])[-\u2010]\n[ \t]*(?=[a-zà-öø-ÿ])")
_EMAIL = re.compile(r"[A-Za-z0-9_.+%-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+")
_URL = re.compile(r"(?P<link>\]\(\s*)?(?:https?|ftp)://[^\s<>\"'）】」』，。；、！？]+", re.IGNORECASE)
_FULL_WIDTH = {
    at: at - 0xFEE0 for at in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))
}


@dataclass(frozen=True, slots=True)
class Rules:
    """Which rules to apply, by name.

    remove_extra_spaces: runs of spaces become one (full-width ones too), three and more line breaks two.
    remove_urls_emails: web addresses and e-mail addresses out. join_hyphenated: a word that was cut at the
    end of a line is one word again. full_width_letters: ``ＡＢＣ１２３`` becomes ``ABC123``, so that both are
    found.
    """

    remove_extra_spaces: bool = True
    remove_urls_emails: bool = False
    join_hyphenated: bool = True
    full_width_letters: bool = False

    @classmethod
    def of(cls, values: Mapping[str, object]) -> Self:
        """From names and booleans, as they come from JSON. InvalidInput names what is unknown."""
        known = [field.name for field in fields(cls)]
        for name, value in values.items():
            if name not in known:
                hint = f"there are: {', '.join(known)}"
                raise InvalidInput(f"there is no rule {name!r}", where="cleaning", hint=hint)
            if not isinstance(value, bool):
                raise InvalidInput(f"{name} is true or false", where="cleaning")
        return cls(**{name: bool(value) for name, value in values.items()})


def clean(document: Document, rules: Rules | None = None) -> Document:
    """The document with every block cleaned; blocks that become empty are left out."""
    rules = rules or Rules()
    blocks: list[Block] = []
    for block in document.blocks:
        text = clean_text(block.text, rules, is_code=block.kind is BlockKind.CODE)
        if text:
            headings = tuple(filter(None, (clean_text(title, rules) for title in block.headings)))
            blocks.append(replace(block, text=text, headings=headings))
    return replace(document, blocks=tuple(blocks))


def clean_text(text: str, rules: Rules, *, is_code: bool = False) -> str:
    """A text after the rules. is_code: leave its spaces, lines and addresses as they are."""
    text = _PARAGRAPH_END.sub("\n\n", _LINE_END.sub("\n", text))
    text = _MODEL_TOKEN.sub(r"<\1>", _CONTROL.sub("", text))
    text = unicodedata.normalize("NFC", text)
    if is_code:
        return text.strip("\n").rstrip()
    for applies, rule in _RULES:
        if applies(rules):
            text = rule(text)
    return text.strip()


def _without_addresses(text: str) -> str:
    text = _URL.sub(lambda match: match.group() if match.group("link") else "", text)
    return _EMAIL.sub("", text)


def _without_extra_spaces(text: str) -> str:
    text = _SPACES_AT_LINE_END.sub("", _SPACES.sub(" ", text))
    return _EMPTY_LINES.sub("\n\n", text)


_RULES: tuple[tuple[Callable[[Rules], bool], Callable[[str], str]], ...] = (
    (lambda rules: rules.full_width_letters, lambda text: text.translate(_FULL_WIDTH)),
    (lambda rules: rules.join_hyphenated, lambda text: _HYPHEN.sub("", text)),
    (lambda rules: rules.remove_urls_emails, _without_addresses),
    (lambda rules: rules.remove_extra_spaces, _without_extra_spaces),
)
