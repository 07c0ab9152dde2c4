"""What the contract suite works with: options that do not wait long, contents, keys that others lose."""

from __future__ import annotations

import hashlib
import http.client
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing
from urllib.parse import urlsplit

from cloudberth import storage as storages
from cloudberth.errors import InvalidInput, Unsupported
from cloudberth.storage.contract import MIB, SignedRequest
from cloudberth.storage.options import Options
from cloudberth.storage.storage import Storage

PART = 5 * MIB
"""The smallest part that every vendor takes."""
OPTIONS = Options(part_size=PART, retries=3, deadline=60.0, read_timeout=20.0, concurrency=8)

Lacks = Callable[[str], AbstractContextManager[None]]
"""The fixture of this name: asserts inside of it that an ability is refused by Unsupported."""

Refused = Callable[[str], None]
"""The fixture `refused`: counts what a store refused by name."""

# The 25 keys of the measurements, and those that the issue names besides; by the name of the case.
ODD_KEYS: Mapping[str, str] = {
    "plain": "plain.txt",
    "query-signs": "a b+c&d=e.txt",
    "chinese-emoji": "é中文😀.txt",
    "decomposed": "e\u0301.txt",
    "percent": "100%25.txt",
    "encoded-slash": "%2F",
    "two-slashes": "x//y",
    "leading-slash": "/lead",
    "folder": "dir/",
    "dot-slash": "./dot",
    "dots-inside": "a/../b",
    "backslash": "back\\slash",
    "trailing-space": "tail ",
    "question-hash": "q?u#h",
    "star": "star*",
    "brackets": "[br]{c}|^~`",
    "tab": "tab\there",
    "name": "n",
    "below-name": "n/child",
    "quotes": "'q\"uote<&>",
    "long": "a" * 200 + "/" + "b" * 200,
    "punctuation": "semi;colon,comma@x:y$!()",
    "dots": "..",
    "newline": "new\nline",
    "trailing-slashes": "trailing//",
    "plus": "1+1=2",
    "plus-and-space": "1+1 =2",
    "emoji": "👩‍👩‍👧",
    "leading-space": " head",
    "dot": ".",
    "three-dots": "...",
    "parent": "../up",
    "slash": "/",
    "many-slashes": "///",
    "1024-ascii": "k" * 1024,
    "1024-bytes": "中" * 341 + "k",
    "percent-lone": "50% off",
    "windows-device": "NUL.txt",
    "trailing-dot": "end.",
    "upper-case": "PLAIN.txt",
}


def opened(environment: Mapping[str, str], options: Options = OPTIONS) -> Storage:
    """The store that these variables mean, as an application opens it."""
    return storages.open(environment, options)


def content(size: int, seed: int = 0) -> bytes:
    """Bytes that look like none of their neighbours, the same for the same arguments."""
    block = b"".join(hashlib.sha256(f"{seed}-{number}".encode()).digest() for number in range(512))
    return (block * (size // len(block) + 1))[:size]


def in_pieces(data: bytes, size: int = 100_000) -> Iterator[bytes]:
    """The same bytes as a stream whose length nobody knows."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


def keys_of(entries: Iterable[object]) -> list[str]:
    """The keys of a list's entries, in its order."""
    return [entry.key for entry in entries]  # type: ignore[attr-defined]


def by_bytes(keys: Iterable[str]) -> list[str]:
    """Sorted as object stores sort."""
    return sorted(keys, key=str.encode)


def save_all(storage: Storage, keys: Iterable[str], refused: Refused, data: bytes = b"x") -> list[str]:
    """Save under each key; those that were taken. What the store refuses by name is counted, not written."""
    taken = []
    for key in keys:
        try:
            storage.save(key, data)
        except (Unsupported, InvalidInput):
            refused(f"key {key}")
        else:
            taken.append(key)
    assert taken, "no key at all was taken"
    return taken


def send(
    signed: SignedRequest, address: tuple[str, int], body: bytes | None = None, target: str = ""
) -> tuple[int, bytes]:
    """Make a signed request as anybody could, without our client: status and body.

    address: where the server listens, whatever host the URL names. target: instead of the URL's own.
    """
    parts = urlsplit(signed.url)
    own = signed.url.split(parts.netloc, 1)[1]
    with closing(http.client.HTTPConnection(*address, timeout=20)) as connection:
        connection.putrequest(signed.method, target or own, skip_host=True, skip_accept_encoding=True)
        headers = {"Host": parts.netloc, **signed.headers}
        if body is not None:
            headers["Content-Length"] = str(len(body))
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.read()
