"""What the model's validation found, in our own words and with its place in the file."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from cloudberth.deployment.document import Document, Path, Scalar
from cloudberth.deployment.model.base import shown
from cloudberth.deployment.reading import Expected, expected_at, field_types
from cloudberth.errors import Problem

_YES = frozenset({"yes", "y", "on", "no", "n", "off", "1", "0"})
_KEY = "[key]"

# A key that does not exist where people look for it: the last words of the path → why, and where it is.
EXPLAINED: Mapping[tuple[str, str], str] = {
    (
        "compute.stateful",
        "spot",
    ): "the stateful machine runs roles that must run exactly once: it is always on demand",
    (
        "compute.stateful",
        "spot_percent",
    ): "the stateful machine runs roles that must run exactly once: it is always on demand",
    ("compute.stateful", "min"): "there is exactly one stateful machine",
    ("compute.stateful", "max"): "there is exactly one stateful machine",
    ("compute.stateful", "machine_types"): "the stateful machine has one type: machine_type",
    ("compute", "spot_percent"): "write it under compute.app",
    ("compute", "min"): "write it under compute.app",
    ("compute", "max"): "write it under compute.app",
    ("compute", "machine_types"): "write it under compute.app",
    ("", "retention_days"): "write it under logs or backup",
    ("", "nat"): "write it under network",
    ("", "waf"): "write it under access",
    ("", "cidr"): "write it under network",
    ("", "zones"): "write it under network",
    ("", "cdn"): "write it under storage",
    ("", "schedules"): "write it under compute",
    ("", "lifecycle"): "write it under storage",
    ("database", "password"): "berth generates the password into the secret store",
    ("cache", "password"): "berth generates the password into the secret store",
    ("access", "cdn"): "write it under storage",
}
_SERVICE_OF_RELEASE = "belongs to the release; image, resources and env can be changed"


def nearest(word: str, known: Iterable[str]) -> str:
    """``did you mean …?``, or an empty text when nothing is near."""
    near = closest(word, known)
    return f"did you mean {near}?" if near else ""


def closest(word: str, known: Iterable[str]) -> str:
    """The name that looks most like a word, the first of several; empty when none does."""
    if len(word) > 60:
        return ""
    near = difflib.get_close_matches(word.lower(), list(known), n=5, cutoff=0.6)
    return min(near, key=lambda name: (-_likeness(word.lower(), name), name), default="")


def _likeness(word: str, name: str) -> float:
    return difflib.SequenceMatcher(a=name, b=word).ratio()


def listed(values: Iterable[Any]) -> str:
    words = [str(v) for v in values]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]


def problems(
    error: ValidationError, document: Document, model: type[BaseModel]
) -> list[tuple[Path, Problem]]:
    """Each mistake with the path it is about."""
    found = []
    for details in error.errors(include_url=False):
        path = tuple(step for step in details["loc"] if step != _KEY)
        found.append((path, _problem(details, path, document, model), details["type"]))
    # A list whose items are wrong is counted without them: that is no second mistake.
    items = {path[:-1] for path, _, _ in found}
    return [(path, problem) for path, problem, kind in found if kind not in _COUNTS or path not in items]


_COUNTS = frozenset({"too_short", "too_long"})


def _problem(details: ErrorDetails, path: Path, document: Document, model: type[BaseModel]) -> Problem:
    on_key = _KEY in details["loc"] or details["type"] == "extra_forbidden"
    if details["type"] == "extra_forbidden":
        what, hint = _unknown_key(path, expected_at(model, path[:-1]), document)
    elif details["type"] == "missing":
        what, hint = _missing(path, document, example_at(model, path))
    elif details["type"] == "cloudberth":
        what, hint = details["ctx"]["what"], details["ctx"]["hint"]
    else:
        what, hint = _wrong_value(details, path, document)
    return document.problem(path, what, hint, key=on_key)


def _unknown_key(path: Path, parent: Expected, document: Document) -> tuple[str, str]:
    key = str(path[-1])
    what = f"there is no key {shown(key)} here"
    explained = EXPLAINED.get((document.shown(path[:-1]), key))
    if explained:
        return what, explained
    known = field_types(parent.model) if parent.model else {}
    if parent.model is not None and parent.model.__name__ == "ServiceOverride":
        return what, nearest(key, known) or _SERVICE_OF_RELEASE
    return what, nearest(key, known) or f"keys here: {', '.join(known)}"


# Examples for keys of parts that the applications' model describes.
_EXAMPLES: Mapping[str, object] = {
    "image": "ghcr.io/example/app:1.2.3",
    "resources": {"cpu": 1, "memory_mb": 1024},
    "cpu": 1,
    "memory_mb": 1024,
    "path": "/",
}


def _missing(path: Path, document: Document, example: Any) -> tuple[str, str]:
    hint = f"write it like {path[-1]}: {written(example)}" if example is not None else ""
    return ("has no value" if document.node(path) is not None else "is missing"), hint


def example_at(model: type[BaseModel], path: Path) -> Any:
    """A right value for a key; None when no example is known."""
    parent = expected_at(model, path[:-1]).model
    field = parent.model_fields.get(str(path[-1])) if parent else None
    if field is None:
        return None
    return field.examples[0] if field.examples else _EXAMPLES.get(str(path[-1]))


def written(value: Any) -> str:
    """An example value as it stands in a file, on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(written(v) for v in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {written(v)}" for k, v in value.items()) + "}"
    text = str(value)
    return f'"{text}"' if isinstance(value, str) and _NEEDS_QUOTES.match(text) else text


