"""Order, suppressions, secrets, and the page of the reference."""

from __future__ import annotations

import time
from pathlib import Path

from finding_plans import resource, sample

from cloudberth.deployment.model import Suppression
from cloudberth.findings.model import Severity
from cloudberth.findings.reference import reference_page
from cloudberth.findings.review import catalogue, review
from cloudberth.infra.plan import Plan

REFERENCE = Path(__file__).resolve().parents[2] / "docs/reference/findings.md"
OPEN = Plan(
    (
        resource(
            "module.database.aws_db_instance.main[0]", publicly_accessible=True, deletion_protection=False
        ),
        resource("aws_ebs_volume.a", type="gp2", encrypted=True),
        resource("aws_ebs_volume.b", type="gp2", encrypted=True),
    )
)


def suppress(name: str, where: str | None = None) -> Suppression:
    return Suppression(id=name, reason="Accepted until May.", resource=where)


def test_the_worst_comes_first() -> None:
    findings = review(OPEN)
    order = [list(Severity).index(finding.severity) for finding in findings]
    assert order == sorted(order)
    assert findings[0].id == "database.public"
    same = [(f.id, f.resource) for f in findings if f.severity is Severity.LOW]
    assert same == sorted(same)


def test_a_suppressed_finding_stays_with_its_reason() -> None:
    findings = review(OPEN, suppressions=[suppress("database.public")])
    marked = [finding for finding in findings if finding.suppressed]
    assert [finding.id for finding in marked] == ["database.public"]
    assert marked[0].suppressed == "Accepted until May."
    assert {f.id for f in findings} == {f.id for f in review(OPEN)}


def test_a_suppression_may_name_the_resource() -> None:
    def marked(where: str) -> list[str]:
        findings = review(OPEN, suppressions=[suppress("cost.gp2-disk", where)])
        return [finding.resource for finding in findings if finding.suppressed]

    assert marked("aws_ebs_volume.b") == ["aws_ebs_volume.b"]
    assert marked("aws_ebs_volume.*") == ["aws_ebs_volume.a", "aws_ebs_volume.b"]
    assert marked("aws_ebs_volume.c") == []


def test_keys_in_addresses_are_no_wildcards() -> None:
    address = "module.database.aws_db_instance.main[0]"
    findings = review(OPEN, suppressions=[suppress("database.public", address)])
    assert [f.resource for f in findings if f.suppressed] == [address]


def test_an_unknown_suppression_is_reported() -> None:
    findings = review(Plan(()), suppressions=[suppress("database.pubic"), suppress("cost.no-budget")])
    assert [(f.id, f.severity, f.detail) for f in findings] == [
        ("review.unknown-suppression", Severity.LOW, "There is no rule 'database.pubic'.")
    ]


def test_the_size_decides_what_is_reported() -> None:
    plan = Plan((resource("aws_nat_gateway.a"), resource("aws_budgets_budget.a", notification=[{"x": 1}])))
    zones = [resource(f"aws_subnet.{zone}", availability_zone=zone) for zone in ("a", "b")]
    both = Plan((*plan.resources, *zones))

    def severity(size: str | None) -> Severity | None:
        return next((f.severity for f in review(both, size) if f.id == "network.single-nat"), None)

    assert [severity(size) for size in ("small", "medium", "large", None)] == [
        None,
        Severity.LOW,
        Severity.MEDIUM,
        Severity.MEDIUM,
    ]


def test_no_finding_repeats_a_secret() -> None:
    marker = "mArKeR-9f3c2d7a1b"
    everywhere = sample(
        resource("aws_db_instance.a", password=marker, tags={"password": marker}),
        resource("aws_elasticache_replication_group.a", auth_token=marker),
        resource(
            "aws_launch_template.a", user_data=f"DB_PASSWORD={marker}\nURL=postgres://u:{marker}@host/db\n"
        ),
        resource("aws_ssm_parameter.a", name="/x/password", type="String", value=marker),
        resource("aws_secretsmanager_secret_version.a", secret_string=marker),
        variables={"password": marker},
        stack={
            "app/compose.yaml": "services: {api: {image: 'x:1'}}",
            "app/env/api.env": f"SECRET_KEY={marker}\nINNER_API_KEY={marker}\nA_PASSWORD={marker}\n",
        },
    )
    findings = review(everywhere.plan, stack=everywhere.stack)
    spoken = {finding.id for finding in findings}
    assert {
        "secrets.value-in-state",
        "secrets.in-user-data",
        "secrets.in-tags",
        "secrets.in-variables",
    } <= spoken
    assert {"containers.secret-in-environment", "containers.secret-key-shared"} <= spoken
    assert not any(marker in str(finding) for finding in findings)


def test_every_rule_says_what_people_need() -> None:
    for info in catalogue():
        concern, _, remark = info.id.partition(".")
        assert concern.isalpha() and remark and remark == remark.lower()
        assert len(info.title) <= 80 and not info.title.endswith(".")
        assert info.why.endswith(".") and len(info.why) > 30, info.id
        assert info.remedy, info.id
        assert set(info.by_size) <= {"small", "medium", "large"}


def test_the_page_of_the_reference_is_fresh() -> None:
    page = reference_page()
    assert REFERENCE.read_text(encoding="utf-8") == page, (
        "run: python -m cloudberth.findings.reference > docs/reference/findings.md"
    )
    assert page.count("\n### ") == len(catalogue())


def test_a_large_plan_is_reviewed_in_seconds() -> None:
    """1,200 resources in repeated modules; a rule that looks at all pairs of pairs would take minutes."""
    resources = []
    for number in range(200):
        module = f"module.tenant[{number}]."
        bucket, group = f"{module}aws_s3_bucket.files", f"{module}aws_security_group.app"
        pending = {"bucket": True, "security_group_id": True}
        resources += [
            resource(bucket),
            resource(f"{module}aws_s3_bucket_versioning.files", unknown=pending, references=[bucket]),
            resource(f"{module}aws_s3_bucket_policy.files", unknown=pending, references=[bucket]),
            resource(group),
            resource(f"{module}aws_vpc_security_group_egress_rule.a", unknown=pending, references=[group]),
            resource(f"{module}aws_db_instance.a", references=[group]),
        ]
    started = time.monotonic()
    findings = review(Plan(tuple(resources)))
    assert time.monotonic() - started < 20
    assert sum(finding.id == "storage.public-access-guard-missing" for finding in findings) == 200
