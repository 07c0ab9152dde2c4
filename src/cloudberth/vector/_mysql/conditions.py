"""Filters in the SQL of MySQL and its relatives.

JSON_EXTRACT as text tells the kind by its first character: MariaDB's JSON_TYPE calls 1e300 an INTEGER,
MatrixOne has none. Texts are compared as bytes, which for UTF-8 is the order of code points and knows
neither case nor accents nor spaces at the end. CASE keeps a cast from seeing what it cannot cast: in a
DELETE that would be an error.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from cloudberth.vector._dbapi_conditions import DIGITS, Conditions


class MySqlConditions(Conditions):
    """column: of the metadata, quoted. bytes_of: a template that turns a text into bytes."""

    def __init__(self, column: str, bytes_of: str = "CAST({} AS BINARY)") -> None:
        super().__init__()
        self._column = column
        self._bytes_of = bytes_of

    def bound(self, value: Any) -> str:
        self.parameters.append(value)
        return "%s"

    def has(self, field: str) -> str:
        return f"COALESCE({self._raw(field)} <> 'null', 0)"

    def text(self, field: str, sign: str, values: Sequence[str]) -> str:
        first = f"LEFT({self._raw(field)}, 1)"
        plain = self._bytes_of.format(f"JSON_UNQUOTE({self._extract(field)})")
        return f"CASE WHEN {first} = '\"' THEN {self.among(plain, sign, values)} ELSE 0 END"

    def number(self, field: str, sign: str, values: Sequence[float]) -> str:
        is_whole = f"{self._raw(field)} REGEXP '^-?[0-9]{{1,{DIGITS}}}$'"
        whole = self.whole(lambda: f"CAST({self._raw(field)} AS DECIMAL({DIGITS}, 0))", sign, values)
        is_number = f"{self._raw(field)} REGEXP '^-?[0-9]'"
        broken = self.broken(lambda: f"CAST({self._raw(field)} AS DOUBLE)", sign, values)
        return f"CASE WHEN {is_whole} THEN {whole} WHEN {is_number} THEN {broken} ELSE 0 END"

    def boolean(self, field: str, value: bool) -> str:
        return f"COALESCE({self._raw(field)} = '{'true' if value else 'false'}', 0)"

    def _extract(self, field: str) -> str:
        return f"JSON_EXTRACT({self._column}, {self.bound(path(field))})"

    def _raw(self, field: str) -> str:
        return f"CAST({self._extract(field)} AS CHAR)"


def path(field: str) -> str:
    """The path of a field at the top: ``$."a name"``. Quotes in it are escaped as JSON does."""
    return "$." + json.dumps(field, ensure_ascii=False)
