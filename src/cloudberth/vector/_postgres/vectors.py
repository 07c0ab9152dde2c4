"""Vectors on the wire: pgvector's binary form, and text for stores whose binary form is not known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cloudberth.vector.contract import Vector


class BinaryParameter:
    """A value that is sent as it is, in binary."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


def teach(connection: Any, psycopg: Any) -> None:
    """Let a connection read JSON without guessing its encoding first."""
    psycopg.types.json.set_json_loads(_json, connection)


def parameter(connection: Any, psycopg: Any, oid: int, data: bytes) -> BinaryParameter:
    """A value of a type, and a connection that can send it. oid: the type's number on this server."""
    kind, dumper = _sent_as(psycopg, oid)
    if oid not in connection.taught:
        connection.adapters.register_dumper(kind, dumper)
        connection.taught.add(oid)
        connection.reader = None  # A cursor knows what its connection knew when it was made.
    return kind(data)


@cache
def _sent_as(psycopg: Any, number: int) -> tuple[type[BinaryParameter], type[Any]]:
    """A class of values for one type, and what sends them: the driver tells types apart by their classes."""

    class Parameter(BinaryParameter):
        __slots__ = ()

    class ParameterDumper(psycopg.adapt.Dumper):  # type: ignore[misc]
        format = psycopg.pq.Format.BINARY
        oid = number

        def dump(self, obj: BinaryParameter) -> bytes:
            return obj.data

    return Parameter, ParameterDumper


_read = json.JSONDecoder().raw_decode


def _json(data: bytes | str) -> Any:
    """One value as PostgreSQL gives it: UTF-8, no space around it. Half the time of `json.loads`."""
    return _read(data if isinstance(data, str) else data.decode())[0]


def one(vector: Vector) -> bytes:
    """A vector in pgvector's form: two numbers of 16 bits (dimension, unused), then the float32s."""
    return len(vector).to_bytes(2, "big") + b"\0\0" + vector.astype(">f4").tobytes()


def many(vectors: Sequence[Vector], oid: int) -> bytes:
    """A one-dimensional array of vectors, of the same dimension each. oid: of one vector's type."""
    import numpy

    dimension = len(vectors[0])
    rows = numpy.empty(
        len(vectors),
        dtype=[("length", ">i4"), ("dimension", ">u2"), ("unused", ">u2"), ("numbers", ">f4", (dimension,))],
    )
    rows["length"] = 4 + 4 * dimension
    rows["dimension"] = dimension
    rows["unused"] = 0
    rows["numbers"] = numpy.stack(vectors)
    head = numpy.array([1, 0, oid, len(vectors), 1], dtype=">i4")
    return head.tobytes() + rows.tobytes()


def of_binary(data: bytes) -> Vector:
    """What `vector_send` gave."""
    import numpy

    return numpy.frombuffer(data, dtype=">f4", offset=4).astype(numpy.float32)


def as_text(vector: Vector, open_close: str) -> str:
    """``[1.5,-2.0]``: the shortest text of each float32, which reads back as the same number."""
    return open_close[0] + ",".join(vector.astype("U32").tolist()) + open_close[1]


def of_text(text: str) -> Vector:
    """A vector from its text, of either kind of brackets."""
    import numpy

    inner = text.strip()[1:-1]
    return numpy.array(inner.split(",") if inner else [], dtype=numpy.float32)
