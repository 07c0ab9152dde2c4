"""Rig of `weaviate`: the vendor's library against a double of its REST and gRPC API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vector_rig import Proof, Rig, Running
from vector_servers import weaviate_double
from vector_servers.weaviate_double import WeaviateDouble, serving


@contextmanager
def _start(folder: Path) -> Iterator[Running]:
    with serving(WeaviateDouble(key="rig-key")) as double:
        yield Running(
            {
                "VECTOR_STORE": "weaviate",
                "WEAVIATE_ENDPOINT": f"http://127.0.0.1:{double.http_port}",
                "WEAVIATE_GRPC_ENDPOINT": f"127.0.0.1:{double.grpc_port}",
                "WEAVIATE_API_KEY": "rig-key",
            }
        )


RIGS = (Rig("weaviate@double", "weaviate", Proof.DOUBLE_WITH_SDK, _start, weaviate_double.missing),)
