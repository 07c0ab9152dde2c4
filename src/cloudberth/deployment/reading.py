"""Nodes as Python values, read by what is expected there.

YAML's own rules for bare words differ between its versions (``no``, ``1:30``, ``010``, ``1.10``). Here the
model decides: where text is expected a bare number is the text that stands in the file (``version: 1.10``
stays ``1.10``); where a number or true/false is expected only the plain decimal or ``true``/``false`` count.
"""

from __future__ import annotations

import re
import types
from collections.abc import Mapping as MappingType
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from cloudberth.deployment.document import Document, Entry, Mapping, Node, Path, Scalar, Sequence

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})\Z")
_DECIMAL = re.compile(r"[-+]?(\.[0-9]{1,40}|(0|[1-9][0-9]{0,40})(\.[0-9]{0,40})?)([eE][-+]?[0-9]{1,2})?\Z")
_TRUTH = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NOTHING = frozenset({"", "~", "null", "Null", "NULL"})


@dataclass(frozen=True, slots=True)
class Expected:
    """What may stand somewhere. model: the keys are its fields. item, value: of a list, of a mapping. exact:
    numbers as `Decimal`."""

    model: type[BaseModel] | None = None
    item: Any = None
    value: Any = None
    text: bool = False
    other: bool = False
    exact: bool = False

    def __or__(self, more: Expected) -> Expected:
        return Expected(
            self.model or more.model,
            self.item if self.item is not None else more.item,
            self.value if self.value is not None else more.value,
            self.text or more.text,
            self.other or more.other,
            self.exact or more.exact,
        )


@cache
def expected(annotation: Any) -> Expected:
    """What a type annotation of the model expects."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return expected(arguments[0])
    if origin in (Union, types.UnionType):
        result = Expected()
        for argument in arguments:
            result |= expected(argument)
        return result
    if origin is Literal:
        return Expected(
            text=all(isinstance(a, str) for a in arguments), other=not isinstance(arguments[0], str)
        )
    if origin is tuple:
        return Expected(item=arguments[0])
    if origin in (dict, MappingType):
        return Expected(value=arguments[1])
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return Expected(model=annotation)
    return Expected(
        text=annotation is str, other=annotation not in (str, type(None)), exact=annotation is Decimal
    )


def field_types(model: type[BaseModel]) -> dict[str, Any]:
    """Key in the file → type annotation."""
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def expected_at(model: type[BaseModel], path: Path) -> Expected:
    """What the model expects at a path; nothing in particular where it knows no such place."""
    here = expected(model)
    for step in path:
        inner: Any = None
        if isinstance(step, int):
            inner = here.item
        elif here.model is not None:
            inner = field_types(here.model).get(step)
        inner = here.value if inner is None and here.value is not None else inner
        if inner is None:
            return Expected()
        here = expected(inner)
    return here


def is_empty(node: Node) -> bool:
    """Nothing stands behind the key: the same as leaving the key out."""
    return isinstance(node, Scalar) and node.plain and not node.source


def value_of(node: Node, wanted: Expected) -> Any:
    """A node as Python value: text, int, float, bool, None, tuple or dict."""
    if isinstance(node, Scalar):
        return scalar_value(node, wanted)
    if isinstance(node, Sequence):
        item = expected(wanted.item) if wanted.item is not None else Expected(other=True)
        return tuple(value_of(inner, item) for inner in node.items)
    types_ = field_types(wanted.model) if wanted.model else {}
    unknown = wanted.value if wanted.value is not None else Any
    return {
        key: value_of(entry.node, expected(types_.get(key, unknown)))
        for key, entry in node.entries.items()
        if not is_empty(entry.node)
    }


def scalar_value(scalar: Scalar, wanted: Expected) -> Any:
    text = scalar.text
    bare = scalar.plain or scalar.filled
    if scalar.plain and not scalar.filled and text in _NOTHING:
        return None
    if not bare or (wanted.text and not wanted.other):
        return text
    if text in _TRUTH:
        return _TRUTH[text]
    if not _DECIMAL.match(text):
        return text
    if wanted.exact:
        return Decimal(text)
    return int(text) if _INTEGER.match(text) else float(text)


def spell_out(document: Document, size: str) -> None:
    """Spell out the shorthand ``resources: {cpu: …, memory_mb: …}`` of own services: it is meant for this
    size."""
    services = document.node(("services",))
    if not isinstance(services, Mapping):
        return
    for service in services.entries.values():
        node = service.node.entries.get("resources") if isinstance(service.node, Mapping) else None
        if node and isinstance(node.node, Mapping) and {"cpu", "memory_mb"} & node.node.entries.keys():
            inner = node.node
            outer = Mapping(
                inner.line, inner.column, {size: Entry(inner.line, inner.column, inner)}, implied=True
            )
            node.node = outer
