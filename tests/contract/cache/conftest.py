"""The contract suite of the cache: every test runs over every rig of cache_rigs.py.

`store` is the rig's cache, open; `cache` is a namespace of it that is this test's own.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import cache_support
import pytest
from cache_rigs import RIGS, CacheRig, Running

from cloudberth import cache as caches
from cloudberth.cache import Cache

_servers = ExitStack()
_running: dict[str, Running | BaseException] = {}
_stores: dict[str, Cache] = {}
_numbers = count(1)
_cut_down: set[str] = set()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run over every rig; those with ONLY_PROCESSES over the ones for several."""
    if "cache_rig" in metafunc.fixturenames:
        several = getattr(metafunc.module, "ONLY_PROCESSES", False)
        rigs = [rig for rig in RIGS if rig.processes or not several]
        metafunc.parametrize("cache_rig", rigs, ids=[rig.id for rig in rigs], scope="session")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        call = getattr(item, "callspec", None)
        rig = call.params.get("cache_rig") if call else None
        if isinstance(rig, CacheRig):
            theme = item.path.stem.removeprefix("test_cache_")
            item.user_properties += [
                ("cache rig", rig.id), ("cache proof", rig.proved), ("cache theme", theme),
            ]  # fmt: skip


def pytest_deselected(items: list[pytest.Item]) -> None:
    for item in items:
        _cut_down.update(str(value) for name, value in item.user_properties if name == "cache rig")


def pytest_sessionfinish() -> None:
    for store in _stores.values():
        store.close()
    _stores.clear()
    _running.clear()
    _servers.close()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    rows = cache_support.rows_of(terminalreporter.stats)
    if not rows:
        return
    terminalreporter.section("cache: type × operation × proved how")
    for row in rows:
        cells = ", ".join(
            f"{theme} {cache_support.cell_text(row.cells[theme])}" for theme in sorted(row.cells)
        )
        terminalreporter.write_line(f"{row.id}: {cells} ({row.proved})")
    if config.getoption("--write-support-table", default=False):
        reasons = [f"{rig} ran in part" for rig in sorted(_cut_down)]
        reasons += cache_support.unfit(rows, [rig.id for rig in RIGS])
        if not reasons:
            cache_support.DOCUMENT.write_text(cache_support.document(rows), encoding="utf-8")
        said = f"is not written: {'; '.join(reasons)}" if reasons else "is written"
        terminalreporter.write_line(f"{cache_support.DOCUMENT.name} {said}")


@pytest.fixture(scope="session")
def started(cache_rig: CacheRig) -> Running:
    """The rig's store, started when it is first needed and kept for the whole run."""
    if reason := cache_rig.missing():
        pytest.skip(f"{cache_rig.id}: {reason}")
    if cache_rig.id not in _running:
        folder = Path(_servers.enter_context(tempfile.TemporaryDirectory(prefix="berth-cache-")))
        try:
            _running[cache_rig.id] = _servers.enter_context(cache_rig.start(folder))  # type: ignore[arg-type]
        except Exception as error:
            _running[cache_rig.id] = error
    found = _running[cache_rig.id]
    if isinstance(found, BaseException):
        pytest.fail(f"{cache_rig.id} does not start: {found!r}", pytrace=False)
    return found


@pytest.fixture(scope="session")
def store(cache_rig: CacheRig, started: Running) -> Cache:
    if cache_rig.id not in _stores:
        _stores[cache_rig.id] = caches.open(started.environment)
    return _stores[cache_rig.id]


@pytest.fixture
def cache(store: Cache) -> Iterator[Cache]:
    """A namespace that is this test's own, empty."""
    yield store.under(f"t{next(_numbers)}")
