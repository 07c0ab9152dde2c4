"""User metadata on Azure: names have to be identifiers of C#, values ASCII. Both come back as they went.

- A name of ``[a-z_][a-z0-9_]*`` goes as it is. Every other one (``my-name``, ``1st``) becomes ``cbx_`` and
  the name with each other byte as ``_`` and two hexadecimal digits: ``cbx_my_2dname``. A name that itself
  starts with ``cbx_`` is written so too, so that nothing is taken for what it is not. Azure stores
  ``x-ms-meta-`` names in the case they came in and compares them without it; here they are lower-case, as
  the contract says.
- A value of printable ASCII without blanks at its ends goes as it is. Every other one is an encoded word of
  RFC 2047 (``=?UTF-8?B?…?=``), as on the other vendors; the empty one too.

Programs that know nothing of this see the encoded form.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from cloudberth.storage.http.headers import decode_value, encode_value

PREFIX = "x-ms-meta-"
_MARK = "cbx_"
_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_]*\Z")
_EMPTY = "=?UTF-8?B??="
_ESCAPED = re.compile(rb"_([0-9a-f]{2})")


def to_headers(metadata: Mapping[str, str]) -> dict[str, str]:
    """Metadata as request headers."""
    return {PREFIX + to_name(name.lower()): to_value(value) for name, value in metadata.items()}


def from_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The metadata among the headers of an answer."""
    return {
        from_name(name.removeprefix(PREFIX)): from_value(value)
        for name, value in headers.items()
        if name.startswith(PREFIX)
    }


def to_name(name: str) -> str:
    """A name that Azure takes."""
    if _PLAIN_NAME.match(name) and not name.startswith(_MARK):
        return name
    return _MARK + "".join(
        chr(byte) if chr(byte).isalnum() and byte < 128 else f"_{byte:02x}" for byte in name.encode()
    )


def from_name(name: str) -> str:
    """The name that `to_name` was given; one that it would not have written stays as it is."""
    if not name.startswith(_MARK):
        return name
    raw = _ESCAPED.sub(lambda found: bytes.fromhex(found[1].decode()), name.removeprefix(_MARK).encode())
    try:
        plain = raw.decode()
    except UnicodeDecodeError:
        return name
    return plain if plain and to_name(plain) == name else name


def to_value(value: str) -> str:
    """A value that survives as a header."""
    return encode_value(value) or _EMPTY


def from_value(value: str) -> str:
    """The value that `to_value` was given."""
    return "" if value == _EMPTY else decode_value(value)
