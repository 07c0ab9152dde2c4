"""Between columns and values: times, JSON, and what a text may hold."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any

from cloudberth.database import Connection
from cloudberth.errors import InvalidInput
from cloudberth.knowledge.model import Metadata, Mode, RetrievalSettings

MOST_NAME = 255
_MOST_METADATA = 16_384  # bytes of JSON
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
# What indexing itself writes beside each vector; the names are Dify's.
RESERVED = frozenset({"doc_id", "dataset_id", "document_id", "doc_hash", "generation"})


def clock(connection: Connection) -> float:
    """Seconds since 1970 by the clock of the database: leases of several machines need one clock."""
    if connection.is_postgres:
        return float(connection.rows("SELECT EXTRACT(EPOCH FROM clock_timestamp())")[0][0])
    return time.time()


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def maybe_moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else moment(seconds)


def to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def storable(text: str) -> str:
    """A text that every database takes: no NUL (PostgreSQL), no half of a pair (UTF-8)."""
    if "\0" in text:
        text = text.replace("\0", "")
    if text.isascii():
        return text
    return text.encode("utf-8", "replace").decode("utf-8")


def checked_name(name: str, what: str) -> str:
    """A name in one line. Raises InvalidInput."""
    name = name.strip()
    if not 1 <= len(name) <= MOST_NAME or any(letter < " " or letter == "\x7f" for letter in name):
        raise InvalidInput(f"the name of a {what} is one line of 1 to {MOST_NAME} characters", where="name")
    return storable(name)


def checked_metadata(given: Mapping[str, Any] | None) -> str:
    """As JSON. Raises InvalidInput naming the field."""
    found: dict[str, Any] = {}
    for name, value in (given or {}).items():
        where = f"metadata.{name[:64]}"
        if not _FIELD.fullmatch(name):
            raise InvalidInput("a field's name is made of letters, digits and _", where=where)
        if name in RESERVED:
            raise InvalidInput("this field is the service's own", where=where, hint="use another name")
        found[name] = _checked_value(value, where)
    text = to_json(found)
    if len(text.encode()) > _MOST_METADATA:
        raise InvalidInput(f"the metadata are more than {_MOST_METADATA:,} bytes", where="metadata")
    return text


def _checked_value(value: Any, where: str) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, bool | int):
        if not -(2**53) <= value <= 2**53:
            raise InvalidInput("this number is too large for some stores", where=where, hint="use a text")
        return value
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise InvalidInput("this number is none", where=where)
        return value
    raise InvalidInput("a value is a text, a number, true or false", where=where, hint="leave null out")


def metadata_of(text: str) -> Metadata:
    found: Metadata = json.loads(text)
    return found


def retrieval_to_json(settings: RetrievalSettings) -> str:
    return to_json(asdict(settings))


def retrieval_of(text: str) -> RetrievalSettings:
    known = {each.name for each in fields(RetrievalSettings)}
    values = {name: value for name, value in json.loads(text).items() if name in known}
    return RetrievalSettings(**{**values, "mode": Mode(values.get("mode", Mode.HYBRID))})


def like(text: str) -> str:
    """A pattern that finds this text, whatever it is made of; for ``LIKE ? ESCAPE '!'``."""
    escaped = re.sub(r"([!%_])", r"!\1", text.lower())
    return f"%{escaped}%"
