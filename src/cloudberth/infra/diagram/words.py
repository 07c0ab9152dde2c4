"""Words of a picture that are the same on every cloud."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from cloudberth.infra.diagram.model import Node, Place, Role
from cloudberth.infra.plan import Plan, Resource


def title_of(plan: Plan) -> str:
    """The deployment's name."""
    named = plan.name or plan.variables.get("name")
    return named if isinstance(named, str) and named else "Terraform plan"


def subtitle_of(plan: Plan) -> str:
    """Where the picture comes from: a rehearsal says so, with the versions of the schemas."""
    versions = ", ".join(
        f"{source.rpartition('/')[2]} {version}"
        for source, version in sorted(plan.providers.items())
        if version
    )
    count = sum(1 for _ in plan.managed())
    many = f"{count} resource{'' if count == 1 else 's'}"
    if plan.rehearsal:
        facts = f"schemas {versions}, {many}" if versions else many
        return f"Terraform plan rehearsed with simulated providers ({facts})"
    return f"Terraform plan ({f'{versions}, ' if versions else ''}{many})"


def other_resources(resources: Sequence[Resource]) -> Node:
    """One node that counts what the picture has no place for."""
    counts = Counter(one.type for one in resources)
    shown = [
        f"{count} × {kind}" for kind, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]
    captions = (*shown[:2], f"and {len(shown) - 2} more types" if len(shown) > 3 else "".join(shown[2:3]))
    return Node("other", Role.OTHER, "Other resources", Place.REGION, captions, detail="\n".join(shown[:40]))
