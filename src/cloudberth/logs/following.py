"""Following a store that can only be asked: short time spans, one after the other, that overlap.

Stores show records late, and not in order. So each look goes back as far as the store may be late, and what
was shown already is left out. Records that come later than that are lost to a follower (never to a query).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cloudberth.errors import BackendError
from cloudberth.logs.contract import LogReader
from cloudberth.logs.filter import Filter
from cloudberth.logs.record import Record

_AHEAD = timedelta(minutes=5)
"""Clocks of machines that are fast."""
_PATIENCE = 10
"""Looks in a row that may fail before the follower gives up."""


def follow(
    reader: LogReader,
    filter: Filter,
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Record]:
    """Records as they are found, each once; those of one look in the order of their times. Never ends."""
    shown: Counter[tuple[datetime, str]] = Counter()
    start, failures = filter.since, 0
    while True:
        now = clock()
        try:
            found = sorted(
                reader.window(replace(filter, since=start, until=max(now, start) + _AHEAD)),
                key=lambda record: record.time,
            )
        except BackendError as error:
            failures += 1
            if not error.retryable or failures >= _PATIENCE:
                raise
            reader.remark(f"{error}; asking again")
            sleep(error.retry_after or reader.capabilities.poll)
            continue
        failures = 0
        # Two equal lines of one moment are two lines: as many are shown as there are.
        left = shown.copy()
        for record in found:
            key = record.time, record.id
            if left[key]:
                left[key] -= 1
            else:
                shown[key] += 1
                yield record
        start = max(filter.since, now - reader.capabilities.late)
        for key in [key for key in shown if key[0] < start]:
            del shown[key]
        sleep(reader.capabilities.poll)
