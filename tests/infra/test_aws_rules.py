"""The simulated AWS: its tables fit the real schema, its rules and values are right."""

from __future__ import annotations

import json
import string
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from cloudberth.infra.simulation.aws import Aws
from cloudberth.infra.simulation.aws.behaviour import ACCOUNT_ID, partition_of
from cloudberth.infra.simulation.aws.data import IMPORT_ARGUMENT, SOURCES, is_arm, zone_code
from cloudberth.infra.simulation.aws.objections import UNIQUE
from cloudberth.infra.simulation.aws.policy import PolicyError, render
from cloudberth.infra.simulation.aws.replace import FORCE_NEW, RENEWED, SENSITIVE
from cloudberth.infra.simulation.aws.rules import DATA_RULES, RESOURCE_RULES, provider_complaints
from cloudberth.infra.simulation.aws.shapes import EC2_PREFIXES, SHAPES
from cloudberth.infra.simulation.behaviour import Account
from cloudberth.infra.simulation.provider import Objection, SimulatedProvider
from cloudberth.infra.simulation.rules import Combination, Rule, cidr, every, exactly_one_of, length, select
from cloudberth.infra.simulation.schema import Block, ProviderSchema
from cloudberth.infra.simulation.values import UNKNOWN, known

SCHEMA = ProviderSchema.load("aws")


@pytest.fixture
def provider() -> SimulatedProvider:
    behaviour = Aws(Account())
    behaviour.settings = {"region": "eu-central-1"}
    return SimulatedProvider(SCHEMA, behaviour)


# ---- the tables fit the schema -----------------------------------------------------------------


def object_has(kind: Any, steps: list[str]) -> bool:
    while isinstance(kind, list) and kind[0] in ("list", "set", "map"):
        kind = kind[1]
        steps = steps[1:] if steps[:1] == ["*"] else steps
    if not steps:
        return True
    return isinstance(kind, list) and steps[0] in kind[1] and object_has(kind[1][steps[0]], steps[1:])


def block_has(block: Block, steps: list[str]) -> bool:
    """Whether a rule's path leads to something."""
    steps = steps[1:] if steps[:1] == ["*"] else steps
    if not steps:
        return True
    name, *rest = steps
    if name in block.blocks:
        return block_has(block.blocks[name].block, rest)
    return name in block.attributes and object_has(block.attributes[name].type, rest)


def test_every_rule_leads_to_an_argument() -> None:
    wrong = []
    for name, rules in RESOURCE_RULES.items():
        for rule in rules:
            path = rule.path if isinstance(rule, Rule) else rule.block
            if path and not block_has(SCHEMA.resource(name), path.split(".")):
                wrong.append(f"{name}: {path}")
    assert not wrong
    assert sum(len(rules) for rules in RESOURCE_RULES.values()) >= 60


def test_every_table_names_real_attributes() -> None:
    tables = {"replace": FORCE_NEW, "unique": UNIQUE, "renewed": RENEWED}
    tables["import"] = {name: (argument,) for name, argument in IMPORT_ARGUMENT.items()}
    wrong = [
        f"{table}: {name}.{argument}"
        for table, entries in tables.items()
        for name, arguments in entries.items()
        for argument in arguments
        if argument not in SCHEMA.resource(name).attributes and argument not in SCHEMA.resource(name).blocks
    ]
    assert not wrong


def test_patterns_stand_for_computed_attributes_only() -> None:
    wrong = [
        f"{name}.{attribute}"
        for name, shape in SHAPES.items()
        for attribute in shape
        if attribute not in SCHEMA.resource(name).attributes
        or not SCHEMA.resource(name).attributes[attribute].computed
    ]
    assert not wrong


def test_every_source_and_every_sensitive_type_exists() -> None:
    assert set(SOURCES) <= set(SCHEMA.names("data_source_schemas"))
    everything = {
        name
        for section in ("resource_schemas", "data_source_schemas", "ephemeral_resource_schemas")
        for name in SCHEMA.names(section)
    }
    assert set(SENSITIVE) | set(EC2_PREFIXES) | set(DATA_RULES) <= everything