# Text that YAML would read as something else: numbers, truth values, nothing, special first characters, ": ".
_NEEDS_QUOTES = re.compile(
    r"""(?:[-+]?(?:\d+\.?\d*|\.\d+)|true|false|yes|no|on|off|null|~|)\Z|[*&!%@`'"{\[|>#?-]|.*: """
)


def _given(value: Any, document: Document, path: Path) -> str:
    """What stands in the file, for a message."""
    node = document.node(path)
    if isinstance(node, Scalar) and node.filled:
        return f"the value of {node.source}" if len(node.source) <= 60 else "the value of a variable"
    if isinstance(node, Scalar) and not isinstance(value, str | bool) and value is not None:
        return node.source if len(node.source) <= 40 else node.source[:39] + "…"
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case str():
            return f"the text {shown(value)}"
        case dict():
            return "a mapping"
        case tuple() | list():
            return "a list"
        case _:
            return str(value)


def _number_hint(value: Any) -> str:
    if not isinstance(value, str):
        return "the number is too large" if isinstance(value, float) and abs(value) >= 1e18 else ""
    bare = value.replace("_", "").replace(",", "").lstrip("+")
    if bare.isascii() and bare.isdigit():
        return "the number is too large" if len(bare) > 18 else f"write {int(bare)}, without quotes"
    return ""


def _truth_hint(value: Any) -> str:
    return "write true or false" if str(value).lower() in _YES | {"true", "false"} else ""


def _list_hint(value: Any) -> str:
    return (
        f"write [{written(value)}]" if isinstance(value, str | int | float) and len(str(value)) <= 60 else ""
    )


def _limits(details: ErrorDetails, what: str) -> str:
    return what.format(**details.get("ctx", {}))


_Wording = Callable[[ErrorDetails, str], tuple[str, str]]


def _expecting(kind: str, hint: Callable[[Any], str] = lambda _: "") -> _Wording:
    return lambda details, given: (f"expected {kind}, not {given}", hint(details["input"]))


def _bound(words: str, key: str) -> _Wording:
    def word(details: ErrorDetails, given: str) -> tuple[str, str]:
        bound = details["ctx"][key]
        number = int(bound) if float(bound).is_integer() else bound
        return f"must be {words} {number}, not {given}", ""

    return word


def _count(words: str, key: str) -> _Wording:
    def word(details: ErrorDetails, _: str) -> tuple[str, str]:
        context = details["ctx"]
        number = context.get("actual_length") or "no"
        return f"has {number} {'entry' if number == 1 else 'entries'}, {words} {context[key]}", ""

    return word


def _length(words: str, key: str) -> _Wording:
    return lambda details, _: (f"must have {words} {details['ctx'][key]} characters", "")


def _one_of(details: ErrorDetails, given: str) -> tuple[str, str]:
    allowed = details["ctx"]["expected"].replace("'", "")
    value = details["input"]
    names = allowed.replace(" or ", ", ").split(", ")
    hint = nearest(value, names) if isinstance(value, str) else ""
    return f"must be {allowed}, not {given.removeprefix('the text ')}", hint


def _own(details: ErrorDetails, _: str) -> tuple[str, str]:
    """A check of another part of Cloudberth that raised ValueError with a text of its own."""
    return str(details["ctx"]["error"]).splitlines()[0], ""


_WHOLE = _expecting("a whole number", _number_hint)
_NUMBER = _expecting("a number", _number_hint)
_TRUTH = _expecting("true or false", _truth_hint)
_LIST = _expecting("a list", _list_hint)
_MAPPING = _expecting("keys and values")
_TEXT = _expecting("text")

_WORDING: Mapping[str, _Wording] = {
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "int_parsing_size": _WHOLE,
    "decimal_type": _NUMBER,
    "decimal_parsing": _NUMBER,
    "is_instance_of": _NUMBER,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": _expecting("a finite number"),
    "bool_type": _TRUTH,
    "bool_parsing": _TRUTH,
    "tuple_type": _LIST,
    "list_type": _LIST,
    "dict_type": _MAPPING,
    "mapping_type": _MAPPING,
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "string_type": _TEXT,
    "literal_error": _one_of,
    "greater_than_equal": _bound("at least", "ge"),
    "greater_than": _bound("more than", "gt"),
    "less_than_equal": _bound("at most", "le"),
    "less_than": _bound("less than", "lt"),
    "too_short": _count("but needs at least", "min_length"),
    "too_long": _count("but may have at most", "max_length"),
    "string_too_short": _length("at least", "min_length"),
    "string_too_long": _length("at most", "max_length"),
    "string_pattern_mismatch": lambda details, given: (
        f"{given.removeprefix('the text ')} does not have the right form",
        f"it must match {details['ctx']['pattern']}",
    ),
    "value_error": _own,
    "assertion_error": _own,
}


def _wrong_value(details: ErrorDetails, path: Path, document: Document) -> tuple[str, str]:
    wording = _WORDING.get(details["type"])
    if wording is None:
        return "cannot stand here", ""
    return wording(details, _given(details["input"], document, path))
