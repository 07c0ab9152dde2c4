"""Plans for the rules about machines and identities of Azure."""

from __future__ import annotations

from functools import partial
from typing import Any

from finding_plans import Sample, case, one, resource, sample

azure = partial(case, provider="azurerm")
MACHINE = "azurerm_linux_virtual_machine.a"
UNIFORM = "azurerm_linux_virtual_machine_scale_set.a"
FLEXIBLE = "azurerm_orchestrated_virtual_machine_scale_set.a"
SCALE = "azurerm_monitor_autoscale_setting.a"


def card(**address: Any) -> list[dict[str, Any]]:
    return [{"name": "primary", "ip_configuration": [{"name": "primary"} | address]}]


SERVED = {"network_interface": card(application_gateway_backend_address_pool_ids=["pool"])}


def scaled(minimum: int, maximum: int, **values: Any) -> Sample:
    """A set of machines behind the gateway, with an autoscale setting."""
    profile = {"name": "always", "capacity": [{"minimum": minimum, "maximum": maximum, "default": minimum}]}
    return sample(
        resource(FLEXIBLE, unknown={"id": True}, **SERVED, **values),
        resource(SCALE, unknown={"target_resource_id": True}, references=[FLEXIBLE], profile=[profile]),
    )


azure(
    "compute.public-address",
    reported=[
        one(UNIFORM, network_interface=card(public_ip_address=[{"name": "a"}])),
        one("azurerm_network_interface.a", ip_configuration=[{"public_ip_address_id": "/subscriptions/x"}]),
    ],
    silent=[
        one(UNIFORM, network_interface=card()),
        one("azurerm_network_interface.a", ip_configuration=[{"name": "a"}]),
    ],
)
PASSWORD = [{"linux_configuration": [{"disable_password_authentication": False}]}]
azure(
    "compute.password-login",
    reported=[one(MACHINE, disable_password_authentication=False), one(FLEXIBLE, os_profile=PASSWORD)],
    silent=[
        one(MACHINE, disable_password_authentication=True),
        one(UNIFORM),
        one(MACHINE, unknown={"disable_password_authentication": True}),
    ],
)
azure(
    "compute.no-identity",
    reported=[one(UNIFORM)],
    silent=[one(UNIFORM, identity=[{"type": "UserAssigned"}]), one(UNIFORM, unknown={"identity": True})],
)
azure(
    "compute.singleton-on-spot",
    reported=[one(MACHINE, priority="Spot"), one(UNIFORM, priority="Spot", instances=1)],
    silent=[
        one(MACHINE, priority="Regular"),
        one(UNIFORM, instances=1),
        one(UNIFORM, priority="Spot", instances=3),
    ],
)
MIX = [{"base_regular_count": 1, "regular_percentage_above_base": 0}]
azure(
    "compute.all-on-spot",
    reported=[scaled(2, 4, priority="Spot"), one(UNIFORM, priority="Spot", instances=3)],
    silent=[
        scaled(2, 4, priority="Spot", priority_mix=MIX),
        scaled(2, 4),
        one(UNIFORM, priority="Spot", instances=1),
    ],
)
SIZES = [{"allocation_strategy": "Prioritized", "virtual_machine_size": [{"name": "a"}, {"name": "b"}]}]
azure(
    "compute.spot-without-alternatives",
    reported=[one(FLEXIBLE, priority="Spot")],
    silent=[
        one(FLEXIBLE, priority="Spot", sku_profile=SIZES),
        one(FLEXIBLE),
        one(FLEXIBLE, priority="Spot", unknown={"sku_profile": True}),
    ],
)
azure(
    "compute.machine-health-only",
    reported=[
        one(FLEXIBLE, **SERVED),
        one(FLEXIBLE, automatic_instance_repair=[{"enabled": False}], **SERVED),
    ],
    silent=[
        one(FLEXIBLE, automatic_instance_repair=[{"enabled": True}], **SERVED),
        one(FLEXIBLE, network_interface=card()),
    ],
)
APP = "azurerm_container_app.a"
azure(
    "compute.scales-to-zero",
    reported=[scaled(0, 3), one(APP, template=[{"min_replicas": 0}])],
    silent=[scaled(1, 3), one(APP, template=[{"min_replicas": 1}]), one(UNIFORM, instances=0)],
)
NIGHT = {"name": "night", "recurrence": [{"days": ["Monday"], "hours": [20], "minutes": [0]}]}


