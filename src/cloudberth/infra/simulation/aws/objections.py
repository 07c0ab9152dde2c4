"""What the AWS API would refuse because of what else exists: taken names, subnets outside their network."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from cloudberth.infra.simulation.behaviour import Account
from cloudberth.infra.simulation.rules import Complaint
from cloudberth.infra.simulation.values import Value

UNIQUE: Final[Mapping[str, tuple[str, ...]]] = {
    "aws_autoscaling_group": ("name", "region"),
    "aws_cloudwatch_log_group": ("name", "region"),
    "aws_db_instance": ("identifier", "region"),
    "aws_db_parameter_group": ("name", "region"),
    "aws_db_subnet_group": ("name", "region"),
    "aws_elasticache_parameter_group": ("name", "region"),
    "aws_elasticache_replication_group": ("replication_group_id", "region"),
    "aws_elasticache_subnet_group": ("name", "region"),
    "aws_iam_instance_profile": ("name",),
    "aws_iam_policy": ("name",),
    "aws_iam_role": ("name",),
    "aws_kms_alias": ("name", "region"),
    "aws_launch_template": ("name", "region"),
    "aws_lb": ("name", "region"),
    "aws_lb_target_group": ("name", "region"),
    "aws_rds_cluster": ("cluster_identifier", "region"),
    "aws_s3_bucket": ("bucket",),
    "aws_secretsmanager_secret": ("name", "region"),
    "aws_security_group": ("name", "vpc_id"),
    "aws_sns_topic": ("name", "region"),
    "aws_sqs_queue": ("name", "region"),
    "aws_ssm_parameter": ("name", "region"),
    "aws_wafv2_ip_set": ("name", "scope", "region"),
    "aws_wafv2_web_acl": ("name", "scope", "region"),
}
"""Type → arguments that together may exist once in an account; the first is the name that an error shows."""


def objections(
    account: Account, name: str, prior: Mapping[str, Value] | None, planned: Mapping[str, Value]
) -> Sequence[Complaint]:
    found = list(_taken(account, name, prior, planned))
    if name == "aws_subnet" and prior is None:
        found += _subnet(account, planned)
    return found


def _taken(
    account: Account, name: str, prior: Mapping[str, Value] | None, planned: Mapping[str, Value]
) -> Iterator[Complaint]:
    keys = UNIQUE.get(name, ())
    wanted = [planned.get(key) for key in keys]
    if not keys or not isinstance(wanted[0], str):
        return
    own = prior.get("id") if prior else None
    for other in account.of_type(name):
        if other.get("id") != own and [other.get(key) for key in keys] == wanted:
            yield Complaint(
                (keys[0],),
                f"creating {name}: already exists",
                f'The name "{wanted[0]}" is taken by another {name} in this account. If the resource is '
                "being replaced with create_before_destroy, it needs a name that changes (name_prefix).",
            )


def _subnet(account: Account, planned: Mapping[str, Value]) -> Iterator[Complaint]:
    text = planned.get("cidr_block")
    if not isinstance(text, str):
        return
    network = ipaddress.ip_network(text, strict=False)
    for vpc in account.of_type("aws_vpc"):
        if vpc.get("id") == planned.get("vpc_id") and isinstance(vpc.get("cidr_block"), str):
            block = ipaddress.ip_network(vpc["cidr_block"], strict=False)
            if not _within(network, block):
                words = f"The CIDR {text} is not inside the VPC's block {block} (InvalidSubnet.Range)."
                yield Complaint(("cidr_block",), "creating aws_subnet: invalid range", words)
    for other in account.of_type("aws_subnet"):
        taken = other.get("cidr_block")
        if other.get("vpc_id") != planned.get("vpc_id") or not isinstance(taken, str):
            continue
        if network.overlaps(ipaddress.ip_network(taken, strict=False)):
            words = f"The CIDR {text} overlaps with the subnet {taken} (InvalidSubnet.Conflict)."
            yield Complaint(("cidr_block",), "creating aws_subnet: conflict", words)


def _within(inner: ipaddress.IPv4Network | ipaddress.IPv6Network, outer: object) -> bool:
    return (
        isinstance(inner, ipaddress.IPv4Network)
        and isinstance(outer, ipaddress.IPv4Network)
        and inner.subnet_of(outer)
    )
