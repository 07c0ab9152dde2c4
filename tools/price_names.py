"""What a facts file calls things, in the words of the price book: one function per cloud.

Each answers (service, sku, unit, region, tier start), or None for a thing that no estimate asks for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

GLOBAL = "global"


@dataclass(frozen=True)
class Named:
    service: str
    sku: str
    unit: str
    region: str
    tier_start: int = 0


Row = Mapping[str, str]
_AWS_EGRESS = {"first 10tb": 0, "next 40tb": 10240, "next 100tb": 51200, "over 150tb": 153600}
_EGRESS_STARTS = {0: 0, 10000: 10240, 50000: 51200, 150000: 153600}


def aws(row: Row) -> Named | None:
    service, sku, unit, region = row["service"], row["sku"], row["unit"], row["region"]
    if service == "ec2":
        machine, purchase, _ = sku.split("/")
        return Named("ec2-spot" if purchase == "spot" else "ec2", machine, unit, region)
    if service == "egress-internet":
        start = _EGRESS_STARTS[int(sku.split("-")[0])]
        return Named("data-transfer", "internet-out", unit, region, start)
    if service == "data-transfer":
        if sku.startswith("internet"):
            return Named(service, "internet-out", unit, region, _AWS_EGRESS[sku[sku.index("(") + 1 : -1]])
        named = {"intra-region data transfer": "inter-zone"}.get(sku, sku.replace(" ", "-"))
        return Named(service, named, unit, region)
    return Named(service, {"backup-over-free": "backup"}.get(sku, sku), unit, region)


_AZURE_SKUS = {
    ("application-gateway", "basic-v2-fixed"): "standard-v2-hour",
    ("application-gateway", "basic-v2-cu"): "standard-v2-unit",
    ("application-gateway", "waf-v2-fixed"): "waf-v2-hour",
    ("application-gateway", "waf-v2-cu"): "waf-v2-unit",
    ("nat-gateway", "hour"): "standard-hour",
    ("nat-gateway", "data-processed"): "standard-data-processed",
    ("public-ipv4", "standard-static"): "address",
    ("key-vault", "secrets-10k"): "operations-10k",
    ("log-analytics", "ingest-payg"): "ingest",
    ("postgres-flexible", "backup-lrs"): "backup",
    ("blob", "hot-lrs-first-50tb"): "hot-lrs",
    ("blob", "hot-write-10k"): "hot-lrs-write-10k",
    ("blob", "cool-write-10k"): "cool-lrs-write-10k",
    ("blob", "cold-write-10k"): "cold-lrs-write-10k",
}
_AZURE_SERVICES = {
    "application-gateway", "blob", "key-vault", "log-analytics", "managed-redis", "nat-gateway",
    "postgres-flexible", "private-endpoint", "public-ipv4",
}  # fmt: skip


def azure(row: Row) -> Named | None:
    service, sku, unit, region = row["service"], row["sku"], row["unit"], row["region"]
    if service == "virtual-machines":
        machine, _, purchase = sku.split("/")
        named = azure_machine(machine) if machine.startswith("standard") else machine
        if named is None:
            return None
        return Named(f"{service}-spot" if purchase == "spot" else service, named, unit, region)
    if service == "egress-internet":
        return Named("bandwidth", "internet-out", unit, region, _EGRESS_STARTS[int(sku.split("-")[0])])
    if service not in _AZURE_SERVICES or (service == "postgres-flexible" and re.match(r"[DE]\d", sku)):
        return None  # servers of these series are priced by the core: see additions-azure.csv
    unit = {"10k-transactions": "10k-operations"}.get(unit, unit)
    return Named(service, _AZURE_SKUS.get((service, sku), sku), unit, region)


def azure_machine(name: str) -> str | None:
    """``standardd2asv4`` → ``D2as_v4``; None for a name that is not of this shape."""
    found = re.fullmatch(r"standard([a-z])(\d+)([a-z]*?)(?:v(\d))?", name)
    if not found:
        return None
    family, size, features, version = found.groups()
    return f"{family.upper()}{size}{features}" + (f"_v{version}" if version else "")


_GOOGLE = {
    ("cloud-dns", "zone"): ("zone", "zone-month", GLOBAL),
    ("cloud-logging", "ingest"): ("ingest", "GiB", ""),
    ("cloud-nat", "per-vm"): ("machine", "VM-hour", ""),
    ("cloud-sql", "backup"): ("backup", "GiB-month", ""),
    ("cloud-sql", "memory-regional"): ("memory-regional", "GiB-month", ""),
    ("cloud-sql", "memory-zonal"): ("memory-zonal", "GiB-month", ""),
    ("cloud-sql", "ssd-regional"): ("ssd-regional", "GiB-month", ""),
    ("cloud-sql", "ssd-zonal"): ("ssd-zonal", "GiB-month", ""),
    ("cloud-sql", "vcpu-regional"): ("vcpu-regional", "vCPU-hour", ""),
    ("cloud-sql", "vcpu-zonal"): ("vcpu-zonal", "vCPU-hour", ""),
    ("cloud-storage", "standard-class-a-1k"): ("standard-class-a-1k", "1k-operations", ""),
    ("cloud-storage", "standard-class-b-1k"): ("standard-class-b-1k", "1k-operations", ""),
    ("load-balancing", "inbound-data"): ("data-processed", "GiB", ""),
    ("secret-manager", "access-10k"): ("access-10k", "10k-requests", GLOBAL),
    ("secret-manager", "version"): ("version", "version-month", GLOBAL),
}
"""The book's sku, unit and region (empty: the row's own). Prices of machines, disks, buckets and traffic come
from a file of its own (google_calculator.py)."""


def google(row: Row) -> Named | None:
    service, sku = row["service"], row["sku"]
    if service == "memorystore-redis":
        return Named(service, sku, row["unit"], row["region"])
    if (service, sku) not in _GOOGLE:
        return None
    named, unit, region = _GOOGLE[service, sku]
    return Named(service, named, unit, region or row["region"])


NAMES: Mapping[str, tuple[str, Callable[[Row], Named | None]]] = {
    "aws": ("aws", aws),
    "azure": ("azure", azure),
    "gcp": ("google", google),
}
"""Provider in a facts file → (provider in the book, its words)."""
