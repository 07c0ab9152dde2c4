"""Whatever our modules can create is priced or known to be free, and real plans are priced whole."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from cloudberth.cost.estimate import estimate
from cloudberth.cost.model import Estimate
from cloudberth.cost.quantities.registry import free, priced
from cloudberth.cost.usage import Usage
from shared_rehearsals import plan_of
from thoroughness import with_thorough

ROOT = Path(__file__).resolve().parents[2]
MODULES = ROOT / "src" / "cloudberth" / "terraform"
EXAMPLES = sorted((ROOT / "examples").glob("*-*.yaml"))
RESOURCE = re.compile(r'^resource\s+"([a-z0-9_]+)"', re.MULTILINE)


def used_types() -> set[str]:
    return {kind for file in MODULES.rglob("*.tf") for kind in RESOURCE.findall(file.read_text("utf-8"))}


def test_there_are_modules_to_look_at() -> None:
    assert {"aws_vpc", "aws_lb", "aws_autoscaling_group"} <= used_types()
    assert {"azurerm_application_gateway", "google_sql_database_instance"} <= used_types()


@pytest.mark.parametrize("kind", sorted(used_types()))
def test_every_type_of_our_modules_is_priced_or_explicitly_free(kind: str) -> None:
    assert kind in priced() or kind in free()


MACHINES = ("ec2", "virtual-machines", "compute-engine")
BEST_KNOWN = {"aws": ("us-east-1", 90), "azure": ("eastus", 90), "google": ("us-central1", 95)}
"""Per cloud the region with the most prices, and the percent of fixed lines that must have one there."""


def known_share(found: Estimate) -> Decimal:
    """Percent of the lines that follow from the plan (and the size of its groups) whose price is known."""
    sized = [
        ln for ln in found.lines if ln.quantity.fixed or ln.quantity.assumptions == ("app_machines_average",)
    ]
    return Decimal(100 * sum(ln.monthly is not None for ln in sized)) / len(sized)


def price(example: Path, region: str | None = None) -> Estimate:
    """The whole way: file → workspace → real Terraform against simulated providers → plan → estimate."""
    from cloudberth import pipeline

    deployment = pipeline.read(example)
    if region is not None:
        deployment = deployment.model_copy(update={"region": region})
    plan = plan_of(deployment)
    return estimate(plan, Usage.for_size(deployment.size, deployment.usage), today=date(2026, 11, 23))


@pytest.mark.terraform
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_priced_whole(example: Path) -> None:
    found = price(example)
    assert found.unpriced_types == ()
    for line in found.unknown:
        # A price may be missing; a quantity that our own modules leave unknown may not.
        assert line.reason.startswith("no dated price"), (
            line.quantity.resource,
            line.quantity.label,
            line.reason,
        )
    machines = [line for line in found.lines if line.quantity.price.service in MACHINES]
    assert sum((line.quantity.amount for line in machines), Decimal(0)) >= 2 * 730
    components = {line.quantity.component for line in found.lines}
    assert {"compute", "balancer", "network", "storage", "logs", "secrets"} <= components


@pytest.mark.terraform
@pytest.mark.parametrize("size", with_thorough(["large"], ["small", "medium"]))
@pytest.mark.parametrize("cloud", sorted(BEST_KNOWN))
def test_fixed_costs_are_known_in_the_best_known_region(cloud: str, size: str, tmp_path: Path) -> None:
    region, least = BEST_KNOWN[cloud]
    file = tmp_path / "berth.yaml"
    file.write_text(f"name: dify\napp: dify\ncloud: {cloud}\nregion: {region}\nsize: {size}\n")
    found = price(file)
    gaps = [(line.quantity.resource, line.quantity.label) for line in found.unknown if line.quantity.fixed]
    assert known_share(found) >= least, gaps
    assert found.unpriced_types == ()
    assert found.monthly > 200


@pytest.mark.terraform
def test_in_us_east_1_the_first_example_has_no_unknown_price() -> None:
    found = price(ROOT / "examples" / "dify-aws.yaml", "us-east-1")
    assert [(line.quantity.label, line.reason) for line in found.unknown] == []
    # By hand: two machines 2 * 49.056, disks 4 + 2.40 + 2.40, database 47.45 + 3.45, cache 18.688, balancer
    # 16.425, NAT 32.85, three addresses 10.95; what is left is secrets, metrics, a key, a zone and usage.
    core = Decimal("98.112") + Decimal("8.80") + Decimal("50.90") + Decimal("18.688") + Decimal("60.225")
    kinds = ("ec2", "ebs", "rds-postgres", "rds", "elasticache-valkey", "nat-gateway", "public-ipv4", "alb")
    fixed = [
        ln for ln in found.lines if ln.quantity.fixed or ln.quantity.assumptions == ("app_machines_average",)
    ]
    priced_by_hand = [ln.monthly for ln in fixed if ln.quantity.price.service in kinds]
    assert sum((amount for amount in priced_by_hand if amount is not None), Decimal(0)) == core
    assert core < found.monthly < core * Decimal("1.25")
