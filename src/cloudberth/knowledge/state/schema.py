"""The tables, and the numbered steps that lead to them. A step that was released is never changed.

Several processes may start at once on an empty or old database: the steps run in one transaction that is
alone in all processes, so one of them does the work and the others find it done.
"""

from __future__ import annotations

import time

from cloudberth.database import Connection, Database, Purpose
from cloudberth.errors import Refused

PURPOSE = Purpose("knowledge", "the state of the knowledge service", lock=7_261_034_116, durable=True)

_FIRST = """
CREATE TABLE knowledge_datasets (
  id TEXT PRIMARY KEY, name TEXT NOT NULL, description TEXT NOT NULL, embedding TEXT NOT NULL,
  fingerprint TEXT NOT NULL, dimension INTEGER NOT NULL, collection TEXT NOT NULL, retrieval TEXT NOT NULL,
  chunking TEXT NOT NULL, version BIGINT NOT NULL, reembedding TEXT NOT NULL, error TEXT NOT NULL,
  created DOUBLE PRECISION NOT NULL, updated DOUBLE PRECISION NOT NULL, deleted DOUBLE PRECISION);
CREATE UNIQUE INDEX knowledge_datasets_by_name ON knowledge_datasets (name) WHERE deleted IS NULL;
CREATE TABLE knowledge_documents (
  id TEXT PRIMARY KEY, dataset_id TEXT NOT NULL, name TEXT NOT NULL, content_type TEXT NOT NULL,
  size BIGINT NOT NULL, content_hash TEXT NOT NULL, content_key TEXT NOT NULL, metadata TEXT NOT NULL,
  metadata_version BIGINT NOT NULL, chunking TEXT NOT NULL, status TEXT NOT NULL,
  progress DOUBLE PRECISION NOT NULL, error TEXT NOT NULL, hint TEXT NOT NULL, attempts INTEGER NOT NULL,
  wanted BIGINT NOT NULL, generation BIGINT NOT NULL, chunks BIGINT NOT NULL, characters BIGINT NOT NULL,
  created DOUBLE PRECISION NOT NULL, updated DOUBLE PRECISION NOT NULL, indexed DOUBLE PRECISION,
  deleted DOUBLE PRECISION);
CREATE INDEX knowledge_documents_by_dataset ON knowledge_documents (dataset_id, created);
CREATE INDEX knowledge_documents_by_name ON knowledge_documents (dataset_id, name);
CREATE TABLE knowledge_chunks (
  id TEXT PRIMARY KEY, document_id TEXT NOT NULL, dataset_id TEXT NOT NULL, generation BIGINT NOT NULL,
  ordinal INTEGER NOT NULL, text TEXT NOT NULL, first_character BIGINT NOT NULL,
  last_character BIGINT NOT NULL, page INTEGER, heading TEXT NOT NULL, tokens INTEGER NOT NULL, parent TEXT,
  is_parent SMALLINT NOT NULL);
CREATE INDEX knowledge_chunks_by_document ON knowledge_chunks (document_id, generation, ordinal);
CREATE INDEX knowledge_chunks_by_dataset ON knowledge_chunks (dataset_id);
CREATE TABLE knowledge_jobs (
  id TEXT PRIMARY KEY, kind TEXT NOT NULL, dataset_id TEXT NOT NULL, document_id TEXT NOT NULL,
  exclusive SMALLINT NOT NULL, payload TEXT NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL,
  claim BIGINT NOT NULL, due DOUBLE PRECISION NOT NULL, lease DOUBLE PRECISION NOT NULL,
  worker TEXT NOT NULL, error TEXT NOT NULL, hint TEXT NOT NULL, created DOUBLE PRECISION NOT NULL,
  sent DOUBLE PRECISION NOT NULL);
CREATE INDEX knowledge_jobs_by_state ON knowledge_jobs (state, created);
CREATE INDEX knowledge_jobs_by_document ON knowledge_jobs (document_id, state);
CREATE INDEX knowledge_jobs_by_dataset ON knowledge_jobs (dataset_id, state);
CREATE TABLE knowledge_events (
  seq {serial}, at DOUBLE PRECISION NOT NULL, dataset_id TEXT NOT NULL, document_id TEXT NOT NULL,
  status TEXT NOT NULL, progress DOUBLE PRECISION NOT NULL, error TEXT NOT NULL);
CREATE INDEX knowledge_events_by_time ON knowledge_events (at);
CREATE TABLE knowledge_keys (
  id TEXT PRIMARY KEY, label TEXT NOT NULL, dataset_id TEXT NOT NULL, scope TEXT NOT NULL,
  ending TEXT NOT NULL, digest {blob} NOT NULL UNIQUE, created DOUBLE PRECISION NOT NULL,
  expires DOUBLE PRECISION, revoked DOUBLE PRECISION, used DOUBLE PRECISION);
CREATE TABLE knowledge_uploads (
  content_key TEXT PRIMARY KEY, dataset_id TEXT NOT NULL, started DOUBLE PRECISION NOT NULL);
CREATE TABLE knowledge_workers (
  id TEXT PRIMARY KEY, host TEXT NOT NULL, process INTEGER NOT NULL, started DOUBLE PRECISION NOT NULL,
  seen DOUBLE PRECISION NOT NULL);
"""

STEPS: tuple[str, ...] = (_FIRST,)
"""What leads from version n to n + 1, in the order of n."""

_SQLITE = {"serial": "INTEGER PRIMARY KEY AUTOINCREMENT", "blob": "BLOB"}
_POSTGRES = {"serial": "BIGSERIAL PRIMARY KEY", "blob": "BYTEA"}


def open_database(url: str, steps: tuple[str, ...] = STEPS) -> Database:
    """The database of this URL, its tables of the newest version. Raises Refused for newer ones."""
    database = Database(url, PURPOSE)
    try:
        migrate(database, steps)
    except BaseException:
        database.close()
        raise
    return database


def migrate(database: Database, steps: tuple[str, ...] = STEPS) -> int:
    """Do the steps that are missing; all of them or none. How many it was."""
    with database.connection() as connection:
        found = _version(connection)
    if found is not None and found == len(steps):
        return 0
    with database.transaction(alone=True) as connection:
        # Another process may have done it meanwhile.
        found = _version(connection) or 0
        if found > len(steps):
            raise Refused(
                "the knowledge database was made by a newer Cloudberth",
                where=database.shown,
                hint=f"it has version {found}, this one knows {len(steps)}: use the newer Cloudberth",
            )
        for number, step in enumerate(steps[found:], found + 1):
            _run(connection, step)
            connection.run(
                "INSERT INTO knowledge_schema (version, applied) VALUES (?, ?)", (number, time.time())
            )
    return len(steps) - found


def _run(connection: Connection, step: str) -> None:
    connection.run(
        "CREATE TABLE IF NOT EXISTS knowledge_schema "
        "(version INTEGER PRIMARY KEY, applied DOUBLE PRECISION NOT NULL)"
    )
    for statement in step.format(**(_POSTGRES if connection.is_postgres else _SQLITE)).split(";"):
        if statement.strip():
            connection.run(statement)


def _version(connection: Connection) -> int | None:
    """Of the tables there; None when there are none."""
    if not connection.has_table("knowledge_schema"):
        return None
    return int(connection.rows("SELECT COALESCE(MAX(version), 0) FROM knowledge_schema")[0][0])