def conforms(value: Any, kind: Any) -> bool:
    if value is None or kind == "dynamic":
        return True
    if isinstance(kind, list):
        if kind[0] == "object":
            return isinstance(value, dict) and all(conforms(value.get(k), t) for k, t in kind[1].items())
        if kind[0] == "map":
            return isinstance(value, dict) and all(conforms(item, kind[1]) for item in value.values())
        return isinstance(value, list) and all(conforms(item, kind[1]) for item in value)
    expected = {"string": str, "number": (int, float), "bool": bool}[kind]
    return isinstance(value, expected) and (kind == "bool") == isinstance(value, bool)


@pytest.mark.parametrize("name", SCHEMA.names("resource_schemas"))
def test_every_type_can_be_created(name: str, provider: SimulatedProvider) -> None:
    """Whatever the type: all computed attributes get a known value of their type, twice the same."""
    block = SCHEMA.resource(name)
    config = block.empty()
    for attribute in block.attributes.values():
        if attribute.required:
            config[attribute.name] = sample(attribute.type)
    planned = provider.plan(name, None, config, config).state
    state = provider.apply(name, None, planned, config)
    assert state is not None
    assert known(state)
    for attribute in block.attributes.values():
        assert conforms(state[attribute.name], attribute.type), attribute.name
    again = SimulatedProvider(SCHEMA, Aws(Account()))
    again.behaviour.settings = {"region": "eu-central-1"}
    assert again.apply(name, None, planned, config) == state
    assert provider.plan(name, state, state, config).state == state


def sample(kind: Any) -> Any:
    if isinstance(kind, list):
        return {} if kind[0] == "map" else [] if kind[0] != "object" else {}
    return {"string": "sample", "number": 1, "bool": False}.get(kind)


@pytest.mark.parametrize("name", SCHEMA.names("data_source_schemas"))
def test_every_data_source_can_be_read(name: str, provider: SimulatedProvider) -> None:
    block = SCHEMA.data_source(name)
    config = block.empty()
    for attribute in block.attributes.values():
        if attribute.required:
            config[attribute.name] = sample(attribute.type)
    state = provider.read_data(name, config)
    assert known(state)
    for attribute in block.attributes.values():
        assert conforms(state[attribute.name], attribute.type), attribute.name


@pytest.mark.parametrize("name", SCHEMA.names("ephemeral_resource_schemas"))
def test_every_ephemeral_resource_can_be_opened(name: str, provider: SimulatedProvider) -> None:
    block = SCHEMA.ephemeral(name)
    config = block.empty()
    for attribute in block.attributes.values():
        if attribute.required:
            config[attribute.name] = sample(attribute.type)
    assert known(provider.open(name, config))


# ---- rules ---------------------------------------------------------------------------------------


def test_an_unknown_value_is_not_judged() -> None:
    rule = exactly_one_of("a", "b")
    assert list(rule.complaints({"a": UNKNOWN, "b": None})) == []
    assert list(rule.complaints({"a": UNKNOWN, "b": "x"})) == []
    assert [c.path for c in rule.complaints({"a": "x", "b": "y"})] == [("b",)]
    assert [c.path for c in rule.complaints({"a": None, "b": None})] == [("b",)]


def test_paths_reach_every_element() -> None:
    value = {"rule": [{"days": 1}, {"days": UNKNOWN}, {"days": None}, {"days": 4}]}
    assert list(select(value, ("rule", "*", "days"))) == [(("rule", 0, "days"), 1), (("rule", 3, "days"), 4)]


@pytest.mark.parametrize(
    ("text", "fine"),
    [
        ("10.0.0.0/16", True),
        ("10.0.0.1/16", False),
        ("10.0.0.0/33", False),
        ("10.0.0/16", False),
        ("::/0", False),
    ],
)
def test_address_ranges(text: str, fine: bool) -> None:
    assert (cidr()(text) is None) is fine


def test_the_first_failing_check_speaks() -> None:
    check = every(length(2, 3), lambda value: "is wrong")
    assert check("a") == "must have 2 to 3 characters (it has 1)"
    assert check("ab") == "is wrong"


def complaints(name: str, values: Mapping[str, Any]) -> Iterator[str]:
    config = {**SCHEMA.resource(name).empty(), **values}
    for rule in RESOURCE_RULES[name]:
        yield from (complaint.detail for complaint in rule.complaints(config))


