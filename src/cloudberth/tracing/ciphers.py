"""Secrets in the database: AES-256-GCM, a random nonce each, bound to the row they belong to.

Keys come from ``BERTH_TRACES_KEYS`` (``id:base64 of 32 bytes``, comma between, the first one encrypts, all
decrypt), or from a file of the same form, one per line (``BERTH_TRACES_KEY_FILE``). On one node with SQLite
and neither, a file ``traces.keys`` is made beside the database, readable by its owner only. Rotation: put a
new key first, run ``berth traces rotate-keys``, take the old one away.
"""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from cloudberth.errors import InvalidInput
from cloudberth.tracing.database import Database

KEYS = "BERTH_TRACES_KEYS"
KEY_FILE = "BERTH_TRACES_KEY_FILE"
_ID = re.compile(r"[A-Za-z0-9._-]{1,40}")


class KeyRing:
    """The keys that are known. `current` encrypts."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        if not keys:
            raise InvalidInput("there is no key for the secrets of destinations", where=KEYS)
        self._keys = dict(keys)
        self.current = next(iter(keys))

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self._keys)})"

    def encrypt(self, values: Mapping[str, str], bound_to: str) -> str:
        """Values as text for a column. bound_to: what the text is of no use without, such as the row's id."""
        nonce = secrets.token_bytes(12)
        sealed = (
            _aead()
            .AESGCM(self._keys[self.current])
            .encrypt(nonce, json.dumps(dict(values)).encode(), _bound(self.current, bound_to))
        )
        return f"{self.current}:{base64.b64encode(nonce + sealed).decode()}"

    def decrypt(self, text: str, bound_to: str) -> dict[str, str]:
        """What `encrypt` was given. Raises InvalidInput when the key is missing or the text was changed."""
        key_id, _, sealed = text.partition(":")
        key = self._keys.get(key_id)
        if key is None:
            raise InvalidInput(
                f"the secrets are encrypted with the key {key_id!r}, which is not here",
                where=bound_to.partition("|")[0],
                hint=f"add it to {KEYS} (it may stand last)",
            )
        raw = base64.b64decode(sealed)
        try:
            plain = _aead().AESGCM(key).decrypt(raw[:12], raw[12:], _bound(key_id, bound_to))
        except Exception as error:
            if type(error).__name__ != "InvalidTag":
                raise
            raise InvalidInput(
                f"the secrets cannot be decrypted with the key {key_id!r}",
                where=bound_to.partition("|")[0],
                hint="the key is another one of this name, or the row was changed; set the secrets again",
            ) from None
        found: dict[str, str] = json.loads(plain)
        return found

    def is_current(self, text: str) -> bool:
        return text.startswith(f"{self.current}:")


def new_key() -> str:
    """A line for the ring: ``k20261126-1a2b:base64``."""
    from datetime import UTC, datetime

    name = f"k{datetime.now(UTC):%Y%m%d}-{secrets.token_hex(2)}"
    return f"{name}:{base64.b64encode(secrets.token_bytes(32)).decode()}"


def key_ring(database: Database, environment: Mapping[str, str] | None = None) -> KeyRing:
    """The ring that the environment names, or the file beside the database. Raises InvalidInput."""
    given = os.environ if environment is None else environment
    if text := given.get(KEYS):
        return KeyRing(_parsed(text.split(","), KEYS))
    if name := given.get(KEY_FILE):
        return KeyRing(_parsed(_lines(Path(name)), name))
    if database.is_postgres:
        raise InvalidInput(
            "no key for the secrets of destinations is set",
            where=KEYS,
            hint=f"make one with `berth traces new-key` and give it to every process as {KEYS}",
        )
    path = database.path.with_name("traces.keys")
    if not path.exists():
        _write_once(path, new_key() + "\n")
    return KeyRing(_parsed(_lines(path), str(path)))


def _write_once(path: Path, text: str) -> None:
    """Complete, private, and never over a file that another process made meanwhile."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
    except (OSError, UnicodeDecodeError) as error:
        said = getattr(error, "strerror", None) or "not a text"
        raise InvalidInput(f"the keys cannot be read: {said}", where=str(path)) from None


def _parsed(entries: list[str], where: str) -> dict[str, bytes]:
    keys: dict[str, bytes] = {}
    for number, entry in enumerate(entries, 1):
        name, _, text = entry.strip().partition(":")
        try:
            key = base64.b64decode(text, validate=True)
        except ValueError:
            key = b""
        # The entry itself is never shown: it is a key.
        if not _ID.fullmatch(name) or len(key) != 32 or name in keys:
            raise InvalidInput(
                f"entry {number} is no key, or its id stands there twice",
                where=where,
                hint="ID:base64 of 32 bytes, as `berth traces new-key` prints it",
            )
        keys[name] = key
    return keys


def _bound(key_id: str, bound_to: str) -> bytes:
    return f"cloudberth.traces|{key_id}|{bound_to}".encode()


def _aead() -> ModuleType:
    try:
        from cryptography.hazmat.primitives.ciphers import aead
    except ModuleNotFoundError:
        raise InvalidInput(
            "secrets of destinations need the library cryptography", hint='pip install "cloudberth[tracing]"'
        ) from None
    return aead
