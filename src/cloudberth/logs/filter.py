"""The neutral filter: what a user wants to see, as a value that knows no cloud.

`languages/` turns it into the language of each store; `matches` is its meaning. Every driver holds what its
store gives to `matches` once more, because the stores differ in detail (letter case, words or parts of them,
wildcards): a compiled query may be wider than the filter, what the user sees never is. One thing it may leave
out: a level that stands in a line of text (``… [ERROR] …``) is seen in files alone; stores look at JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cloudberth.errors import InvalidInput
from cloudberth.logs.record import Record, plain_trace, value_at
from cloudberth.logs.severity import Severity

_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*")
_TRACE = re.compile(r"[A-Za-z0-9_:-]{4,128}")
_SERVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_CONDITION = re.compile(r"(?P<path>[^=<>!]+?)(?P<sign>>=|<=|!=|=|>|<)(?P<value>.*)", re.DOTALL)
_NUMBER = re.compile(r"-?\d{1,15}(?:\.\d{1,9})?")
_LONGEST = 1000
ORDERED = (">", ">=", "<", "<=")


@dataclass(frozen=True, slots=True)
class Condition:
    """A field of a JSON line against a value. path: ``http.status``. sign: = != > >= < <=.

    = and != compare the text of the value (numbers as they are written, true and false in lower case), and
    each is the contrary of the other. A field that is absent or null equals nothing, not even the empty text:
    = never holds there, != always does. An empty text is a value, which ``field=`` finds. The others compare
    numbers, and hold for nothing else.
    """

    path: str
    sign: str
    value: str

    def __post_init__(self) -> None:
        if not _PATH.fullmatch(self.path) or len(self.path) > 200:
            raise InvalidInput(
                f"{self.path[:80]!r} is no name of a field",
                hint="letters, digits, _ and -, parts separated by dots: http.status",
            )
        _require_line(self.value, f"the value of {self.path}")
        if self.sign in ORDERED and not _NUMBER.fullmatch(self.value):
            raise InvalidInput(f"{self.path}{self.sign} needs a number, not {self.value[:80]!r}")

    @classmethod
    def parse(cls, text: str) -> Condition:
        """``app_id=7``, ``status>=500``, ``path!=/health``."""
        found = _CONDITION.fullmatch(text)
        if not found:
            raise InvalidInput(
                f"{text[:80]!r} is no condition", hint="write FIELD=VALUE, FIELD!=VALUE or FIELD>=NUMBER"
            )
        return cls(found["path"].strip(), found["sign"], found["value"])

    @property
    def number(self) -> str | None:
        """The value as a number that every language writes the same way; None when it is none."""
        return self.value if _NUMBER.fullmatch(self.value) else None

    def holds(self, fields: Mapping[str, Any]) -> bool:
        """Whether the members of a line fulfil it."""
        found = value_at(fields, self.path)
        if self.sign in ORDERED:
            number = number_of(found)
            return number is not None and _compare(number, self.sign, float(self.value))
        same = found is not None and self._same(found)
        return same if self.sign == "=" else not same

    def _same(self, found: Any) -> bool:
        if text_of(found) == self.value:
            return True
        if isinstance(found, bool) or not isinstance(found, int | float):
            return False
        return self.number is not None and float(self.number) == float(found)


@dataclass(frozen=True, slots=True)
class Filter:
    """What to look for. since, until: aware; a record of `since` belongs to it, one of `until` does not.

    level: this and worse. services: any of them, all when empty. trace: an id that the line has to mention in
    any of its spellings. text: parts that the line has to contain, all of them, whatever their letter case.
    Values are one line each, without control characters. Raises InvalidInput.
    """

    since: datetime
    until: datetime
    level: Severity | None = None
    services: tuple[str, ...] = ()
    trace: str = ""
    text: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        if self.since.tzinfo is None or self.until.tzinfo is None:
            raise InvalidInput("times need a zone")
        if self.since >= self.until:
            raise InvalidInput(
                f"the time span is empty: it ends at {self.until:%Y-%m-%d %H:%M:%S} "
                f"and begins at {self.since:%Y-%m-%d %H:%M:%S}",
                hint="--since has to be before --until",
            )
        for service in self.services:
            if not _SERVICE.fullmatch(service):
                raise InvalidInput(f"{service[:80]!r} is no name of a service")
        if self.trace and not _TRACE.fullmatch(self.trace):
            raise InvalidInput(
                f"{self.trace[:80]!r} is no trace id",
                hint="32 hexadecimal digits, or the id your service logs",
            )
        for part in self.text:
            _require_line(part, "the text")
            if not part.strip():
                raise InvalidInput("the text to look for is empty")

    @property
    def traces(self) -> tuple[str, ...]:
        """The spellings of the trace id, all lower case where it is a W3C or X-Ray one."""
        digits = plain_trace(self.trace)
        if digits:
            return (digits, f"1-{digits[:8]}-{digits[8:]}")
        return (self.trace,) if self.trace else ()

    def matches(self, record: Record) -> bool:
        """Whether a record is one of those meant."""
        return self.since <= record.time < self.until and self.matches_content(record)

    def matches_content(self, record: Record) -> bool:
        """The same without the time, for followers, which take late records too."""
        if self.level is not None and (record.severity is None or record.severity < self.level):
            return False
        if self.services and record.service not in self.services:
            return False
        if not all(condition.holds(record.fields) for condition in self.conditions):
            return False
        if not self.trace and not self.text:
            return True
        line = f"{record.raw}\n{record.message}".lower()
        if self.trace and not any(form.lower() in line for form in self.traces):
            return False
        return all(part.lower() in line for part in self.text)


def spellings(part: str) -> tuple[str, ...]:
    """How a text may stand in a line of JSON: as it is, with quotes escaped, with everything foreign escaped.

    For stores that search the line as it was written, where the filter also looks at what it says.
    """
    escaped = (json.dumps(part, ensure_ascii=False)[1:-1], json.dumps(part)[1:-1])
    return tuple(dict.fromkeys((part, *escaped)))


def text_of(value: Any) -> str:
    """A member of JSON as the text that conditions compare."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def number_of(value: Any) -> float | None:
    """A member of JSON as a number; text counts when it is written as one."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return float(value)
    return None


def _compare(left: float, sign: str, right: float) -> bool:
    return {">": left > right, ">=": left >= right, "<": left < right, "<=": left <= right}[sign]


def _require_line(text: str, what: str) -> None:
    if len(text) > _LONGEST:
        raise InvalidInput(f"{what} has {len(text):,} characters; {_LONGEST:,} are the most")
    if any(ord(sign) < 32 or ord(sign) in (127, 0x85, 0x2028, 0x2029) for sign in text):
        raise InvalidInput(f"{what} holds a control character", hint="give one line of text")
    if any(0xD800 <= ord(sign) <= 0xDFFF for sign in text):
        raise InvalidInput(f"{what} is no text (UTF-8)")
