"""A part of SQL++, read and evaluated over documents in memory: what our statements and Dify's are made of.

Of the vendor's semantics: MISSING and NULL as values of a logic of four, comparisons that order by type
before they order by value, raw results, keys, named parameters, dynamic members.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_TOKENS = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*")|(?P<number>\d+)|(?P<name>`[^`]+`)|(?P<value>\$[A-Za-z_]\w*)"""
    r"""|(?P<sign><=|>=|!=|[=<>(),.\[\]*;])|(?P<word>[A-Za-z_]\w*))"""
)
_RESERVED = frozenset(
    {
        "select",
        "raw",
        "from",
        "as",
        "use",
        "keys",
        "where",
        "order",
        "by",
        "limit",
        "upsert",
        "into",
        "key",
        "value",
        "delete",
        "create",
        "primary",
        "index",
        "if",
        "not",
        "exists",
        "on",
        "and",
        "or",
        "in",
        "is",
        "null",
        "missing",
        "valued",
        "true",
        "false",
    }
)


class Missing:
    """A member that is not there."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING = Missing()
Row = Mapping[str, Any]
Expression = Callable[[Row], Any]


class Wrong(Exception):
    def __init__(self, code: int, said: str) -> None:
        super().__init__(said)
        self.code = code


@dataclass
class Document:
    """A document with its key, under an alias."""

    key: str
    value: Any


def type_of(value: Any) -> str:
    kinds: tuple[tuple[Any, str], ...] = (
        (Missing, "missing"), (type(None), "null"), (bool, "boolean"), (int | float, "number"),
        (str, "string"), (list, "array"), (dict, "object"),
    )  # fmt: skip
    return next(name for kind, name in kinds if isinstance(value, kind))


_ORDER = ("missing", "null", "boolean", "number", "string", "array", "object")


def compared(left: Any, sign: str, right: Any) -> Any:
    """MISSING and NULL spread; other values are ordered by type first, texts by their bytes."""
    for one in (MISSING, None):
        if left is one or right is one:
            return one
    kinds = type_of(left), type_of(right)
    if sign in {"=", "!="}:
        return (kinds[0] == kinds[1] and left == right) == (sign == "=")
    if kinds[0] != kinds[1]:
        order = _ORDER.index(kinds[0]) - _ORDER.index(kinds[1])
    else:
        first, second = (left.encode(), right.encode()) if kinds[0] == "string" else (left, right)
        order = (first > second) - (first < second)
    return {"<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0}[sign]


class Reader:
    """One statement. store: keyspace → documents by key; raises Wrong for one that is not there."""

    def __init__(
        self, text: str, values: Mapping[str, Any], store: Callable[[tuple[str, ...]], dict[str, Any]]
    ) -> None:
        self.values, self.store = values, store
        self.tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(text.rstrip()):
            found = _TOKENS.match(text, at)
            if not found or not found.lastgroup:
                raise Wrong(3000, f"syntax error - line 1, column {at + 1}, near '{text[at : at + 20]}'")
            self.tokens.append((found.lastgroup, found[found.lastgroup]))
            at = found.end()
        self.at = 0

    def run(self) -> tuple[list[Any], int]:
        """(rows, documents changed)."""
        if self._takes("upsert"):
            found = self._upsert()
        elif self._takes("delete"):
            found = self._delete()
        elif self._takes("create"):
            for word in ("primary", "index", "if", "not", "exists", "on"):
                self._needs(word)
            self.store(self._path())
            found = [], 0
        else:
            self._needs("select")
            found = self._select(), 0
        self._takes(";")
        if self.at != len(self.tokens):
            raise Wrong(3000, f"syntax error - near '{self.tokens[self.at][1]}'")
        return found

    # ── statements

    def _select(self) -> list[Any]:
        raw = self._takes("raw")
        items: list[tuple[str, Expression]] = []
        counting = False
        while True:
            if self._takes("count"):
                self._needs("(")
                self.at += 1  # * or 1
                self._needs(")")
                counting = True
                expression: Expression = lambda row: row["#count"]  # noqa: E731
            else:
                expression = self._any()
            name = self._identifier() if self._takes("as") else ""
            items.append((name, expression))
            if not self._takes(","):
                break
        rows = self._rows() if self._takes("from") else [{}]
        if counting:
            rows = [{"#count": len(rows)}]
        if raw:
            return [None if (value := items[0][1](row)) is MISSING else value for row in rows]
        made = ({name: expression(row) for name, expression in items} for row in rows)
        return [{name: value for name, value in one.items() if value is not MISSING} for one in made]

    def _rows(self) -> list[Row]:
        source: Any = None
        if self.tokens[self.at][0] == "value":
            given = self._value()
            alias = self._alias()
            rows: list[Row] = [{alias: one} for one in given]
        else:
            source = self.store(self._path())
            alias = self._alias()
            rows = [{alias: Document(key, source[key])} for key in self._chosen(source)]
        if self._takes("where"):
            condition = self._any()
            rows = [row for row in rows if condition(row) is True]
        if self._takes("order"):
            self._needs("by")
            by = self._any()
            rows.sort(key=lambda row: str(by(row)).encode())
        if self._takes("limit"):
            rows = rows[: int(self._any()({}))]
        return rows

    def _chosen(self, source: Mapping[str, Any]) -> list[str]:
        if not self._takes("use"):
            return list(source)
        self._needs("keys")
        return [key for key in dict.fromkeys(self._any()({})) if key in source]

    def _upsert(self) -> tuple[list[Any], int]:
        self._needs("into")
        target = self.store(self._path())
        parts = []
        for sign, word in (("(", "key"), (",", "value")):
            self._needs(sign)
            self._needs(word)
            parts.append(self._identifier())
        self._needs(")")
        self._needs("select")
        rows = self._select()
        for row in rows:
            if len(row[parts[0]].encode()) > 246:
                raise Wrong(12009, "DML Error, possible causes include key too long")
            target[row[parts[0]]] = json.loads(json.dumps(row[parts[1]]))
        return [], len(rows)

    def _delete(self) -> tuple[list[Any], int]:
        self._needs("from")
        path = self._path()
        source = self.store(path)
        alias = self._alias()
        rows = [{alias: Document(key, source[key])} for key in self._chosen(source)]
        if self._takes("where"):
            condition = self._any()
            rows = [row for row in rows if condition(row) is True]
        for row in rows:
            del source[row[alias].key]
        return [], len(rows)

    def _path(self) -> tuple[str, ...]:
        parts = [self._identifier()]
        while self._takes("."):
            parts.append(self._identifier())
        return tuple(parts)

    def _alias(self) -> str:
        if self._takes("as"):
            return self._identifier()
        return ""

    # ── expressions

    def _any(self) -> Expression:
        parts = [self._every()]
        while self._takes("or"):
            parts.append(self._every())
        return parts[0] if len(parts) == 1 else lambda row: _joined([part(row) for part in parts], True)

    def _every(self) -> Expression:
        parts = [self._negated()]
        while self._takes("and"):
            parts.append(self._negated())
        return parts[0] if len(parts) == 1 else lambda row: _joined([part(row) for part in parts], False)

    def _negated(self) -> Expression:
        if self._takes("not"):
            inner = self._negated()
            return lambda row: found if (found := inner(row)) in (None, MISSING) else not found
        return self._comparison()

    def _comparison(self) -> Expression:
        left = self._member()
        if self._takes("is"):
            self._needs("valued")
            return lambda row: left(row) not in (None, MISSING)
        if self._takes("in"):
            several = self._member()
            return lambda row: _among(left(row), several(row))
        sign = self.tokens[self.at][1] if self.at < len(self.tokens) else ""
        if sign in {"=", "!=", "<", "<=", ">", ">="}:
            self.at += 1
            right = self._member()
            return lambda row: compared(left(row), sign, right(row))
        return left

    def _member(self) -> Expression:
        found = self._primary()
        while self._takes("."):
            if self._takes("["):
                name = self._any()
                self._needs("]")
                found = _inside(found, name)
            else:
                found = _inside(found, _constant(self._identifier()))
        return found

    def _primary(self) -> Expression:
        kind, text = self.tokens[self.at]
        if self._takes("("):
            inner = self._any()
            self._needs(")")
            return inner
        if kind == "value":
            return _constant(self._value())
        if kind in {"text", "number"}:
            self.at += 1
            return _constant(json.loads(text))
        for word, constant in (("true", True), ("false", False), ("null", None)):
            if kind == "word" and self._takes(word):
                return _constant(constant)
        if kind == "word" and text.lower() in {"meta", "type"}:
            return self._function(text.lower())
        name = self._identifier()
        # A name that is no alias is a member of the only document.
        return lambda row: _plain(row[name]) if name in row else _of(_plain(row.get("")), name)

    def _function(self, name: str) -> Expression:
        self.at += 1
        self._needs("(")
        if name == "type":
            inner = self._any()
            self._needs(")")
            return lambda row: type_of(inner(row))
        alias = "" if self.tokens[self.at][1] == ")" else self._identifier()
        self._needs(")")
        return lambda row: {"id": row[alias].key}

    # ── tokens

    def _value(self) -> Any:
        name = self.tokens[self.at][1].removeprefix("$")
        self.at += 1
        if name not in self.values:
            raise Wrong(5010, f"Error evaluating: no value for named parameter ${name}")
        return self.values[name]

    def _identifier(self) -> str:
        kind, text = self.tokens[self.at] if self.at < len(self.tokens) else ("", "")
        if kind not in {"name", "word"} or (kind == "word" and text.lower() in _RESERVED):
            raise Wrong(3000, f"syntax error - near '{text}'")
        self.at += 1
        return text.strip("`")

    def _takes(self, word: str) -> bool:
        if self.at < len(self.tokens):
            kind, text = self.tokens[self.at]
            if kind in {"word", "sign"} and text.lower() == word:
                self.at += 1
                return True
        return False

    def _needs(self, word: str) -> None:
        if not self._takes(word):
            near = self.tokens[self.at][1] if self.at < len(self.tokens) else "EOF"
            raise Wrong(3000, f"syntax error - {word} expected near '{near}'")


def _joined(found: list[Any], deciding: bool) -> Any:
    """AND (deciding: False) or OR (True) of four values."""
    if any(one is deciding for one in found):
        return deciding
    unknown = [one for one in found if one is None or one is MISSING]
    if not unknown:
        return not deciding
    # MISSING goes before NULL in AND, NULL before MISSING in OR.
    first = None if deciding else MISSING
    return first if any(one is first for one in unknown) else unknown[0]


def _among(value: Any, several: Any) -> Any:
    if value is MISSING or value is None:
        return value
    if not isinstance(several, list):
        return None
    return any(compared(value, "=", one) is True for one in several)


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Document) else value


def _of(value: Any, name: Any) -> Any:
    return value[name] if isinstance(value, dict) and isinstance(name, str) and name in value else MISSING


def _constant(value: Any) -> Expression:
    return lambda _row: value


def _inside(found: Expression, name: Expression) -> Expression:
    return lambda row: _of(found(row), name(row))
