"""From values to pages: templates with the reader's language, time zone and theme."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import tzinfo
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined

from cloudberth.server import formats
from cloudberth.server.forms import TOKEN_FIELD
from cloudberth.server.paragraphs import unwrapped
from cloudberth.server.sections import Section
from cloudberth.server.wording import LANGUAGES, Languages, Words, chosen_language

HERE = Path(__file__).parent
STATIC = HERE / "static"
THEMES = ("auto", "light", "dark")
LANGUAGE_COOKIE, THEME_COOKIE, ZONE_COOKIE = "berth_language", "berth_theme", "berth_zone"
FILTERS = (
    formats.duration,
    formats.number,
    formats.short_number,
    formats.money,
    formats.size,
    formats.percent,
    formats.pretty,
    unwrapped,
)


class Pages:
    """Renders the templates of the server and its sections. Everything is escaped, nothing may be missing."""

    def __init__(self, sections: Iterable[Section]) -> None:
        self._sections = tuple(sections)
        folders = [HERE, *(section.folder for section in self._sections)]
        self._languages = Languages(folders)
        self._environment = Environment(
            loader=ChoiceLoader([FileSystemLoader(folder / "templates") for folder in folders]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        for one in FILTERS:
            self._environment.filters[one.__name__] = one
        self._environment.globals["static"] = static_url

    def page(self, request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        """A whole page or a part of one, as the template says."""
        return HTMLResponse(self.text(request, template, **values), status_code=status)

    def text(self, request: Request, template: str, **values: Any) -> str:
        words, zone = self.words(request), reader_zone(request)
        theme = request.cookies.get(THEME_COOKIE, "")
        context = {
            "t": words,
            "language": words.language,
            "languages": LANGUAGES,
            "theme": theme if theme in THEMES else "auto",
            "themes": THEMES,
            "zone": zone,
            "moment": lambda nanoseconds: formats.moment(nanoseconds, zone),
            "navigation": [entry for section in self._sections for entry in section.entries],
            "path": request.url.path,
            "here": str(request.url.path) + (f"?{request.url.query}" if request.url.query else ""),
            "session": getattr(request.state, "session", None),
            "token_field": TOKEN_FIELD,
        }
        return self._environment.get_template(template).render(context | values)

    def words(self, request: Request) -> Words:
        """The sentences in the reader's language."""
        accepted = request.headers.get("accept-language", "")
        return self._languages.words(chosen_language(request.cookies.get(LANGUAGE_COOKIE), accepted))


def reader_zone(request: Request) -> tzinfo:
    """The time zone that the reader's browser told us in a cookie; UTC without."""
    return formats.zone_named(request.cookies.get(ZONE_COOKIE))


@cache
def static_url(name: str) -> str:
    """The address of a static file; it changes with the file, so that browsers may keep it for ever."""
    version = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={version}"
