"""Machines of Azure and the sets they come from: addresses, identities, spot, zones, health."""

from __future__ import annotations

from collections.abc import Iterator

from cloudberth.findings.context import Context
from cloudberth.findings.model import Severity
from cloudberth.findings.rules.registry import Hit, also, also_relation, also_resource, relation_rule
from cloudberth.findings.values import Node, at, blocks
from cloudberth.infra.plan import Resource

MACHINE = "azurerm_linux_virtual_machine"
UNIFORM, FLEXIBLE = (
    "azurerm_linux_virtual_machine_scale_set",
    "azurerm_orchestrated_virtual_machine_scale_set",
)
AUTOSCALE = "azurerm_monitor_autoscale_setting"
_SETS, _MACHINES = (UNIFORM, FLEXIBLE), (MACHINE, UNIFORM, FLEXIBLE)


def profiles(scale_set: Resource, context: Context) -> tuple[Node, ...]:
    """Autoscale profiles of a set; the first one holds where no schedule does."""
    settings = context.companions(scale_set, (AUTOSCALE,), "target_resource_id")
    return tuple(profile for setting in settings.found for profile in blocks(setting, "profile"))


def limits(scale_set: Resource, context: Context) -> tuple[float | None, float | None]:
    """(minimum, maximum) of the set: of its autoscale setting, else its fixed number of machines."""
    scaled = profiles(scale_set, context)
    if scaled:
        return scaled[0].at("capacity.0.minimum").number, scaled[0].at("capacity.0.maximum").number
    fixed = at(scale_set, "instances").number
    return fixed, fixed


def _addresses(resource: Resource) -> Iterator[Node]:
    for interface in blocks(resource, "network_interface"):
        yield from interface.at("ip_configuration").children()


def _behind_gateway(scale_set: Resource) -> bool:
    names = ("application_gateway_backend_address_pool_ids", "load_balancer_backend_address_pool_ids")
    return any(not address.at(name).absent for address in _addresses(scale_set) for name in names)


@also("compute.public-address", types=(*_SETS, "azurerm_network_interface"))
def public_address(context: Context) -> Iterator[Hit]:
    for scale_set in context.of_type(*_SETS):
        if any(not address.at("public_ip_address").absent for address in _addresses(scale_set)):
            yield Hit(scale_set.address, "Every machine gets a public address.")
    for interface in context.of_type("azurerm_network_interface"):
        if any(not a.at("public_ip_address_id").absent for a in blocks(interface, "ip_configuration")):
            yield Hit(interface.address, "public_ip_address_id is set.")


@relation_rule(
    "compute.password-login",
    Severity.HIGH,
    "Machine accepts passwords for administrators",
    why="Passwords are guessed by machines all day long, shared among people, and stand in plan and state.",
    remedy="disable_password_authentication: true (Cloudberth's compute module sets it).",
    types=_MACHINES,
)
def password_login(machine: Resource, _: Context) -> str | None:
    path = "os_profile.0.linux_configuration.0." if machine.type == FLEXIBLE else ""
    allowed = at(machine, f"{path}disable_password_authentication").turned_off
    return "disable_password_authentication is false." if allowed else None


@relation_rule(
    "compute.no-identity",
    Severity.MEDIUM,
    "Machine without an identity of its own",
    why="Whatever runs on it can then reach secrets and files with keys only, which somebody must put there.",
    remedy="identity with a user-assigned identity (Cloudberth's compute module has one for each group).",
    types=_MACHINES,
)
def no_identity(machine: Resource, _: Context) -> str | None:
    return "It has no identity." if at(machine, "identity").absent else None


def _is_spot(resource: Resource) -> bool:
    return at(resource, "priority").text == "Spot"


def _all_spot(scale_set: Resource) -> bool:
    mix = at(scale_set, "priority_mix.0")
    kept = [mix.at(name).number for name in ("base_regular_count", "regular_percentage_above_base")]
    return _is_spot(scale_set) and not any(kept) and not at(scale_set, "priority_mix").partly_unknown


@also("compute.singleton-on-spot", types=_MACHINES)
def singleton_on_spot(context: Context) -> Iterator[Hit]:
    for machine in context.of_type(MACHINE):
        if _is_spot(machine):
            yield Hit(machine.address, "A single spot machine.")
    for scale_set in context.of_type(*_SETS):
        if limits(scale_set, context)[1] == 1 and _all_spot(scale_set):
            yield Hit(scale_set.address, "A group of one, all of it spot.")


