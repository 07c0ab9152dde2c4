"""The contract suite of vectors: every check of `cloudberth.vector.conformance` over every rig."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from zlib import crc32

import pytest
from vector_rig import Rig, Running, nothing_missing
from vector_rig_registry import all_rigs

import thoroughness
from cloudberth import vector
from cloudberth.vector.conformance import CHECKS, Check, Subject

# Of rigs that are like another: every so manieth check in a default run.
SAMPLE = 5

_servers = ExitStack()
_running: dict[str, Running | BaseException] = {}
_subjects: dict[str, Subject] = {}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "vector_rig" in metafunc.fixturenames:
        rigs = all_rigs()
        metafunc.parametrize("vector_rig", rigs, ids=[rig.id for rig in rigs], scope="session")
    if "check" in metafunc.fixturenames:
        metafunc.parametrize("check", CHECKS, ids=[check.name for check in CHECKS])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a server, and what an engine is known to do wrong."""
    for item in items:
        call = getattr(item, "callspec", None)
        rig = call.params.get("vector_rig") if call else None
        if not isinstance(rig, Rig):
            continue
        # All tests of a rig go to one worker: its engine is started once.
        item.add_marker(pytest.mark.xdist_group(f"vector-{rig.type}"))
        item.user_properties += [
            ("vector rig", rig.id), ("vector type", rig.type), ("vector proof", str(rig.proved)),
        ]  # fmt: skip
        if rig.missing is not nothing_missing:
            item.add_marker(pytest.mark.server)
        check = call.params.get("check") if call else None
        if isinstance(check, Check):
            if rig.like and (CHECKS.index(check) + crc32(rig.id.encode())) % SAMPLE:
                item.add_marker(thoroughness.MARK)
            item.user_properties.append(("vector theme", check.theme))
            if reason := rig.exceptions.get(check.name):
                item.add_marker(pytest.mark.xfail(reason=f"{rig.id}: {reason}", strict=True))


def pytest_sessionfinish() -> None:
    """Stop what was started."""
    for subject in _subjects.values():
        subject.clear()
        subject.store.close()
    _subjects.clear()
    _running.clear()
    _servers.close()


@pytest.fixture(scope="session")
def running_store(vector_rig: Rig) -> Running:
    """The rig's engine, started when it is first needed and kept for the whole run."""
    if reason := vector_rig.missing():
        pytest.skip(f"{vector_rig.id}: {reason}")
    if vector_rig.id not in _running:
        folder = Path(_servers.enter_context(tempfile.TemporaryDirectory(prefix="berth-rig-")))
        try:
            _running[vector_rig.id] = _servers.enter_context(vector_rig.start(folder))
        except Exception as error:
            _running[vector_rig.id] = error
    found = _running[vector_rig.id]
    if isinstance(found, BaseException):
        pytest.fail(f"{vector_rig.id} does not start: {found!r}", pytrace=False)
    return found


@pytest.fixture(scope="session")
def subject(vector_rig: Rig, running_store: Running) -> Iterator[Subject]:
    """The rig's store, open, for all checks."""
    if vector_rig.id not in _subjects:
        store = vector.open(running_store.location, running_store.environment)
        _subjects[vector_rig.id] = Subject(store)
    yield _subjects[vector_rig.id]
