"""Reading a file: which reader, within which limits, and one kind of error for everything that is wrong."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import BinaryIO

from cloudberth.errors import CloudberthError, InvalidInput
from cloudberth.knowledge.documents.formats import FORMATS, format_of, formats
from cloudberth.knowledge.documents.gathering import Gathering
from cloudberth.knowledge.documents.limits import Limits, too_large
from cloudberth.knowledge.documents.model import Document

__all__ = ["formats", "read"]

Reader = Callable[[bytes, Gathering], None]


def read(
    data: bytes | Path | BinaryIO,
    *,
    filename: str,
    content_type: str = "",
    limits: Limits | None = None,
) -> Document:
    """The blocks of a file. filename: with its suffix; also what errors name. content_type: as the sender
    says.

    Nothing is executed, nothing is fetched. Raises InvalidInput for what is no readable document: a format
    that is not known, a broken or protected file, one without any text, one beyond the limits.
    """
    limits = limits or Limits()
    content = content_of(data, filename, limits)
    name = format_of(content, filename, content_type)
    module, _, function = FORMATS[name].reader.partition(":")
    gathering = Gathering(filename, limits, charset_of(content_type))
    reader: Reader = getattr(import_module(module), function)
    try:
        reader(content, gathering)
    except CloudberthError:
        raise
    except MemoryError:
        raise too_large("there is not enough memory to read it", filename) from None
    except Exception as error:  # parsers raise whatever they stumble over
        kind = type(error).__name__
        raise InvalidInput(
            f"the {name.upper()} file is broken, or not whole ({kind})",
            where=filename,
            hint="upload it again",
        ) from error
    if not gathering.blocks:
        raise no_text(filename, name)
    return Document(
        filename=filename,
        format=name,
        blocks=tuple(gathering.blocks),
        title=gathering.title,
        pages=gathering.pages,
        notes=tuple(gathering.notes),
    )


def charset_of(content_type: str) -> str:
    """The encoding in ``text/html; charset=gbk``; empty when there is none."""
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip("\"'")
    return ""


def no_text(filename: str, name: str) -> InvalidInput:
    """The error of a file with nothing to read in it."""
    if name in ("pdf", "pptx", "docx"):
        hint = "make its pictures text first (OCR)"
        return InvalidInput("there is no text in it: scanned?", where=filename, hint=hint)
    return InvalidInput("there is no text in it", where=filename)


def content_of(data: bytes | Path | BinaryIO, filename: str, limits: Limits) -> bytes:
    """All bytes of a file, within `Limits.size`."""
    if isinstance(data, bytes | bytearray | memoryview):
        content = bytes(data)
    elif isinstance(data, Path):
        try:
            with data.open("rb") as file:
                content = file.read(limits.size + 1)
        except OSError as error:
            raise InvalidInput(f"the file cannot be opened: {error.strerror}", where=filename) from None
    else:
        content = data.read(limits.size + 1)
    if len(content) > limits.size:
        raise too_large(f"more than {limits.size:,} bytes", filename)
    if not content:
        raise InvalidInput("the file is empty", where=filename)
    return content
