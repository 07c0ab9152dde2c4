"""Vectors in statements and results: float32 bytes, or text with all the digits of a float32."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cloudberth.vector.contract import Vector


def as_text(vector: Vector) -> str:
    """``[0.1,-2]``: nine digits give back the same float32."""
    return "[" + ",".join([format(number, ".9g") for number in vector.tolist()]) + "]"


def as_bytes(vector: Vector) -> bytes:
    """float32, little-endian."""
    return vector.astype("<f4").tobytes()


def read(found: Any) -> Vector:
    """A vector of a result, bytes or text."""
    import numpy

    if isinstance(found, bytes | bytearray) and not found.startswith(b"["):
        return numpy.frombuffer(found, dtype="<f4").astype(numpy.float32)
    return numpy.array(json.loads(found), dtype=numpy.float32)
