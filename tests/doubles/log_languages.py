"""Small readers of the query languages of log stores: what the doubles evaluate, after the vendors' pages.

Each knows only the part that is compiled to, and raises Malformed for everything else: for a text that does
not end, a quote too many, an operator it has not heard of. Nothing of the code under test is used here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any


class Malformed(ValueError):
    """The store would refuse the query."""


@dataclass(frozen=True)
class Line:
    """A line as a store keeps it."""

    time: datetime
    service: str
    raw: str
    number: int = 0
    fields: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, time: datetime, service: str, raw: str, number: int = 0) -> Line:
        try:
            parsed = json.loads(raw)
        except ValueError:
            parsed = {}
        return cls(time, service, raw, number, parsed if isinstance(parsed, dict) else {})

    def member(self, path: list[str]) -> Any:
        """The member at a path; names with dots are names."""
        found: Any = self.fields
        for part in path:
            if not isinstance(found, dict) or part not in found:
                return None
            found = found[part]
        return found


Test = Callable[[Line], bool]


def text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return (
        "" if value is None else (json.dumps(value) if isinstance(value, dict | list | float) else str(value))
    )


def number(value: Any) -> float | None:
    try:
        return None if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None


def compared(left: float | None, sign: str, right: float) -> bool:
    if left is None:
        return False
    return {">": left > right, ">=": left >= right, "<": left < right, "<=": left <= right}[sign]


class Tokens:
    """A text cut by an expression that has to cover all of it, and a place in it."""

    def __init__(self, pattern: str, source: str) -> None:
        self.items: list[tuple[str, str]] = []
        self.place = 0
        cut = re.compile(pattern)
        at = 0
        while at < len(source):
            if source[at].isspace():
                at += 1
                continue
            found = cut.match(source, at)
            if not found or not found.group():
                raise Malformed(f"unexpected {source[at : at + 20]!r}")
            self.items.append((str(found.lastgroup), found.group()))
            at = found.end()

    def peek(self) -> tuple[str, str]:
        return self.items[self.place] if self.place < len(self.items) else ("end", "")

    def take(self, kind: str = "", value: str = "") -> str:
        found = self.peek()
        if (kind and found[0] != kind) or (value and found[1] != value):
            raise Malformed(f"expected {value or kind}, found {found[1]!r}")
        self.place += 1
        return found[1]

    def accept(self, value: str) -> bool:
        if self.peek()[1] == value and self.peek()[0] in ("word", "sign"):
            self.place += 1
            return True
        return False

    def steps(self) -> list[Tokens]:
        """The pieces between ``|``."""
        pieces: list[Tokens] = [Tokens("x", "")]
        for item in self.items:
            if item == ("sign", "|"):
                pieces.append(Tokens("x", ""))
            else:
                pieces[-1].items.append(item)
        return pieces


def boolean(tokens: Tokens, leaf: Callable[[Tokens], Test], words: tuple[str, str, str]) -> Test:
    """or, and, not and parentheses around leaves."""
    either, both, negated = words

    def alternatives() -> Test:
        found = [conjunction()]
        while tokens.accept(either):
            found.append(conjunction())
        return found[0] if len(found) == 1 else (lambda line: any(test(line) for test in found))

    def conjunction() -> Test:
        found = [single()]
        while tokens.accept(both):
            found.append(single())
        return found[0] if len(found) == 1 else (lambda line: all(test(line) for test in found))

    def single() -> Test:
        if tokens.accept(negated):
            inner = single()
            return lambda line: not inner(line)
        if tokens.accept("("):
            inner = alternatives()
            tokens.take(value=")")
            return inner
        return leaf(tokens)

    return alternatives()


def unescaped(literal: str) -> str:
    return re.sub(r"\\(.)", r"\1", literal[1:-1])


# -- Logs Insights -------------------------------------------------------------------------------------------

_INSIGHTS = (
    r'(?P<string>"(?:[^"\\]|\\.)*")|(?P<regex>/(?:[^/\\]|\\.)*/)|(?P<quoted>`[^`]+`)|(?P<number>-?\d+(?:\.\d+)?)'
    r"|(?P<word>[@A-Za-z_][\w.@]*)|(?P<sign>>=|<=|!=|[=<>(),\[\]|*/])"
)


def insights(query: str, lines: list[Line]) -> list[Line]:
    """fields, filter, sort @timestamp and limit. Statistics are Malformed here."""
    found = list(lines)
    for step in Tokens(_INSIGHTS, query).steps():
        word = step.take("word")
        if word == "filter":
            test = boolean(step, _insights_leaf, ("or", "and", "not"))
            if step.peek()[0] != "end":
                raise Malformed(f"rest {step.peek()}")
            found = [line for line in found if test(line)]
        elif word == "sort":
            step.take(value="@timestamp")
            found.sort(key=lambda line: (line.time, line.number), reverse=step.take("word") == "desc")
        elif word == "limit":
            found = found[: int(step.take("number"))]
        elif word != "fields":
            raise Malformed(word)
    return found


def _insights_leaf(tokens: Tokens) -> Test:
    kind, value = tokens.peek()
    if value == "ispresent":
        tokens.take()
        tokens.take(value="(")
        name = _insights_name(tokens)
        tokens.take(value=")")
        return lambda line: line.member(name) is not None
    if value == "coalesce":
        tokens.take()
        tokens.take(value="(")
        names = [_insights_name(tokens)]
        while tokens.accept(","):
            names.append(_insights_name(tokens))
        tokens.take(value=")")
        tokens.take(value="in")
        tokens.take(value="[")
        words = [unescaped(tokens.take("string"))]
        while tokens.accept(","):
            words.append(unescaped(tokens.take("string")))
        tokens.take(value="]")

        def graded(line: Line) -> bool:
            given = [line.member(name) for name in names]
            return next((text(one) for one in given if one is not None), None) in words

        return graded
    name = _insights_name(tokens)
    if tokens.accept("like"):
        pattern = re.compile(tokens.take("regex")[1:-1])
        if name != ["@message"]:
            raise Malformed("like")
        return lambda line: pattern.search(line.raw) is not None
    sign = tokens.take("sign")
    kind, value = tokens.peek()
    tokens.take()
    if kind == "number" and sign in (">", ">=", "<", "<="):
        return lambda line: compared(number(line.member(name)), sign, float(value))
    if kind == "number" and sign == "=":
        return lambda line: number(line.member(name)) == float(value) or line.member(name) is (value == "1")
    if kind == "string" and sign in ("=", "!="):
        same = unescaped(value)
        return lambda line: (
            line.member(name) is not None and (text(line.member(name)) == same) == (sign == "=")
        )
    raise Malformed(f"{name} {sign} {value}")


def _insights_name(tokens: Tokens) -> list[str]:
    kind, value = tokens.peek()
    if kind not in ("word", "quoted"):
        raise Malformed(f"no field: {value!r}")
    tokens.take()
    found = value.strip("`")
    return [found] if found.startswith("@") else found.split(".")


# -- KQL -----------------------------------------------------------------------------------------------------

_KQL = (
    r'(?P<string>"(?:[^"\\]|\\.)*")|(?P<datetime>datetime\([0-9TZ:.-]+\))|(?P<number>-?\d+(?:\.\d+)?)'
    r"|(?P<word>[A-Za-z_]\w*)|(?P<sign>>=|<=|==|[=<>(),\[\]|.])"
)


def kql(query: str, lines: list[Line]) -> list[Line]:
    """A table, where, extend Line = parse_json(Message), order by, take and project."""
    found = list(lines)
    table, *steps = Tokens(_KQL, query).steps()
    if table.take("word") != "Cloudberth_CL":
        raise Malformed("no such table")
    for step in steps:
        word = step.take("word")
        if word == "where":
            test = boolean(step, _kql_leaf, ("or", "and", "not"))
            if step.peek()[0] != "end":
                raise Malformed(f"rest {step.peek()}")
            found = [line for line in found if test(line)]
        elif word == "order":
            found.sort(key=lambda line: (line.time, line.number), reverse=True)
        elif word == "take":
            found = found[: int(step.take("number"))]
        elif word not in ("extend", "project"):
            raise Malformed(word)
    return found


def _kql_leaf(tokens: Tokens) -> Test:
    if tokens.accept("isnotnull"):
        tokens.take(value="(")
        member = _kql_operand(tokens)
        tokens.take(value=")")
        return lambda line: member(line) is not None
    left = _kql_operand(tokens)
    if tokens.accept("contains"):
        part = unescaped(tokens.take("string")).lower()
        return lambda line: part in text(left(line)).lower()
    if tokens.accept("in"):
        tokens.take(value="(")
        words = [unescaped(tokens.take("string"))]
        while tokens.accept(","):
            words.append(unescaped(tokens.take("string")))
        tokens.take(value=")")
        return lambda line: text(left(line)) in words
    sign = tokens.take("sign")
    right = _kql_operand(tokens)
    if sign == "==":
        return lambda line: left(line) is not None and left(line) == right(line)
    if sign not in (">", ">=", "<", "<="):
        raise Malformed(sign)

    def ordered(line: Line) -> bool:
        one, other = left(line), right(line)
        if one is None:
            return False
        return {">": one > other, ">=": one >= other, "<": one < other, "<=": one <= other}[sign]

    return ordered


def _kql_operand(tokens: Tokens) -> Callable[[Line], Any]:
    kind, value = tokens.peek()
    tokens.take()
    if kind == "string":
        return lambda _line: unescaped(value)
    if kind == "number":
        return lambda _line: float(value)
    if kind == "datetime":
        moment = datetime.fromisoformat(value[9:-1])
        return lambda _line: moment
    if kind != "word":
        raise Malformed(value)
    if value in ("tostring", "todouble", "tolower", "coalesce"):
        tokens.take(value="(")
        arguments = [_kql_operand(tokens)]
        while tokens.accept(","):
            arguments.append(_kql_operand(tokens))
        tokens.take(value=")")
        first = arguments[0]
        if value == "coalesce":
            return lambda line: next((found for one in arguments if (found := one(line))), "")
        one: dict[str, Callable[[Any], Any]] = {
            "tostring": text,
            "todouble": number,
            "tolower": lambda given: text(given).lower(),
        }
        return lambda line: one[value](first(line))
    if value == "Line":
        path: list[str] = []
        while True:
            if tokens.accept("["):
                path.append(unescaped(tokens.take("string")))
                tokens.take(value="]")
            elif tokens.accept("."):
                path.append(tokens.take("word"))
            else:
                return lambda line: line.member(path)
    columns: dict[str, Callable[[Line], Any]] = {
        "TimeGenerated": lambda line: line.time,
        "Service": lambda line: line.service,
        "Message": lambda line: line.raw,
    }
    if value not in columns:
        raise Malformed(f"no column {value}")
    return columns[value]


# -- Google --------------------------------------------------------------------------------------------------

_STRING = r'(?P<string>"(?:[^"\\]|\\.)*")|(?P<number>-?\d+(?:\.\d+)?)'
_GOOGLE = _STRING + r"|(?P<word>[A-Za-z_]\w*)|(?P<sign>>=|<=|[=<>().:])"
GRADES = {
    "DEFAULT": 0,
    "DEBUG": 100,
    "INFO": 200,
    "NOTICE": 300,
    "WARNING": 400,
    "ERROR": 500,
    "CRITICAL": 600,
}


def google(
    query: str, lines: list[Line], log_of: Callable[[Line], str], grade_of: Callable[[Line], int]
) -> list[Line]:
    """AND, OR and comparisons, which heed no letter case."""
    if len(query) > 20_000:
        raise Malformed("too long")
    tokens = Tokens(_GOOGLE, query)

    def leaf(tokens: Tokens) -> Test:
        kind, value = tokens.peek()
        tokens.take()
        if kind == "string":
            part = unescaped(value).lower()
            return lambda line: part in f"{line.raw}\n{' '.join(_strings(line.fields))}".lower()
        if kind != "word":
            raise Malformed(value)
        path = [value]
        while tokens.accept("."):
            kind, value = tokens.peek()
            tokens.take()
            path.append(unescaped(value) if kind == "string" else value)
        sign = tokens.take("sign")
        if path == ["timestamp"]:
            moment = datetime.fromisoformat(unescaped(tokens.take("string")))
            return lambda line: compared(line.time.timestamp(), sign, moment.timestamp())
        if path == ["severity"] and sign == ">=":
            grade = GRADES[tokens.take("word")]
            return lambda line: grade_of(line) >= grade
        if path == ["logName"] and sign == "=":
            names = _values(tokens)
            return lambda line: log_of(line) in names
        if path[0] != "jsonPayload" or len(path) < 2:
            raise Malformed(".".join(path))
        if sign == "=":
            same = [one.lower() for one in _values(tokens)]
            return lambda line: _loosely(line.member(path[1:]), same)
        limit = float(tokens.take("number"))
        return lambda line: compared(number(line.member(path[1:])), sign, limit)

    test = boolean(tokens, leaf, ("OR", "AND", "NOT"))
    if tokens.peek()[0] != "end":
        raise Malformed(f"rest {tokens.peek()}")
    return [line for line in lines if test(line)]


def _values(tokens: Tokens) -> list[str]:
    if not tokens.accept("("):
        return [unescaped(tokens.take("string"))]
    found = [unescaped(tokens.take("string"))]
    while tokens.accept("OR"):
        found.append(unescaped(tokens.take("string")))
    tokens.take(value=")")
    return found


def _loosely(value: Any, same: list[str]) -> bool:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return any(number(one) == float(value) for one in same)
    return value is not None and text(value).lower() in same


def _strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [part for inner in value.values() for part in _strings(inner)]
    if isinstance(value, list):
        return [part for inner in value for part in _strings(inner)]
    return [text(value)]


# -- SLS -----------------------------------------------------------------------------------------------------

_SLS = _STRING + r"|(?P<word>(?:[\w.]|\\.)+)|(?P<sign>>=|<=|[=<>():*])"


def sls(query: str, lines: list[Line]) -> list[Line]:
    """and, or and fields, which heed no letter case."""
    tokens = Tokens(_SLS, query)
    if query == "*":
        return lines

    def leaf(tokens: Tokens) -> Test:
        kind, value = tokens.peek()
        tokens.take()
        if kind == "string":
            part = _sls_text(value)
            return lambda line: part in f"{line.raw}\n{' '.join(_strings(line.fields))}".lower()
        if kind != "word":
            raise Malformed(value)
        name = re.sub(r"\\(.)", r"\1", value)
        sign = tokens.take("sign")
        if sign == ":":
            same = _sls_text(tokens.take("string"))
            return lambda line: text(_sls_member(line, name)).lower() == same
        limit = float(tokens.take("number"))
        return lambda line: compared(number(_sls_member(line, name)), sign, limit)

    test = boolean(tokens, leaf, ("or", "and", "not"))
    if tokens.peek()[0] != "end":
        raise Malformed(f"rest {tokens.peek()}")
    return [line for line in lines if test(line)]


def _sls_text(literal: str) -> str:
    inner = literal[1:-1]
    if re.search(r"(?<!\\)(?:\\\\)*[*?]", inner):
        raise Malformed("a wildcard")
    return unescaped(literal).lower()


def _sls_member(line: Line, name: str) -> Any:
    if name == "service":
        return line.service
    found = line.member([name])
    return line.member(name.split(".")) if found is None else found


def utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
