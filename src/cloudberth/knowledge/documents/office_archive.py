"""What DOCX, XLSX and PPTX share: an archive of XML that may lie about its size or declare entities."""

from __future__ import annotations

import io
import zipfile

from cloudberth.errors import InvalidInput
from cloudberth.knowledge.documents.gathering import Gathering
from cloudberth.knowledge.documents.limits import too_large

_XML = (".xml", ".rels", ".vml")
_READ = 1 << 20
_DECLARATIONS = tuple(
    word.encode(encoding)
    for word in ("<!DOCTYPE", "<!ENTITY")
    for encoding in ("ascii", "utf-16-le", "utf-16-be")
)
_LONGEST = max(map(len, _DECLARATIONS))


def check_archive(data: bytes, into: Gathering) -> None:
    """Raises InvalidInput for an archive that unpacks to more than it may, and for XML with a document type:
    office programs write none, and it is how entities that grow or name files come in.
    """
    limits = into.limits
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        if len(members) > limits.members:
            raise too_large(f"more than {limits.members:,} parts", into.filename)
        # A member gives no more bytes than it declares: zipfile holds it to that.
        if sum(member.file_size for member in members) > limits.expanded:
            raise too_large(f"more than {limits.expanded:,} bytes when unpacked", into.filename)
        if any(member.flag_bits & 1 for member in members):
            raise InvalidInput(
                "it is protected by a password", where=into.filename, hint="save it without one"
            )
        for member in members:
            if member.filename.lower().endswith(_XML):
                into.clock.check()
                _check_part(archive, member, into.filename)


def _check_part(archive: zipfile.ZipFile, member: zipfile.ZipInfo, filename: str) -> None:
    tail = b""
    with archive.open(member) as part:
        while piece := part.read(_READ):
            window = tail + piece
            if any(word in window for word in _DECLARATIONS):
                raise InvalidInput(
                    f"{member.filename} in it declares a document type", where=filename, hint="save it anew"
                )
            tail = window[-_LONGEST:]
