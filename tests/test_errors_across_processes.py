"""Errors cross processes whole: a pool that cannot read one waits for its answer for ever."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import pytest

from cloudberth.errors import BackendError, CloudberthError, InvalidDeployment, Kind, Problem, Throttled


def _tree(kind: type[CloudberthError]) -> Iterator[type[CloudberthError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _tree(below)


def _made(kind: type[CloudberthError]) -> CloudberthError:
    for arguments, more in (
        (("no such thing",), {"where": "s3://b", "hint": "look again"}),
        (("no such thing",), {"where": "s3://b", "hint": "look again", "kind": Kind.UNEXPECTED}),
        (((Problem("berth.yaml", 3, 4, "a.b", "wrong", "mend it"),),), {}),
    ):
        try:
            return kind(*arguments, **more)  # type: ignore[arg-type]
        except (TypeError, AttributeError):
            continue
    raise AssertionError(f"{kind.__name__} takes none of the known arguments")


@pytest.mark.parametrize(
    "kind",
    [kind for kind in sorted(set(_tree(CloudberthError)), key=str) if kind.__module__ == "cloudberth.errors"],
    ids=lambda kind: kind.__name__,
)
def test_an_error_is_the_same_behind_a_pickle(kind: type[CloudberthError]) -> None:
    error = _made(kind)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_what_only_some_errors_have_comes_along() -> None:
    again = pickle.loads(pickle.dumps(Throttled("slowly", retry_after=3.5)))
    assert (again.retry_after, again.retryable) == (3.5, True)
    error = BackendError("odd", kind=Kind.UNEXPECTED)
    error.code = "NoSuchKey"
    assert pickle.loads(pickle.dumps(error)).code == "NoSuchKey"
    problems = (Problem("berth.yaml", 3, 4, "a.b", "wrong"),)
    assert pickle.loads(pickle.dumps(InvalidDeployment(problems))).problems == problems
