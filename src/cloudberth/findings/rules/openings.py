"""Ports that are open to the whole internet: what that means is the same on every cloud."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cloudberth.findings.rules.registry import Hit

_ADMIN_PORTS = {22: "SSH", 23: "Telnet", 3389: "Remote Desktop", 5985: "WinRM", 5986: "WinRM"}
_DATA_PORTS = {
    1433: "SQL Server",
    1521: "Oracle",
    2379: "etcd",
    3306: "MySQL",
    5432: "PostgreSQL",
    6333: "Qdrant",
    6379: "Redis/Valkey",
    8123: "ClickHouse",
    9042: "Cassandra",
    9200: "Elasticsearch/OpenSearch",
    11211: "Memcached",
    19530: "Milvus",
    27017: "MongoDB",
}
_WEB_PORTS = {80, 443}
_MANY_PORTS = 10_000


@dataclass(frozen=True, slots=True)
class Opening:
    """An ingress rule that lets the whole internet in. Ports are both inclusive."""

    address: str
    first: int
    last: int

    @property
    def width(self) -> int:
        return self.last - self.first + 1

    def includes(self, port: int) -> bool:
        return self.first <= port <= self.last

    @property
    def ports(self) -> str:
        return f"port {self.first}" if self.width == 1 else f"ports {self.first}-{self.last}"


def is_world(cidr: str) -> bool:
    """Whether a CIDR means (nearly) everybody: a prefix of at most three bits."""
    try:
        return ipaddress.ip_network(cidr, strict=False).prefixlen <= 3
    except ValueError:
        return False


def wide(openings: Iterable[Opening]) -> Iterator[Hit]:
    """Those of (nearly) all ports."""
    for opening in openings:
        if opening.width >= _MANY_PORTS:
            yield Hit(opening.address, f"{opening.ports} can be reached from anywhere.")


def administration(openings: Iterable[Opening]) -> Iterator[Hit]:
    """Those of ports that machines are administered through."""
    yield from _named(openings, _ADMIN_PORTS)


def stores(openings: Iterable[Opening]) -> Iterator[Hit]:
    """Those of ports that databases and caches listen on."""
    yield from _named(openings, _DATA_PORTS)


def _named(openings: Iterable[Opening], ports: dict[int, str]) -> Iterator[Hit]:
    for opening in openings:
        names = sorted({name for port, name in ports.items() if opening.includes(port)})
        if names and opening.width < _MANY_PORTS:
            yield Hit(opening.address, f"{', '.join(names)} ({opening.ports}) can be reached from anywhere.")


def others(openings: Iterable[Opening]) -> Iterator[Hit]:
    """Those that are none of the above, nor the ports of the web."""
    named = _ADMIN_PORTS.keys() | _DATA_PORTS.keys()
    for opening in openings:
        web = opening.width <= 2 and {opening.first, opening.last} <= _WEB_PORTS
        other_rule = opening.width >= _MANY_PORTS or any(opening.includes(port) for port in named)
        if not web and not other_rule:
            yield Hit(opening.address, f"{opening.ports} can be reached from anywhere.")


def port_range(text: str) -> tuple[int, int] | None:
    """``443`` → (443, 443), ``8000-8080`` → (8000, 8080), ``*`` → all; None for anything else."""
    if text == "*":
        return 0, 65535
    first, dash, last = text.partition("-")
    if not first.strip().isdecimal() or (dash and not last.strip().isdecimal()):
        return None
    return int(first), int(last) if dash else int(first)
