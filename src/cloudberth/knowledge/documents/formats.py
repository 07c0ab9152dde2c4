"""Which format a file has: by its first bytes, its name, what the sender says, in that order."""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import dataclass

from cloudberth.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Format:
    """One format that can be read. reader: ``module:function``, imported when such a file comes."""

    reader: str
    suffixes: tuple[str, ...]
    content_types: tuple[str, ...]


_HERE = "cloudberth.knowledge.documents"
_OFFICE = "application/vnd.openxmlformats-officedocument"
FORMATS = {
    "csv": Format(f"{_HERE}.delimited:read_delimited", ("csv",), ("text/csv",)),
    "docx": Format(f"{_HERE}.word:read_word", ("docx", "docm"), (f"{_OFFICE}.wordprocessingml.document",)),
    "html": Format(
        f"{_HERE}.web_page:read_web_page", ("html", "htm", "xhtml"), ("text/html", "application/xhtml+xml")
    ),
    "md": Format(
        f"{_HERE}.markdown:read_markdown", ("md", "markdown", "mdx"), ("text/markdown", "text/x-markdown")
    ),
    "pdf": Format(f"{_HERE}.pdf:read_pdf", ("pdf",), ("application/pdf", "application/x-pdf")),
    "pptx": Format(
        f"{_HERE}.presentation:read_presentation",
        ("pptx", "pptm", "ppsx"),
        (f"{_OFFICE}.presentationml.presentation",),
    ),
    "tsv": Format(f"{_HERE}.delimited:read_delimited", ("tsv", "tab"), ("text/tab-separated-values",)),
    "txt": Format(f"{_HERE}.plain_text:read_plain_text", ("txt", "text", "log"), ("text/plain",)),
    "xlsx": Format(f"{_HERE}.workbook:read_workbook", ("xlsx", "xlsm"), (f"{_OFFICE}.spreadsheetml.sheet",)),
}
_OFFICE_PARTS = {"word/": "docx", "xl/": "xlsx", "ppt/": "pptx"}
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_BINARY = {"pdf", "docx", "xlsx", "pptx"}
_PAGE = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html)[\s>]", re.IGNORECASE | re.DOTALL
)


def formats() -> dict[str, tuple[str, ...]]:
    """Every format with the suffixes of its files."""
    return {name: each.suffixes for name, each in FORMATS.items()}


def format_of(data: bytes, filename: str, content_type: str = "") -> str:
    """The format of a file: a key of `FORMATS`. InvalidInput, with what to do, for all others."""
    found = _by_content(data, filename)
    if found:
        return found
    named = _by_name(filename) or _by_type(content_type)
    if named in _BINARY:
        raise InvalidInput(
            f"this is no {named.upper()} file", where=filename, hint="its content says otherwise"
        )
    if not named and _PAGE.match(data[:4096]):
        named = "html"
    if not named:
        known = ", ".join(sorted({suffix for each in FORMATS.values() for suffix in each.suffixes}))
        raise InvalidInput("files of this kind cannot be read", where=filename, hint=f"what can: {known}")
    return named


def _by_name(filename: str) -> str:
    suffix = filename.rpartition(".")[2].lower() if "." in filename else ""
    return next((name for name, each in FORMATS.items() if suffix in each.suffixes), "")


def _by_type(content_type: str) -> str:
    plain = content_type.partition(";")[0].strip().lower()
    return next((name for name, each in FORMATS.items() if plain in each.content_types), "")


def _by_content(data: bytes, filename: str) -> str:
    """What the first bytes leave no doubt about; empty for text."""
    if b"%PDF-" in data[:1024]:
        return "pdf"
    if data.startswith(_OLE):
        if "EncryptedPackage".encode("utf-16-le") in data:
            raise InvalidInput("it is protected by a password", where=filename, hint="save it without one")
        raise InvalidInput(
            "this is a file of an old Office version", where=filename, hint="save it as docx, xlsx or pptx"
        )
    if data.startswith(b"{\\rtf"):
        raise InvalidInput("RTF files cannot be read", where=filename, hint="save it as docx")
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _office(data, filename)
    return ""


def _office(data: bytes, filename: str) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError):
        raise InvalidInput(
            "the file is broken, or not whole", where=filename, hint="upload it again"
        ) from None
    for part, name in _OFFICE_PARTS.items():
        if any(each.startswith(part) for each in names):
            return name
    raise InvalidInput(
        "this archive is no document", where=filename, hint="upload the files in it one by one"
    )
