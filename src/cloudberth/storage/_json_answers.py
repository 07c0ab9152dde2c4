"""Answers in JSON, read without trust: what is not as documented is an error of ours, never a TypeError."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from cloudberth.storage.http.failures import unexpected
from cloudberth.storage.http.headers import iso_date


class Answer:
    """A JSON object. Members are found whatever the case of their names (``uploadId`` and ``UploadId``)."""

    def __init__(self, members: Mapping[str, Any], where: str) -> None:
        self._members = {name.lower(): value for name, value in members.items()}
        self.where = where

    @classmethod
    def parse(cls, body: bytes, where: str) -> Answer:
        """The object that a body holds; an empty body is an empty object."""
        if not body.strip():
            return cls({}, where)
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            raise unexpected(f"the answer is no JSON: {body[:40]!r}", where=where) from None
        if not isinstance(found, dict):
            raise unexpected(f"the answer is no JSON object: {body[:40]!r}", where=where)
        return cls(found, where)

    def text(self, name: str, default: str | None = None) -> str:
        """A text; without a default it has to be there. Half surrogates, which are no text, are refused."""
        value = self._members.get(name.lower(), default)
        if isinstance(value, bool | float) or not isinstance(value, str | int):
            raise self._odd(name, value)
        found = str(value)
        if not found.isascii() and any("\ud800" <= character <= "\udfff" for character in found):
            raise self._odd(name, value)
        return found

    def integer(self, name: str) -> int:
        """A number of zero and above, also written as a text."""
        text = self.text(name)
        if not (text.isascii() and text.isdecimal() and len(text) < 20):
            raise self._odd(name, text)
        return int(text)

    def flag(self, name: str) -> bool:
        """Whether a member is true; absent is false."""
        value = self._members.get(name.lower(), False)
        return value is True or (isinstance(value, str) and value.lower() == "true")

    def moment(self, name: str) -> datetime | None:
        """A time in ISO 8601; None when there is none to read."""
        value = self._members.get(name.lower())
        return iso_date(value) if isinstance(value, str) else None

    def members(self, name: str) -> Iterator[Answer]:
        """The objects of a list; absent or null is an empty one."""
        value = self._members.get(name.lower())
        if value is None:
            return
        if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
            raise self._odd(name, value)
        for entry in value:
            yield Answer(entry, self.where)

    def member(self, name: str) -> Answer:
        """An object inside; absent is an empty one."""
        value = self._members.get(name.lower())
        return Answer(value if isinstance(value, dict) else {}, self.where)

    def raw(self, name: str) -> Any:
        """Whatever is there, or None."""
        return self._members.get(name.lower())

    def _odd(self, name: str, value: Any) -> Exception:
        return unexpected(f"the answer has {str(value)[:40]!r} as {name}", where=self.where)
