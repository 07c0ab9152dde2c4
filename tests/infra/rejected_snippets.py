"""Reads rejected_plans.hcl and rejected_applies.hcl."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Rejected:
    """words: the message holds at least one of these. text: HCL in which `#!` marks the line to be named.

    alone: it needs a plan of its own.
    """

    name: str
    words: tuple[str, ...]
    text: str
    alone: bool

    def __str__(self) -> str:
        return self.name


def read(file: str) -> list[Rejected]:
    cases = []
    for part in (Path(__file__).parent / file).read_text().split("\n## ")[1:]:
        name, *lines = part.splitlines()
        words = tuple(line.removeprefix("#= ") for line in lines if line.startswith("#= "))
        text = "\n".join(line for line in lines if not line.startswith(("#= ", "#@ ")))
        cases.append(Rejected(name, words, text + "\n", "#@ alone" in lines))
    return cases


PLANS = read("rejected_plans.hcl")
APPLIES = read("rejected_applies.hcl")


def marked_line(text: str) -> int:
    """Number of the line with the mark; 0 when there is none."""
    return next((number for number, line in enumerate(text.splitlines(), 1) if "#!" in line), 0)
