"""What the filter languages of the doubles have in common: words, OR of AND, and parentheses."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

Meaning = Callable[[Any], bool]


class FilterText:
    """Reads one filter. tokens: a group for each kind of word. wrong: the refusal that says what is wrong.

    A vendor's reader is a subclass that reads what may stand between AND and OR.
    """

    def __init__(self, text: str, tokens: re.Pattern[str], wrong: Callable[[str], Exception]) -> None:
        self.wrong = wrong
        self.tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(text.rstrip()):
            found = tokens.match(text, at)
            if not found or not found.lastgroup:
                raise wrong(f"no word at {at}")
            self.tokens.append((found.lastgroup, found[found.lastgroup]))
            at = found.end()
        self.at = 0

    def read(self) -> Meaning:
        found = self.any()
        if self.at != len(self.tokens):
            raise self.wrong("something follows")
        return found

    def any(self) -> Meaning:
        parts = [self.every()]
        while self.takes("OR"):
            parts.append(self.every())
        return lambda row: any(part(row) for part in parts)

    def every(self) -> Meaning:
        parts = [self.one()]
        while self.takes("AND"):
            parts.append(self.one())
        return lambda row: all(part(row) for part in parts)

    def one(self) -> Meaning:
        if not self.takes("("):
            return self.condition()
        inner = self.any()
        self.needs(")")
        return inner

    def condition(self) -> Meaning:
        raise NotImplementedError

    def listed(self, value: Callable[[], Any]) -> list[Any]:
        """Values between parentheses."""
        self.needs("(")
        found = [value()]
        while self.takes(","):
            found.append(value())
        self.needs(")")
        return found

    def next(self, *kinds: str) -> tuple[str, str]:
        """The kind and the text of a word of these kinds."""
        found = self.tokens[self.at] if self.at < len(self.tokens) else ("end", "the end")
        if found[0] not in kinds:
            raise self.wrong(found[1])
        self.at += 1
        return found

    def takes(self, word: str) -> bool:
        if self.at < len(self.tokens) and self.tokens[self.at][1].upper() == word:
            self.at += 1
            return True
        return False

    def needs(self, word: str) -> None:
        if not self.takes(word):
            raise self.wrong(f"{word} is missing")
