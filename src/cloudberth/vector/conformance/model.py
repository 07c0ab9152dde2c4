"""What a check of conformance is, and what it works with."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from cloudberth.errors import NotFound
from cloudberth.vector.contract import Capabilities, FieldType, Index, Metric, Record
from cloudberth.vector.store import VectorStore

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    from cloudberth.vector.contract import Vector

    Matrix = NDArray[numpy.float32]

DIMENSION = 16
# Seconds that a store which is not read-your-writes gets to catch up.
_SETTLING = 30.0


class Failed(AssertionError):
    """The store did not do what the contract says."""


def expect(truth: object, what: str) -> None:
    """Raise Failed unless something holds."""
    if not truth:
        raise Failed(what)


def expect_equal(found: object, wanted: object, what: str) -> None:
    if found != wanted:
        raise Failed(f"{what}: {_short(found)} instead of {_short(wanted)}")


@contextmanager
def expect_error(*kinds: type[BaseException]) -> Iterator[None]:
    """Raise Failed unless one of these errors comes out."""
    names = " or ".join(kind.__name__ for kind in kinds)
    try:
        yield
    except kinds:
        return
    except Exception as error:
        raise Failed(f"{type(error).__name__} ({error}) instead of {names}") from error
    raise Failed(f"no error instead of {names}")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 300 else f"{text[:300]}…"


@dataclass
class Subject:
    """The store that is checked. prefix: of the names of collections that checks make, and remove."""

    store: VectorStore
    prefix: str = "BerthCheck"
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))
    _shared: dict[str, str] = field(default_factory=dict)

    @property
    def capabilities(self) -> Capabilities:
        return self.store.capabilities

    @property
    def metric(self) -> Metric:
        """One that the store has, cosine if it can be."""
        return next(metric for metric in Metric if metric in self.capabilities.metrics)

    def name(self) -> str:
        name = f"{self.prefix}_{next(self._numbers)}_Node"
        return name.lower() if self.capabilities.lower else name

    @contextmanager
    def collection(
        self,
        records: Sequence[Record] = (),
        *,
        metric: Metric | None = None,
        dimension: int = DIMENSION,
        fields: Mapping[str, FieldType] | None = None,
        model: str = "",
        index: Index = Index(),
    ) -> Iterator[str]:
        """A collection for one check, filled, and removed afterwards."""
        name = self.name()
        self.store.create(name, dimension, metric or self.metric, fields=fields, model=model, index=index)
        try:
            self.fill(name, records)
            yield name
        finally:
            with suppress(NotFound):
                self.store.drop(name)

    def shared(self, key: str, make: Callable[[], Sequence[Record]], **named: Any) -> str:
        """A collection that several checks read and none changes; removed by `clear`."""
        if key not in self._shared:
            name = self.name()
            self.store.create(name, DIMENSION, self.metric, **named)
            self.fill(name, make())
            self._shared[key] = name
        return self._shared[key]

    def fill(self, name: str, records: Sequence[Record]) -> None:
        if records:
            self.store.upsert(name, records)
            self.settle(name, len({record.id for record in records}))

    def settle(self, name: str, wanted: int) -> None:
        """Wait until a store that is not read-your-writes shows as many records."""
        if self.capabilities.immediate:
            return
        self.until(lambda: self.store.count(name) == wanted, f"{wanted} records are seen")

    def until(self, truth: Callable[[], bool], what: str) -> None:
        """Wait for what has to become true; at once where writes are seen at once."""
        ends = time.monotonic() + (0 if self.capabilities.immediate else _SETTLING)
        while not truth():
            if time.monotonic() >= ends:
                raise Failed(f"it does not become true that {what}")
            time.sleep(0.2)

    def clear(self) -> None:
        """Remove the shared collections."""
        for name in self._shared.values():
            with suppress(NotFound):
                self.store.drop(name)
        self._shared.clear()


@dataclass(frozen=True, slots=True)
class Check:
    """One promise of the contract. theme: the column of the table. needs: the capability behind it.

    refused: what has to raise Unsupported where the capability is missing; None: nothing to ask then.
    """

    name: str
    theme: str
    run: Callable[[Subject], None]
    needs: Callable[[Capabilities], bool] = lambda _: True
    refused: Callable[[Subject], None] | None = None


_found: dict[str, Check] = {}


def check(
    theme: str,
    *,
    needs: Callable[[Capabilities], bool] = lambda _: True,
    refused: Callable[[Subject], None] | None = None,
) -> Callable[[Callable[[Subject], None]], Callable[[Subject], None]]:
    """Register a function as a check."""

    def register(function: Callable[[Subject], None]) -> Callable[[Subject], None]:
        if function.__name__ in _found:
            raise ValueError(f"two checks are called {function.__name__}")
        _found[function.__name__] = Check(function.__name__, theme, function, needs, refused)
        return function

    return register


def registered() -> tuple[Check, ...]:
    """The checks of the modules that were imported, in their order."""
    return tuple(_found.values())


def vectors(number: int, dimension: int = DIMENSION, seed: int = 11) -> Matrix:
    """Random directions of length 1, always the same."""
    import numpy

    made = numpy.random.default_rng(seed).standard_normal((number, dimension)).astype(numpy.float32)
    normal: Matrix = made / numpy.linalg.norm(made, axis=1, keepdims=True)
    return normal


def vector_of(record: Record) -> Vector:
    """The vector of a record that has one."""
    if record.vector is None:
        raise Failed(f"{record.id} has no vector")
    return record.vector


def records(number: int, dimension: int = DIMENSION, seed: int = 11, start: int = 0) -> list[Record]:
    """Records ``r0, r1, …`` with a text and three fields."""
    return [
        Record(
            f"r{start + at}",
            vector,
            f"text number {start + at}",
            {"number": start + at, "group": "even" if at % 2 == 0 else "odd", "draft": at % 5 == 0},
        )
        for at, vector in enumerate(vectors(number, dimension, seed))
    ]
