"""What the double of VikingDB keeps: collections, rows as they are, and rows as an index sees them, later."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Fields = dict[str, Any]
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,127}")
_DEFAULTS: dict[str, Any] = {
    "int64": 0, "float32": 0.0, "string": "default", "bool": False,
    "list<string>": ["default"], "list<int64>": [0],
}  # fmt: skip
_KINDS: dict[str, type | tuple[type, ...]] = {
    "int64": int, "float32": (int, float), "string": str, "bool": bool, "text": str,
    "list<string>": list, "list<int64>": list, "vector": list,
}  # fmt: skip


class Refused(Exception):
    """An answer that says no: the vendor's number, and what it says."""

    def __init__(self, code: int, said: str, status: int = 400) -> None:
        super().__init__(said)
        self.code, self.status = code, status


def named(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise Refused(1000003, f"invalid request: {name} is not a valid name")
    return name


@dataclass
class Index:
    """settings: as asked for. building, dropping: how often it is asked about until it is done."""

    settings: Fields
    building: int = 0
    dropping: int = -1

    @property
    def scalars(self) -> list[str]:
        found: list[str] = self.settings["scalar_index"]
        return found


@dataclass
class Collection:
    """rows: by key, as they are now. _later: (when, what to do) with the rows that indexes see."""

    name: str
    description: str
    key: str
    fields: dict[str, Fields]
    delay: float = 0.0
    rows: dict[str, Fields] = field(default_factory=dict)
    indexes: dict[str, Index] = field(default_factory=dict)
    _seen: dict[str, Fields] = field(default_factory=dict)
    _later: list[tuple[float, Callable[[], object]]] = field(default_factory=list)

    @classmethod
    def made(cls, asked: Fields, delay: float) -> Collection:
        fields = {named(one["field_name"]): one for one in asked["fields"]}
        vectors = [one for one in fields.values() if one["field_type"] == "vector"]
        if len(vectors) != 1 or not 4 <= vectors[0]["dim"] <= 4096 or vectors[0]["dim"] % 4:
            raise Refused(1000003, "invalid request: dim must be in [4, 4096] and a multiple of 4")
        key = asked["primary_key"]
        if fields.get(key, {}).get("field_type") not in {"string", "int64"}:
            raise Refused(1000003, "invalid request: primary_key")
        if len(asked.get("description", "").encode()) > 65_535:
            raise Refused(1000003, "invalid request: description is too long")
        return cls(named(asked["collection_name"]), asked.get("description", ""), key, fields, delay)

    def told(self) -> Fields:
        return {
            "collection_name": self.name,
            "description": self.description,
            "primary_key": self.key,
            "fields": list(self.fields.values()),
            "indexes": sorted(self.indexes),
            "stat": {"collection_data_stat": len(self.rows)},
            "create_time": "2026-11-27 00:00:00",
            "update_time": "2026-11-27 00:00:00",
            "update_person": "tests",
        }

    def upsert(self, given: list[Fields]) -> None:
        if len(given) > 100:
            raise Refused(1000003, "invalid request: fields length should be no more than 100")
        for key, row in [self._checked(one) for one in given]:
            self.rows[key] = row
            self._later.append((time.monotonic() + self.delay, lambda key=key, row=row: self._show(key, row)))

    def delete(self, keys: list[str]) -> None:
        if len(keys) > 100:
            raise Refused(1000003, "invalid request: primary_keys length should be no more than 100")
        for key in keys:
            self.rows.pop(key, None)
            self._later.append((time.monotonic() + self.delay, lambda key=key: self._seen.pop(key, None)))

    def seen(self) -> dict[str, Fields]:
        """The rows as an index sees them at this moment."""
        now = time.monotonic()
        while self._later and self._later[0][0] <= now:
            self._later.pop(0)[1]()
        return self._seen

    def _show(self, key: str, row: Fields) -> None:
        self._seen[key] = row

    def _checked(self, given: Fields) -> tuple[str, Fields]:
        unknown = set(given) - set(self.fields)
        if unknown or self.key not in given:
            raise Refused(1000003, f"invalid request: fields {sorted(unknown)} or the primary key")
        row = {name: self._value(name, kind, given) for name, kind in self.fields.items()}
        written = sum(len(str(value).encode()) for name, value in row.items() if not isinstance(value, list))
        if written > 65_535:
            raise Refused(1000003, "invalid request: fields data is too long, should be less than 65535")
        return str(row[self.key]), row

    def _value(self, name: str, kind: Fields, given: Fields) -> Any:
        sort = kind["field_type"]
        if name not in given:
            if sort not in _DEFAULTS:
                raise Refused(1000003, f"invalid request: field {name} is missing")
            return kind.get("default_val", _DEFAULTS[sort])
        value = given[name]
        if not isinstance(value, _KINDS[sort]):
            raise Refused(1000003, f"invalid request: field {name} is no {sort}")
        if sort == "vector" and len(value) != kind["dim"]:
            raise Refused(1000003, f"invalid request: the dim of {name} should be {kind['dim']}")
        texts = value if sort == "list<string>" else [value] if sort == "string" else []
        if any(len(one.encode()) > 256 for one in texts) or (sort == "list<string>" and len(value) > 32):
            raise Refused(1000003, f"invalid request: field {name} is too long")
        return value
