"""Rig of `couchbase`: a double of its three services."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vector_rig import Proof, Rig, Running
from vector_servers.couchbase_services import CouchbaseDouble, serving, variables


@contextmanager
def _start(folder: Path) -> Iterator[Running]:
    with serving(CouchbaseDouble(hearing=0.01)) as double:
        yield Running(variables(double.ports["mgmt"]))


RIGS = (Rig("couchbase@double", "couchbase", Proof.DOUBLE, _start),)
