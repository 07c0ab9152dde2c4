"""The tables of traces, the same in SQLite and PostgreSQL.

``trace_spans`` is the durable queue and the store in one: spans as OTLP wire bytes in the order of their
arrival (`seq`), with what people filter by in columns beside. Whoever delivers or counts them holds a
cursor into it.
"""

from __future__ import annotations

from cloudberth.errors import Refused
from cloudberth.tracing.database import Database

VERSION = 1

_TABLES = """
CREATE TABLE IF NOT EXISTS trace_spans (
  seq {serial}, tenant TEXT NOT NULL, app TEXT NOT NULL, service TEXT NOT NULL,
  trace_id {blob} NOT NULL, span_id {blob} NOT NULL, parent_id {blob},
  name TEXT NOT NULL, kind TEXT NOT NULL, start_ns BIGINT NOT NULL, duration_ns BIGINT NOT NULL,
  status SMALLINT NOT NULL, session TEXT, usr TEXT, model TEXT, provider TEXT,
  input_tokens BIGINT, output_tokens BIGINT, cached_tokens BIGINT, reasoning_tokens BIGINT,
  cost DOUBLE PRECISION, first_token_ns BIGINT, arrived BIGINT NOT NULL, size INTEGER NOT NULL,
  resource {blob}, data {blob} NOT NULL);
CREATE INDEX IF NOT EXISTS trace_spans_by_trace ON trace_spans (trace_id);
CREATE TABLE IF NOT EXISTS trace_resources (digest {blob} PRIMARY KEY, data {blob} NOT NULL);
CREATE TABLE IF NOT EXISTS trace_summaries (
  id {serial}, tenant TEXT NOT NULL, trace_id {blob} NOT NULL, app TEXT NOT NULL, service TEXT NOT NULL,
  name TEXT NOT NULL, kind TEXT NOT NULL, start_ns BIGINT NOT NULL, end_ns BIGINT NOT NULL,
  duration_ns BIGINT NOT NULL, has_root SMALLINT NOT NULL, status SMALLINT NOT NULL, errors INTEGER NOT NULL,
  spans INTEGER NOT NULL, session TEXT, usr TEXT, models TEXT NOT NULL,
  input_tokens BIGINT NOT NULL, output_tokens BIGINT NOT NULL, cost DOUBLE PRECISION NOT NULL,
  UNIQUE (tenant, trace_id));
CREATE INDEX IF NOT EXISTS trace_summaries_by_start
ON trace_summaries (start_ns, duration_ns, errors, input_tokens, output_tokens, cost); CREATE INDEX IF NOT
EXISTS trace_summaries_by_app ON trace_summaries (tenant, app, start_ns); CREATE INDEX IF NOT EXISTS
trace_summaries_by_session ON trace_summaries (session, start_ns); CREATE INDEX IF NOT EXISTS
trace_summaries_by_user ON trace_summaries (usr, start_ns); CREATE INDEX IF NOT EXISTS
trace_summaries_by_trace ON trace_summaries (trace_id); CREATE TABLE IF NOT EXISTS trace_texts (summary
BIGINT PRIMARY KEY, input TEXT NOT NULL, output TEXT NOT NULL); CREATE TABLE IF NOT EXISTS trace_hours (
hours SMALLINT NOT NULL, hour BIGINT NOT NULL, tenant TEXT NOT NULL, app TEXT NOT NULL, root SMALLINT
NOT NULL, model TEXT NOT NULL, bucket INTEGER NOT NULL, spans BIGINT NOT NULL, errors BIGINT NOT NULL,
input_tokens
BIGINT NOT NULL, output_tokens BIGINT NOT NULL, cost DOUBLE PRECISION NOT NULL, PRIMARY KEY (hours, tenant,
app, hour, root, model, bucket)){clustered};
CREATE TABLE IF NOT EXISTS trace_feedback ( id {serial}, tenant TEXT NOT
NULL, app TEXT NOT NULL, trace_id {blob} NOT NULL, span_id {blob}, name TEXT NOT NULL, score DOUBLE
PRECISION, label TEXT, comment TEXT, source TEXT NOT NULL, usr TEXT, created BIGINT NOT NULL); CREATE INDEX
IF NOT EXISTS trace_feedback_by_trace ON trace_feedback (trace_id); CREATE TABLE IF NOT EXISTS
trace_destinations ( id TEXT PRIMARY KEY, scope TEXT NOT NULL, tenant TEXT NOT NULL, app TEXT NOT NULL,
provider TEXT NOT NULL, name TEXT NOT NULL, enabled SMALLINT NOT NULL, settings TEXT NOT NULL, secrets TEXT
NOT NULL, sample DOUBLE PRECISION NOT NULL, content TEXT NOT NULL, content_limit INTEGER NOT NULL, redact
TEXT NOT NULL, version BIGINT NOT NULL, created BIGINT NOT NULL, updated BIGINT NOT NULL, updated_by TEXT
NOT NULL); CREATE TABLE IF NOT EXISTS trace_cursors ( destination TEXT PRIMARY KEY, seq BIGINT NOT NULL,
feedback BIGINT NOT NULL, sent BIGINT NOT NULL, failed BIGINT NOT NULL, skipped BIGINT NOT NULL, lost BIGINT
NOT NULL, bytes BIGINT NOT NULL, state TEXT NOT NULL, last_ok BIGINT, last_error TEXT NOT NULL,
last_error_at BIGINT, next_try BIGINT, paused_version BIGINT, owner TEXT NOT NULL, lease BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS trace_poison ( destination TEXT NOT NULL, seq BIGINT NOT NULL, at BIGINT NOT
NULL, reason TEXT NOT NULL, PRIMARY KEY (destination, seq)); CREATE TABLE IF NOT EXISTS trace_counters (name
TEXT PRIMARY KEY, value BIGINT NOT NULL, at BIGINT NOT NULL); CREATE TABLE IF NOT EXISTS trace_keys ( id
TEXT PRIMARY KEY, tenant TEXT NOT NULL, app TEXT NOT NULL, label TEXT NOT NULL, digest {blob} NOT NULL
UNIQUE, created BIGINT NOT NULL, revoked BIGINT, used BIGINT); CREATE TABLE IF NOT EXISTS trace_schema
(version INTEGER NOT NULL);
"""
_SQLITE = {"serial": "INTEGER PRIMARY KEY AUTOINCREMENT", "blob": "BLOB", "clustered": " WITHOUT ROWID"}
_POSTGRES = {"serial": "BIGSERIAL PRIMARY KEY", "blob": "BYTEA", "clustered": ""}


def create(database: Database) -> None:
    """Make the tables where they are missing. Raises Refused when they are of a newer Cloudberth."""
    if _is_current(database):
        return
    with database.transaction(alone=True) as connection:
        written = _TABLES.format(**(_POSTGRES if database.is_postgres else _SQLITE))
        for statement in written.split(";"):
            if statement.strip():
                connection.run(statement)
        found = connection.rows("SELECT version FROM trace_schema")
        if not found:
            connection.run("INSERT INTO trace_schema (version) VALUES (?)", (VERSION,))
    if not _is_current(database):
        raise Refused(
            "the tables of traces were made by another version of Cloudberth",
            where=database.shown,
            hint=f"this one writes version {VERSION}; use the newer Cloudberth, or another database",
        )


def _is_current(database: Database) -> bool:
    with database.connection() as connection:
        if not connection.has_table("trace_schema"):
            return False
        return connection.rows("SELECT version FROM trace_schema") == [(VERSION,)]