def night(maximum: int) -> Sample:
    return one(SCALE, profile=[NIGHT | {"capacity": [{"minimum": 0, "maximum": maximum}]}])


azure("compute.schedule-to-zero", reported=[night(0)], silent=[night(1), scaled(0, 0)])
azure("compute.no-headroom", reported=[scaled(3, 3)], silent=[scaled(2, 4), scaled(1, 1)])
azure(
    "compute.never-scales",
    reported=[one(FLEXIBLE, instances=2, **SERVED)],
    silent=[scaled(2, 4), one(UNIFORM, instances=1, network_interface=card())],
)
azure(
    "compute.single-machine",
    reported=[scaled(1, 4), one(FLEXIBLE, instances=1, **SERVED)],
    silent=[scaled(2, 4), one(UNIFORM, instances=1, network_interface=card())],
)
azure(
    "compute.single-zone",
    reported=[scaled(2, 4), scaled(2, 4, zones=["1"])],
    silent=[scaled(2, 4, zones=["1", "2"]), one(UNIFORM, instances=1, zones=["1"])],
)
azure(
    "compute.template-not-rolled-out",
    reported=[scaled(2, 4, upgrade_mode="Manual"), scaled(2, 4)],
    silent=[scaled(2, 4, upgrade_mode="Rolling"), one(UNIFORM, instances=1, upgrade_mode="Manual")],
)

# Identities and the registry.

ASSIGNMENT = "azurerm_role_assignment.a"
DEFINITION = "azurerm_role_definition.a"
SUBSCRIPTION = "/subscriptions/00000000-0000-0000-0000-000000000000"


def role(name: str, scope: str = f"{SUBSCRIPTION}/resourceGroups/a", **values: Any) -> Sample:
    return one(ASSIGNMENT, role_definition_name=name, scope=scope, **values)


def definition(*actions: str, **permissions: Any) -> Sample:
    return one(DEFINITION, permissions=[{"actions": list(actions)} | permissions])


azure(
    "identity.broad-managed-policy",
    reported=[role("Owner"), role("Contributor")],
    silent=[role("Storage Blob Data Contributor"), one(ASSIGNMENT, unknown={"role_definition_name": True})],
)
azure(
    "identity.privilege-escalation",
    reported=[role("User Access Administrator"), definition("Microsoft.Authorization/roleAssignments/write")],
    silent=[
        role("Role Based Access Control Administrator", condition="@Request[x] ForAnyOfAnyValues"),
        definition("Microsoft.Authorization/roleAssignments/read"),
    ],
)
azure(
    "identity.every-action",
    reported=[definition("*")],
    silent=[definition("*", not_actions=["Microsoft.Authorization/*/Write"]), definition("*/read")],
)
azure(
    "identity.whole-service",
    reported=[definition("Microsoft.Storage/*")],
    silent=[definition("Microsoft.Storage/storageAccounts/read")],
)
azure(
    "identity.every-resource",
    reported=[role("Key Vault Secrets User", SUBSCRIPTION), role("Storage Blob Data Reader", SUBSCRIPTION)],
    silent=[
        role("Key Vault Secrets User"),
        role("Reader", SUBSCRIPTION),
        one(ASSIGNMENT, role_definition_name="Key Vault Secrets User", unknown={"scope": True}),
    ],
)
REGISTRY = "azurerm_container_registry.a"
azure(
    "containers.registry-shared-login",
    reported=[one(REGISTRY, admin_enabled=True)],
    silent=[one(REGISTRY, admin_enabled=False), one(REGISTRY)],
)
azure(
    "containers.registry-public",
    reported=[one(REGISTRY, anonymous_pull_enabled=True)],
    silent=[one(REGISTRY, anonymous_pull_enabled=False), one(REGISTRY)],
)
