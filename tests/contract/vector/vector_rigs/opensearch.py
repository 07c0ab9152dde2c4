"""Rigs of `opensearch`, `huawei_cloud` and `lindorm`: an emulator, and each one's dense search."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from vector_rig import Proof, Rig, Running
from vector_servers import search_engines
from vector_servers.listening import serving
from vector_servers.search_engines import Front


def _start(
    environment: Callable[[int], Mapping[str, str]],
) -> Callable[[Path], AbstractContextManager[Running]]:
    @contextmanager
    def start(folder: Path) -> Iterator[Running]:
        with search_engines.opensearch() as port, serving(Front(port)) as front:
            yield Running(environment(front.port))

    return start


def _opensearch(port: int) -> Mapping[str, str]:
    return {"VECTOR_STORE": "opensearch", "OPENSEARCH_HOST": "127.0.0.1", "OPENSEARCH_PORT": str(port)}


def _huawei(port: int) -> Mapping[str, str]:
    return {"VECTOR_STORE": "huawei_cloud", "HUAWEI_CLOUD_HOSTS": f"http://127.0.0.1:{port}"}


def _lindorm(port: int) -> Mapping[str, str]:
    return {
        "VECTOR_STORE": "lindorm",
        "LINDORM_URL": f"http://127.0.0.1:{port}",
        "LINDORM_USERNAME": "berth",
        "LINDORM_PASSWORD": "of tests, no secret",
    }


_missing = search_engines.missing_opensearch
RIGS = (
    Rig("opensearch@osmem", "opensearch", Proof.DOUBLE_WITH_SDK, _start(_opensearch), _missing),
    Rig(
        "huawei_cloud@double",
        "huawei_cloud",
        Proof.DOUBLE,
        _start(_huawei),
        _missing,
        like="opensearch@osmem",
    ),
    Rig("lindorm@double", "lindorm", Proof.DOUBLE, _start(_lindorm), _missing, like="opensearch@osmem"),
)
