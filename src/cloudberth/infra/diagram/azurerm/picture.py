"""An Azure plan as a picture: the nodes, the arrows, and what is left out."""

from __future__ import annotations

from collections.abc import Sequence

from cloudberth.infra.diagram.assembly import by_kind, notes, outside, rest
from cloudberth.infra.diagram.azurerm import compute, services, stores, traffic
from cloudberth.infra.diagram.azurerm.catalog import CATALOG
from cloudberth.infra.diagram.azurerm.ground import ground_of
from cloudberth.infra.diagram.crowd import thin_out
from cloudberth.infra.diagram.drawn import Drawn
from cloudberth.infra.diagram.links import Links, text_of
from cloudberth.infra.diagram.model import Picture, Role
from cloudberth.infra.diagram.words import subtitle_of, title_of
from cloudberth.infra.plan import Plan


def picture_of(plan: Plan) -> Picture:
    """What the plan makes on Azure, with everything that it says about places, sizes and traffic."""
    links = Links(plan)
    ground = ground_of(links)
    copied = [*stores.databases(links, ground), *stores.caches(links, ground)]
    drawn = [
        *services.account_services(links),
        *compute.balancers(links, ground),
        *compute.gateways(links, ground),
        *compute.groups(links, ground),
        *(item for item, _ in copied),
        *compute.endpoints(links, tuple(one for item, _ in copied for one in item.resources)),
        *services.region_services(links),
        *by_kind(links, CATALOG, lambda one: ground.spot(links, one)),
    ]
    drawn = [*_outside(links, drawn), *drawn]
    found = [*traffic.edges(links, drawn), *(edge for _, edge in copied if edge)]
    nodes, edges = thin_out([*(item.node for item in drawn), *rest(plan, CATALOG, drawn)], found)
    return Picture(
        title=title_of(plan),
        subtitle=subtitle_of(plan),
        account=_account(plan),
        region=f"Region {plan.region}".strip(),
        network=ground.title,
        zones=ground.zones,
        subnets=ground.subnets,
        nodes=nodes,
        edges=edges,
        notes=notes(plan, CATALOG, drawn),
    )


def _account(plan: Plan) -> str:
    """Subscription and resource group; the number of a simulated subscription says nothing."""
    configs = (one for one in plan.resources if one.type == "azurerm_client_config")
    known = "" if plan.rehearsal else next((text_of(one.values, "subscription_id") for one in configs), "")
    groups = [text_of(one.values, "name") for one in plan.managed() if one.type == "azurerm_resource_group"]
    group = f", resource group {groups[0]}" if len(groups) == 1 and groups[0] else ""
    return f"Azure subscription {known}".strip() + group


def _outside(links: Links, drawn: Sequence[Drawn]) -> list[Drawn]:
    """Users where there is a way in, the Internet where there is a way out."""
    roles = {item.node.role for item in drawn}
    return list(
        outside(
            traffic.public_ranges(links, drawn),
            entry=bool(roles & {Role.BALANCER, Role.CDN}),
            exit_=Role.NAT in roles,
        )
    )
