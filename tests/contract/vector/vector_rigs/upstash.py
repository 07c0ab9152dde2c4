"""Rig of `upstash`: a double of its REST API, which the vendor's library accepts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vector_rig import Proof, Rig, Running
from vector_servers.listening import serving
from vector_servers.upstash_rest import TOKEN, UpstashDouble


@contextmanager
def _start(folder: Path) -> Iterator[Running]:
    with serving(UpstashDouble()) as double:
        url = f"http://127.0.0.1:{double.port}"
        yield Running({"VECTOR_STORE": "upstash", "UPSTASH_VECTOR_URL": url, "UPSTASH_VECTOR_TOKEN": TOKEN})


RIGS = (Rig("upstash@double", "upstash", Proof.DOUBLE_WITH_SDK, _start),)
