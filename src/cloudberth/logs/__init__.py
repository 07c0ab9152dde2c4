"""Logs: JSON lines for every cloud, and reading them back through one filter.

::

    from cloudberth import logs

    logs.set_up("api")                                  # Python's logging as JSON lines

    with logs.open("cloudwatch://eu-central-1/cloudberth/shop/api") as reader:
        hour = logs.Filter(since, until, level=logs.Severity.ERROR)
        for record in reader.query(hour, limit=100):
            print(record.time, record.message)

Nothing of any vendor is imported before a store of that vendor is read.
"""

from __future__ import annotations

from cloudberth.logs.contract import LogReader, Retention
from cloudberth.logs.counters import CounterLines, log_model_call
from cloudberth.logs.filter import Condition, Filter
from cloudberth.logs.json_lines import JsonLines, context
from cloudberth.logs.record import Record
from cloudberth.logs.set_up import set_up
from cloudberth.logs.severity import Severity

__all__ = [
    "Condition",
    "CounterLines",
    "Filter",
    "JsonLines",
    "LogReader",
    "Record",
    "Retention",
    "Severity",
    "context",
    "log_model_call",
    "open",
    "set_up",
]


def open(location: str) -> LogReader:
    """The reader of a location (`logs.location` has their forms). Makes no request; raises InvalidInput."""
    from cloudberth.logs.location import open_location

    return open_location(location)
