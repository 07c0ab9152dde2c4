"""Machines of Google Cloud and the groups they come from: addresses, keys, spot, zones, health."""

from __future__ import annotations

from collections.abc import Iterator

from cloudberth.findings.context import Context
from cloudberth.findings.model import Severity
from cloudberth.findings.rules.registry import (
    Hit,
    also,
    also_relation,
    also_resource,
    relation_rule,
    resource_rule,
)
from cloudberth.findings.values import Node, at, blocks
from cloudberth.infra.plan import Resource

INSTANCE = "google_compute_instance"
TEMPLATES = ("google_compute_instance_template", "google_compute_region_instance_template")
REGIONAL, ZONAL = "google_compute_region_instance_group_manager", "google_compute_instance_group_manager"
SCALERS = ("google_compute_region_autoscaler", "google_compute_autoscaler")
_GROUPS, _MACHINES = (REGIONAL, ZONAL), (INSTANCE, *TEMPLATES)
_RUN = "google_cloud_run_v2_service"


def policy_of(group: Resource, context: Context) -> Node | None:
    """The autoscaling policy of a group, None without one."""
    scalers = context.companions(group, SCALERS, "target").found
    return next((at(scaler, "autoscaling_policy.0") for scaler in scalers), None)


def limits(group: Resource, context: Context) -> tuple[float | None, float | None]:
    """(minimum, maximum) of the group: of its autoscaler, else its fixed size."""
    policy = policy_of(group, context)
    if policy is not None:
        return policy.at("min_replicas").number, policy.at("max_replicas").number
    size = at(group, "target_size").number
    return size, size


def _templates(group: Resource, context: Context) -> tuple[Resource, ...]:
    return tuple(t for t in context.of_type(*TEMPLATES) if context.refers(group, t))


def _is_spot(machine: Resource) -> bool:
    scheduling = at(machine, "scheduling.0")
    return scheduling.at("provisioning_model").text == "SPOT" or scheduling.at("preemptible").on


def _behind_balancer(group: Resource, context: Context) -> bool:
    """Named ports are for balancers alone; the backend's reference may stand in a block that plans omit."""
    named = at(group, "named_port").known
    return named or any(context.refers(b, group) for b in context.of_type("google_compute_backend_service"))


@also_resource(
    "compute.public-address",
    types=_MACHINES,
    remedy="network_interface without access_config; users come through the load balancer.",
)
def public_address(machine: Resource) -> str | None:
    names = ("access_config", "ipv6_access_config")
    given = any(not card.at(name).absent for card in blocks(machine, "network_interface") for name in names)
    return "It has an access_config." if given else None


@also_resource(
    "compute.ssh-key",
    types=_MACHINES,
    why="The key is shared, copied and never withdrawn; OS Login asks for a right and logs who came.",
    remedy="metadata: enable-oslogin = TRUE, and no ssh-keys",
)
def ssh_key(machine: Resource) -> str | None:
    keys = any(at(machine, f"metadata.{name}").known for name in ("ssh-keys", "sshKeys"))
    return "Its metadata holds SSH keys." if keys else None


@resource_rule(
    "compute.serial-console",
    Severity.MEDIUM,
    "Console of the machine is open",
    why="The serial port can be reached from the whole internet; a key is all that stands before it, and no "
    "firewall rule holds for it.",
    remedy="Remove serial-port-enable from the metadata.",
    types=_MACHINES,
)
def serial_console(machine: Resource) -> str | None:
    value = at(machine, "metadata.serial-port-enable").text.lower()
    return "serial-port-enable is on." if value in ("true", "1") else None


@resource_rule(
    "compute.default-account",
    Severity.HIGH,
    "Machine runs as the project's default service account",
    why="That account is an editor of the whole project in most projects: whoever takes over the machine "
    "owns everything in it.",
    remedy="A service account of its own with the roles that it needs (Cloudberth's compute module).",
    types=(*_MACHINES, _RUN),
)
def default_account(machine: Resource) -> str | None:
    if machine.type == _RUN:
        email = at(machine, "template.0.service_account").text
    else:
        email = at(machine, "service_account.0.email").text
    shared = email == "default" or email.endswith("-compute@developer.gserviceaccount.com")
    return f"It runs as {email}." if shared else None


@relation_rule(
    "compute.boot-unprotected",
    Severity.LOW,
    "Machine starts whatever it is given",
    why="Without Secure Boot a changed kernel or boot loader survives a restart unnoticed.",
    remedy="shielded_instance_config { enable_secure_boot = true } (Cloudberth's compute module).",
    types=_MACHINES,
    by_size={"small": Severity.INFO},
)
def boot_unprotected(machine: Resource, _: Context) -> str | None:
    shield = at(machine, "shielded_instance_config")
    off = shield.absent or any(entry.at("enable_secure_boot").off for entry in shield.children())
    return "Secure Boot is off." if off else None


