"""Which cloud draws a plan: the one that most of its resources belong to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from cloudberth.infra.diagram.aws import picture_of as aws_picture
from cloudberth.infra.diagram.azurerm import picture_of as azure_picture
from cloudberth.infra.diagram.google import picture_of as google_picture
from cloudberth.infra.diagram.model import Picture
from cloudberth.infra.diagram.words import other_resources, subtitle_of, title_of
from cloudberth.infra.plan import Plan

_PICTURES: dict[str, Callable[[Plan], Picture]] = {
    "aws": aws_picture,
    "azurerm": azure_picture,
    "google": google_picture,
}
"""Prefix of the resource types → the cloud's way from a plan to a picture."""


def picture_of(plan: Plan) -> Picture:
    """What the plan shows. Resources of clouds that nobody draws yet are counted."""
    prefixes = Counter(resource.type.partition("_")[0] for resource in plan.managed())
    known = [prefix for prefix, _ in prefixes.most_common() if prefix in _PICTURES]
    return _PICTURES[known[0]](plan) if known else _counted(plan)


def _counted(plan: Plan) -> Picture:
    resources = tuple(plan.managed())
    return Picture(
        title=title_of(plan),
        subtitle=subtitle_of(plan),
        account="Account",
        region=f"Region {plan.region}".strip(),
        nodes=(other_resources(resources),) if resources else (),
        notes=() if resources else ("The plan holds no resources.",),
    )
