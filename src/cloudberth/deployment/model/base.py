"""What the sections are made of: the base class and the checked kinds of text.

A check raises `wrong(what, hint)`, which the loader turns into a problem with its place in the file. The
patterns are repeated in the JSON Schema so that an editor sees the same mistakes.
"""

from __future__ import annotations

import ipaddress
import re
from datetime import time
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError


class Section(BaseModel):
    """Base of all sections: frozen, unknown keys refused, field texts are the documentation."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def wrong(what: str, hint: str = "") -> PydanticCustomError:
    """A value is wrong: what, in our own words, and what to do about it."""
    return PydanticCustomError("cloudberth", "{what}", {"what": what, "hint": hint})


NAME_PATTERN = r"^[a-z][a-z0-9-]{1,18}[a-z0-9]$"
IDENTIFIER_PATTERN = r"^[a-z][a-z0-9_-]{0,62}$"
VARIABLE_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*$"
DATABASE_PATTERN = r"^[a-z][a-z0-9_]{0,62}$"
FINDING_PATTERN = r"^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)+$"
HOST_PATTERN = r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$"
EMAIL_PATTERN = r"^[A-Za-z0-9._%+'-]+@([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,}$"
BUCKET_PATTERN = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"
CLOCK_RANGE_PATTERN = r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$"
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = "(" + "|".join(DAYS) + ")"
WEEKLY_RANGE_PATTERN = rf"^{_DAY}:([01]\d|2[0-3]):[0-5]\d-{_DAY}:([01]\d|2[0-3]):[0-5]\d$"


def _matching(pattern: str, what: str, hint: str) -> AfterValidator:
    """A check that text matches a pattern; ``{value}`` in *what* is the text."""
    compiled = re.compile(pattern.replace("$", r"\Z"))

    def check(value: str) -> str:
        if not compiled.match(value):
            raise wrong(what.format(value=shown(value)), hint)
        return value

    return AfterValidator(check)


def shown(value: str) -> str:
    """Text as it is quoted in a message: in quotation marks, cut when long, without control characters."""
    short = value if len(value) <= 60 else value[:57] + "…"
    return '"' + "".join(c if c.isprintable() else "�" for c in short) + '"'


def _pattern(pattern: str) -> object:
    return Field(json_schema_extra={"pattern": pattern})


Name = Annotated[
    str,
    _matching(
        NAME_PATTERN,
        "{value} is not a usable name",
        "3 to 20 lower-case letters, digits and hyphens, starting with a letter and not ending with a hyphen",
    ),
    _pattern(NAME_PATTERN),
]
"""A name that fits every cloud's limits once suffixes are added."""

Identifier = Annotated[
    str,
    _matching(
        IDENTIFIER_PATTERN,
        "{value} is not a usable name",
        "lower-case letters, digits, - and _, starting with a letter, at most 63 characters",
    ),
    _pattern(IDENTIFIER_PATTERN),
]

VariableName = Annotated[
    str,
    _matching(
        VARIABLE_PATTERN,
        "{value} cannot be the name of an environment variable",
        "letters, digits and _, not starting with a digit",
    ),
]

SecretName = Annotated[
    str,
    _matching(
        DATABASE_PATTERN,
        "{value} cannot be the name of a secret",
        "lower-case letters, digits and _, starting with a letter, at most 63 characters",
    ),
    _pattern(DATABASE_PATTERN),
]

FindingId = Annotated[
    str,
    _matching(FINDING_PATTERN, "{value} is not the id of a finding", "it looks like network.single-nat"),
    _pattern(FINDING_PATTERN),
]

DatabaseName = Annotated[
    str,
    _matching(
        DATABASE_PATTERN,
        "{value} is not a usable database name",
        "lower-case letters, digits and _, starting with a letter, at most 63 characters",
    ),
    _pattern(DATABASE_PATTERN),
]


def _host(value: str) -> str:
    if "://" in value:
        raise wrong(f"{shown(value)} is a URL, not a host name", "leave out https:// and any path")
    if len(value) > 253 or not re.match(HOST_PATTERN.replace("$", r"\Z"), value):
        raise wrong(f"{shown(value)} is not a host name", "write it in lower case, like dify.example.com")
    return value


