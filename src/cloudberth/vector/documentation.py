"""The page of the reference about vector stores: ``python -m cloudberth.vector.documentation [FILE]``.

All of it is read from the code: what a backend says of itself, its variables and their defaults, what it can
do. A test holds docs/reference/vector-stores.md to it.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from cloudberth.vector.contract import Capabilities
from cloudberth.vector.filters import Operator
from cloudberth.vector.opening import OpenableVectorBackend
from cloudberth.vector.registry import BACKENDS, backend_class

FILE = Path("docs/reference/vector-stores.md")
_HEAD = """\
<!-- Made by `python -m cloudberth.vector.documentation`; a test keeps it fresh. -->

# Vector stores

`VECTOR_STORE` chooses a type, by Dify's own names; the variables are Dify's too. On the command line and in
`cloudberth.vector.open` a URL does the same: its scheme is the type with `-` for `_`, its query holds
settings by the names in the second column. Secrets come from variables only. What each type was proved
against stands in [vector-support.md](vector-support.md). All of Dify's types are here.
"""


def page() -> str:
    """The whole page."""
    kinds = [(type_id, backend_class(type_id)) for type_id in BACKENDS]
    lines = [_HEAD]
    lines += ["| type | metrics | full text | ids | several processes |", "|---|---|---|---|---|"]
    lines += [_row(type_id, kind.capabilities) for type_id, kind in kinds]
    for type_id, kind in kinds:
        lines += ["", *_section(type_id, kind)]
    return "\n".join(lines).rstrip() + "\n"


def _row(type_id: str, able: Capabilities) -> str:
    metrics = ", ".join(sorted(able.metrics))
    processes = "yes" if able.processes else "one at a time"
    return f"| [`{type_id}`](#{type_id}) | {metrics} | {able.full_text.value} | {able.ids} | {processes} |"


def _section(type_id: str, kind: type[OpenableVectorBackend]) -> Iterator[str]:
    yield f"## {type_id}"
    yield ""
    yield inspect.cleandoc(kind.__doc__ or "")
    yield ""
    yield f"`{_url(type_id, kind)}` · {_abilities(kind.capabilities)}"
    yield ""
    yield "| variable | name in a URL | default | |"
    yield "|---|---|---|---|"
    for name, field in kind.settings.model_fields.items():
        secret = name in kind.settings.secret_fields()
        shown = "–" if secret else f"`{name}`"
        about = field.description or ""
        yield f"| {_variable(field)} | {shown} | {_default(field, secret=secret)} | {about} |"


def _url(type_id: str, kind: type[OpenableVectorBackend]) -> str:
    parts = kind.settings.parts
    user = "user@" if "user" in parts else ""
    host = "host" if "host" in parts else ""
    port = ":port" if "port" in parts else ""
    path = f"/{parts['path']}" if "path" in parts else ""
    return f"{type_id.replace('_', '-')}://{user}{host}{port}{path}"


def _abilities(able: Capabilities) -> str:
    missing = sorted(set(Operator) - able.filters)
    said = [
        f"at most {able.dimensions:,} dimensions",
        "exact search on demand" if able.exact else "no exact search",
        "gives back its vectors" if able.scan else "does not give back its vectors",
        "finds what was written at once" if able.immediate else "finds what was written after a while",
    ]
    if missing:
        said.append(f"no filter {', '.join(missing)}")
    if able.lower:
        said.append("names in lower case")
    if not able.notes:
        said.append("does not remember the embedding model")
    return "; ".join(said)


def _variable(field: FieldInfo) -> str:
    return f"`{field.alias}`" if field.alias else "–"


def _default(field: FieldInfo, *, secret: bool) -> str:
    value: Any = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined:
        return "needed"
    if secret:
        return "a secret"
    return "–" if value in (None, "") else f"`{value}`"


if __name__ == "__main__":
    (Path(sys.argv[1]) if len(sys.argv) > 1 else FILE).write_text(page(), encoding="utf-8")