@also("compute.singleton-on-spot", types=(INSTANCE, *_GROUPS))
def singleton_on_spot(context: Context) -> Iterator[Hit]:
    for machine in context.of_type(INSTANCE):
        if _is_spot(machine):
            yield Hit(machine.address, "A single spot machine.")
    for group in context.of_type(*_GROUPS):
        alone = limits(group, context)[1] == 1 and not _shares_work(group, context)
        if alone and any(_is_spot(template) for template in _templates(group, context)):
            yield Hit(group.address, "A group of one, all of it spot.")


def _others(group: Resource, context: Context) -> tuple[Resource, ...]:
    """Groups that serve beside it: no group of Google has a mix of terms, so they come in pairs."""
    if not _behind_balancer(group, context):
        return ()
    groups = (other for other in context.of_type(*_GROUPS) if other.address != group.address)
    return tuple(other for other in groups if _behind_balancer(other, context))


def _shares_work(group: Resource, context: Context) -> bool:
    """Whether machines that stay serve beside those of the group."""
    return any(not any(_is_spot(t) for t in _templates(o, context)) for o in _others(group, context))


@also_relation("compute.all-on-spot", types=_GROUPS)
def all_on_spot(group: Resource, context: Context) -> str | None:
    spot = any(_is_spot(template) for template in _templates(group, context))
    many = limits(group, context)[1] not in (None, 1)
    return "No machine is regular." if spot and many and not _shares_work(group, context) else None


@also_relation("compute.spot-without-alternatives", types=(REGIONAL,))
def spot_without_alternatives(group: Resource, context: Context) -> str | None:
    choices = at(group, "instance_flexibility_policy.0.instance_selections")
    kinds = {kind for choice in choices.children() for kind in choice.at("machine_types").texts}
    spot = any(_is_spot(template) for template in _templates(group, context))
    return "One machine type." if spot and len(kinds) < 2 and not choices.partly_unknown else None


@also_relation(
    "compute.machine-health-only",
    types=_GROUPS,
    why="Google only looks whether the machine is on; one that answers errors stays, and the balancer has "
    "one less.",
    remedy="auto_healing_policies with the application's health check (Cloudberth's compute module).",
)
def machine_health_only(group: Resource, context: Context) -> str | None:
    unhealed = at(group, "auto_healing_policies").absent
    return "It has no auto_healing_policies." if unhealed and _behind_balancer(group, context) else None


@also("compute.scales-to-zero", types=(*_GROUPS, *SCALERS, _RUN))
def scales_to_zero(context: Context) -> Iterator[Hit]:
    for group in context.of_type(*_GROUPS):
        policy = policy_of(group, context)
        minimum = policy.at("min_replicas").number if policy is not None else None
        scheduled = policy is not None and not policy.at("scaling_schedules").absent
        if minimum == 0 and not scheduled and not _shares_work(group, context):
            yield Hit(group.address, "Its minimum is 0.")
    for service in context.of_type(_RUN):
        if at(service, "template.0.scaling.0.min_instance_count").number == 0:
            yield Hit(service.address, "Its minimum is 0.")


@also_relation("compute.no-headroom", types=_GROUPS)
def no_headroom(group: Resource, context: Context) -> str | None:
    scaled = policy_of(group, context) is not None
    minimum, maximum = limits(group, context)
    fixed = scaled and minimum is not None and minimum == maximum and minimum > 1
    return f"Always {minimum:g} machines." if fixed else None


@also_relation("compute.never-scales", types=_GROUPS)
def never_scales(group: Resource, context: Context) -> str | None:
    missing = context.companions(group, SCALERS, "target").missing
    return "It has no autoscaler." if missing and _behind_balancer(group, context) else None


@also_relation("compute.single-machine", types=_GROUPS)
def single_machine(group: Resource, context: Context) -> str | None:
    if limits(group, context)[0] != 1 or not _behind_balancer(group, context):
        return None
    alone = all(limits(other, context)[0] == 0 for other in _others(group, context))
    return "Its minimum is 1." if alone else None


@also_relation("compute.single-zone", types=_GROUPS)
def single_zone(group: Resource, context: Context) -> str | None:
    if (limits(group, context)[1] or 0) <= 1:
        return None
    if group.type == ZONAL:
        return f"All machines are in {at(group, 'zone').text or 'one zone'}."
    zones = at(group, "distribution_policy_zones")
    one = zones.known and not zones.partly_unknown and len(zones.texts) == 1
    return f"All machines are in {zones.texts[0]}." if one else None


@also_resource(
    "compute.template-not-rolled-out",
    types=_GROUPS,
    why="With the type OPPORTUNISTIC, machines keep the old version until someone replaces them by hand.",
    remedy='update_policy { type = "PROACTIVE" } (Cloudberth\'s compute module sets it).',
)
def template_not_rolled_out(group: Resource) -> str | None:
    policy = at(group, "update_policy")
    waits = policy.at("0.type").text == "OPPORTUNISTIC"
    return "Its update policy is OPPORTUNISTIC." if waits else None
