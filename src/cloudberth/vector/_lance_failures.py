"""Errors of LanceDB, which are ValueErrors and RuntimeErrors with a sentence, as errors of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cloudberth.errors import BackendError, CloudberthError, Kind, NotFound, PreconditionFailed, Unavailable


@contextmanager
def mapped(name: str) -> Iterator[None]:
    """Around calls of LanceDB about a collection."""
    try:
        yield
    except CloudberthError:
        raise
    except (ValueError, RuntimeError, OSError) as error:
        raise _meant(name, " ".join(str(error).split())[:300]) from None


def _meant(name: str, said: str) -> BackendError:
    lower = said.lower()
    if "not found" in lower or "no such file" in lower:
        return NotFound(f"there is no collection {name}")
    if "already exists" in lower:
        return PreconditionFailed(f"there is a collection {name} already")
    if "conflict" in lower or "retry" in lower:
        return Unavailable(said)
    return BackendError(said, kind=Kind.UNEXPECTED)
