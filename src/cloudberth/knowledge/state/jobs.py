"""The queue: one row for each piece of work, taken under a lease, gone when it is done.

Rules that hold across all processes:

- of the jobs of one document one runs at a time; an exclusive job runs when no other of its dataset does, and
  nothing else of the dataset starts while one is due;
- who takes a job holds a lease and a claim number. A lease that is not renewed ends, and the job is taken
  again, under another number: the first worker's renewals and completions are then without effect;
- every taking counts as an attempt, also when the worker died of it, so that a document that kills workers
  ends as dead and not as a loop.

Claiming needs a look at several rows, so it is a transaction that is alone (``BEGIN IMMEDIATE`` in SQLite,
an advisory lock in PostgreSQL) rather than ``SKIP LOCKED``, which looks at one; it takes about a millisecond,
and a job takes seconds.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cloudberth.database import Connection, Database, Row
from cloudberth.errors import InvalidInput, NotFound
from cloudberth.knowledge.model import Job, JobState, Page
from cloudberth.knowledge.state.values import clock, moment, storable, to_json

INDEX, METADATA = "index", "metadata"
DELETE_DOCUMENT, DELETE_DATASET, REEMBED = "delete-document", "delete-dataset", "reembed"
_EXCLUSIVE = {DELETE_DATASET, REEMBED}
MOST_ATTEMPTS = 6
_COLUMNS = "id, kind, dataset_id, document_id, state, attempts, due, error, hint, worker, created"
# No other job of this document runs; no exclusive job of the dataset runs or is due; none of the dataset runs
# when this one is exclusive itself.
_MAY_START = """
NOT EXISTS (SELECT 1 FROM knowledge_jobs o WHERE o.document_id = j.document_id AND o.document_id <> ''
  AND o.state = 'running' AND o.id <> j.id)
AND NOT EXISTS (SELECT 1 FROM knowledge_jobs o WHERE o.dataset_id = j.dataset_id AND o.id <> j.id
  AND ((o.state = 'running' AND (o.exclusive = 1 OR j.exclusive = 1))
    OR (o.state = 'queued' AND o.exclusive = 1 AND o.due <= ?
        AND (j.exclusive = 0 OR (o.created, o.id) < (j.created, j.id)))))
"""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A job that a worker has. claim: grows with each taking; older ones have lost it."""

    id: str
    kind: str
    dataset_id: str
    document_id: str
    attempts: int
    claim: int
    worker: str
    payload: Mapping[str, Any] = field(default_factory=dict)


