"""An AWS plan as a picture: the nodes, the arrows, and what is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from cloudberth.infra.diagram.aws import compute, services, stores, traffic
from cloudberth.infra.diagram.aws.catalog import KINDS, SETTINGS
from cloudberth.infra.diagram.aws.drawn import Drawn, addresses, counted, label_of
from cloudberth.infra.diagram.aws.subnets import Ground, ground_of
from cloudberth.infra.diagram.crowd import thin_out
from cloudberth.infra.diagram.links import Links, text_of
from cloudberth.infra.diagram.model import Node, Picture, Place, Role, Tier
from cloudberth.infra.diagram.words import other_resources, subtitle_of, title_of
from cloudberth.infra.plan import Plan, Resource

_NOTED = 8
"""Kinds of settings that the note under the picture names."""


def picture_of(plan: Plan) -> Picture:
    """What the plan makes on AWS, with everything that it says about places, sizes and traffic."""
    links = Links(plan)
    ground = ground_of(links)
    copied = [*stores.databases(links, ground), *stores.caches(links, ground)]
    drawn = [
        *services.account_services(links),
        *compute.balancers(links, ground),
        *compute.gateways(links, ground),
        *compute.groups(links, ground),
        *(item for item, _ in copied),
        *compute.endpoints(links),
        *services.region_services(links),
        *_by_kind(links, ground),
    ]
    drawn = [*_outside(links, drawn), *drawn]
    rest = _rest(plan, drawn)
    found = [*traffic.edges(links, drawn), *(edge for _, edge in copied if edge)]
    nodes, edges = thin_out([*(item.node for item in drawn), *rest], found)
    return Picture(
        title=title_of(plan),
        subtitle=subtitle_of(plan),
        account=f"AWS account {_account(plan)}".strip(),
        region=f"Region {plan.region}".strip(),
        network=ground.title,
        zones=ground.zones,
        subnets=ground.subnets,
        nodes=nodes,
        edges=edges,
        notes=_notes(plan, drawn),
    )


def _account(plan: Plan) -> str:
    """The account's number; a simulated one says nothing."""
    if plan.rehearsal:
        return ""
    known = (text_of(one.values, "account_id") for one in plan.resources if one.type == "aws_caller_identity")
    return next((one for one in known if one), "")


def _outside(links: Links, drawn: Sequence[Drawn]) -> Iterator[Drawn]:
    """Users where there is a way in, the Internet where there is a way out."""
    entries = [item for item in drawn if item.node.role in (Role.BALANCER, Role.CDN)]
    if entries:
        ranges = traffic.public_ranges(links, drawn)
        anywhere = any(one in ("0.0.0.0/0", "::/0") for one in ranges)
        captions = ("from anywhere",) if anywhere or not ranges else _ranges(ranges)
        node = Node(traffic.USERS, Role.USERS, "Users", Place.OUTSIDE, captions, detail="\n".join(ranges))
        yield Drawn(node, ())
    doors = [item for item in drawn if item.node.role is Role.GATEWAY]
    if doors and any(item.node.role is Role.NAT or item.node.tier is Tier.PUBLIC for item in drawn):
        yield Drawn(Node(traffic.INTERNET, Role.INTERNET, "Internet", Place.OUTSIDE, ("outbound only",)), ())


def _ranges(ranges: Sequence[str]) -> tuple[str, ...]:
    more = f"and {counted(len(ranges) - 1, 'more range')}" if len(ranges) > 1 else ""
    return f"from {ranges[0]}", more


def _by_kind(links: Links, ground: Ground) -> Iterator[Drawn]:
    """Types that need no special knowledge: instances of one block are one node."""
    for kind, known in KINDS.items():
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
            yield _in_zones(links, ground, same)


def _in_zones(links: Links, ground: Ground, same: Sequence[Resource]) -> Drawn:
    first, known = same[0], KINDS[same[0].type]
    spots = [ground.spot(links, one) for one in same]
    tier = next((spot.tier for spot in spots if spot.tier), known.tier)
    zones = {zone for spot in spots for zone in spot.zones}
    size = text_of(first.values, "instance_type", "node_type", "instance_class", "launch_type")
    label = label_of(links, first)
    captions = (
        label,
        f"{len(same)} × {size}" if size else counted(len(same), "instance") if len(same) > 1 else "",
    )
    node = Node(
        first.address,
        known.role,
        known.title,
        Place.ZONES,
        captions,
        tier,
        tuple(zone for zone in ground.zones if zone in zones),
        addresses(same),
    )
    return Drawn(node, tuple(same))


def _setting(kind: str) -> str:
    return next((words for prefix, words in SETTINGS if kind.startswith(prefix)), "")


def _left(plan: Plan, drawn: Sequence[Drawn]) -> list[Resource]:
    shown = {one.address for item in drawn for one in item.resources}
    ground = {"aws_vpc", "aws_subnet", "aws_default_vpc", "aws_default_subnet", "aws_rds_cluster_instance"}
    return [one for one in plan.managed() if one.address not in shown and one.type not in ground]


def _rest(plan: Plan, drawn: Sequence[Drawn]) -> tuple[Node, ...]:
    """One node for everything of a type that this file does not know."""
    unknown = [one for one in _left(plan, drawn) if not _setting(one.type)]
    return (other_resources(unknown),) if unknown else ()


def _notes(plan: Plan, drawn: Sequence[Drawn]) -> tuple[str, ...]:
    """What is in the plan and not in the picture, counted."""
    counts = Counter(words for one in _left(plan, drawn) if (words := _setting(one.type)))
    if not plan.resources:
        return ("The plan holds no resources.",)
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    parts = ", ".join(f"{words} ({count})" for words, count in most[:_NOTED])
    if len(most) > _NOTED:
        parts += f", other settings ({sum(count for _, count in most[_NOTED:])})"
    return (f"Not drawn: {parts}.",) if parts else ()
