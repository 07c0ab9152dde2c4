"""Keys and the files they are, in a folder that serves as a bucket.

An ordinary key is the file of that name under the root, as Dify lays it out: ``upload_files/t/x.txt``. A
key that no path can express (empty, ``a//b``, ``/a``, ``dir/``, a segment ``.`` or ``..`` or of more than
255 bytes, or one that starts with ``.berth/``) is kept in the odd area, ``<root>/.berth/odd/``, under a
name made of its bytes. So is ``n`` while ``n/`` is a folder, and ``n/child`` while ``n`` is a file.

Names in the odd area are ``k`` and the base32hex of the key's UTF-8 bytes, cut into folders of 200
characters. Both steps keep the order of bytes, so a walk through the odd area meets the keys in the order
of a list.
"""

from __future__ import annotations

import binascii
from base64 import b32hexdecode, b32hexencode

from cloudberth.errors import BackendError, Kind

AREA = b".berth"
ODD = (AREA, b"odd")
NAME_MAX = 255
_CUT = 200
_NO_NAMES = frozenset((b"", b".", b".."))

Names = tuple[bytes, ...]


def raw(key: str) -> bytes:
    """The UTF-8 bytes of a key. Raises BackendError (invalid) for NUL and for halves of surrogate pairs."""
    try:
        found = key.encode()
    except UnicodeEncodeError:
        raise BackendError(f"the key {key!r} is no valid text", kind=Kind.INVALID) from None
    if b"\0" in found:
        raise BackendError(f"the key {key!r} has a NUL in it", kind=Kind.INVALID)
    return found


def plain(key: bytes) -> Names | None:
    """The names of folders and file under the root; None when the key is none that a path can express."""
    names = tuple(key.split(b"/"))
    if names[0] == AREA:
        return None
    for name in names:
        if name in _NO_NAMES or len(name) > NAME_MAX:
            return None
    return names


def odd(key: bytes) -> Names:
    """The names of folders and file of a key below the odd area."""
    text = b"k" + b32hexencode(key).rstrip(b"=").lower()
    cuts = [text[start : start + _CUT] for start in range(0, len(text), _CUT)]
    return (*(cut + b"+" for cut in cuts[:-1]), cuts[-1])


def key_of_odd(path: bytes) -> bytes | None:
    """The key of a path below the odd area (names joined by ``/``); None when it is none of ours."""
    text = path.replace(b"+/", b"")[1:].upper()
    try:
        return b32hexdecode(text + b"=" * (-len(text) % 8))
    except binascii.Error:
        return None


def successor(prefix: bytes) -> bytes:
    """The smallest bytes above all that starts with `prefix` (which is not empty, nor ends in 255)."""
    return prefix[:-1] + bytes((prefix[-1] + 1,))
