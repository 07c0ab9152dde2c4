"""SRV records of DNS (RFC 2782), which Python's own resolver does not know: one question over UDP or TCP."""

from __future__ import annotations

import secrets
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

_SRV, _INTERNET = 33, 1
_TRUNCATED = 0x0200
# Seconds that one name server gets.
_PATIENCE = 2.0
_CONFIGURATION = Path("/etc/resolv.conf")


def targets(name: str, servers: Sequence[tuple[str, int]] | None = None) -> tuple[str, ...]:
    """Host names that a service name stands for, those to be tried first at the front; empty: none are known.

    name: ``_couchbases._tcp.example.com``. servers: name servers; None: those of this machine.
    """
    for server in _configured() if servers is None else servers:
        with suppress(OSError, ValueError, struct.error, IndexError):
            return _asked(name, server)
    return ()


def _configured() -> list[tuple[str, int]]:
    try:
        lines = _CONFIGURATION.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    parts = (line.split() for line in lines)
    return [(line[1].partition("%")[0], 53) for line in parts if len(line) > 1 and line[0] == "nameserver"]


def _asked(name: str, server: tuple[str, int]) -> tuple[str, ...]:
    number = secrets.randbelow(1 << 16)
    labels = [label.encode("idna") for label in name.rstrip(".").split(".")]
    asked = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    # Recursion desired; an empty OPT record says that answers of 4,096 bytes are taken (RFC 6891).
    message = (
        struct.pack("!6H", number, 0x0100, 1, 0, 0, 1)
        + asked
        + struct.pack("!2H", _SRV, _INTERNET)
        + struct.pack("!BHHIH", 0, 41, 4096, 0, 0)
    )
    answer = _over_udp(message, server)
    if struct.unpack_from("!H", answer, 2)[0] & _TRUNCATED:
        answer = _over_tcp(message, server)
    if struct.unpack_from("!H", answer, 0)[0] != number:
        raise ValueError("this answers another question")
    found = sorted(_records(answer), key=lambda one: (one[0], -one[1]))
    return tuple(dict.fromkeys(target for _, _, target in found))


def _over_udp(message: bytes, server: tuple[str, int]) -> bytes:
    family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as one:
        one.settimeout(_PATIENCE)
        # Connected: the answer of anybody else is not taken.
        one.connect(server)
        one.send(message)
        return one.recv(4096)


def _over_tcp(message: bytes, server: tuple[str, int]) -> bytes:
    with socket.create_connection(server, _PATIENCE) as one:
        one.sendall(struct.pack("!H", len(message)) + message)
        with one.makefile("rb") as stream:
            length = int(struct.unpack("!H", stream.read(2))[0])
            return stream.read(length)


def _records(answer: bytes) -> Iterator[tuple[int, int, str]]:
    """(priority, weight, target) of every SRV record among the answers."""
    _, _, questions, answers, _, _ = struct.unpack_from("!6H", answer, 0)
    at = 12
    for _ in range(questions):
        _, at = _name(answer, at)
        at += 4
    for _ in range(answers):
        _, at = _name(answer, at)
        kind, _, _, length = struct.unpack_from("!HHIH", answer, at)
        at += 10
        if kind == _SRV:
            priority, weight, _ = struct.unpack_from("!3H", answer, at)
            target, _ = _name(answer, at + 6)
            # A dot alone: the service is decidedly not there.
            if target:
                yield priority, weight, target.lower()
        at += length


def _name(answer: bytes, at: int) -> tuple[str, int]:
    """A name, and where what follows it begins. Names may point to an earlier one."""
    labels: list[str] = []
    after = 0
    for _ in range(128):
        length = answer[at]
        if length >= 0xC0:
            after = after or at + 2
            at = struct.unpack_from("!H", answer, at)[0] & 0x3FFF
            continue
        if not length:
            return ".".join(labels), after or at + 1
        labels.append(answer[at + 1 : at + 1 + length].decode("ascii"))
        at += 1 + length
    raise ValueError("a name without an end")
