"""Rig of `tablestore`: a double of its own protocol, which the vendor's library accepts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vector_rig import Proof, Rig, Running
from vector_servers.listening import serving
from vector_servers.tablestore_api import TablestoreDouble, variables


@contextmanager
def _start(folder: Path) -> Iterator[Running]:
    with serving(TablestoreDouble()) as double:
        yield Running(variables(double.port))


@contextmanager
def _start_late(folder: Path) -> Iterator[Running]:
    """As the service is: its index is behind its table, and its tables are not ready at once."""
    with serving(TablestoreDouble(delay=0.05, unready=0.05)) as double:
        yield Running(variables(double.port))


RIGS = (
    Rig("tablestore@double", "tablestore", Proof.DOUBLE_WITH_SDK, _start),
    Rig("tablestore@late", "tablestore", Proof.DOUBLE_WITH_SDK, _start_late, like="tablestore@double"),
)
