"""Rigs of `elasticsearch` and `elasticsearch-ja`: an emulator of the server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vector_rig import Proof, Rig, Running
from vector_servers import search_engines
from vector_servers.listening import serving
from vector_servers.search_engines import Front


@contextmanager
def _plain(folder: Path) -> Iterator[Running]:
    with search_engines.elasticsearch() as server:
        yield Running({"VECTOR_STORE": "elasticsearch", "ELASTICSEARCH_PORT": str(server.port)})


@contextmanager
def _japanese(folder: Path) -> Iterator[Running]:
    """Behind a front that takes the analyser of the plugin, which the emulator does not have."""
    with search_engines.elasticsearch() as server, serving(Front(server.port)) as front:
        yield Running({"VECTOR_STORE": "elasticsearch-ja", "ELASTICSEARCH_PORT": str(front.port)})


_missing = search_engines.missing_elasticsearch
RIGS = (
    Rig("elasticsearch@noida", "elasticsearch", Proof.EMULATOR, _plain, _missing),
    Rig(
        "elasticsearch-ja@noida",
        "elasticsearch-ja",
        Proof.EMULATOR,
        _japanese,
        _missing,
        like="elasticsearch@noida",
    ),
)
