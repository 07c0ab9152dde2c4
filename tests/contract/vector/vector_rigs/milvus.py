"""Rigs of `milvus`: the real Milvus Lite, in a file and as a server over gRPC."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vector_rig import Proof, Rig, Running
from vector_servers import milvus


@contextmanager
def _file(folder: Path) -> Iterator[Running]:
    yield Running({"VECTOR_STORE": "milvus", "MILVUS_URI": f"{folder}/milvus.db"})


@contextmanager
def _server(folder: Path) -> Iterator[Running]:
    yield Running({"VECTOR_STORE": "milvus", "MILVUS_URI": f"http://127.0.0.1:{milvus.port()}"})


RIGS = (
    Rig("milvus@lite", "milvus", Proof.REAL, _file, milvus.missing),
    Rig("milvus@lite-server", "milvus", Proof.REAL, _server, milvus.missing, like="milvus@lite"),
)
