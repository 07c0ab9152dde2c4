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
    replaced: dict[str, str] = {}
    kept: list[Node] = []
    for (place, tier, zones), crowd in crowds.items():
        most = _MOST.get(place, len(crowd))
        if len(crowd) <= most:
            kept += crowd
            continue
        shown, merged = crowd[: most - 1], crowd[most - 1 :]
        many = _merged(merged, place, tier, zones)
        replaced.update({node.id: many.id for node in merged})
        kept += [*shown, many]
    order = {node.id: index for index, node in enumerate(nodes)}
    kept.sort(key=lambda node: order.get(node.id, len(order)))
    return tuple(kept), _led(edges, replaced)


def _merged(nodes: Sequence[Node], place: Place, tier: Tier | None, zones: tuple[str, ...]) -> Node:
    titles = list(dict.fromkeys(node.title for node in nodes))
    captions = (", ".join(titles[:2]), f"and {len(titles) - 2} more kinds" if len(titles) > 2 else "")
    detail = "\n".join(node.detail.partition("\n")[0] or node.title for node in nodes[:20])
    roles = {node.role for node in nodes}
    role = nodes[0].role if len(roles) == 1 else Role.OTHER
    title = f"{len(nodes)} more" if place is not Place.GATEWAY else f"{len(nodes)} gateways"
    return Node(f"more:{nodes[0].id}", role, title, place, captions, tier, zones, detail)


def _led(edges: Iterable[Edge], replaced: dict[str, str]) -> tuple[Edge, ...]:
    led: dict[Edge, None] = {}
    for edge in edges:
        source, target = replaced.get(edge.source, edge.source), replaced.get(edge.target, edge.target)
        if source != target:
            led.setdefault(Edge(source, target, edge.traffic, edge.label, edge.both))
    return tuple(led)