GOOD: list[tuple[str, Mapping[str, Any]]] = [
    ("aws_lb", {"name": "app-1", "subnets": ["a", "b"], "idle_timeout": 4000}),
    ("aws_lb", {"name": UNKNOWN, "subnets": UNKNOWN}),
    ("aws_db_instance", {"instance_class": "db.r8gd.48xlarge", "engine": "postgres", "username": "dify"}),
    ("aws_db_instance", {"instance_class": "db.x2iedn.32xlarge.tpc2.mem2x", "engine": "oracle-ee"}),
    ("aws_rds_cluster_instance", {"instance_class": "db.serverless"}),
    ("aws_elasticache_replication_group", {"node_type": "cache.t4g.small", "engine_version": "8.0"}),
    ("aws_launch_template", {"instance_type": "u-24tb1.112xlarge"}),
    ("aws_launch_template", {"instance_type": "c7i-flex.8xlarge"}),
    ("aws_s3_bucket", {"bucket": "my.files-2026"}),
    ("aws_autoscaling_schedule", {"recurrence": "0 20 * * MON-FRI", "min_size": -1, "max_size": 0}),
    ("aws_cloudwatch_event_rule", {"schedule_expression": "cron(0 20 ? * MON-FRI *)"}),
    ("aws_cloudwatch_metric_alarm", {"period": 300, "evaluation_periods": 3, "alarm_name": "a"}),
    (
        "aws_iam_role_policy_attachment",
        {"policy_arn": "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"},
    ),
    ("aws_iam_role_policy_attachment", {"policy_arn": "arn:aws-cn:iam::123456789012:policy/x"}),
    (
        "aws_wafv2_web_acl",
        {"scope": "REGIONAL", "name": "app", "default_action": [{"allow": [{}], "block": []}]},
    ),
    ("aws_acm_certificate", {"domain_name": "*.example.co.uk", "validation_method": "DNS"}),
]


@pytest.mark.parametrize(("name", "values"), GOOD)
def test_what_aws_takes_is_not_refused(name: str, values: Mapping[str, Any]) -> None:
    said = [text for text in complaints(name, values) if any(key in text for key in values)]
    assert [text for text in said if "exactly one" not in text] == []


def test_the_provider_block() -> None:
    assert (
        list(provider_complaints({"region": "us-gov-west-1", "allowed_account_ids": ["123456789012"]})) == []
    )
    assert len(provider_complaints({"region": "nowhere", "allowed_account_ids": ["1"]})) == 2


# ---- values --------------------------------------------------------------------------------------


def test_partitions() -> None:
    assert partition_of("cn-north-1") == ("aws-cn", "amazonaws.com.cn")
    assert partition_of("us-gov-east-1") == ("aws-us-gov", "amazonaws.com")
    assert partition_of("eu-west-3") == ("aws", "amazonaws.com")


@pytest.mark.parametrize(
    ("region", "code"),
    [
        ("eu-central-1", "euc1"),
        ("us-east-1", "use1"),
        ("ap-southeast-2", "apse2"),
        ("ap-northeast-1", "apne1"),
        ("ca-central-1", "cac1"),
    ],
)
def test_zone_codes(region: str, code: str) -> None:
    assert zone_code(region) == code


@pytest.mark.parametrize(
    ("name", "arm"),
    [
        *((name, True) for name in ("t4g.small", "m7gd.large", "c8gn.medium", "a1.large")),
        *((name, True) for name in ("g5g.xlarge", "db.r7g.large", "cache.t4g.micro")),
        *((name, False) for name in ("g5.xlarge", "g6e.xlarge", "m7i.large", "t3.micro", "db.m6i.large")),
    ],
)
def test_which_machines_are_arm(name: str, arm: bool) -> None:
    assert is_arm(name) is arm


def test_zones_of_a_region(provider: SimulatedProvider) -> None:
    config = SCHEMA.data_source("aws_availability_zones").empty()
    assert provider.read_data("aws_availability_zones", config)["names"] == [
        "eu-central-1a",
        "eu-central-1b",
        "eu-central-1c",
    ]
    tokyo = provider.read_data("aws_availability_zones", {**config, "region": "ap-northeast-1"})
    assert tokyo["names"] == ["ap-northeast-1a", "ap-northeast-1c", "ap-northeast-1d"]


