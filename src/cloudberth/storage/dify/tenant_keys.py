"""Whether a workspace's private key is there and belongs to the public key that Dify encrypts with.

Dify encrypts every stored credential of a workspace with `tenants.encrypt_public_key` and reads it back with
the private key in the bucket: with a wrong one nothing fails until somebody uses a model.
"""

from __future__ import annotations

from enum import StrEnum

from cloudberth.extras import late_import


class KeyState(StrEnum):
    """What became of one workspace's key."""

    GOOD = "good"
    MISSING = "the private key is missing"
    UNREADABLE = "the private key is no RSA private key"
    FOREIGN = "the private key does not belong to the workspace's public key"
    NO_PUBLIC_KEY = "the workspace has no public key"
    """Dify has never encrypted anything for it: nothing can be lost."""
    PUBLIC_UNREADABLE = "the workspace's public key is no RSA public key"

    @property
    def fatal(self) -> bool:
        return self not in {KeyState.GOOD, KeyState.NO_PUBLIC_KEY}


def key_state(private: bytes | None, public: str | None) -> KeyState:
    """Compare a private key (PEM, None: not there) with the public key of the database (PEM)."""
    if not (public or "").strip():
        return KeyState.NO_PUBLIC_KEY
    if private is None:
        return KeyState.MISSING
    serialization = late_import(
        "cryptography.hazmat.primitives.serialization", extra="postgres", needed_for="checking private keys"
    )
    rsa = late_import(
        "cryptography.hazmat.primitives.asymmetric.rsa", extra="postgres", needed_for="checking private keys"
    )
    unreadable = (ValueError, TypeError, _unsupported_algorithm())
    try:
        expected = serialization.load_pem_public_key((public or "").strip().encode())
    except unreadable:
        return KeyState.PUBLIC_UNREADABLE
    if not isinstance(expected, rsa.RSAPublicKey):
        return KeyState.PUBLIC_UNREADABLE
    try:
        found = serialization.load_pem_private_key(private, password=None)
    except unreadable:
        return KeyState.UNREADABLE
    if not isinstance(found, rsa.RSAPrivateKey):
        return KeyState.UNREADABLE
    same = found.public_key().public_numbers() == expected.public_numbers()
    return KeyState.GOOD if same else KeyState.FOREIGN


def _unsupported_algorithm() -> type[Exception]:
    exceptions = late_import("cryptography.exceptions", extra="postgres", needed_for="checking private keys")
    kind: type[Exception] = exceptions.UnsupportedAlgorithm
    return kind
