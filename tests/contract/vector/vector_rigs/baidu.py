"""Rig of `baidu`: a double of its HTTP interface, which the vendor's library accepts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vector_rig import Proof, Rig, Running
from vector_servers.baidu_http import BaiduDouble, variables
from vector_servers.listening import serving


@contextmanager
def _start(folder: Path) -> Iterator[Running]:
    with serving(BaiduDouble()) as double:
        yield Running(variables(double.port))


RIGS = (Rig("baidu@double", "baidu", Proof.DOUBLE_WITH_SDK, _start),)
