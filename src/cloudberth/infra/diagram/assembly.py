"""Parts of a picture that are put together the same way on every cloud."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from cloudberth.infra.diagram.catalog import Catalog
from cloudberth.infra.diagram.drawn import Drawn, Spot, addresses, counted, label_of
from cloudberth.infra.diagram.links import Links, text_of
from cloudberth.infra.diagram.model import Node, Place, Role
from cloudberth.infra.diagram.words import other_resources
from cloudberth.infra.plan import Plan, Resource

USERS = "users"
INTERNET = "internet"
_NOTED = 8
"""Kinds of settings that the note under the picture names."""


def outside(ranges: Sequence[str], *, entry: bool, exit_: bool) -> Iterator[Drawn]:
    """Users where there is a way in, the Internet where there is a way out."""
    if entry:
        anywhere = any(one in ("0.0.0.0/0", "::/0", "*") for one in ranges)
        captions = ("from anywhere",) if anywhere or not ranges else _ranges(ranges)
        yield Drawn(Node(USERS, Role.USERS, "Users", Place.OUTSIDE, captions, detail="\n".join(ranges)), ())
    if exit_:
        yield Drawn(Node(INTERNET, Role.INTERNET, "Internet", Place.OUTSIDE, ("outbound only",)), ())


def _ranges(ranges: Sequence[str]) -> tuple[str, ...]:
    more = f"and {counted(len(ranges) - 1, 'more range')}" if len(ranges) > 1 else ""
    return f"from {ranges[0]}", more


def by_kind(links: Links, catalog: Catalog, spot: Callable[[Resource], Spot]) -> Iterator[Drawn]:
    """Types that need no special knowledge: instances of one block are one node.

    spot: where in the network a resource stands.
    """
    for kind, known in catalog.kinds.items():
        blocks: dict[tuple[str, str], list[Resource]] = {}
        for one in links.of_type(kind):
            blocks.setdefault((one.module, one.name), []).append(one)
        if known.place is not Place.ZONES:
            together = tuple(one for same in blocks.values() for one in same)
            if together:
                count = f"{len(together)} in all" if len(together) > 1 else label_of(links, together[0])
                yield Drawn(
                    Node(kind, known.role, known.title, known.place, (count,), detail=addresses(together)),
                    together,
                )
            continue
        for same in blocks.values():
            yield _in_zones(links, catalog, spot, same)


def _in_zones(
    links: Links, catalog: Catalog, spot: Callable[[Resource], Spot], same: Sequence[Resource]
) -> Drawn:
    first, known = same[0], catalog.kinds[same[0].type]
    spots = [spot(one) for one in same]
    tier = next((one.tier for one in spots if one.tier), known.tier)
    zones = sorted({zone for one in spots for zone in one.zones})
    size = text_of(first.values, *catalog.sizes)
    captions = (
        label_of(links, first),
        f"{len(same)} × {size}" if size else counted(len(same), "instance") if len(same) > 1 else "",
    )
    node = Node(
        first.address, known.role, known.title, Place.ZONES, captions, tier, tuple(zones), addresses(same)
    )
    return Drawn(node, tuple(same))


def _left(plan: Plan, catalog: Catalog, drawn: Sequence[Drawn]) -> list[Resource]:
    shown = {one.address for item in drawn for one in item.resources}
    return [one for one in plan.managed() if one.address not in shown and one.type not in catalog.ground]


def rest(plan: Plan, catalog: Catalog, drawn: Sequence[Drawn]) -> tuple[Node, ...]:
    """One node for everything of a type that the cloud's folder does not know."""
    unknown = [one for one in _left(plan, catalog, drawn) if not catalog.setting(one.type)]
    return (other_resources(unknown),) if unknown else ()


def notes(plan: Plan, catalog: Catalog, drawn: Sequence[Drawn]) -> tuple[str, ...]:
    """What is in the plan and not in the picture, counted."""
    left = _left(plan, catalog, drawn)
    counts = Counter(words for one in left if (words := catalog.setting(one.type)))
    if not plan.resources:
        return ("The plan holds no resources.",)
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    parts = ", ".join(f"{words} ({count})" for words, count in most[:_NOTED])
    if len(most) > _NOTED:
        parts += f", other settings ({sum(count for _, count in most[_NOTED:])})"
    return (f"Not drawn: {parts}.",) if parts else ()
