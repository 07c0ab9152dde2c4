"""The contract suite of storage: every test runs over every rig of rigs/.

`storage` is an empty place in an open bucket, one per test; `root` is the bucket itself. What a backend does
not declare in its capabilities has to raise Unsupported, which `lacks` asserts and the table counts.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

import pytest
from rig import Rig, Running, nothing_missing
from rig_registry import all_rigs
from storage_cases import OPTIONS, Lacks, Refused, opened

import thoroughness
from cloudberth.errors import Unsupported
from cloudberth.storage.storage import Storage

# What the default run tries in part: every fourth case, another fourth on each rig (all in a thorough run).
# What networks do is met by the client that all backends share: all of it on one rig of each dialect.
ALL_FAULTS = {
    "azure-blob@azurite",
    "google-storage@fake-gcs",
    "oci-storage@native-double",
    "opendal@s3-ceph",
    "s3@ceph",
}
# Odd keys one by one; all of them at once is another test. The server, or the backend, is another rig's too.
SOME_KEYS = {"huawei-obs@ceph", "huawei-obs@double-v2", "opendal@s3-ceph"}
EVERY = 4

_servers = ExitStack()
_running: dict[str, Running | BaseException] = {}
_roots: dict[str, Storage] = {}
_numbers = count(1)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run over every rig; the tests of a module with ONLY_NETWORK over those with a network."""
    if "rig" in metafunc.fixturenames:
        network = getattr(metafunc.module, "ONLY_NETWORK", False)
        rigs = [rig for rig in all_rigs() if rig.network or not network]
        metafunc.parametrize("rig", rigs, ids=[rig.id for rig in rigs], scope="session")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a server, what a server is known to do wrong, and what only a thorough run does."""
    numbers: Counter[str] = Counter()
    turns = {rig.id: turn for turn, rig in enumerate(all_rigs())}
    for item in items:
        call = getattr(item, "callspec", None)
        rig = call.params.get("rig") if call else None
        if not isinstance(rig, Rig):
            continue
        item.user_properties += [
            ("storage rig", rig.id),
            ("storage type", rig.type),
            ("storage proof", str(rig.proved)),
            ("storage theme", theme(item.path)),
        ]
        if rig.missing is not nothing_missing:
            item.add_marker(pytest.mark.server)
        if is_tried_in_part(rig, item):
            if (numbers[rig.id] + turns[rig.id]) % EVERY:
                item.add_marker(thoroughness.MARK)
            numbers[rig.id] += 1
        reason = known_exception(rig, item.name)
        if reason:
            item.add_marker(pytest.mark.xfail(reason=f"{rig.id}: {reason}", strict=True))


def is_tried_in_part(rig: Rig, item: pytest.Item) -> bool:
    """Whether a test is one of those of which a rig does a sample."""
    if theme(item.path) == "faults":
        return rig.id not in ALL_FAULTS
    return rig.id in SOME_KEYS and item.name.startswith("test_a_key_is_kept_or_refused[")


def known_exception(rig: Rig, name: str) -> str:
    """The reason for ``test_x[s3@ceph-case]``, which is looked up as ``test_x[case]`` and ``test_x``."""
    function, _, rest = name.removesuffix("]").partition("[")
    case = rest.removeprefix(rig.id).removesuffix(rig.id).strip("-")
    return rig.exceptions.get(f"{function}[{case}]", "") or rig.exceptions.get(function, "")


def theme(path: Path) -> str:
    """``test_storage_listing.py`` → ``listing``."""
    return path.stem.removeprefix("test_storage_")


def pytest_sessionfinish() -> None:
    """Stop what was started."""
    for storage in _roots.values():
        storage.close()
    _roots.clear()
    _running.clear()
    _servers.close()


@pytest.fixture(scope="session")
def running(rig: Rig) -> Running:
    """The rig's server, started when it is first needed and kept for the whole run."""
    if reason := rig.missing():
        pytest.skip(f"{rig.id}: {reason}")
    if rig.id not in _running:
        folder = Path(_servers.enter_context(tempfile.TemporaryDirectory(prefix="berth-rig-")))
        try:
            _running[rig.id] = _servers.enter_context(rig.start(folder))
        except Exception as error:
            _running[rig.id] = error
    found = _running[rig.id]
    if isinstance(found, BaseException):
        pytest.fail(f"{rig.id} does not start: {found!r}", pytrace=False)
    return found


@pytest.fixture(scope="session")
def root(rig: Rig, running: Running) -> Storage:
    """The rig's bucket, open. What other tests left is in it."""
    if rig.id not in _roots:
        _roots[rig.id] = opened(running.environment, OPTIONS)
    return _roots[rig.id]


@pytest.fixture
def storage(root: Storage, request: pytest.FixtureRequest) -> Storage:
    """A place in the bucket that is this test's own."""
    name = getattr(request.node, "originalname", request.node.name).removeprefix("test_")
    return root.under(f"{next(_numbers)}-{name[:40]}/")


@pytest.fixture
def refused(request: pytest.FixtureRequest) -> Refused:
    """Count something that the store refused by name."""

    def counted(what: str) -> None:
        request.node.user_properties.append(("storage unsupported", what))

    return counted


@pytest.fixture
def lacks(refused: Refused) -> Lacks:
    """Assert that an ability that the backend does not declare is refused by name, and count it."""

    @contextmanager
    def asserted(ability: str) -> Iterator[None]:
        with pytest.raises(Unsupported) as caught:
            yield
        assert isinstance(caught.value, NotImplementedError)
        refused(ability)

    return asserted
