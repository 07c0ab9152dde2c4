"""Where a destination may be: public addresses, unless whoever runs Cloudberth says otherwise.

Users enter addresses in the panel, and our process connects to them with its own place in the network: so
the names are resolved by us, every address is checked, and the connection goes to exactly the address that
was checked (a name that changes its mind in between gains nothing). Redirects are not followed.

``BERTH_TRACES_ALLOW`` lists what is allowed besides: networks (``10.0.0.0/8``), host names (``phoenix``,
``*.corp.example``) or ``private`` (all private and loopback addresses). The metadata services of clouds
stay refused unless their address is listed itself.
"""

from __future__ import annotations

import fnmatch
import ipaddress
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from cloudberth.errors import InvalidInput, Refused

ALLOW = "BERTH_TRACES_ALLOW"
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
# Link-local (AWS, Azure, Google: 169.254.169.254), Alibaba Cloud, Oracle's and Azure's host addresses, AWS
# over IPv6.
_METADATA = tuple(
    ipaddress.ip_network(each)
    for each in (
        "169.254.0.0/16",
        "100.100.100.200/32",
        "168.63.129.16/32",
        "fe80::/10",
        "fd00:ec2::/32",
        "192.0.0.192/32",
    )
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_INSIDE = tuple(
    ipaddress.ip_network(each)
    for each in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "::1/128",
        "fc00::/7",
    )
)


@dataclass(frozen=True, slots=True)
class Guard:
    """What is allowed besides public addresses."""

    networks: tuple[Network, ...] = ()
    hosts: tuple[str, ...] = ()

    @classmethod
    def of(cls, entries: Iterable[str]) -> Guard:
        """From the entries of the setting. Raises InvalidInput."""
        networks: list[Network] = []
        hosts: list[str] = []
        for entry in (each.strip().lower() for each in entries):
            if not entry:
                continue
            if entry == "private":
                networks += _INSIDE
                continue
            try:
                networks.append(ipaddress.ip_network(entry, strict=False))
            except ValueError:
                if "/" in entry or " " in entry or entry == "*":
                    raise InvalidInput(
                        f"{entry!r} is no network and no host",
                        where=ALLOW,
                        hint="10.0.0.0/8, phoenix, private",
                    ) from None
                hosts.append(entry)
        return cls(tuple(networks), tuple(hosts))

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] | None = None) -> Guard:
        given = os.environ if environment is None else environment
        return cls.of(given.get(ALLOW, "").split(","))

    def check_url(self, url: str) -> None:
        """Refuse what can be seen to be wrong without asking a name server. Raises InvalidInput, Refused."""
        host = host_of(url)
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            if host == "localhost" or host.endswith(".localhost"):
                self.check(host, "127.0.0.1")
            return
        self.check(host, str(address))

    def check(self, host: str, address: str) -> None:
        """Refuse an address that a host resolved to. Raises Refused."""
        found: Address = ipaddress.ip_address(address.partition("%")[0])
        if isinstance(found, ipaddress.IPv6Address):
            found = _inner(found)
        if any(found in network for network in self.networks if network.version == found.version):
            listed = [each for each in self.networks if each.version == found.version and found in each]
            # `private` and wide networks do not open the metadata services: their own address has to be
            # listed.
            if not _is_metadata(found) or any(each.num_addresses <= 256 for each in listed):
                return
        elif any(fnmatch.fnmatchcase(host.lower(), pattern) for pattern in self.hosts):
            if not _is_metadata(found):
                return
        elif found.is_global and not found.is_multicast and not _is_metadata(found):
            return
        raise Refused(
            f"{host} is at {found}, which is no public address",
            hint=f"whoever runs Cloudberth can allow it: {ALLOW}={found}",
        )


def _inner(address: ipaddress.IPv6Address) -> Address:
    """The IPv4 address that an IPv6 address leads to, if it does: mapped, 6to4, Teredo, NAT64."""
    if address in _NAT64:
        return ipaddress.IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour or (address.teredo or (address, address))[1]


def host_of(url: str) -> str:
    """The host of an http(s) URL, lower case. Raises InvalidInput for anything else, or one with a password
    in it.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise InvalidInput("this is no address", where="endpoint", hint="https://host[:port]/path") from None
    if parts.scheme not in ("http", "https") or not host:
        raise InvalidInput(
            "this is no address of a server", where="endpoint", hint="https://host[:port]/path"
        )
    if parts.username is not None or parts.password is not None:
        raise InvalidInput(
            "an address must not hold a password", where="endpoint", hint="use the fields for keys"
        )
    if any(letter <= " " or letter == "\x7f" for letter in url):
        raise InvalidInput("an address must not hold spaces or control characters", where="endpoint")
    return host.lower()


def _is_metadata(address: Address) -> bool:
    return any(address in network for network in _METADATA if network.version == address.version)
