"""CONTRACT.md as a value: what every cloud's root must look like."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import cloudberth

TERRAFORM = Path(cloudberth.__file__).parent / "terraform"
CLOUDS = tuple(sorted(path.name for path in TERRAFORM.iterdir() if (path / "main.tf").exists()))


@dataclass(frozen=True)
class Contract:
    """variables: name → type as HCL writes it. outputs: of the root. module_outputs: of each module.

    additional: outputs that a module of one cloud may have besides, as (cloud, module) → names.
    """

    modules: tuple[str, ...]
    variables: dict[str, str]
    outputs: tuple[str, ...]
    module_outputs: dict[str, tuple[str, ...]]
    additional: dict[tuple[str, str], tuple[str, ...]]


def contract() -> Contract:
    text = (TERRAFORM / "CONTRACT.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (.+)\n((?:(?!^## ).*\n?)*)", text, re.MULTILINE))
    rows = {
        title: re.findall(r"^\| `?(\w+)`? \| (.+) \|$", body, re.MULTILINE)
        for title, body in sections.items()
    }
    types = {
        name: re.match(r"(.+?)(?:, (?:null =|`\^)| – |$)", cell)
        for name, cell in rows["Root variables"]
        if name != "variable"
    }
    return Contract(
        modules=tuple(_names(sections["Root modules (in order)"])[0].split()),
        variables={name: match[1] for name, match in types.items() if match},
        outputs=tuple(name for name, _ in rows["Root outputs"] if name != "output"),
        module_outputs={name: _names(cell) for name, cell in rows["Module interface"] if name != "module"},
        additional={
            (cloud, module): _names(cell)
            for cloud, module, cell in re.findall(
                r"^\| (\w+) \| (\w+) \| (.+) \|$", sections["Additional outputs"], re.MULTILINE
            )
            if cloud != "cloud"
        },
    )


def _names(cell: str) -> tuple[str, ...]:
    """Names between back quotes."""
    return tuple(re.findall(r"`([^`]+)`", cell))
