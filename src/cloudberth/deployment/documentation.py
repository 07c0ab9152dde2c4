"""The deployment file explained: `berth docs [SECTION]` and the reference page, both from the model
itself."""

from __future__ import annotations

import re
import sys
import textwrap
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from cloudberth.apps.model import Service
from cloudberth.deployment.facts import Facts, facts, vector_stores
from cloudberth.deployment.loader import CLOUDS, LOCAL
from cloudberth.deployment.local import LocalPlatform
from cloudberth.deployment.model import DeploymentFile
from cloudberth.deployment.reading import Expected, expected
from cloudberth.deployment.schema import size_defaults
from cloudberth.deployment.sizes import SIZES
from cloudberth.deployment.wording import nearest, written
from cloudberth.errors import InvalidInput

WIDTH = 96


@dataclass(frozen=True, slots=True)
class Field:
    """One key. defaults: what holds when it is left out, by size; the same under ``""`` when the size plays
    no part.

    required: it has to be given wherever its section is. text, type: for people.
    """

    path: str
    type: str
    text: str
    required: bool
    defaults: Mapping[str, str]
    example: str


@dataclass(frozen=True, slots=True)
class Section:
    """A key of the file's first level with everything under it; fields[0] is the key itself."""

    name: str
    fields: tuple[Field, ...]

    @property
    def summary(self) -> str:
        """The first sentence of its text."""
        return re.split(r"(?<=\.) ", self.fields[0].text, maxsplit=1)[0].rstrip(".")


def sections() -> tuple[Section, ...]:
    """Every key of the first level, in the order of the model."""
    return tuple(
        Section(name, tuple(_walk(field, (name,), name)))
        for name, field in DeploymentFile.model_fields.items()
    )


def local_fields() -> tuple[Field, ...]:
    """Every key of a file with ``cloud: local``, which shares none of the sections."""
    return tuple(
        _field(field, (LOCAL, name), name, required=name == "cloud")
        for name, field in LocalPlatform.model_fields.items()
    )


def _walk(field: FieldInfo, path: tuple[str, ...], shown: str) -> Iterator[Field]:
    yield _field(field, path, shown)
    for model, suffix, step in _inside(field, path):
        for name, inner in model.model_fields.items():
            yield from _walk(inner, (*path, *step, name), f"{shown}{suffix}.{name}")


def _inside(
    field: FieldInfo, path: tuple[str, ...]
) -> Iterator[tuple[type[BaseModel], str, tuple[str, ...]]]:
    """The models that stand under a field: (model, what stands between the two names, steps of the path)."""
    if path == ("services",):
        yield Service, ".<name>", ("<name>",)
        return
    kind = _expected(field)
    if kind.model is not None:
        yield kind.model, "", ()
    for inner, suffix in ((kind.item, "[]"), (kind.value, ".<name>")):
        model = expected(inner).model if inner is not None else None
        if model is not None:
            yield model, suffix, (suffix,)


def _expected(field: FieldInfo) -> Expected:
    annotation: Any = field.annotation
    return expected(annotation)


def _field(field: FieldInfo, path: tuple[str, ...], shown: str, *, required: bool | None = None) -> Field:
    """required: None: as the model has it; a key that tells files apart has to stand there all the same."""
    required = field.is_required() and not _given_by_size(path) if required is None else required
    return Field(
        path=shown,
        type="mapping of sections" if path == ("services",) else _type(field),
        text=" ".join((field.description or _model_text(field)).split()),
        required=required,
        defaults={} if required else _defaults(field, path),
        example=written(field.examples[0]) if field.examples else "",
    )


def _defaults(field: FieldInfo, path: tuple[str, ...]) -> Mapping[str, str]:
    by_size = size_defaults().get(path, {})
    if by_size:
        otherwise = "" if field.is_required() else _written_default(field)
        return _merged({size: written(by_size[size]) if size in by_size else otherwise for size in SIZES})
    return {} if field.is_required() or _given_by_size(path) else {"": _written_default(field)}


def _merged(defaults: Mapping[str, str]) -> Mapping[str, str]:
    """One default instead of three equal ones."""
    return {"": next(iter(defaults.values()))} if defaults and len(set(defaults.values())) == 1 else defaults


def _given_by_size(path: tuple[str, ...]) -> bool:
    return any(known[: len(path)] == path for known in size_defaults())


