"""Where a Couchbase cluster is: connection strings as the vendor's libraries take them, and its nodes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qsl

from cloudberth.errors import InvalidInput, PermissionDenied
from cloudberth.vector._dns_srv import targets

_VARIABLE = "COUCHBASE_CONNECTION_STRING"
_STRING = re.compile(r"(?:(?P<scheme>[A-Za-z0-9+.-]+)://)?(?P<hosts>[^/?]*)(?:/[^?]*)?(?:\?(?P<options>.*))?")
_NODE = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>\d{1,5}))?(?:=(?P<mode>[A-Za-z]+))?"
)
_SECURE = {"couchbase": False, "http": False, "couchbases": True, "https": True}
MANAGEMENT = {False: 8091, True: 18091}
_KEY_VALUE = {11210, 11207}
# Services by the names of `nodeServices`: management, SQL++, search.
SERVICES = ("mgmt", "n1ql", "fts")


@dataclass(frozen=True, slots=True)
class Address:
    """nodes: (host, management port), IPv6 without brackets. service: a name to ask DNS for, or empty.

    network: ``auto``, ``default``, or that of alternate addresses (``external``).
    """

    nodes: tuple[tuple[str, int], ...]
    secure: bool
    network: str = "auto"
    service: str = ""

    def shown(self) -> str:
        """For people: the first node."""
        host, port = self.nodes[0]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def resolved(self, lookup: Callable[[str], Sequence[str]] = targets) -> tuple[tuple[str, int], ...]:
        """The nodes to begin with; as the vendor's libraries do, the name itself where DNS knows no others.

        Raises PermissionDenied when DNS leads a TLS client out of the domain: whoever can forge an answer
        could have a valid certificate of his own there.
        """
        found = tuple(lookup(self.service)) if self.service else ()
        if not found:
            return self.nodes
        name, port = self.nodes[0]
        parent = name.partition(".")[2]
        allowed = (f".{name}", f".{parent}") if "." in parent else (f".{name}",)
        strange = next((one for one in found if one != name and not one.endswith(allowed)), None)
        if self.secure and strange is not None:
            raise PermissionDenied(
                f"DNS leads from {name} to {strange}, which is in another domain",
                where=_VARIABLE,
                hint="name the nodes themselves: couchbases://node1,node2",
            )
        return tuple((one, port) for one in found)


def parsed(text: str) -> Address:
    """``couchbase[s]://host[,host…][?network=…]``, ``http[s]://host:port``. Raises InvalidInput."""
    found = _STRING.fullmatch(text.strip())
    scheme = (found["scheme"] or "couchbase").lower() if found else ""
    if found is None or scheme not in _SECURE:
        raise _wrong(f"there is no {scheme}:// here" if scheme else "not understood")
    secure = _SECURE[scheme]
    given = [one for one in re.split("[,;]", found["hosts"]) if one]
    nodes = tuple(_node(one, secure=secure, web=scheme.startswith("http")) for one in given)
    if not nodes:
        raise _wrong("it names no host")
    options = dict(parse_qsl(found["options"] or "", keep_blank_values=True))
    _check(options)
    alone = len(given) == 1 and not scheme.startswith("http") and ":" not in given[0] and "." in given[0]
    named = alone and not _is_number(nodes[0][0]) and options.get("enable_dns_srv", "true") != "false"
    service = f"_{scheme}._tcp.{nodes[0][0]}" if named else ""
    return Address(nodes, secure, options.get("network", "auto") or "auto", service)


def _node(text: str, *, secure: bool, web: bool) -> tuple[str, int]:
    found = _NODE.fullmatch(text)
    if found is None:
        raise _wrong(f"{text[:60]!r} is no host")
    host = found["host"].strip("[]").lower()
    port = int(found["port"] or 0)
    if port > 65535:
        raise _wrong(f"{port} is no port")
    if not port or port in _KEY_VALUE:
        return host, MANAGEMENT[secure]
    if web or (found["mode"] or "").lower() == "http" or port in MANAGEMENT.values():
        return host, port
    raise InvalidInput(
        f"port {port} would be that of the key-value protocol, which is not spoken here",
        where=_VARIABLE,
        hint=f"name the port of the web console: {found['host']}:8091=http",
    )


def _check(options: Mapping[str, str]) -> None:
    """Refuse options that would make less safe; those of the vendor's libraries about time mean nothing."""
    for name in ("tls_verify", "ssl"):
        if options.get(name, "peer").lower() in {"none", "no_verify"}:
            raise InvalidInput(
                f"{name}={options[name]} would let anybody answer in the server's place",
                where=_VARIABLE,
                hint="name the cluster's certificate authority: COUCHBASE_CA_FILE",
            )


def _wrong(what: str) -> InvalidInput:
    return InvalidInput(
        what, where=_VARIABLE, hint="like couchbase://host, couchbases://host1,host2, http://host:8091"
    )


def _is_number(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def places(found: Any, address: Address, asked: str) -> dict[str, tuple[str, ...]]:
    """URLs by service, out of the answer of ``/pools/default/nodeServices``. asked: the host that gave it."""
    nodes = found.get("nodesExt") if isinstance(found, Mapping) else None
    made: dict[str, list[str]] = {service: [] for service in SERVICES}
    network = _network(nodes or (), address, asked)
    for node in nodes or ():
        host, ports = _reached(node, network, asked)
        for service in SERVICES:
            port = ports.get(f"{service}SSL" if address.secure else service)
            if host and port:
                shown = f"[{host}]" if ":" in host else host
                made[service].append(f"{'https' if address.secure else 'http'}://{shown}:{int(port)}")
    return {service: tuple(urls) for service, urls in made.items()}


def _network(nodes: Sequence[Mapping[str, Any]], address: Address, asked: str) -> str:
    """The name of the alternate addresses to be used, or empty. auto: those that hold the host we asked."""
    if address.network == "default":
        return ""
    for node in nodes:
        for name, other in (node.get("alternateAddresses") or {}).items():
            if address.network == name or (address.network == "auto" and other.get("hostname") == asked):
                return str(name)
    return ""


def _reached(node: Mapping[str, Any], network: str, asked: str) -> tuple[str, Mapping[str, Any]]:
    if network:
        other = (node.get("alternateAddresses") or {}).get(network) or {}
        # Without ports of their own alternate addresses have those of the node.
        return str(other.get("hostname") or ""), other.get("ports") or node.get("services") or {}
    # A node that knows no name of its own is the one that was asked.
    return str(node.get("hostname") or asked), node.get("services") or {}
