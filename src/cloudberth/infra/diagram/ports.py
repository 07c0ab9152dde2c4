"""What an arrow says: the ports that rules let through, as words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_NAMES = {
    22: "SSH",
    25: "SMTP",
    53: "DNS",
    80: "HTTP",
    443: "HTTPS",
    1433: "SQL Server",
    2049: "NFS",
    3306: "MySQL",
    5432: "PostgreSQL",
    6379: "Redis",
    9092: "Kafka",
    9200: "OpenSearch",
    11211: "Memcached",
    27017: "MongoDB",
}


@dataclass(frozen=True, slots=True)
class Ports:
    """A range of ports; first None means all."""

    protocol: str
    first: int | None
    last: int | None


def ports_of(protocol: object, ranges: Sequence[object]) -> tuple[Ports, ...]:
    """Ranges as rules write them: ``443``, ``8000-8100`` or ``*``; none means all."""
    said = str(protocol or "").lower()
    named = "any" if said in ("", "*", "all", "-1") else said
    found = [_range(named, str(one)) for one in ranges]
    return tuple(found) or (Ports(named, None, None),)


def _range(protocol: str, words: str) -> Ports:
    first, _, last = words.partition("-")
    if not first.isdigit():
        return Ports(protocol, None, None)
    return Ports(protocol, int(first), int(last) if last.isdigit() else int(first))


def port_label(ports: Sequence[Ports], names: Mapping[int, str] | None = None) -> str:
    """``PostgreSQL 5432``, ``TCP 5001, 5002``; names: better words than the port's usual ones."""
    if any(one.first is None for one in ports):
        return "any port"
    known = {**_NAMES, **(names or {})}
    unique = sorted({(one.first or 0, one.last or 0, one.protocol) for one in ports})
    if (
        len(unique) == 1
        and unique[0][0] == unique[0][1]
        and unique[0][0] in known
        and unique[0][2] in ("tcp", "6")
    ):
        return f"{known[unique[0][0]]} {unique[0][0]}"
    protocol = "/".join(sorted({one[2].upper() for one in unique}))
    shown = [str(first) if first == last else f"{first}–{last}" for first, last, _ in unique]
    more = f" +{len(shown) - 4}" if len(shown) > 4 else ""
    return f"{protocol} {', '.join(shown[:4])}{more}"
