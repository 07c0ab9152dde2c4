"""What the fact files say about clouds, held against the AWS SDK's own service descriptions."""

from __future__ import annotations

import re

import pytest

from cloudberth.deployment import load_text
from cloudberth.deployment.facts import Facts, facts, vector_stores

botocore_session = pytest.importorskip("botocore.session")


@pytest.fixture(scope="module")
def aws() -> Facts:
    return facts("aws")


@pytest.fixture(scope="module")
def sdk():  # type: ignore[no-untyped-def]
    return botocore_session.get_session()


def test_regions_are_those_with_machines(aws: Facts, sdk) -> None:  # type: ignore[no-untyped-def]
    assert set(aws.regions) == set(sdk.get_available_regions("ec2"))


def test_every_region_has_zones_and_a_place(aws: Facts) -> None:
    assert all(aws.region_zones(region) in range(2, 7) and aws.region_place(region) for region in aws.regions)
    assert (aws.region_zones("us-west-1"), aws.region_zones("eu-central-1")) == (2, 3)
    assert aws.region_zones("mars") is None
    assert aws.region_place("mars") == ""


def test_regions_of_other_offerings_are_no_regions_here(aws: Facts, sdk) -> None:  # type: ignore[no-untyped-def]
    for partition in ("aws-cn", "aws-us-gov"):
        for region in sdk.get_available_regions("ec2", partition_name=partition):
            assert aws.other_region(region)
            assert aws.region_zones(region) is None
    assert aws.other_region("eu-central-1") is None


def test_machine_types_exist(aws: Facts, sdk) -> None:  # type: ignore[no-untyped-def]
    known = set(sdk.get_service_model("ec2").shape_for("InstanceType").enum)
    assert set(aws.machines) <= known


@pytest.mark.parametrize(
    ("type_", "vcpus", "memory", "architecture"),
    [
        ("t3.medium", 2, 4, "x86_64"),
        ("t4g.large", 2, 8, "arm64"),
        ("m7g.medium", 1, 4, "arm64"),
        ("m6i.xlarge", 4, 16, "x86_64"),
        ("c7g.2xlarge", 8, 16, "arm64"),
        ("r6g.large", 2, 16, "arm64"),
        ("m7i.4xlarge", 16, 64, "x86_64"),
    ],
)
def test_machines(aws: Facts, type_: str, vcpus: int, memory: float, architecture: str) -> None:
    machine = aws.machine(type_)
    assert machine is not None
    assert (machine.vcpus, machine.memory_gib, machine.architecture) == (vcpus, memory, architecture)


def test_graviton_is_arm_and_nothing_else_is(aws: Facts) -> None:
    for name, machine in aws.machines.items():
        family = name.split(".")[0]
        assert (machine.architecture == "arm64") == bool(re.fullmatch(r"[a-z]+\d+g", family)), name


def test_retention_is_what_the_log_service_accepts(aws: Facts, sdk) -> None:  # type: ignore[no-untyped-def]
    put = sdk.get_service_model("logs").operation_model("PutRetentionPolicy")
    text = (
        put.input_shape.members["retentionInDays"]
        .documentation.split("Possible values are:")[1]
        .split(".")[0]
    )
    assert aws.retention_days == tuple(map(int, re.findall(r"\d+", text)))


def test_cache_nodes_exist(aws: Facts, sdk) -> None:  # type: ignore[no-untyped-def]
    create = sdk.get_service_model("elasticache").operation_model("CreateReplicationGroup")
    text = create.input_shape.members["CacheNodeType"].documentation
    assert set(aws.cache_classes) <= set(re.findall(r"cache\.[a-z0-9]+\.[a-z0-9]+", text))
    assert aws.cache_class("cache.t4g.small") is not None


def test_storage_classes_exist(aws: Facts, sdk) -> None:  # type: ignore[no-untyped-def]
    known = set(sdk.get_service_model("s3").shape_for("TransitionStorageClass").enum)
    classes = {tier["class"] for tier in aws._data["storage"]["tiers"].values()}
    assert classes <= known
    order = sorted(aws.tiers.values(), key=lambda tier: tier.order)
    assert [tier.name for tier in order] == ["infrequent", "archive-instant", "archive", "deep-archive"]
    assert [tier.stay_days for tier in order] == [30, 90, 90, 180]


@pytest.mark.parametrize(("gib", "published"), [(2, 189), (8, 823), (16, 1669), (32, 3360), (64, 5000)])
def test_connections_follow_the_published_values(aws: Facts, gib: float, published: int) -> None:
    """AWS publishes these for Aurora Serverless v2 at 1, 4, 8, 16 and 32 units of 2 GiB."""
    assert abs(aws.max_connections(gib) - published) <= published * 0.01


def test_connections_of_a_deployment(aws: Facts) -> None:
    head = "name: a-b\napp: dify\ncloud: aws\nregion: eu-central-1\n"
    small = load_text(head, environment={}).database
    assert small is not None
    assert aws.database_connections(small) == aws.database_classes["db.t4g.medium"].max_connections == 401
    aurora = "database: {engine: aurora, machine_type: db.serverless, min_capacity: MIN, max_capacity: 16}\n"
    for minimum, limit in (("0.5", 2000), ("1", 3366)):
        database = load_text(head + aurora.replace("MIN", minimum), environment={}).database
        assert database is not None
        assert abs(aws.database_connections(database) - limit) < 10


def test_database_classes_have_their_machine(aws: Facts) -> None:
    for name, known in aws.database_classes.items():
        machine = aws.machine(name.removeprefix("db."))
        assert machine is not None
        assert (known.vcpus, known.memory_gib) == (machine.vcpus, machine.memory_gib)
    assert aws.database_class(aws.serverless_class) is None


def test_endpoints_without_nat_are_endpoints(aws: Facts) -> None:
    assert set(aws.endpoints_without_nat) <= set(aws.endpoints)


def test_vector_stores() -> None:
    stores = vector_stores()
    assert len(stores) == 32
    for store in stores.values():
        assert set(store.required) <= set(store.variables)
        assert store.variables
        assert all(re.fullmatch(r"[A-Z][A-Z0-9_]+", name) for name in store.variables)
    assert stores["seekdb"].variables == stores["oceanbase"].variables
