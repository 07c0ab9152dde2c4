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

ROOT = Path(__file__).resolve().parents[2]
MODULES = ROOT / "src" / "cloudberth" / "terraform"
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
RESOURCE = re.compile(r'^resource\s+"([a-z0-9_]+)"', re.MULTILINE)


def used_types() -> set[str]:
    return {kind for file in MODULES.rglob("*.tf") for kind in RESOURCE.findall(file.read_text("utf-8"))}


def test_there_are_modules_to_look_at() -> None:
    assert {"aws_vpc", "aws_lb", "aws_autoscaling_group"} <= used_types()


@pytest.mark.parametrize("kind", sorted(used_types()))
def test_every_type_of_our_modules_is_priced_or_explicitly_free(kind: str) -> None:
    assert kind in priced() or kind in free()


def price(example: Path, region: str | None = None) -> Estimate:
    """The whole way: file → workspace → real Terraform against simulated providers → plan → estimate."""
    from cloudberth import pipeline

    deployment = pipeline.read(example)
    if region is not None:
        deployment = deployment.model_copy(update={"region": region})
    plan = pipeline.rehearse_plan(deployment)
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
    machines = [line for line in found.lines if line.quantity.price.service == "ec2"]
    assert sum((line.quantity.amount for line in machines), Decimal(0)) >= 2 * 730
    assert found.monthly > 100
    components = {line.quantity.component for line in found.lines}
    assert {"compute", "balancer", "network", "storage", "logs", "secrets"} <= components


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
