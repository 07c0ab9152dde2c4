"""How many tasks wait: the length of Redis lists, asked over TLS. Python 3.9, standard library only."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from io import BufferedReader
from typing import Any, Union

Reply = Union[str, int, None]  # noqa: UP007 - Python 3.9

TIMEOUT_SECONDS = 10


class Refused(Exception):
    """The server answered with an error, or not in its protocol."""


def measure(cache: Mapping[str, Any], password: str, queue: Mapping[str, Any]) -> int:
    """Sum of the lists' lengths.

    cache: host, port, tls ("true"/"false"), username; certificates (PEM) of a CA of the cache's own, whose
    servers are known by that alone, without a name. queue: database, names, prefix.
    Raises OSError when the server cannot be reached or its certificate is not good, Refused when it says no.
    """
    with _connect(cache) as connection:
        stream = connection.makefile("rb")
        commands: list[list[str]] = []
        if password:
            commands.append(["AUTH", *([cache["username"]] if cache.get("username") else []), password])
        commands.append(["SELECT", str(queue["database"])])
        lists = [queue.get("prefix", "") + name for name in queue["names"]]
        commands += [["LLEN", name] for name in lists]
        connection.sendall(b"".join(_encode(command) for command in commands))
        replies = [_read(stream) for _ in commands]
    return sum(reply for reply in replies[len(replies) - len(lists) :] if isinstance(reply, int))


def _connect(cache: Mapping[str, Any]) -> socket.socket:
    plain = socket.create_connection((cache["host"], int(cache["port"])), timeout=TIMEOUT_SECONDS)
    if str(cache["tls"]).lower() != "true":
        return plain
    try:
        return _context(cache).wrap_socket(plain, server_hostname=cache["host"])
    except BaseException:
        plain.close()
        raise


def _context(cache: Mapping[str, Any]) -> ssl.SSLContext:
    own = cache.get("certificates")
    context = ssl.create_default_context(cadata="\n".join(own) if own else None)
    if own:
        context.check_hostname = False
    return context


def _encode(words: list[str]) -> bytes:
    """RESP: an array of bulk strings."""
    encoded = [word.encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in encoded)


def _read(stream: BufferedReader) -> Reply:
    line = stream.readline()
    if not line.endswith(b"\r\n"):
        raise Refused("the cache closed the connection")
    kind, text = line[:1], line[1:-2].decode(errors="replace")
    if kind == b"-":
        raise Refused(f"the cache says: {text}")
    if kind == b":":
        return int(text)
    if kind == b"$":
        return None if text == "-1" else stream.read(int(text) + 2)[:-2].decode(errors="replace")
    if kind == b"+":
        return text
    raise Refused("the cache does not speak the Redis protocol")