def test_who_we_are(provider: SimulatedProvider) -> None:
    found = provider.read_data("aws_caller_identity", SCHEMA.data_source("aws_caller_identity").empty())
    assert found["account_id"] == ACCOUNT_ID == "000000000000"


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"password_length": 64, "exclude_punctuation": True},
        {"password_length": 20, "exclude_characters": '/@" \\', "require_each_included_type": True},
        {
            "password_length": 12,
            "exclude_lowercase": True,
            "exclude_uppercase": True,
            "exclude_punctuation": True,
        },
    ],
)
def test_passwords(asked: Mapping[str, Any], provider: SimulatedProvider) -> None:
    block = SCHEMA.ephemeral("aws_secretsmanager_random_password")
    word = provider.open("aws_secretsmanager_random_password", {**block.empty(), **asked})["random_password"]
    assert len(word) == asked.get("password_length", 32)
    assert not set(word) & set(asked.get("exclude_characters", ""))
    if asked.get("exclude_punctuation"):
        assert not set(word) & set(string.punctuation)
    if not asked.get("exclude_lowercase"):
        assert set(word) & set(string.ascii_lowercase)
        assert set(word) & set(string.digits)


def test_a_password_of_nothing(provider: SimulatedProvider) -> None:
    flags = dict.fromkeys(
        ("exclude_lowercase", "exclude_uppercase", "exclude_numbers", "exclude_punctuation"), True
    )
    config = {**SCHEMA.ephemeral("aws_secretsmanager_random_password").empty(), **flags}
    with pytest.raises(Objection, match="no characters are left"):
        provider.open("aws_secretsmanager_random_password", config)


# ---- the policy document -------------------------------------------------------------------------


def statement(**values: Any) -> dict[str, Any]:
    return {"actions": ["s3:GetObject"], "resources": ["*"], **values}


def rendered(**config: Any) -> Any:
    return json.loads(render(config)[0])


def test_a_full_statement() -> None:
    document = rendered(
        statement=[
            statement(
                sid="Read",
                effect="Deny",
                actions=["s3:GetObject", "s3:PutObject"],
                principals=[
                    {"type": "AWS", "identifiers": ["a", "b"]},
                    {"type": "Service", "identifiers": ["ec2.amazonaws.com"]},
                ],
                condition=[
                    {"test": "Bool", "variable": "aws:SecureTransport", "values": ["false"]},
                    {"test": "StringLike", "variable": "aws:x", "values": ["1", "2"]},
                ],
            )
        ]
    )
    assert document == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Read",
                "Effect": "Deny",
                "Action": ["s3:PutObject", "s3:GetObject"],
                "Resource": "*",
                "Principal": {"AWS": ["b", "a"], "Service": "ec2.amazonaws.com"},
                "Condition": {"Bool": {"aws:SecureTransport": "false"}, "StringLike": {"aws:x": ["1", "2"]}},
            }
        ],
    }


def test_everybody() -> None:
    everybody = [{"type": "*", "identifiers": ["*"]}]
    assert rendered(statement=[statement(principals=everybody)])["Statement"][0]["Principal"] == "*"


def test_documents_are_merged() -> None:
    source = json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Sid": "A", "Effect": "Allow", "Action": "x"}]}
    )
    override = json.dumps({"Statement": {"Sid": "A", "Effect": "Deny", "Action": "y"}})
    document = rendered(
        source_policy_documents=[source], statement=[statement()], override_policy_documents=[override]
    )
    assert [entry["Effect"] for entry in document["Statement"]] == ["Deny", "Allow"]


def test_sources_must_not_clash() -> None:
    source = json.dumps({"Statement": [{"Sid": "A", "Effect": "Allow", "Action": "x"}]})
    with pytest.raises(PolicyError, match='sid "A"'):
        render({"source_policy_documents": [source, source]})


def test_a_source_that_is_no_policy() -> None:
    with pytest.raises(PolicyError, match="not JSON"):
        render({"source_policy_documents": ["{"]})


def test_minified_says_the_same() -> None:
    text, minified = render({"statement": [statement()]})
    assert json.loads(text) == json.loads(minified)
    assert " " not in minified


def test_rules_of_data_sources() -> None:
    config = {"statement": [{"effect": "allow", "actions": None, "not_actions": None}]}
    found = [c.detail for rule in DATA_RULES["aws_iam_policy_document"] for c in rule.complaints(config)]
    assert len(found) == 2
    assert isinstance(DATA_RULES["aws_iam_policy_document"][-1], Combination)