class Jobs:
    """The table of jobs. Calls that take a connection are part of the caller's transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- putting in ------------------------------------------------------------------------------------------

    def add(
        self, connection: Connection, kind: str, dataset_id: str, document_id: str = "", **payload: Any
    ) -> str:
        """Queue a job; its id."""
        job_id, now = str(uuid.uuid4()), clock(connection)
        connection.run(
            "INSERT INTO knowledge_jobs (id, kind, dataset_id, document_id, exclusive, payload, state,"
            " attempts, claim, due, lease, worker, error, hint, created, sent)"
            " VALUES (?, ?, ?, ?, ?, ?, 'queued', 0, 0, ?, 0, '', '', '', ?, 0)",
            (job_id, kind, dataset_id, document_id, int(kind in _EXCLUSIVE), to_json(payload), now, now),
        )
        return job_id

    def drop_waiting(self, connection: Connection, *, dataset_id: str = "", document_id: str = "") -> None:
        """Take out what has not started, of a document or dataset that is going to be deleted."""
        column, value = ("document_id", document_id) if document_id else ("dataset_id", dataset_id)
        connection.run(f"DELETE FROM knowledge_jobs WHERE {column} = ? AND state <> 'running'", (value,))

    def take_out(self, connection: Connection, kind: str, document_id: str) -> list[str]:
        """Take out jobs of a kind that have not started, or are dead; the keys of originals that they were to
        remove.
        """
        where = "WHERE kind = ? AND document_id = ? AND state <> 'running'"
        rows = connection.rows(f"SELECT payload FROM knowledge_jobs {where}", (kind, document_id))
        connection.run(f"DELETE FROM knowledge_jobs {where}", (kind, document_id))
        return [str(key) for row in rows for key in json.loads(row[0]).get("former_keys", ())]

    # -- taking and giving back ------------------------------------------------------------------------------

    def claim(self, worker: str, lease: float, job_id: str | None = None) -> Claimed | None:
        """The next job that may start, for `lease` seconds; None when there is none now. job_id: only that
        one.
        """
        if not self._is_any(job_id):
            return None
        with self._database.transaction(alone=True) as connection:
            now = clock(connection)
            row = self._candidate(connection, now, job_id)
            if row is None:
                return None
            found = Claimed(
                id=row[0], kind=row[1], dataset_id=row[2], document_id=row[3], attempts=row[4] + 1,
                claim=row[5] + 1, worker=worker, payload=json.loads(row[6]),
            )  # fmt: skip
            connection.run(
                "UPDATE knowledge_jobs SET state = 'running', worker = ?, lease = ?, attempts = ?, claim = ?"
                " WHERE id = ?",
                (worker, now + lease, found.attempts, found.claim, found.id),
            )
        return found

    def renew(self, job: Claimed, lease: float) -> bool:
        """Keep the job for `lease` seconds more. False: it is somebody else's by now."""
        with self._database.transaction(alone=True) as connection:
            return bool(
                connection.run(
                    "UPDATE knowledge_jobs SET lease = ? WHERE id = ? AND claim = ? AND state = 'running'",
                    (clock(connection) + lease, job.id, job.claim),
                )
            )

    def is_held(self, connection: Connection, job: Claimed) -> bool:
        """Whether the job is still this worker's."""
        return bool(
            connection.rows(
                "SELECT 1 FROM knowledge_jobs WHERE id = ? AND claim = ? AND state = 'running'",
                (job.id, job.claim),
            )
        )

    def finish(self, connection: Connection, job: Claimed) -> bool:
        """It is done. False: it was somebody else's."""
        return bool(
            connection.run("DELETE FROM knowledge_jobs WHERE id = ? AND claim = ?", (job.id, job.claim))
        )

    def release(self, job: Claimed) -> None:
        """Give it back as if it had not been taken: the worker stops."""
        with self._database.transaction(alone=True) as connection:
            connection.run(
                "UPDATE knowledge_jobs SET state = 'queued', worker = '', lease = 0, attempts = attempts - 1,"
                " sent = 0 WHERE id = ? AND claim = ? AND state = 'running'",
                (job.id, job.claim),
            )

    def again(self, connection: Connection, job: Claimed, after: float, error: str, hint: str) -> bool:
        """Try it once more after so many seconds."""
        return bool(
            connection.run(
                "UPDATE knowledge_jobs SET state = 'queued', worker = '', lease = 0, due = ?, error = ?,"
                " hint = ?, sent = 0 WHERE id = ? AND claim = ? AND state = 'running'",
                (clock(connection) + after, storable(error), storable(hint), job.id, job.claim),
            )
        )

    def bury(self, connection: Connection, job: Claimed, error: str, hint: str) -> bool:
        """It cannot be done; it stays to be looked at."""
        return bool(
            connection.run(
                "UPDATE knowledge_jobs SET state = 'dead', lease = 0, error = ?, hint = ?"
                " WHERE id = ? AND claim = ? AND state = 'running'",
                (storable(error), storable(hint), job.id, job.claim),
            )
        )

    def expire(self, worker: str) -> int:
        """End the leases of a worker that is known to be dead; how many it was."""
        with self._database.transaction(alone=True) as connection:
            return connection.run(
                "UPDATE knowledge_jobs SET lease = 0 WHERE worker = ? AND state = 'running' AND lease > 0",
                (worker,),
            )

    # -- looking ---------------------------------------------------------------------------------------------

    def list(self, dataset_id: str, state: JobState | None, page: int, size: int) -> Page[Job]:
        where, values = "1 = 1", list[Any]()
        if dataset_id:
            where, values = "dataset_id = ?", [dataset_id]
        if state is not None:
            where, values = f"{where} AND state = ?", [*values, str(state)]
        with self._database.connection() as connection:
            total = connection.rows(f"SELECT COUNT(*) FROM knowledge_jobs WHERE {where}", values)[0][0]
            rows = connection.rows(
                f"SELECT {_COLUMNS} FROM knowledge_jobs WHERE {where} ORDER BY created, id LIMIT ? OFFSET ?",
                (*values, size, (page - 1) * size),
            )
        return Page(tuple(_job(row) for row in rows), int(total), page, size)

    def get(self, connection: Connection, job_id: str) -> Job:
        rows = connection.rows(f"SELECT {_COLUMNS} FROM knowledge_jobs WHERE id = ?", (job_id,))
        if not rows:
            raise NotFound("there is no such job; jobs that are done are gone", where=job_id[:40])
        return _job(rows[0])

    def revive(self, connection: Connection, job_id: str) -> Job:
        """Queue a dead job again. Raises NotFound, InvalidInput when it is not dead."""
        job = self.get(connection, job_id)
        if job.state is not JobState.DEAD:
            raise InvalidInput(f"this job is {job.state}, not dead", where=job_id)
        connection.run(
            "UPDATE knowledge_jobs SET state = 'queued', attempts = 0, due = ?, worker = '', error = '',"
            " hint = '', sent = 0 WHERE id = ?",
            (clock(connection), job_id),
        )
        return self.get(connection, job_id)

    def counts(self) -> dict[JobState, int]:
        """How many there are of each state."""
        with self._database.connection() as connection:
            rows = connection.rows("SELECT state, COUNT(*) FROM knowledge_jobs GROUP BY state")
        return {JobState(state): int(count) for state, count in rows}

    def unsent(self, older: float, most: int = 100) -> tuple[str, ...]:
        """Jobs that may start, and that no broker has been told of for `older` seconds, or since their worker
        died; they are marked as told now.
        """
        with self._database.transaction(alone=True) as connection:
            now = clock(connection)
            rows = connection.rows(
                "SELECT id FROM knowledge_jobs WHERE (state = 'queued' AND due <= ? AND sent < ?)"
                " OR (state = 'running' AND lease < ? AND (sent < ? OR sent <= lease))"
                " ORDER BY created, id LIMIT ?",
                (now, now - older, now, now - older, most),
            )
            found = tuple(row[0] for row in rows)
            self.mark_sent(connection, found)
        return found

    def mark_sent(self, connection: Connection, job_ids: tuple[str, ...]) -> None:
        """The broker is told of them now."""
        now = clock(connection)
        for job_id in job_ids:
            connection.run("UPDATE knowledge_jobs SET sent = ? WHERE id = ?", (now, job_id))

    def unsend(self, job_ids: tuple[str, ...]) -> None:
        """The broker could not be told."""
        with self._database.transaction(alone=True) as connection:
            for job_id in job_ids:
                connection.run("UPDATE knowledge_jobs SET sent = 0 WHERE id = ?", (job_id,))

    def _is_any(self, job_id: str | None) -> bool:
        """A look that takes no lock: most of the time there is nothing to do."""
        with self._database.connection() as connection:
            now = clock(connection)
            only, values = ("", (now, now)) if job_id is None else ("AND id = ?", (now, now, job_id))
            return bool(
                connection.rows(
                    "SELECT 1 FROM knowledge_jobs WHERE ((state = 'queued' AND due <= ?)"
                    f" OR (state = 'running' AND lease < ?)) {only} LIMIT 1",
                    values,
                )
            )

    def _candidate(self, connection: Connection, now: float, job_id: str | None) -> Row | None:
        only, values = ("", list[Any]()) if job_id is None else ("AND j.id = ?", [job_id])
        what = "SELECT id, kind, dataset_id, document_id, attempts, claim, payload FROM knowledge_jobs j"
        for state in ("j.state = 'running' AND j.lease < ?", "j.state = 'queued' AND j.due <= ?"):
            rows = connection.rows(
                f"{what} WHERE {state} {only} AND {_MAY_START} ORDER BY created, id LIMIT 1",
                (now, *values, now),
            )
            if rows:
                return rows[0]
        return None


def _job(row: Row) -> Job:
    return Job(
        id=row[0], kind=row[1], dataset_id=row[2], document_id=row[3], state=JobState(row[4]),
        attempts=int(row[5]), due=moment(row[6]), error=row[7], hint=row[8], worker=row[9],
        created=moment(row[10]),
    )  # fmt: skip