def _model_text(field: FieldInfo) -> str:
    model = _expected(field).model
    return (model.__doc__ or "") if model else ""


def _written_default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "none"
    if isinstance(value, BaseModel):
        return ""
    return written(value) if value not in ((), {}, "") else "empty"


_NAMES: Mapping[object, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    Any: "any value",
}


def _type(field: FieldInfo) -> str:
    """What may stand there, for people: ``whole number, 1 to 100``."""
    return _type_name(field.annotation) + _limits(field)


def _type_name(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type_name(arguments[0])
    if origin in (Union, types.UnionType):
        names = [_type_name(argument) for argument in arguments if argument is not type(None)]
        return " or ".join(dict.fromkeys(names)) + (" or null" if type(None) in arguments else "")
    if origin is Literal:
        return ", ".join(map(str, arguments[:-1])) + (" or " if arguments[1:] else "") + str(arguments[-1])
    if origin is tuple:
        return f"list of {_plural(_type_name(arguments[0]))}"
    if origin is not None:
        return f"mapping of {_plural(_type_name(arguments[1]))}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    return _NAMES.get(annotation, "number")


def _plural(name: str) -> str:
    return f"{name}s" if name in ("section", "number", "whole number") else name


def _limits(field: FieldInfo) -> str:
    found = {
        name: getattr(m, name)
        for m in field.metadata
        for name in ("ge", "gt", "le", "lt")
        if hasattr(m, name)
    }
    low = found.get("ge", found.get("gt"))
    high = found.get("le", found.get("lt"))
    over = "more than " if "gt" in found else ""
    if low is not None and high is not None:
        return f", {over}{low} to {high}"
    if low is not None:
        return f", {over or 'at least '}{low}"
    return f", at most {high}" if high is not None else ""


def document(section: str | None = None) -> str:
    """The file, or the part of it that starts with a path (``storage``, ``compute.app``), as text for a
    terminal; ``local``: the file of a platform on this machine, ``local.port``: one key of it.

    Raises InvalidInput for a section that does not exist.
    """
    if section is None:
        return _overview()
    everything = [field for each in sections() for field in each.fields]
    wanted = section.strip().strip(".")
    if wanted.partition(".")[0] == LOCAL:
        return _local(wanted.partition(".")[2])
    found = [f for f in everything if f.path == wanted or f.path.startswith((f"{wanted}.", f"{wanted}[]"))]
    if not found:
        hint = nearest(wanted, [field.path for field in everything]) or "`berth docs` lists the sections"
        raise InvalidInput(f"the deployment file has no {wanted!r}", hint=hint)
    return "\n".join(_as_text(field) for field in found) + _also(wanted)


def _local(wanted: str) -> str:
    """What a file of a platform on this machine holds, or one key of it."""
    every = local_fields()
    found = [field for field in every if not wanted or field.path == wanted]
    if not found:
        hint = nearest(wanted, [field.path for field in every]) or "`berth docs local` lists the keys"
        raise InvalidInput(f"the file of a platform on this machine has no {wanted!r}", hint=hint)
    about = "" if wanted else f"{textwrap.fill(_plain(_ABOUT_LOCAL), WIDTH)}\n\n"
    return about + "\n".join(map(_as_text, found))


def _plain(text: str) -> str:
    """Without the marks of Markdown."""
    return text.replace("`", "")


_ABOUT_LOCAL = """\
A file with `cloud: local` is about a platform on this machine, which `berth up` starts. It has the keys below
and no others; each but `cloud` can be left out. Variables and keys that start with `x-` are as everywhere."""


_ABOUT = """\
A deployment file says what runs, where, and what may differ from the defaults. Four keys are
enough:

  name: dify
  app: dify
  cloud: aws
  region: eu-central-1

${NAME} stands for a variable of your environment, ${NAME:-text} gives a fallback. Secrets never
stand in the file: where one is needed, secret:NAME names an entry of the cloud's secret store.
Keys that start with x- are ignored and can hold anchors.
"""

_MORE = """\
`berth docs SECTION` explains one (berth docs compute.app).
A platform on this machine (cloud: local) has a file of its own: `berth docs local`.
"""


def _overview() -> str:
    every = sections()
    wide = max(len(section.name) for section in every) + 2
    after = " " * (wide + 2)
    lines = [
        textwrap.fill(
            section.summary, WIDTH, initial_indent=f"  {section.name:<{wide}}", subsequent_indent=after
        )
        for section in every
    ]
    return "\n".join([_ABOUT, *lines, "", _MORE])


def _as_text(field: Field) -> str:
    text = textwrap.fill(field.text, WIDTH, initial_indent="    ", subsequent_indent="    ")
    facts_ = textwrap.fill(
        _facts(field),
        WIDTH,
        initial_indent="    ",
        subsequent_indent="      ",
        break_on_hyphens=False,
        break_long_words=False,
    )
    return f"{field.path}\n{text}\n{facts_}\n" if field.text else f"{field.path}\n{facts_}\n"


def _facts(field: Field) -> str:
    parts = [field.type]
    if field.required:
        parts.append("required")
    if default := _default_text(field):
        parts.append(f"default: {default}")
    if field.example:
        parts.append(f"example: {field.example}")
    return " · ".join(parts)


def _default_text(field: Field) -> str:
    if "" in field.defaults:
        return field.defaults[""]
    return ", ".join(f"{size} {value}" for size, value in field.defaults.items() if value)


def _also(section: str) -> str:
    """Lists that only the cloud's facts hold."""
    lists = [(cloud, *_list(section, facts(cloud))) for cloud in CLOUDS]
    shown = [(f"{title} of {cloud}", values) for cloud, title, values in lists if values]
    if section == "vector":
        shown = [("Vector stores", list(vector_stores()))]
    return "".join(f"\n{title}\n{_wrapped(values)}\n" for title, values in shown)


def _list(section: str, known: Facts) -> tuple[str, list[str]]:
    """(title, values) of what one cloud has; no values where a section has no such list."""
    lists = {
        "region": ("Regions (zones)", [f"{r} ({known.region_zones(r)})" for r in known.regions]),
        "logs": ("Days that logs are kept, by choice", [str(days) for days in known.retention_days]),
        "network": ("Endpoints", list(known.endpoints)),
    }
    return lists.get(section, ("", []))


def _wrapped(values: list[str]) -> str:
    return textwrap.fill(
        ", ".join(values), WIDTH, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False
    )


def reference_markdown() -> str:
    """docs/reference/deployment.md: every key with type, defaults, example and text."""
    parts = ["# The deployment file", "", _INTRODUCTION]
    for section in sections():
        parts += [f"## {section.name}", "", *_as_markdown(section)]
    parts += ["## A platform on this machine", "", _ABOUT_LOCAL, ""]
    for field in local_fields():
        parts += [f"### `{field.path}` with `cloud: local`", "", field.text, "", _facts_markdown(field), ""]
    return "\n".join(parts).rstrip() + "\n"


_INTRODUCTION = """\
This page is made from the model that reads the file (`cloudberth.deployment`); `berth
docs SECTION` prints the same in a terminal, and `berth schema` the JSON Schema for editors.

`${NAME}` stands for a variable of your environment, `${NAME:-text}` gives a fallback. Secrets never stand in
the file: where one is needed, `secret:NAME` (or an ARN) names an entry of the cloud's secret store, which
only the machines read. Where text is expected, a bare number is the text as it stands (`version: 1.10`). A
key with nothing behind it counts as left out. Keys that start with `x-` are ignored and can hold YAML
anchors.

A file with `cloud: local` has other keys: see [the last section](#a-platform-on-this-machine).
"""


def _as_markdown(section: Section) -> Iterator[str]:
    first, *rest = section.fields
    yield first.text
    yield ""
    if not rest or first.type != "section":
        yield _facts_markdown(first)
        yield ""
    for field in rest:
        yield f"### `{field.path}`"
        yield ""
        if field.text:
            yield field.text
            yield ""
        yield _facts_markdown(field)
        yield ""


def _facts_markdown(field: Field) -> str:
    parts = [field.type + (", required" if field.required else "")]
    if default := _default_text(field):
        parts.append(f"default {_code(default)}" if "" in field.defaults else f"default: {default}")
    if field.example:
        parts.append(f"example {_code(field.example)}")
    return " · ".join(parts)


def _code(text: str) -> str:
    return text if text in ("none", "empty") else f"`{text}`"


if __name__ == "__main__":
    sys.stdout.write(reference_markdown())
