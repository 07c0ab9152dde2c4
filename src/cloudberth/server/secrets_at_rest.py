"""Tokens that we give out: made here, kept as hashes only."""

from __future__ import annotations

import hashlib
import secrets

# 256 bits of randomness: nobody guesses them, so a fast hash without salt is as good as a slow one.
RANDOM_BYTES = 32


def new_token(prefix: str = "") -> str:
    """A token that nobody can guess, of letters, digits, ``-`` and ``_``."""
    return prefix + secrets.token_urlsafe(RANDOM_BYTES)


def token_hash(token: str) -> str:
    """What is kept of a token: 64 hexadecimal digits."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def same(one: str, other: str) -> bool:
    """Compare in a time that does not tell where they differ."""
    return secrets.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))
