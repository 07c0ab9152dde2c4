"""What belongs to what: by value, by reference, by instance."""

from __future__ import annotations

import pytest
from finding_plans import resource

from cloudberth.findings.context import Companions, Context
from cloudberth.findings.references import base
from cloudberth.infra.plan import Plan, Resource

VERSIONING = "aws_s3_bucket_versioning"


def companions(owner: Resource, *others: Resource) -> Companions:
    return Context(Plan((owner, *others))).companions(owner, (VERSIONING,), "bucket")


def test_by_value() -> None:
    owner = resource("aws_s3_bucket.a", bucket="files", unknown={"id": True})
    assert companions(owner, resource(f"{VERSIONING}.a", bucket="files")).found
    assert companions(owner, resource(f"{VERSIONING}.a", bucket="other")).missing


def test_by_reference() -> None:
    owner = resource("aws_s3_bucket.a")
    other = resource("aws_s3_bucket.b")
    pending = {"bucket": True}
    own = resource(f"{VERSIONING}.a", unknown=pending, references=["aws_s3_bucket.a"])
    foreign = resource(f"{VERSIONING}.b", unknown=pending, references=["aws_s3_bucket.b"])
    assert companions(owner, other, own, foreign) == Companions((own,), uncertain=False)
    assert companions(owner, other, foreign).missing


def test_uncertain_is_not_missing() -> None:
    answer = companions(resource("aws_s3_bucket.a"), resource(f"{VERSIONING}.x", unknown={"bucket": True}))
    assert answer.uncertain and not answer.found and not answer.missing


@pytest.mark.parametrize(
    ("source", "reference", "target", "belongs"),
    [
        # instances of one for_each pair by key
        ('x_y.s["a"]', "x_z.t", 'x_z.t["a"]', True),
        ('x_y.s["a"]', "x_z.t", 'x_z.t["b"]', False),
        # a key that the target does not have names no single instance: all of them
        ('x_y.s["c"]', "x_z.t", 'x_z.t["a"]', True),
        ("x_y.s", "x_z.t", 'x_z.t["a"]', True),
        # a reference with a key names that one
        ("x_y.s", 'x_z.t["a"]', 'x_z.t["b"]', False),
        ("x_y.s", "x_z.t[0]", "x_z.t[0]", True),
        # across modules
        ("module.m.x_y.s", "module.n.x_z.t", "module.n.x_z.t", True),
        ('module.m["p"].x_y.s', "module.m.x_z.t", 'module.m["p"].x_z.t', True),
        ('module.m["p"].x_y.s', "module.m.x_z.t", 'module.m["q"].x_z.t', False),
        ("x_y.s", 'module.m["p"].x_z.t', 'module.m["q"].x_z.t', False),
        ("x_y.s", "x_z.other", "x_z.t", False),
    ],
)
def test_references_between_instances(source: str, reference: str, target: str, belongs: bool) -> None:
    """The plan also holds the instances a and b of the target."""
    one = resource(source, references=[reference])
    two = resource(target)
    plan = Plan((one, two, resource('x_z.t["a"]'), resource('x_z.t["b"]')))
    assert Context(plan).refers(one, two) is belongs


def test_base_drops_every_key() -> None:
    assert base('module.a["x.y"].module.b[0].aws_subnet.c["d"]') == "module.a.module.b.aws_subnet.c"


def test_only_what_exists_after_the_plan_is_seen() -> None:
    from cloudberth.infra.plan import Action

    gone = resource("aws_lb.a", action=Action.DELETE)
    context = Context(Plan((gone, resource("aws_lb.b"))))
    assert [r.address for r in context.of_type("aws_lb")] == ["aws_lb.b"]


@pytest.mark.parametrize(
    ("groups", "unknown", "answer"),
    [
        # one group is taken, the configuration names two: which one?
        ([None], [True], None),
        ([None, None], [True, True], True),
        (None, True, True),
        (["sg-1"], False, True),
        (["sg-2"], False, False),
    ],
)
def test_a_set_has_room_for_so_many(groups: list[str] | None, unknown: object, answer: bool | None) -> None:
    """An output object with all groups is named, and one of them is used."""
    store = resource(
        "aws_db_instance.a",
        vpc_security_group_ids=groups,
        unknown={"vpc_security_group_ids": unknown},
        references=["aws_security_group.data", "aws_security_group.app"],
    )
    data = resource("aws_security_group.data", id="sg-1")
    app = resource("aws_security_group.app", unknown={"id": True})
    context = Context(Plan((store, data, app)))
    assert context.points_at(store, "vpc_security_group_ids", data) is answer


def test_one_attribute_cannot_belong_to_two() -> None:
    """A policy that names a second bucket in its text: nobody can tell whose it is."""
    policy = resource(
        "aws_s3_bucket_policy.a",
        unknown={"bucket": True},
        references=["aws_s3_bucket.files", "aws_s3_bucket.logs"],
    )
    files, logs = resource("aws_s3_bucket.files"), resource("aws_s3_bucket.logs")
    context = Context(Plan((policy, files, logs)))
    assert context.points_at(policy, "bucket", files) is None
