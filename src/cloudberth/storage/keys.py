"""Which keys there can be. Everything else about a key is the store's business: it is never changed."""

from __future__ import annotations

from cloudberth.errors import InvalidInput

MAX_BYTES = 1024


class InvalidKey(InvalidInput, ValueError):
    """A key that no object store takes."""


def checked_key(key: str) -> str:
    """The key, or InvalidKey: empty, over 1,024 bytes as UTF-8, not text, or with a NUL in it."""
    if not key:
        raise InvalidKey("the key of an object is empty")
    if key.isascii():
        size = len(key)
    else:
        try:
            size = len(key.encode())
        except UnicodeEncodeError:
            raise InvalidKey(
                f"the key {key!r} is no text", hint="half of a surrogate pair cannot be written as UTF-8"
            ) from None
    if size > MAX_BYTES:
        raise InvalidKey(f"the key {key[:40]}… has {size} bytes", hint=f"at most {MAX_BYTES} bytes as UTF-8")
    if "\0" in key:
        raise InvalidKey(f"the key {key!r} has a NUL in it", hint="no store can list such a key")
    return key


def checked_prefix(prefix: str) -> str:
    """The same for the start of a key, which may be empty."""
    return checked_key(prefix) if prefix else ""
