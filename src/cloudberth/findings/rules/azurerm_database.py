"""Databases of Azure: flexible servers for PostgreSQL and MySQL."""

from __future__ import annotations

from collections.abc import Iterator

from cloudberth.findings.context import Context
from cloudberth.findings.model import Severity
from cloudberth.findings.rules.registry import Hit, also, also_relation, also_resource, relation_rule
from cloudberth.findings.values import at
from cloudberth.infra.plan import Resource

POSTGRES, MYSQL = "azurerm_postgresql_flexible_server", "azurerm_mysql_flexible_server"
_SERVERS = (POSTGRES, MYSQL)
_SETTINGS = (f"{POSTGRES}_configuration", f"{MYSQL}_configuration")
_FIREWALLS = (f"{POSTGRES}_firewall_rule", f"{MYSQL}_firewall_rule", "azurerm_mssql_firewall_rule")
_FIRST_ADDRESS = "0.0.0.0"  # noqa: S104 - compared with, nothing is bound to it
# The last major version out of the community's support, which Azure's standard support follows: PostgreSQL 13
# since 2025-11, MySQL 5.7 since 2023-10.
_LAST_UNSUPPORTED = {POSTGRES: 13.0, MYSQL: 5.7}


def is_replica(server: Resource) -> bool:
    """Whether it copies another server, whose backups and protection count."""
    return at(server, "create_mode").text == "Replica"


def is_reachable(server: Resource) -> bool:
    """Whether it has a public address: it has, unless it says otherwise or stands in a subnet."""
    if not at(server, "delegated_subnet_id").absent:
        return False
    if server.type == MYSQL:
        return at(server, "public_network_access").text == "Enabled"
    access = at(server, "public_network_access_enabled")
    return access.absent or access.on


@also_resource(
    "database.public",
    types=_FIREWALLS,
    remedy="Remove the rule; put the server into a subnet (Cloudberth's database module does so).",
)
def public(rule: Resource) -> str | None:
    first, last = at(rule, "start_ip_address").text, at(rule, "end_ip_address").text
    if first != _FIRST_ADDRESS:
        return None
    if last == "255.255.255.255":
        return "Every address is let in."
    return "Every machine in Azure is let in, also those of strangers." if last == _FIRST_ADDRESS else None


@relation_rule(
    "database.public-address",
    Severity.MEDIUM,
    "Database has a public address",
    why="It is then one rule away from the internet, and its name tells everybody where to knock.",
    remedy="delegated_subnet_id and public_network_access_enabled: false (Cloudberth's database module).",
    types=_SERVERS,
)
def public_address(server: Resource, _: Context) -> str | None:
    return "Public network access is on." if is_reachable(server) else None


@also_resource(
    "database.tls-not-required",
    types=_SETTINGS,
    remedy="require_secure_transport: ON, ssl_min_protocol_version: TLSv1.2",
)
def tls_not_required(setting: Resource) -> str | None:
    name, value = at(setting, "name").text, at(setting, "value").text
    if name == "require_secure_transport" and value.lower() == "off":
        return f"{name} is {value}."
    old = name in ("ssl_min_protocol_version", "tls_version") and ("TLSv1.1" in value or value == "TLSv1")
    return f"{name} is {value}." if old else None


@also_resource("database.single-zone", types=_SERVERS)
def single_zone(server: Resource) -> str | None:
    if is_replica(server):
        return None
    standby, mode = at(server, "high_availability"), at(server, "high_availability.0.mode").text
    if standby.absent:
        return "It has no standby."
    return "Its standby is in the same zone." if mode == "SameZone" else None


@also_resource("database.backups-short", types=_SERVERS)
def backups_short(server: Resource) -> str | None:
    days = at(server, "backup_retention_days").number
    short = days is not None and 0 < days < 7 and not is_replica(server)
    return f"Backups are kept for {days:g} days." if short else None


@also_relation("database.deletion-protection-off", types=_SERVERS)
def deletion_protection_off(server: Resource, context: Context) -> str | None:
    """Azure has no switch for it, but locks: on the server itself, or on its resource group."""
    missing = context.companions(server, ("azurerm_management_lock",), "scope").missing
    return "No lock keeps it." if missing and not is_replica(server) and not _group_locked(context) else None


def _group_locked(context: Context) -> bool:
    groups = tuple(context.of_type("azurerm_resource_group"))
    locks = tuple(context.of_type("azurerm_management_lock"))
    return any(context.points_at(lock, "scope", group) for lock in locks for group in groups)


@also_resource(
    "database.old-engine",
    types=_SERVERS,
    why="Flaws that become known are no longer fixed, Azure bills extended support for it, and Dify tests "
    "against newer versions.",
)
def old_engine(server: Resource) -> str | None:
    version = at(server, "version").text
    parts = version.split(".")
    if not all(part.isdecimal() for part in parts):
        return None
    major = float(".".join(parts[:2]))
    return f"Version {version}." if major < _LAST_UNSUPPORTED[server.type] + 0.1 else None


@also_resource("database.storage-cannot-grow", types=_SERVERS)
def storage_cannot_grow(server: Resource) -> str | None:
    if is_replica(server):
        return None
    if server.type == MYSQL:
        # On unless it says otherwise.
        return "auto_grow_enabled is off." if at(server, "storage.0.auto_grow_enabled").turned_off else None
    return "auto_grow_enabled is off." if at(server, "auto_grow_enabled").off else None


@also_relation(
    "database.logs-not-exported",
    types=_SERVERS,
    remedy="A diagnostic setting of the server (Cloudberth's database module has one).",
)
def logs_not_exported(server: Resource, context: Context) -> str | None:
    settings = context.companions(server, ("azurerm_monitor_diagnostic_setting",), "target_resource_id")
    return "No diagnostic setting belongs to it." if settings.missing else None


@also(
    "database.burstable-at-size-large",
    types=_SERVERS,
    remedy="database.machine_type: GP_Standard_D2ds_v5 or larger",
)
def burstable_at_size_large(context: Context) -> Iterator[Hit]:
    if context.size != "large":
        return
    for server in context.of_type(*_SERVERS):
        kind = at(server, "sku_name").text
        if kind.startswith("B_"):
            yield Hit(server.address, f"It runs on {kind}.")
