"""How a storage client behaves, the same for every backend: limits, times, checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudberth.storage.token_cache import TokenCache


@dataclass(frozen=True, slots=True)
class Options:
    """Behaviour of a client. Times in seconds, rates a second.

    connect_timeout: to have a connection. read_timeout: without a single byte arriving. deadline: for one
    operation with all its retries. slowest: bytes a second under which an answer is given up, whatever
    trickles in. retries: further attempts after the first. concurrency: requests at once. bandwidth: bytes a
    second, each way; None: no limit. request_rate: requests a second; None: no limit (it adapts to throttling
    all the same). part_size: bytes of a part of a multipart upload or a parallel download. verify: compare
    checksums of what is read and written wherever the store tells one. token_cache: where temporary
    credentials are shared with other processes (`cloudberth.cache.tokens`); None: each process has its own.
    """

    connect_timeout: float = 10.0
    read_timeout: float = 30.0
    deadline: float = 300.0
    slowest: int = 8 * 1024
    retries: int = 6
    concurrency: int = 16
    bandwidth: float | None = None
    request_rate: float | None = None
    part_size: int = 8 * 1024 * 1024
    verify: bool = True
    ca_bundle: str | None = None
    token_cache: TokenCache | None = None
