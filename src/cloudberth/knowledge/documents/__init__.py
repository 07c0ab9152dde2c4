"""Documents: read from bytes, cleaned, cut into chunks.

::

    from cloudberth.knowledge.documents import Chunking, Rules, chunk, clean, read

    document = read(Path("manual.pdf"), filename="manual.pdf")
    for part in chunk(clean(document, Rules(remove_extra_spaces=True)), Chunking(max_tokens=300)):
        print(part.ordinal, part.pages, part.headings, part.text)

Nothing is executed and nothing is fetched. What cannot be read is InvalidInput, with the file's name. The
libraries that read (extra ``documents``) are imported when a file of their format comes.
"""

from __future__ import annotations

from cloudberth.knowledge.documents.apart import read_apart
from cloudberth.knowledge.documents.chunking import Chunk, Chunking, chunk
from cloudberth.knowledge.documents.cleaning import Rules, clean
from cloudberth.knowledge.documents.limits import Limits
from cloudberth.knowledge.documents.model import Block, BlockKind, Document
from cloudberth.knowledge.documents.reading import formats, read
from cloudberth.knowledge.documents.tokens import estimate_tokens

__all__ = [
    "Block",
    "BlockKind",
    "Chunk",
    "Chunking",
    "Document",
    "Limits",
    "Rules",
    "chunk",
    "clean",
    "estimate_tokens",
    "formats",
    "read",
    "read_apart",
]
