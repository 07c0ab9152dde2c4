"""The pages of the reference about storage types: ``python -m cloudberth.storage.documentation [FOLDER]``.

What code knows is read from it: variables, defaults and secrets from the settings, abilities and limits from
the capabilities of a backend that is opened (opening makes no request). What only people know stands in
``facts/<type>.yaml``. A test holds the pages in docs/reference/storage to both.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from cloudberth.errors import InvalidInput
from cloudberth.storage.contract import GIB, KIB, MIB, TIB, Capabilities, Listing
from cloudberth.storage.options import Options
from cloudberth.storage.registry import BACKENDS, backend_class
from cloudberth.storage.settings import Settings

MADE = "<!-- Made by `python -m cloudberth.storage.documentation`; a test keeps it fresh. -->"
FOLDER = Path("docs/reference/storage")
INDEX = "README.md"


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Authentication(Strict):
    """One way to prove who we are. when: what has to be set, or be there."""

    mode: str
    when: str


class Policy(Strict):
    """The least that has to be allowed. name: what the vendor calls it. text: in its language."""

    name: str
    language: str
    text: str
    note: str = ""


class Remark(Strict):
    """Something about a vendor that surprises. source: where it is written, or how it was seen."""

    says: str
    source: str


class Facts(Strict):
    """What stands in facts/<type>.yaml.

    dify: names of Dify's own settings. example: variables of an `.env` that opens. extra: of the package,
    None when the type needs none. proof: words of the rigs; proved: what they do and do not show.
    """

    title: str
    summary: str
    location: str
    example: dict[str, str]
    dify: tuple[str, ...]
    extra: str | None = None
    extra_for: str = ""
    authentication: tuple[Authentication, ...]
    keys: tuple[str, ...]
    policy: tuple[Policy, ...]
    proof: tuple[str, ...]
    proved: str
    remarks: tuple[Remark, ...] = ()


def facts_of(type_id: str) -> Facts:
    """The data file of a type."""
    file = resources.files("cloudberth.storage") / "facts" / f"{type_id}.yaml"
    return Facts.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))


def capabilities_of(type_id: str) -> Capabilities:
    """Those of a backend that is opened with the example of its page."""
    kind = backend_class(type_id)
    backend = kind.open(kind.settings.from_environment(facts_of(type_id).example), Options())
    try:
        return backend.capabilities
    finally:
        backend.close()


# -- a page --------------------------------------------------------------------------------------------------


def page(type_id: str) -> str:
    """One type, as Markdown."""
    facts = facts_of(type_id)
    settings = backend_class(type_id).settings
    sections = (
        _head(type_id, facts),
        _settings(settings, facts),
        _authentication(facts),
        _abilities(capabilities_of(type_id)),
        _keys(facts),
        _policies(facts),
        _proof(facts),
        _remarks(facts),
    )
    return "\n".join(line for section in sections for line in section).rstrip() + "\n"


def _head(type_id: str, facts: Facts) -> Iterator[str]:
    yield from (f"# {facts.title} (`{type_id}`)", "", MADE, "", facts.summary.strip(), "")
    if facts.extra:
        yield f"Needs `pip install 'cloudberth[{facts.extra}]'` {facts.extra_for}".rstrip(". ") + "."
    else:
        yield "Needs nothing besides the package itself."
    yield from ("", "```console", f"$ berth storage ls '{facts.location}'", "```", "")
    yield from ("or, as Dify's `.env`:", "", "```ini", f"STORAGE_TYPE={type_id}")
    yield from (f"{name}={value}" for name, value in facts.example.items())
    yield from ("```", "")


def _settings(settings: type[Settings], facts: Facts) -> Iterator[str]:
    yield from ("## Settings", "")
    yield "A setting is a variable, or stands in the query of a location; secrets are variables only."
    yield from ("", "| variable | in a location | default | |", "|---|---|---|---|")
    secrets = settings.secret_fields()
    for name, field in settings.model_fields.items():
        if field.alias is None and name in {"prefix", "arguments"}:
            continue
        yield _setting(name, field, facts, secret=name in secrets)
    yield ""


def _setting(name: str, field: FieldInfo, facts: Facts, *, secret: bool) -> str:
    variable = f"`{field.alias}`" if field.alias else ""
    query = "" if secret else ("the place" if name == "bucket" else f"`{name}`")
    said = [field.description.strip()] if field.description else []
    if secret:
        said.append("**secret**")
    if field.alias and field.alias not in facts.dify and not any("Dify's" in text for text in said):
        said.append("not one of Dify's")
    return f"| {variable} | {query} | {_default(field)} | {_cell('; '.join(said))} |"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    value: Any = field.default
    if value in (None, "", PydanticUndefined) or "SecretStr" in type(value).__name__:
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _authentication(facts: Facts) -> Iterator[str]:
    yield from ("## Authentication", "", "The first of these that is there:", "")
    yield from (f"{number}. **{one.mode}**: {one.when}" for number, one in enumerate(facts.authentication, 1))
    yield ""


def _abilities(has: Capabilities) -> Iterator[str]:
    yield from ("## What it can do", "", "| | |", "|---|---|")
    for name, value in abilities(has):
        yield f"| {name} | {value} |"
    yield ""


def abilities(has: Capabilities) -> Iterator[tuple[str, str]]:
    """Capabilities in words."""
    yield "largest object in one request", size(has.max_put)
    if has.multipart:
        parts = f"up to {has.max_parts:,} parts of {size(has.part_min)} to {size(has.part_max)}"
        yield "multipart upload", parts
    else:
        yield "multipart upload", "no"
    yield "copy on the server", f"up to {size(has.copy_max)} at once" if has.copy_max else "no"
    words = {"absent": "only if there is none", "match": "only over a given etag"}
    yield "conditional write", ", ".join(words[name] for name in sorted(has.conditional)) or "no"
    yield "signed URLs", ", ".join(sorted(has.presign)) or "no"
    yield "user metadata", "yes" if has.metadata else "no"
    yield "content type and other headers", "yes" if has.attributes else "no"
    yield "storage classes", ", ".join(f"{tier} (`{name}`)" for tier, name in has.classes.items()) or "no"
    yield "order of a list", "bytes of the key" if has.listing is Listing.BYTES else "none"
    yield "checksum that `head` tells of every object put in one request", has.checksum or "none"


def size(count: int) -> str:
    """Bytes in the largest unit in which they are a whole number, else in the largest of all."""
    units = ((TIB, "TiB"), (GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB"))
    for unit, name in units:
        if count >= unit and count % unit == 0:
            return f"{count // unit:,} {name}"
    for unit, name in units:
        if count >= unit:
            return f"{count / unit:.4g} {name}"
    return f"{count} byte{'' if count == 1 else 's'}"


def _keys(facts: Facts) -> Iterator[str]:
    yield from ("## Keys", "")
    yield "Keys are text of 1 to 1,024 bytes as UTF-8, without a NUL. They are never changed: one that a"
    if not facts.keys:
        yield "store cannot hold as it is, is refused: `a//b`, `/a`, `a/../b` and `dir/` are ordinary keys."
        yield ""
        return
    yield from ("store cannot hold as it is, is refused. Here:", "")
    yield from (f"- {text}" for text in facts.keys)
    yield ""


def _policies(facts: Facts) -> Iterator[str]:
    yield from ("## Least privilege", "")
    for policy in facts.policy:
        yield from (f"{policy.name}:", "", f"```{policy.language}", policy.text.strip(), "```", "")
        if policy.note:
            yield from (policy.note.strip(), "")


def _proof(facts: Facts) -> Iterator[str]:
    yield from ("## How it is proved", "")
    yield "".join(f"**{word[0].upper()}{word[1:]}.** " for word in facts.proof) + facts.proved.strip()
    yield from ("", "Every operation with its proof: [storage-support](../storage-support.md).", "")


def _remarks(facts: Facts) -> Iterator[str]:
    if facts.remarks:
        yield from ("## Good to know", "")
        yield from (f"- {remark.says.strip()} *({remark.source.strip()})*" for remark in facts.remarks)
        yield ""


# -- all of them ---------------------------------------------------------------------------------------------


def index(types: Sequence[str]) -> str:
    """The page that lists the types."""
    lines = ["# Storage types", "", MADE, ""]
    lines += [
        "One contract for all of them: the same operations, keys and errors. `STORAGE_TYPE` and the names of "
        "the settings are Dify's.",
        "",
        "| `STORAGE_TYPE` | | location | proved |",
        "|---|---|---|---|",
    ]
    for type_id in types:
        facts = facts_of(type_id)
        cells = (f"[`{type_id}`]({type_id}.md)", facts.title, f"`{_cell(facts.location)}`")
        lines.append(f"| {' | '.join(cells)} | {'; '.join(facts.proof)} |")
    return "\n".join(lines) + "\n"


def pages(types: Sequence[str] = tuple(BACKENDS)) -> dict[str, str]:
    """Every page by the name of its file."""
    return {INDEX: index(types), **{f"{type_id}.md": page(type_id) for type_id in types}}


def main(folder: Path = FOLDER) -> None:
    """Write the pages."""
    if not folder.is_dir():
        raise InvalidInput("is no folder", where=str(folder))
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:2]))
