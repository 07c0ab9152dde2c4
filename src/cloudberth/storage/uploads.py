"""Writing objects of any size: one request for small ones, parallel parts for large ones, all or nothing."""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, wait
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from cloudberth.errors import BackendError, CloudberthError, InvalidInput, Kind, Unsupported
from cloudberth.storage.body import Body, Buffer, BytesBody, FileBody
from cloudberth.storage.contract import (
    MIB,
    Attributes,
    Backend,
    Capabilities,
    Condition,
    Part,
    Span,
    Written,
)
from cloudberth.storage.reading import ResumingReader

IN_FLIGHT_BYTES = 64 * MIB
_GROW_EVERY = 1000  # parts of a stream whose end is not known: then they double, so that 10,000 are enough
Report = Callable[[int], None]
Source = Buffer | Path | BinaryIO | Iterable[bytes]


def part_size_for(size: int, wanted: int, capabilities: Capabilities) -> int:
    """Bytes of a part so that an object fits. Raises InvalidInput for one that is too large for the store."""
    if size > capabilities.part_max * capabilities.max_parts:
        raise InvalidInput(
            f"{size} bytes are more than an object can have",
            hint=f"at most {capabilities.part_max * capabilities.max_parts} bytes",
        )
    needed = -(-size // capabilities.max_parts)
    return max(wanted, capabilities.part_min, -(-needed // MIB) * MIB)


def save(
    backend: Backend,
    key: str,
    data: Source,
    attributes: Attributes,
    condition: Condition,
    *,
    part_size: int,
    threads: Executor,
    progress: Report | None = None,
) -> Written:
    """Write an object from memory, a file, or a stream that is read once."""
    upload = _Upload(backend, key, attributes, condition, part_size, threads, progress)
    if isinstance(data, bytes | bytearray | memoryview):
        return upload.from_memory(data)
    if isinstance(data, Path):
        return upload.from_file(data)
    return upload.from_stream(data)


class _Upload:
    """One object on its way to a store."""

    def __init__(
        self, backend: Backend, key: str, attributes: Attributes, condition: Condition, part_size: int,
        threads: Executor, progress: Report | None,
    ) -> None:  # fmt: skip
        self.backend = backend
        self.capabilities = backend.capabilities
        self.key = key
        self.attributes = attributes
        self.condition = condition
        self.part_size = max(part_size, self.capabilities.part_min)
        self.threads = threads
        self.progress = progress

    @property
    def in_one(self) -> int:
        """Up to how many bytes an object goes in one request."""
        if not self.capabilities.multipart:
            return self.capabilities.max_put
        return min(2 * self.part_size, self.capabilities.max_put)

    def from_memory(self, data: Buffer) -> Written:
        body = BytesBody(data)
        if body.size <= self.in_one:
            return self._put(body)
        self._refuse_too_large(body.size)
        size = part_size_for(body.size, self.part_size, self.capabilities)
        return self._parts(BytesBody(body.view[at : at + size]) for at in range(0, body.size, size))

    def from_file(self, path: Path) -> Written:
        if not path.is_file():
            if path.exists():
                raise InvalidInput(f"{path} is no regular file")
            raise InvalidInput(f"there is no file {path}")
        size = path.stat().st_size
        if size <= self.in_one:
            small = size <= 2 * self.part_size
            return self._put(BytesBody(path.read_bytes()) if small else FileBody(path))
        self._refuse_too_large(size)
        step = part_size_for(size, self.part_size, self.capabilities)
        return self._parts(FileBody(path, at, min(step, size - at)) for at in range(0, size, step))

    def from_stream(self, data: BinaryIO | Iterable[bytes]) -> Written:
        read = _reader_of(data)
        if not self.capabilities.multipart:
            return self._spooled(read)
        first = read(self.in_one + 1)
        if len(first) <= self.in_one:
            return self._put(BytesBody(first))
        return self._parts(self._pieces(first, read))

    def _pieces(self, first: bytes, read: Callable[[int], bytes]) -> Iterator[Body]:
        """Parts of a stream, `first` being what was read already."""
        view = memoryview(first)
        number = 0
        rest = b""
        for at in range(0, len(view), self.part_size):
            piece = view[at : at + self.part_size]
            if len(piece) < self.part_size:
                rest = bytes(piece)
                break
            number += 1
            yield BytesBody(piece)
        while True:
            size = min(self.part_size << (number // _GROW_EVERY), self.capabilities.part_max)
            piece_of_stream = rest + read(size - len(rest))
            rest = b""
            if not piece_of_stream:
                return
            number += 1
            yield BytesBody(piece_of_stream)
            if len(piece_of_stream) < size:
                return

    def _spooled(self, read: Callable[[int], bytes]) -> Written:
        """For stores that want to know the size first: by way of a file, when it is more than a little."""
        with tempfile.NamedTemporaryFile(prefix="cloudberth-") as file:
            size = 0
            while piece := read(self.part_size):
                size += len(piece)
                self._refuse_too_large(size)
                file.write(piece)
            file.flush()
            return self._put(FileBody(Path(file.name), 0, size))

    def _refuse_too_large(self, size: int) -> None:
        if not self.capabilities.multipart and size > self.capabilities.max_put:
            raise InvalidInput(
                f"an object of {size} bytes is too large for {self.backend.id}",
                hint=f"at most {self.capabilities.max_put} bytes",
                where=f"{self.backend.place}/{self.key}",
            )

    def _put(self, body: Body) -> Written:
        written = self.backend.put(self.key, body, self.attributes, self.condition)
        self._report(body.size)
        return written

    def _report(self, size: int) -> None:
        if self.progress is not None:
            self.progress(size)

    def _parts(self, bodies: Iterator[Body]) -> Written:
        """A multipart upload, which is aborted when anything goes wrong, the source included."""
        upload = self.backend.start_upload(self.key, self.attributes)
        running: deque[Future[Part]] = deque()
        parts: list[Part] = []
        try:
            for number, body in enumerate(bodies, 1):
                if number > self.capabilities.max_parts:
                    raise InvalidInput(
                        f"more than {self.capabilities.max_parts} parts: use a larger part size"
                    )
                running.append(self.threads.submit(self._part, upload, number, body))
                while len(running) * body.size >= IN_FLIGHT_BYTES:
                    parts.append(running.popleft().result())
            parts += [future.result() for future in running]
            return self.backend.finish_upload(self.key, upload, parts, self.attributes, self.condition)
        except BaseException as error:
            self._give_up(upload, running, error)
            raise

    def _part(self, upload: str, number: int, body: Body) -> Part:
        large = body.view is not None or body.size > 4 * self.part_size
        in_memory = body if large else BytesBody(body.read())
        part = self.backend.put_part(self.key, upload, number, in_memory)
        self._report(body.size)
        return part

    def _give_up(self, upload: str, running: Iterable[Future[Part]], error: BaseException) -> None:
        for future in running:
            future.cancel()
        wait([future for future in running if not future.cancelled()])
        try:
            self.backend.abort_upload(self.key, upload)
        except CloudberthError as failure:
            error.add_note(f"the unfinished upload {upload} could not be aborted: {failure}")


def _reader_of(data: BinaryIO | Iterable[bytes]) -> Callable[[int], bytes]:
    """A function that reads exactly so many bytes, fewer only at the end, from a stream or an iterable."""
    pieces = _pieces_of(data)
    rest = bytearray()

    def read(size: int) -> bytes:
        while len(rest) < size:
            piece = next(pieces, None)
            if piece is None:
                break
            rest.extend(piece)
        found = bytes(memoryview(rest)[:size])
        del rest[:size]
        return found

    return read


def _pieces_of(data: BinaryIO | Iterable[bytes]) -> Iterator[bytes]:
    if isinstance(data, str):
        raise InvalidInput("a text is no stream of bytes")
    read = getattr(data, "read", None)
    if read is None:
        yield from data
        return
    while piece := read(MIB):
        if isinstance(piece, str):
            raise InvalidInput("the stream gives text; open it in binary mode")
        yield piece


# -- copies --------------------------------------------------------------------------------------------------


def copy(
    origin: Backend,
    source: str,
    target: Backend,
    key: str,
    attributes: Attributes | None,
    *,
    part_size: int,
    threads: Executor,
    progress: Report | None = None,
) -> Written:
    """Copy an object: on the server where that works, else streamed through this machine."""
    same = origin is target
    if target.capabilities.copy_max:
        with suppress(Unsupported):
            try:
                return (
                    target.copy(source, key, attributes)
                    if same
                    else target.copy_from(origin, source, key, attributes)
                )
            except BackendError as error:
                if error.kind is not Kind.INVALID or not target.capabilities.multipart:
                    raise
                size = origin.head(source).size
                if size <= target.capabilities.copy_max:
                    raise
                return _copy_by_parts(origin, source, target, key, attributes, threads)
    with ResumingReader(origin, source) as reader:
        kept = attributes or portable(reader.info.attributes, origin.capabilities, target.capabilities)
        data = reader.chunks(MIB)
        return save(
            target, key, data, kept, Condition(), part_size=part_size, threads=threads, progress=progress
        )


def _copy_by_parts(
    origin: Backend, source: str, target: Backend, key: str, attributes: Attributes | None, threads: Executor
) -> Written:
    """A copy on the server of an object that is too large for one request."""
    info = origin.head(source)
    chosen = attributes or info.attributes
    size = part_size_for(info.size, 512 * MIB, target.capabilities)
    upload = target.start_upload(key, chosen)
    other = None if origin is target else origin
    running: list[Future[Part]] = []
    try:
        for number, at in enumerate(range(0, info.size, size), 1):
            span = Span(at, min(size, info.size - at))
            running.append(threads.submit(target.copy_part, key, upload, number, source, span, other))
        return target.finish_upload(key, upload, [future.result() for future in running], chosen)
    except BaseException:
        for future in running:
            future.cancel()
        wait([future for future in running if not future.cancelled()])
        with suppress(CloudberthError):
            target.abort_upload(key, upload)
        raise


def portable(attributes: Attributes, origin: Capabilities, target: Capabilities) -> Attributes:
    """The attributes with the storage class by the target's name; without one where it has no such tier."""
    name = attributes.storage_class
    if name is None or origin.classes == target.classes:
        return attributes
    tier = next((tier for tier, known in origin.classes.items() if known == name), None)
    return replace(attributes, storage_class=target.classes.get(tier) if tier else None)
