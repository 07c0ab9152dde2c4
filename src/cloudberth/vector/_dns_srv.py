"""SRV records of DNS (RFC 2782), which Python's own resolver does not know."""

from __future__ import annotations

from collections.abc import Sequence

from cloudberth.extras import late_import

# Seconds that one try gets, and all of them together.
_PATIENCE, _LONGEST = 2.0, 6.0


def targets(name: str, servers: Sequence[tuple[str, int]] | None = None) -> tuple[str, ...]:
    """Host names that a service name stands for, those to be tried first at the front; empty: none are known.

    name: ``_couchbases._tcp.example.com``. servers: name servers; None: those of this machine. Those of one
    priority come in an order drawn by their weights, another one each time. Raises InvalidInput without the
    library of the extra.
    """
    resolving, nameserver, exception = (
        late_import(module, extra="couchbase", needed_for=f"looking up {name} in DNS")
        for module in ("dns.resolver", "dns.nameserver", "dns.exception")
    )
    try:
        resolver = resolving.Resolver(configure=servers is None)
        if servers is not None:
            resolver.nameservers = [nameserver.Do53Nameserver(*server) for server in servers]
        resolver.timeout, resolver.lifetime = _PATIENCE, _LONGEST
        found = resolver.resolve(name, "SRV", search=False).rrset.processing_order()
    except (exception.DNSException, ValueError):  # ValueError: an odd line in resolv.conf
        return ()
    # A dot alone: the service is decidedly not there.
    hosts = (one.target.to_text(omit_final_dot=True).lower() for one in found)
    return tuple(dict.fromkeys(host for host in hosts if host != "."))
