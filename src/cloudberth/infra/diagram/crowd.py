"""Keeps a picture readable however large the plan is: what is too many becomes one counted node."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cloudberth.infra.diagram.model import Edge, Node, Place, Role, Tier

_MOST = {
    Place.ZONES: 4,
    Place.REGION: 11,
    Place.ACCOUNT: 5,
    Place.ENTRY: 2,
    Place.GATEWAY: 1,
    Place.ENDPOINT: 3,
}
"""Nodes that one place shows; in the network for each tier and set of zones."""


def thin_out(nodes: Sequence[Node], edges: Iterable[Edge]) -> tuple[tuple[Node, ...], tuple[Edge, ...]]:
    """The nodes with the excess of each place merged, and the edges led to what is left, each once."""
    crowds: dict[tuple[Place, Tier | None, tuple[str, ...]], list[Node]] = {}
    for node in nodes:
        crowds.setdefault((node.place, node.tier, node.zones), []).append(node)
    order = {node.id: index for index, node in enumerate(nodes)}
    replaced: dict[str, str] = {}
    kept: list[Node] = []
    for crowd in crowds.values():
        most = _MOST.get(crowd[0].place, len(crowd))
        while len(crowd) > most:
            merged = _most_alike(crowd) or crowd[most - 1 :]
            many = _merged(merged)
            order[many.id] = order[merged[0].id]
            replaced = {
                one: many.id if last in {node.id for node in merged} else last
                for one, last in replaced.items()
            }
            replaced.update({node.id: many.id for node in merged})
            crowd = [*(node for node in crowd if node not in merged), many]
        kept += crowd
    kept.sort(key=lambda node: order[node.id])
    return tuple(kept), _led(edges, replaced)


def _most_alike(crowd: Sequence[Node]) -> list[Node]:
    """The largest number of nodes of one role and title; none where all differ."""
    alike: dict[tuple[Role, str], list[Node]] = {}
    for node in crowd:
        alike.setdefault((node.role, node.title), []).append(node)
    largest = max(alike.values(), key=len)
    return largest if len(largest) > 1 else []


def _merged(nodes: Sequence[Node]) -> Node:
    """One node for several, in the place of the first."""
    first = nodes[0]
    titles = list(dict.fromkeys(node.title for node in nodes))
    title = f"{len(nodes)} × {titles[0]}" if len(titles) == 1 else f"{len(nodes)} more"
    facts = (
        titles
        if len(titles) > 1
        else list(dict.fromkeys(node.captions[0] for node in nodes if node.captions))
    )
    captions = (*facts[:2], f"and {len(facts) - 2} more" if len(facts) > 2 else "")
    detail = "\n".join(node.detail.partition("\n")[0] or node.title for node in nodes[:20])
    role = first.role if len({node.role for node in nodes}) == 1 else Role.OTHER
    return Node(f"more:{first.id}", role, title, first.place, captions, first.tier, first.zones, detail)


def _led(edges: Iterable[Edge], replaced: dict[str, str]) -> tuple[Edge, ...]:
    led: dict[Edge, None] = {}
    for edge in edges:
        source, target = replaced.get(edge.source, edge.source), replaced.get(edge.target, edge.target)
        if source != target:
            led.setdefault(Edge(source, target, edge.traffic, edge.label, edge.both))
    return tuple(led)
