"""Objects into files: ranges in parallel, and a file that is either the old one or all of the new one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, wait
from contextlib import contextmanager, suppress
from pathlib import Path

from cloudberth.errors import CorruptData, InvalidInput, InvalidRange, Unsupported
from cloudberth.storage.checksums import Verifier
from cloudberth.storage.contract import MIB, Backend, ObjectInfo, Span
from cloudberth.storage.reading import ResumingReader, policy_of

Report = Callable[[int], None]
_IN_FLIGHT = 8
_PIECE = MIB


def download(
    backend: Backend,
    key: str,
    path: Path,
    *,
    part_size: int,
    threads: Executor,
    verify: bool,
    progress: Report | None = None,
) -> ObjectInfo:
    """Write an object to a file; what the store told of it. One that arrives damaged is fetched again."""
    for _ in range(policy_of(backend).retries):
        with suppress(CorruptData), _written_aside(path) as descriptor:
            return _fetch(backend, key, descriptor, part_size, threads, verify, progress)
    with _written_aside(path) as descriptor:
        return _fetch(backend, key, descriptor, part_size, threads, verify, progress)


@contextmanager
def _written_aside(path: Path) -> Iterator[int]:
    """A descriptor of a new file that takes the place of `path` at the end, or vanishes after an error."""
    aside = path.parent / f".{path.name[:200]}.{secrets.token_hex(6)}.part"
    try:
        descriptor = os.open(aside, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}") from None
    try:
        try:
            yield descriptor
        finally:
            os.close(descriptor)
        aside.replace(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        if isinstance(error, CorruptData) or not error.errno:
            raise
        raise InvalidInput(f"{path} cannot be written: {error.strerror}") from None
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def _fetch(
    backend: Backend, key: str, descriptor: int, part_size: int, threads: Executor, verify: bool,
    progress: Report | None,
) -> ObjectInfo:  # fmt: skip
    """The first range tells how large the whole is; the others follow at once."""
    whole = False
    try:
        reader = ResumingReader(backend, key, Span(0, part_size), verify=verify)
    except (InvalidRange, Unsupported):  # of an empty object there is no range; some servers know none at all
        reader = ResumingReader(backend, key, verify=verify)
        whole = True
    info = reader.info
    rest = range(0) if whole else range(part_size, info.size, part_size)
    if rest:
        os.posix_fallocate(descriptor, 0, info.size)
    verifier = Verifier.of(info.checksums, info.size) if verify and rest else None
    running = [
        threads.submit(_range, backend, key, descriptor, at, min(part_size, info.size - at), info, progress)
        for at in rest
    ]
    try:
        with reader:
            _into(reader, descriptor, 0, progress)
        for future in running:
            future.result()
    except BaseException:
        _cancel(running)
        raise
    if verifier is not None:
        _compare(verifier, descriptor, f"{backend.place}/{key}")
    return info


def _cancel(running: list[Future[None]]) -> None:
    for future in running:
        future.cancel()
    wait([future for future in running if not future.cancelled()])


def _range(
    backend: Backend, key: str, descriptor: int, at: int, size: int, info: ObjectInfo, progress: Report | None
) -> None:
    with ResumingReader(backend, key, Span(at, size), verify=False, match=info.etag) as reader:
        _into(reader, descriptor, at, progress)


def _into(reader: ResumingReader, descriptor: int, at: int, progress: Report | None) -> None:
    buffer = memoryview(bytearray(_PIECE))
    while count := reader.readinto(buffer):
        written = 0
        while written < count:
            written += os.pwrite(descriptor, buffer[written:count], at + written)
        at += count
        if progress is not None:
            progress(count)


def _compare(verifier: Verifier, descriptor: int, where: str) -> None:
    """The checksum of the whole file, as it was written."""
    at = 0
    while piece := os.pread(descriptor, _PIECE, at):
        verifier.update(piece)
        at += len(piece)
    verifier.check(where)
