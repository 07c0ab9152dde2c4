"""Machines of AWS: metadata service, addresses, disks, keys, generations."""

from __future__ import annotations

from collections.abc import Iterator

from cloudberth.findings.context import Context
from cloudberth.findings.model import Severity
from cloudberth.findings.rules.registry import Hit, relation_rule, resource_rule, rule
from cloudberth.findings.values import Node, at, blocks
from cloudberth.infra.plan import Resource

TEMPLATE, INSTANCE, CONFIGURATION = "aws_launch_template", "aws_instance", "aws_launch_configuration"
MACHINES = (TEMPLATE, INSTANCE, CONFIGURATION)


def disks(resource: Resource) -> Iterator[tuple[str, Node]]:
    """(name, node with ``encrypted``, ``volume_type``) of every disk that a machine or template describes."""
    for mapping in blocks(resource, "block_device_mappings"):
        for disk in mapping.at("ebs").children():
            yield mapping.at("device_name").text or "disk", disk
    for name in ("root_block_device", "ebs_block_device"):
        for disk in blocks(resource, name):
            yield disk.at("device_name").text or name, disk


@resource_rule(
    "compute.metadata-v1",
    Severity.HIGH,
    "Machine's credentials can be fetched with one plain request",
    why="With the old metadata service, any program that fetches a URL for a user (Dify's HTTP node does) "
    "hands out the machine's role. Version 2 asks for a token first.",
    remedy='metadata_options { http_tokens = "required" } (Cloudberth\'s compute module always sets it).',
    types=MACHINES,
)
def metadata_v1(machine: Resource) -> str | None:
    options = at(machine, "metadata_options")
    tokens, endpoint = options.at("0.http_tokens"), options.at("0.http_endpoint")
    if endpoint.text == "disabled" or options.unknown or tokens.unknown:
        return None
    return None if tokens.text == "required" else "http_tokens is not required."


@relation_rule(
    "compute.metadata-out-of-reach",
    Severity.HIGH,
    "Containers cannot reach the machine's credentials",
    why="A hop limit of 1 stops at the machine: containers on a Docker network get no role and the object "
    "store refuses them.",
    remedy="metadata_options { http_put_response_hop_limit = 2 }",
    types=(TEMPLATE,),
)
def metadata_out_of_reach(machine: Resource, context: Context) -> str | None:
    limit = at(machine, "metadata_options.0.http_put_response_hop_limit").number
    own = any(c.origin == machine.address for c in context.bundle.containers)
    composed = any(c.origin.startswith("stack/") for c in context.bundle.containers)
    return "The hop limit is 1 and containers run on it." if limit == 1 and (own or composed) else None


@resource_rule(
    "compute.public-address",
    Severity.MEDIUM,
    "Machine with a public address",
    why="It can be reached and scanned from the internet, one wrong rule away from being open, and the "
    "address is billed ($0.005 an hour).",
    remedy="Private subnets with network.nat: single; users come through the balancer.",
    types=(*MACHINES, "aws_ecs_service"),
)
def public_address(machine: Resource) -> str | None:
    if at(machine, "network_configuration.0.assign_public_ip").on:
        return "assign_public_ip is true."
    interfaces = any(i.at("associate_public_ip_address").on for i in blocks(machine, "network_interfaces"))
    own = at(machine, "associate_public_ip_address").on
    return "associate_public_ip_address is true." if interfaces or own else None


@relation_rule(
    "compute.disk-unencrypted",
    Severity.HIGH,
    "Machine disk stored unencrypted",
    why="Snapshots and discarded disks hold uploads, plugin data and logs readable.",
    remedy="encrypted: true on every disk (Cloudberth's compute module always sets it).",
    types=MACHINES,
)
def disk_unencrypted(machine: Resource, context: Context) -> str | None:
    if _encrypted_by_default(context):
        return None
    template = machine.type == TEMPLATE
    plain = [
        name
        for name, disk in disks(machine)
        if disk.at("encrypted").turned_off
        or (template and disk.at("encrypted").absent and disk.at("snapshot_id").absent)
    ]
    return f"{plain[0]} is not encrypted." if plain else None


@relation_rule(
    "compute.volume-unencrypted",
    Severity.HIGH,
    "Disk stored unencrypted",
    why="Snapshots and discarded disks can be read; encryption cannot be switched on later without a copy.",
    remedy="encrypted: true (Cloudberth's compute module always sets it).",
    types=("aws_ebs_volume",),
)
def volume_unencrypted(volume: Resource, context: Context) -> str | None:
    plain = at(volume, "encrypted").turned_off and not _encrypted_by_default(context)
    return "encrypted is false." if plain else None


def _encrypted_by_default(context: Context) -> bool:
    switches = context.of_type("aws_ebs_encryption_by_default")
    return any(not at(switch, "enabled").turned_off for switch in switches)


@resource_rule(
    "compute.ssh-key",
    Severity.LOW,
    "Machine with an SSH key",
    why="The key is shared, copied and never withdrawn; Session Manager logs who did what and needs no open "
    "port.",
    remedy="Leave key_name out and use Session Manager.",
    types=MACHINES,
)
def ssh_key(machine: Resource) -> str | None:
    return "key_name is set." if at(machine, "key_name").known else None


@rule(
    "compute.launch-configuration",
    Severity.LOW,
    "Launch configuration instead of a launch template",
    why="AWS no longer adds new machine types to launch configurations and closes them to new accounts.",
    remedy="Use aws_launch_template.",
    types=(CONFIGURATION,),
)
def launch_configuration(context: Context) -> Iterator[Hit]:
    for configuration in context.of_type(CONFIGURATION):
        yield Hit(configuration.address, "It is a launch configuration.")


TYPED = {
    TEMPLATE: ("instance_type",),
    CONFIGURATION: ("instance_type",),
    INSTANCE: ("instance_type",),
    "aws_db_instance": ("instance_class",),
    "aws_rds_cluster_instance": ("instance_class",),
    "aws_elasticache_replication_group": ("node_type",),
    "aws_elasticache_cluster": ("node_type",),
}


def machine_types(context: Context) -> Iterator[tuple[Resource, str]]:
    """(resource, machine type) of all that runs on one in the plan, alternatives of groups included."""
    for kind, names in TYPED.items():
        for resource in context.of_type(kind):
            yield from ((resource, at(resource, name).text) for name in names if at(resource, name).known)
    for group in context.of_type("aws_autoscaling_group"):
        for override in blocks(group, "mixed_instances_policy.0.launch_template.0.override"):
            if override.at("instance_type").known:
                yield group, override.at("instance_type").text