@also_relation("compute.all-on-spot", types=_SETS)
def all_on_spot(scale_set: Resource, context: Context) -> str | None:
    many = limits(scale_set, context)[1] != 1
    return "No machine is regular." if many and _all_spot(scale_set) else None


@also_resource("compute.spot-without-alternatives", types=(FLEXIBLE,))
def spot_without_alternatives(scale_set: Resource) -> str | None:
    sizes = at(scale_set, "sku_profile.0.virtual_machine_size")
    few = len(tuple(sizes.children())) < 2 and not sizes.unknown
    return "One machine type." if _is_spot(scale_set) and few else None


@also_relation(
    "compute.machine-health-only",
    types=_SETS,
    why="Azure only looks whether the machine is on; one that answers errors stays, and the balancer has one "
    "less.",
    remedy="automatic_instance_repair with a health extension (Cloudberth's compute module has both).",
)
def machine_health_only(scale_set: Resource, _: Context) -> str | None:
    repair = at(scale_set, "automatic_instance_repair")
    repaired = repair.unknown or any(not entry.at("enabled").turned_off for entry in repair.children())
    return "Ill machines are not repaired." if _behind_gateway(scale_set) and not repaired else None


@also("compute.scales-to-zero", types=(*_SETS, AUTOSCALE, "azurerm_container_app"))
def scales_to_zero(context: Context) -> Iterator[Hit]:
    for scale_set in context.of_type(*_SETS):
        minimum, maximum = limits(scale_set, context)
        if minimum == 0 and maximum != 0:
            yield Hit(scale_set.address, "Its minimum is 0.")
    for app in context.of_type("azurerm_container_app"):
        if at(app, "template.0.min_replicas").number == 0:
            yield Hit(app.address, "Its minimum is 0.")


@also("compute.schedule-to-zero", types=(AUTOSCALE,))
def schedule_to_zero(context: Context) -> Iterator[Hit]:
    for setting in context.of_type(AUTOSCALE):
        for profile in blocks(setting, "profile"):
            timed = not profile.at("recurrence").absent or not profile.at("fixed_date").absent
            if timed and profile.at("capacity.0.maximum").number == 0:
                yield Hit(setting.address, f"The maximum of {profile.at('name').text} is 0.")


@also_relation("compute.no-headroom", types=_SETS)
def no_headroom(scale_set: Resource, context: Context) -> str | None:
    scaled = profiles(scale_set, context)
    minimum, maximum = limits(scale_set, context)
    fixed = bool(scaled) and minimum is not None and minimum == maximum and minimum > 1
    return f"Always {minimum:g} machines." if fixed and _behind_gateway(scale_set) else None


@also_relation("compute.never-scales", types=_SETS)
def never_scales(scale_set: Resource, context: Context) -> str | None:
    settings = context.companions(scale_set, (AUTOSCALE,), "target_resource_id")
    missing = settings.missing and _behind_gateway(scale_set)
    return "It has no autoscale setting." if missing else None


@also_relation("compute.single-machine", types=_SETS)
def single_machine(scale_set: Resource, context: Context) -> str | None:
    one = limits(scale_set, context)[0] == 1
    return "Its minimum is 1." if one and _behind_gateway(scale_set) else None


@also_relation("compute.single-zone", types=_SETS)
def single_zone(scale_set: Resource, context: Context) -> str | None:
    zones, maximum = at(scale_set, "zones"), limits(scale_set, context)[1]
    if maximum is None or maximum <= 1 or zones.partly_unknown:
        return None
    if zones.absent:
        return "It has no zones: Azure may put all machines into one."
    return f"All machines are in zone {zones.texts[0]}." if len(zones.texts) == 1 else None


@also_relation(
    "compute.template-not-rolled-out",
    types=_SETS,
    why="With the mode Manual, machines keep the old version until someone replaces them by hand.",
    remedy="upgrade_mode: Rolling (Cloudberth's compute module sets it).",
)
def template_not_rolled_out(scale_set: Resource, context: Context) -> str | None:
    """A set of one is renewed by the provider itself."""
    many = limits(scale_set, context)[1] not in (None, 1)
    mode = at(scale_set, "upgrade_mode")
    manual = mode.text == "Manual" or mode.absent
    return "Its upgrade mode is Manual." if many and manual else None
