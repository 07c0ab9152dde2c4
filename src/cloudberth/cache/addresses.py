"""Hosts and ports as people write them: ``a:1,b:2``, ``[::1]:7000``."""

from __future__ import annotations

from cloudberth.errors import InvalidInput


def address(text: str, port: int) -> tuple[str, int]:
    """Host and port of ``host``, ``host:port``, ``[IPv6]`` or ``[IPv6]:port``. port: when none is named.

    Raises ValueError; an IPv6 address without brackets is one, because its last group reads like a port.
    """
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(f"{text!r} is no [address]:port")
        named = rest[1:]
    else:
        host, _, named = text.partition(":")
        if ":" in named:
            raise ValueError(f"{text!r}: an IPv6 address stands in brackets, [::1]:6379")
    if not host:
        raise ValueError(f"{text!r} has no host")
    if not named:
        return host, port
    if not named.isascii() or not named.isdigit() or not 0 < int(named) < 65536:
        raise ValueError(f"{named!r} is no port")
    return host, int(named)


def addresses(text: str, port: int) -> tuple[tuple[str, int], ...]:
    """Several, with commas between. Raises ValueError."""
    return tuple(address(part.strip(), port) for part in text.split(",") if part.strip())


def shown(host: str, port: int) -> str:
    """``host:port``, with brackets where they are needed."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def checked_addresses(text: str, port: int, where: str) -> tuple[tuple[str, int], ...]:
    """The same, with an error that says where; at least one."""
    try:
        found = addresses(text, port)
    except ValueError as error:
        raise InvalidInput(str(error), where=where) from None
    if not found:
        raise InvalidInput("names no server", where=where, hint="host:port, several with commas between")
    return found
