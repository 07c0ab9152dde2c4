"""Parts of the console. A part is one folder with a `Section`, its templates and its translations.

To add one: a folder with ``section.py`` (the routes), ``templates/<name>/…html`` that extend
``layout.html``, and ``translations/zh.json``; then one line in `SECTIONS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from fastapi import APIRouter

# Module and attribute, in the order of the navigation.
SECTIONS = (
    "cloudberth.server.viewer.section:SECTION",
    "cloudberth.server.knowledge.section:SECTION",
    "cloudberth.server.panel.section:SECTION",
    "cloudberth.server.keys.section:SECTION",
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the navigation. title: English, translated like every sentence. icon: a name in
    ``icons.html``.
    """

    title: str
    path: str
    icon: str


@dataclass(frozen=True, slots=True)
class Section:
    """name: its own. entries: in the navigation. folder: holds ``templates`` and ``translations``.

    routes: makes the router; everything in it is for those who are signed in only.
    """

    name: str
    entries: tuple[Entry, ...]
    folder: Path
    routes: Callable[[], APIRouter]


def load_sections(places: tuple[str, ...] = SECTIONS) -> tuple[Section, ...]:
    """The sections at the places, each ``module:attribute``."""
    found = []
    for place in places:
        module, _, name = place.partition(":")
        section = getattr(import_module(module), name)
        if not isinstance(section, Section):
            raise TypeError(f"{place} is no Section")
        found.append(section)
    return tuple(found)
