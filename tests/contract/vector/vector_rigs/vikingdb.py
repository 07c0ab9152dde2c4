"""Rig of `vikingdb`: a double of its HTTP interface, which the vendor's library accepts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vector_rig import Proof, Rig, Running
from vector_servers.listening import serving
from vector_servers.vikingdb_http import VikingDbDouble, variables


@contextmanager
def _start(folder: Path) -> Iterator[Running]:
    with serving(VikingDbDouble()) as double:
        yield Running(variables(double.port))


RIGS = (Rig("vikingdb@double", "vikingdb", Proof.DOUBLE_WITH_SDK, _start),)
