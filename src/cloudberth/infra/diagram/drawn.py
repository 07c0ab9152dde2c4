"""A node together with the resources it stands for, and the words that nodes share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cloudberth.infra.diagram.links import Links, text_of
from cloudberth.infra.diagram.model import Node, Tier
from cloudberth.infra.plan import Resource

_WORD = re.compile(r"[a-z0-9]+")
_GENERIC = {"this", "main", "default", "self", "that", "group", "instance", "cluster", "resource"}


@dataclass(frozen=True, slots=True)
class Spot:
    """Where something stands: a tier, or None where the plan does not tell, and the zones."""

    tier: Tier | None
    zones: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Drawn:
    """resources: the ones the node shows, the one that decides where traffic goes first."""

    node: Node
    resources: tuple[Resource, ...]


def number(value: object) -> str:
    """A figure without a useless decimal point; ``?`` where it is not known."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "?"
    return f"{value:g}"


def span(low: object, high: object) -> str:
    """``2–6``, or ``2`` when both are the same."""
    first, last = number(low), number(high)
    return first if first == last else f"{first}–{last}"


def counted(count: int, one: str, many: str = "") -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"


def some(words: Sequence[str], most: int) -> str:
    """The first words, and how many more there are."""
    shown = ", ".join(words[:most])
    return shown + (f" and {len(words) - most} more" if len(words) > most else "")


def addresses(resources: Iterable[Resource], most: int = 6) -> str:
    """Terraform addresses, for tooltips."""
    known = [one.address for one in resources]
    return "\n".join(known[:most]) + (f"\nand {len(known) - most} more" if len(known) > most else "")


def label_of(links: Links, resource: Resource) -> str:
    """What the author called it: the resource's own name, else its key, else its name in the cloud."""
    if resource.name not in _GENERIC:
        return resource.name.replace("_", " ")
    if isinstance(resource.key, str):
        return resource.key
    named = text_of(resource.values, "name", "identifier", "function_name") or str(
        resource.get("tags.Name", "")
    )
    return named.removeprefix(links.plan.name).strip("-_ ") if links.plan.name else named


def titled(words: str, fallback: str) -> str:
    """With a capital, or the fallback where there are no words."""
    return words[:1].upper() + words[1:] if words else fallback


def mentioned(
    resource: Resource, candidates: Sequence[Drawn], *, described: bool = True
) -> tuple[Drawn, ...]:
    """The candidates that the resource's key, name or (described) description calls by name."""
    said = (
        str(resource.key or ""),
        resource.name,
        text_of(resource.values, "description") if described else "",
    )
    for words in (" ".join(said[:2]), said[2]):
        parts = set(_WORD.findall(words.lower()))
        found = tuple(one for one in candidates if parts & _calls(one))
        if found:
            return found
    return ()


def _calls(item: Drawn) -> set[str]:
    """Words that a node is called by: the names and keys of its first resource."""
    first = item.resources[0]
    return {
        word
        for said in (first.name, str(first.key or ""))
        for word in _WORD.findall(said.lower())
        if word not in _GENERIC and not word.isdigit()
    }