HostName = Annotated[str, AfterValidator(_host), _pattern(HOST_PATTERN)]

Email = Annotated[
    str,
    _matching(EMAIL_PATTERN, "{value} is not an e-mail address", "write it like ops@example.com"),
    _pattern(EMAIL_PATTERN),
]


def _address_range(value: str, example: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise wrong(f"{shown(value)} is not an address range", f"write it like {example}") from None
    if "/" not in value:
        raise wrong(
            f"{shown(value)} has no prefix length", f"write it like {example}; {network} is one address"
        )
    if str(network) != value:
        raise wrong(
            f"{shown(value)} is an address with a prefix length, not a range", f"the range is {network}"
        )
    return network


PRIVATE_RANGES = tuple(
    ipaddress.IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
)


def _any_range(value: str) -> str:
    _address_range(value, "203.0.113.0/24")
    return value


def _private_range(value: str) -> str:
    network = _address_range(value, "10.40.0.0/16")
    if isinstance(network, ipaddress.IPv6Network) or not any(network.subnet_of(p) for p in PRIVATE_RANGES):
        raise wrong(
            f"{value} is not a private range", "take one inside 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16"
        )
    return value


PrivateRange = Annotated[str, AfterValidator(_private_range), _pattern(r"^\d{1,3}(\.\d{1,3}){3}/\d{1,2}$")]
AddressRange = Annotated[str, AfterValidator(_any_range), _pattern(r"^[0-9a-f.:]+/\d{1,3}$")]

Bucket = Annotated[
    str,
    _matching(
        BUCKET_PATTERN,
        "{value} is not a bucket name",
        "3 to 63 lower-case letters, digits, hyphens and dots, starting and ending with a letter or digit",
    ),
    _pattern(BUCKET_PATTERN),
]


def _minutes(text: str) -> int:
    clock = time.fromisoformat(text)
    return clock.hour * 60 + clock.minute


def daily_minutes(window: str) -> tuple[int, int]:
    """Start and length in minutes of ``HH:MM-HH:MM``; a window may go over midnight."""
    start, end = (_minutes(part) for part in window.split("-"))
    return start, (end - start) % (24 * 60)


def weekly_minutes(window: str) -> tuple[int, int]:
    """Start (minutes since Monday 00:00) and length of ``ddd:HH:MM-ddd:HH:MM``."""

    def moment(text: str) -> int:
        day, _, clock = text.partition(":")
        return DAYS.index(day) * 24 * 60 + _minutes(clock)

    start, end = (moment(part) for part in window.split("-"))
    return start, (end - start) % (7 * 24 * 60)


def _daily_window(value: str) -> str:
    if not re.match(CLOCK_RANGE_PATTERN.replace("$", r"\Z"), value):
        raise wrong(f"{shown(value)} is not a daily window", 'write it like "02:00-03:00", UTC')
    if daily_minutes(value)[1] < 60:
        raise wrong(f"the window {value} is shorter than an hour", 'write it like "02:00-03:00"')
    return value


def _weekly_window(value: str) -> str:
    if not re.match(WEEKLY_RANGE_PATTERN.replace("$", r"\Z"), value):
        raise wrong(f"{shown(value)} is not a weekly window", 'write it like "sun:03:30-sun:04:30", UTC')
    if not 60 <= weekly_minutes(value)[1] <= 24 * 60:
        raise wrong(f"the window {value} is not between 1 and 24 hours long", "")
    return value


DailyWindow = Annotated[str, AfterValidator(_daily_window), _pattern(CLOCK_RANGE_PATTERN)]
WeeklyWindow = Annotated[str, AfterValidator(_weekly_window), _pattern(WEEKLY_RANGE_PATTERN)]


def _spoken(value: str) -> str:
    if not value.strip():
        raise wrong("is empty", "say it in a few words")
    return value


Words = Annotated[str, AfterValidator(_spoken), Field(json_schema_extra={"minLength": 1})]
