"""Names of tables and indexes. Dify writes names without quotes, so the server folds and cuts them."""

from __future__ import annotations

import hashlib
import re

# PostgreSQL keeps so many bytes of a name; a longer one is cut without an error.
LONGEST = 63
# How Dify names the collection of a dataset, `Vector_index_{uuid with _}_Node`, folded to lower case.
_DIFY = re.compile(r"(?P<prefix>.+)_(?P<uuid>[0-9a-f]{8}(?:_[0-9a-f]{4}){3}_[0-9a-f]{12})_node")
_DIFY_CUT = re.compile(r".+_[0-9a-f]{8}(?:_[0-9a-f]{4}){3}_[0-9a-f]{12}(?:_(?:n(?:o(?:d)?)?)?)?")


def quoted(name: str) -> str:
    """A name as an identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text for statements that take no bound values (COMMENT ON), whatever the server's quoting rules."""
    return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def table_name(prefix: str, collection: str) -> str:
    """The table of a collection.

    One of Dify's own names is cut where the server cuts it (`embedding_vector_index_…_node` has 64 bytes);
    other long names end in a hash, so that two of them stay two tables.
    """
    name = prefix + collection
    if len(name) <= LONGEST:
        return name
    if _DIFY.fullmatch(collection.lower()):
        return name[:LONGEST]
    return f"{name[: LONGEST - 9]}_{_hash(name)}"


def collection_name(prefix: str, table: str, noted: str) -> str | None:
    """The collection that a table holds; None when it is not of this layout. noted: the name in its note."""
    if noted and table_name(prefix, noted) == table:
        return noted
    if not table.startswith(prefix) or table == prefix:
        return None
    name = table[len(prefix) :]
    if len(table) == LONGEST and _DIFY_CUT.fullmatch(name.lower()):
        node = "_Node" if re.search("[A-Z]", name) else "_node"
        stem = re.sub(r"_?(?:[nN](?:o(?:d)?)?)?$", "", name)
        return stem + node
    return name


def index_hash(prefix: str, collection: str) -> str:
    """Eight digits that Dify too puts behind an index's name: of the table's name as Dify spells it.

    With the same name, Dify's `CREATE INDEX IF NOT EXISTS` finds our index and makes no second one.
    """
    found = _DIFY.fullmatch(collection)
    if found:
        stem = "Vector_index" if found["prefix"] == "vector_index" else found["prefix"]
        collection = f"{stem}_{found['uuid']}_Node"
    return _hash(prefix + collection)


def cut(name: str) -> str:
    """A name as the server keeps it."""
    return name[:LONGEST]


def _hash(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()[:8]
