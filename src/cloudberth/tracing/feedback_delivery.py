"""Feedback to the providers that take it: OTLP has no message for it, so it is one small call each."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from cloudberth.errors import CloudberthError
from cloudberth.tracing.database import Database, Row
from cloudberth.tracing.delivery import is_sampled
from cloudberth.tracing.destinations import Destination
from cloudberth.tracing.http_client import HttpClient
from cloudberth.tracing.store import add_count, now_ns

# A provider may show a span long after it took it (Phoenix: up to a minute); so long an unknown span is asked
# for again.
_PATIENCE_NS = 600_000_000_000
_READ = """
SELECT id, tenant, app, trace_id, span_id, name, score, label, comment, source, usr, created
FROM trace_feedback
WHERE id > ? ORDER BY id LIMIT 1"""


class FeedbackCourier:
    """The feedback of one destination, in the courier's pauses."""

    def __init__(
        self,
        database: Database,
        destination: Destination,
        settings: dict[str, str],
        client: HttpClient,
        timeout: float,
    ) -> None:
        self._database = database
        self._destination = destination
        self._settings = settings
        self._client = client
        self._timeout = timeout
        self._not_before = 0

    async def deliver(self, after: int) -> bool:
        """Send the next one; whether there was anything to do."""
        if self._not_before > now_ns():
            return False
        row = await asyncio.to_thread(self._next, after)
        if row is None:
            return False
        is_ours = self._destination.takes(row[1], row[2]) and is_sampled(row[3], self._destination.sample)
        call = self._destination.profile.feedback
        if call is None or not is_ours:
            await asyncio.to_thread(self._advance, row[0], "")
            return True
        verdict = await self._send(row)
        if verdict is None:
            self._not_before = now_ns() + 5_000_000_000
            return False
        await asyncio.to_thread(self._advance, row[0], verdict)
        return True

    async def _send(self, row: Row) -> str | None:
        """The counter that the feedback belongs to, or None to try again later."""
        profile = self._destination.profile
        call = profile.feedback
        document = await asyncio.to_thread(self._document, row)
        if call is None or document is None:
            return "feedback.failed"
        url = profile.filled(call.url, {**self._settings, "trace_id": document["trace_id"]})
        headers = {**profile.request_headers(self._settings), "Content-Type": "application/json"}
        try:
            answer = await self._client.request(
                call.method, url, headers, json.dumps(call.body(document)).encode(), timeout=self._timeout
            )
        except CloudberthError:
            return None
        if answer.status < 300:
            return "feedback.sent"
        is_early = answer.status == 404 and now_ns() - row[11] < _PATIENCE_NS
        if is_early or answer.status in (401, 403, 408, 429) or answer.status >= 500:
            return None
        return "feedback.failed"

    def _next(self, after: int) -> Row | None:
        with self._database.connection() as connection:
            rows = connection.rows(_READ, (after,))
        return rows[0] if rows else None

    def _document(self, row: Row) -> dict[str, Any] | None:
        """What a profile builds its call from. span_id: the root's when the feedback is about the trace."""
        span = row[4]
        if span is None:
            with self._database.connection() as connection:
                roots = connection.rows(
                    "SELECT span_id FROM trace_spans WHERE trace_id = ? AND tenant = ? AND parent_id IS NULL "
                    "ORDER BY seq LIMIT 1",
                    (row[3], row[1]),
                )
            span = roots[0][0] if roots else None
        says = self._destination.policy.content != "none"
        return {
            "id": row[0], "trace_id": row[3].hex(), "span_id": span.hex() if span else None,
            "given_span_id": row[4].hex() if row[4] else None, "name": row[5], "score": row[6],
            "label": row[7], "comment": row[8] if says else None, "source": row[9], "user": row[10],
        }  # fmt: skip

    def _advance(self, number: int, counter: str) -> None:
        with self._database.transaction(alone=True) as connection:
            connection.run(
                "UPDATE trace_cursors SET feedback = ? WHERE destination = ? AND feedback < ?",
                (number, self._destination.id, number),
            )
            if counter:
                add_count(connection, counter, 1)
