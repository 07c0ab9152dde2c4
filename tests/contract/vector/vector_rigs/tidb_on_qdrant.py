"""Rig of `tidb_on_qdrant`: Qdrant's REST API of before 1.10, over a double that its SDK accepts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vector_rig import Proof, Rig, Running
from vector_servers import qdrant_rest
from vector_servers.listening import serving
from vector_servers.qdrant_rest import QdrantDouble

_ACCOUNT = "3Fx.root:secret"


@contextmanager
def _start(folder: Path) -> Iterator[Running]:
    with serving(QdrantDouble(version="1.8.3", key=_ACCOUNT)) as double:
        yield Running(
            {
                "VECTOR_STORE": "tidb_on_qdrant",
                "TIDB_ON_QDRANT_URL": f"http://127.0.0.1:{double.port}",
                "TIDB_ON_QDRANT_API_KEY": _ACCOUNT,
            }
        )


RIGS = (
    Rig(
        "tidb_on_qdrant@rest",
        "tidb_on_qdrant",
        Proof.DOUBLE_WITH_SDK,
        _start,
        qdrant_rest.missing,
        like="qdrant@rest",
    ),
)
