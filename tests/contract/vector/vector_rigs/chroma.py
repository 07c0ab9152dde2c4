"""Rigs of `chroma`: the real engine, as a server and in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vector_rig import Proof, Rig, Running
from vector_servers import chroma


@contextmanager
def _server(folder: Path) -> Iterator[Running]:
    port = chroma.server().port
    yield Running({"VECTOR_STORE": "chroma", "CHROMA_HOST": "127.0.0.1", "CHROMA_PORT": str(port)})


@contextmanager
def _embedded(folder: Path) -> Iterator[Running]:
    yield Running(location=f"chroma://{folder}/chroma")


RIGS = (
    Rig("chroma@server", "chroma", Proof.REAL, _server, chroma.missing),
    Rig("chroma@embedded", "chroma", Proof.REAL, _embedded, chroma.missing, like="chroma@server"),
)
