"""One courier per destination: reads on from its cursor, sends, and knows what to do when that fails.

Couriers share nothing but the table, so that a provider that hangs, lies or dies delays nobody else. Delivery
is at least once: the cursor moves after the provider said that it took the spans.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from cloudberth.errors import BackendError, CloudberthError, Refused
from cloudberth.tracing import batches
from cloudberth.tracing.batches import Position, Progress
from cloudberth.tracing.content import shrink
from cloudberth.tracing.cursors import PAUSED, WAITING
from cloudberth.tracing.database import Database
from cloudberth.tracing.delivery import Wire, is_sampled, without_secrets
from cloudberth.tracing.destinations import Destination
from cloudberth.tracing.feedback_delivery import FeedbackCourier
from cloudberth.tracing.guard import Guard
from cloudberth.tracing.http_client import HttpClient
from cloudberth.tracing.outcomes import Outcome, Verdict, back_off, judge
from cloudberth.tracing.store import SpanRow, now_ns

_IDLE = 0.2  # seconds between two looks at an empty table
_RELEASE = 5.0  # seconds between two looks at a lease or a pause of somebody else
# So many spans alone have to be refused, and none taken, before it seems to be the address and not the spans.
_SUSPICIOUS = 8
_ROUNDS = 3  # times that such a refusal is waited out before the spans are set aside


@dataclass(frozen=True, slots=True)
class Item:
    """A span ready to go. data includes what the provider wants besides."""

    seq: int
    resource: bytes
    data: bytes


class RefusesEverything(Exception):
    """No span of a batch was taken, also not alone."""


@dataclass(frozen=True, slots=True)
class Pacing:
    """timeout: seconds for one whole request; idle: between looks; first_wait and longest_wait: after
    failures.
    """

    timeout: float = 10.0
    idle: float = _IDLE
    first_wait: float = 1.0
    longest_wait: float = 60.0


class Courier:
    """Serves one destination until it is cancelled. settings: complete, with secrets."""

    def __init__(
        self,
        database: Database,
        destination: Destination,
        settings: dict[str, str],
        guard: Guard,
        owner: str,
        pacing: Pacing,
    ) -> None:
        self._database = database
        self._destination = destination
        self._wire = Wire(destination.profile, settings)
        self._limits = destination.profile.limits
        self._client = HttpClient(guard)
        self._owner = owner
        self._pacing = pacing
        self._redaction = without_secrets(destination.profile, settings)
        self._feedback = FeedbackCourier(database, destination, settings, self._client, pacing.timeout)
        self._failures = 0
        self._rounds = 0
        self._allowed_at = 0.0

    async def run(self) -> None:
        """Deliver for ever."""
        try:
            while True:
                try:
                    await self._turn()
                except CloudberthError as error:
                    # The database, not the provider: it comes back or it does not, here we only wait.
                    if isinstance(error, BackendError) and not error.retryable:
                        await asyncio.sleep(self._pacing.longest_wait)
                    await asyncio.sleep(self._pacing.first_wait)
        finally:
            await self._client.close()

    async def _turn(self) -> None:
        mine = (self._database, self._destination.id, self._owner)
        position = await asyncio.to_thread(batches.read_position, *mine)
        if position is None:
            position = await asyncio.to_thread(batches.take_lease, *mine)
        if position is None or self._is_paused(position):
            await asyncio.sleep(_RELEASE if self._pacing.idle >= _IDLE else self._pacing.idle)
            return
        wait = ((position.next_try_ns or 0) - now_ns()) / 1e9
        if wait > 0:
            await asyncio.sleep(min(wait, _RELEASE))
            return
        batch = await asyncio.to_thread(
            batches.read_batch, self._database, self._destination, position.seq, self._limits.spans
        )
        if batch.upto == position.seq:
            if not await self._feedback.deliver(position.feedback):
                await asyncio.sleep(self._pacing.idle)
            return
        await self._deliver(batch, position.seq)

    def _is_paused(self, position: Position) -> bool:
        return position.state == PAUSED and position.paused_version == self._destination.version

    async def _deliver(self, batch: batches.Batch, before: int) -> None:
        """Send a batch in requests of the provider's size. A failure leaves the cursor behind what was
        taken.
        """
        skipped = batch.passed
        waiting: list[Item] = []
        size = 0
        for seq, row in batch.rows:
            if not is_sampled(row.trace_id, self._destination.sample):
                skipped += 1
                continue
            item = self._item(seq, row)
            if isinstance(item, str):
                await self._set_aside(seq, item)
                continue
            if waiting and size + len(item.data) > self._limits.body:
                if not await self._send(waiting, Progress(before, waiting[-1].seq)):
                    return
                before = waiting[-1].seq
                waiting, size = [], 0
            waiting.append(item)
            size += len(item.data)
        if waiting:
            await self._send(waiting, Progress(before, batch.upto, skipped=skipped))
        else:
            await self._advance(Progress(before, batch.upto, skipped=skipped))

    def _item(self, seq: int, row: SpanRow) -> Item | str:
        """A span as this destination gets it, or why that cannot be."""
        limit = self._limits.span
        try:
            data: bytes | None = self._wire.span(row, self._destination.policy.apply(row.data))
            if data is not None and len(data) > limit:
                data = shrink(data, limit)
        except Exception as error:
            return f"cannot be written for {self._destination.provider}: {error}"
        if data is None:
            return f"larger than the {limit} bytes that a span may have"
        return Item(seq, row.resource, data)

    async def _send(self, items: Sequence[Item], done: Progress) -> bool:
        """One request; whether the cursor moved, as `done` says."""
        await self._keep_pace(len(items))
        outcome, done.bytes = await self._post(items)
        if outcome.verdict is Verdict.REFUSED:
            try:
                outcome = await self._look_for_poison(items, done, outcome)
            except RefusesEverything:
                outcome = Outcome(Verdict.WAIT, f"every span is refused: {outcome.said}")
        elif outcome.verdict is Verdict.TAKEN:
            rejected = min(outcome.rejected, len(items))
            done.sent += len(items) - rejected
            done.failed += rejected
            if outcome.said:
                await asyncio.to_thread(
                    batches.note_error, self._database, self._destination.id, self._clean(outcome.said)
                )
        if outcome.verdict is Verdict.TAKEN:
            self._failures = self._rounds = 0
            return await self._advance(done)
        await self._failed(outcome)
        return False

    async def _post(self, items: Sequence[Item]) -> tuple[Outcome, int]:
        body = await asyncio.to_thread(self._wire.body, [(each.resource, each.data) for each in items])
        try:
            answer = await self._client.request(
                "POST", self._wire.url, self._wire.headers(), body, timeout=self._pacing.timeout
            )
        except Refused as error:
            return Outcome(Verdict.PAUSE, error.what), 0
        except CloudberthError as error:
            return Outcome(Verdict.WAIT, error.what), 0
        return judge(answer), len(body)

    async def _look_for_poison(self, items: Sequence[Item], done: Progress, refusal: Outcome) -> Outcome:
        """Halve a refused request until what is refused stands alone; everything else is sent."""
        refused: list[tuple[Item, str]] = []
        waiting = (
            [list(items)]
            if len(items) == 1
            else [list(items[len(items) // 2 :]), list(items[: len(items) // 2])]
        )
        known = refusal if len(items) == 1 else None
        while waiting:
            part = waiting.pop()
            outcome, size = (known, 0) if known is not None else await self._post(part)
            known = None
            if outcome.verdict is Verdict.TAKEN:
                done.sent += len(part) - min(outcome.rejected, len(part))
                done.failed += min(outcome.rejected, len(part))
                done.bytes += size
            elif outcome.verdict is not Verdict.REFUSED:
                return outcome  # sent again from the cursor on: at least once
            elif len(part) == 1:
                refused.append((part[0], outcome.said))
                if not done.sent and len(refused) >= min(_SUSPICIOUS, len(items)) and await self._is_misled():
                    raise RefusesEverything
            else:
                middle = len(part) // 2
                waiting += [part[middle:], part[:middle]]
        for item, said in refused:
            await self._set_aside(item.seq, said, count=False)
        done.failed += len(refused)
        return Outcome(Verdict.TAKEN)

    async def _is_misled(self) -> bool:
        """Nothing is taken: is it the spans, or the address? The latter while a request without spans
        fails, too.
        """
        try:
            answer = await self._client.request(
                "POST", self._wire.url, self._wire.headers(compressed=False), timeout=self._pacing.timeout
            )
        except CloudberthError:
            return True
        if answer.status not in self._destination.profile.empty_good:
            return True
        self._rounds += 1
        return self._rounds < _ROUNDS

    async def _failed(self, outcome: Outcome) -> None:
        self._failures += 1
        said = self._clean(outcome.said)
        if outcome.verdict is Verdict.PAUSE:
            await asyncio.to_thread(
                batches.set_state, self._database, self._destination.id, self._owner, PAUSED, said,
                version=self._destination.version,
            )  # fmt: skip
            return
        wait = back_off(
            self._failures, outcome.wait, first=self._pacing.first_wait, longest=self._pacing.longest_wait
        )
        await asyncio.to_thread(
            batches.set_state, self._database, self._destination.id, self._owner, WAITING, said,
            next_try_ns=now_ns() + int(wait * 1e9),
        )  # fmt: skip

    async def _advance(self, done: Progress) -> bool:
        return await asyncio.to_thread(
            batches.advance, self._database, self._destination.id, self._owner, done
        )

    async def _set_aside(self, seq: int, reason: str, *, count: bool = True) -> None:
        is_new = await asyncio.to_thread(
            batches.set_aside, self._database, self._destination.id, seq, self._clean(reason)
        )
        if count and is_new:
            # The cursor stays: it moves with the rest of the batch.
            await self._advance(Progress(-1, -1, failed=1))

    async def _keep_pace(self, spans: int) -> None:
        """Wait until the provider's rates allow so many spans."""
        limits = self._limits
        cost = max(
            60 / limits.requests_per_minute if limits.requests_per_minute else 0.0,
            60 * spans / limits.spans_per_minute if limits.spans_per_minute else 0.0,
        )
        moment = time.monotonic()
        if self._allowed_at > moment:
            await asyncio.sleep(self._allowed_at - moment)
        self._allowed_at = max(self._allowed_at, moment) + cost

    def _clean(self, said: str) -> str:
        """A server's words without our secrets, should it repeat them."""
        return self._redaction.text(said)[:500].replace("\0", "")
