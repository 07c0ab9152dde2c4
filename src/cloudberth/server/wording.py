"""Languages of the console: English is in the pages, other languages are one file of sentences each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

LANGUAGES = {"en": "English", "zh": "中文"}
DEFAULT = "en"


class Words:
    """The sentences of one language. Called with the English sentence; ``{name}`` stands for a value."""

    def __init__(self, language: str, sentences: Mapping[str, str]) -> None:
        self.language = language
        self._sentences = sentences

    def __call__(self, english: str, **values: object) -> str:
        sentence = self._sentences.get(english, english)
        return sentence.format(**values) if values else sentence


class Languages:
    """folders: the sections' folders, each with ``translations/<language>.json``: English → the language."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self._words = {
            language: Words(language, _sentences(language, tuple(folders))) for language in LANGUAGES
        }

    def words(self, language: str) -> Words:
        return self._words.get(language, self._words[DEFAULT])


@cache
def _sentences(language: str, folders: tuple[Path, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for folder in folders:
        file = folder / "translations" / f"{language}.json"
        if file.exists():
            found |= json.loads(file.read_text(encoding="utf-8"))
    return found


def chosen_language(wanted: str | None, accepted: str) -> str:
    """The language of a cookie, else the best one of an ``Accept-Language`` header, else English."""
    if wanted in LANGUAGES:
        return wanted
    ranked: list[tuple[float, str]] = []
    for part in accepted.split(",")[:20]:
        tag, _, quality = part.strip().partition(";q=")
        try:
            ranked.append((float(quality or 1), tag.partition("-")[0].lower()))
        except ValueError:
            continue
    ranked.sort(key=lambda pair: -pair[0])
    return next((tag for quality, tag in ranked if tag in LANGUAGES and quality > 0), DEFAULT)
