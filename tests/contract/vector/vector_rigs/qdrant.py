"""Rigs of `qdrant`: the local mode of the vendor's library, and REST over a double that its SDK accepts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vector_rig import Proof, Rig, Running
from vector_servers import qdrant_rest
from vector_servers.listening import serving
from vector_servers.qdrant_rest import QdrantDouble


@contextmanager
def _folder(folder: Path) -> Iterator[Running]:
    yield Running({"VECTOR_STORE": "qdrant", "QDRANT_URL": f"path:{folder}/qdrant"})


@contextmanager
def _rest(folder: Path) -> Iterator[Running]:
    with serving(QdrantDouble()) as double:
        url = f"http://127.0.0.1:{double.port}"
        yield Running({"VECTOR_STORE": "qdrant", "QDRANT_URL": url})


RIGS = (
    Rig("qdrant@local", "qdrant", Proof.REAL, _folder, qdrant_rest.missing, like="qdrant@rest"),
    Rig("qdrant@rest", "qdrant", Proof.DOUBLE_WITH_SDK, _rest, qdrant_rest.missing),
)
