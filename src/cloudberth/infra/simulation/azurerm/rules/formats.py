"""Forms of Azure's names, ports and address ranges, and allowed values that several types share."""

from __future__ import annotations

import ipaddress
from typing import Final

from cloudberth.infra.simulation.rules import between, matches, one_of
from cloudberth.infra.simulation.values import Value

RESOURCE_NAME: Final = matches(
    r"[A-Za-z0-9]([\w.-]{0,78}\w)?",
    "have 1 to 80 letters, digits, _, . and -, start with a letter or digit and not end with . or -",
)
PORT: Final = between(1, 65535)
PORTS: Final = matches(r"\*|\d{1,5}(-\d{1,5})?", "be *, a port or a range of ports such as 8000-8080")
SWITCH: Final = one_of("Enabled", "Disabled")
SCALE_SET_SIZE: Final = matches(r"(Standard|Basic|Mix)\w*", "be a machine size such as Standard_D2s_v5")
DISK_TYPE: Final = one_of(
    "Standard_LRS",
    "StandardSSD_LRS",
    "StandardSSD_ZRS",
    "Premium_LRS",
    "Premium_ZRS",
    "PremiumV2_LRS",
    "UltraSSD_LRS",
)
CACHING: Final = one_of("None", "ReadOnly", "ReadWrite")
RETENTION_OF_DELETED: Final = between(1, 365)
"""Days for which deleted blobs and containers can be restored."""


def network_range(value: Value) -> str | None:
    """A network of either family, without host bits: Azure refuses 10.0.0.1/24 as InvalidCIDRNotation."""
    if "/" not in str(value):
        return "must be a CIDR block such as 10.0.0.0/16"
    try:
        ipaddress.ip_network(str(value), strict=True)
    except ValueError as error:
        return f"must be a CIDR block ({error})"
    return None


def traffic_end(value: Value) -> str | None:
    """*, a service tag, an address, or a network."""
    text = str(value)
    if "/" not in text:
        return None
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        return f"must be *, a service tag or a CIDR block ({error})"
    return None


def workspace_retention(value: Value) -> str | None:
    """Log Analytics: 30 to 730 days, and the free tier's seven."""
    return None if value == 7 or 30 <= value <= 730 else "must be 7 (free tier) or between 30 and 730"
