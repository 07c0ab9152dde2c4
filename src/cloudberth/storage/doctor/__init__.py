"""What works at a bucket and what does not: facts are collected (collecting.py), then judged (judging.py).

::

    Storage ──collect──► Facts ──judge──► (Check, …)      `berth storage doctor` shows them
"""

from __future__ import annotations

from cloudberth.storage.doctor.collecting import collect
from cloudberth.storage.doctor.facts import Attempt, Check, Facts, Verdict
from cloudberth.storage.doctor.judging import judge

__all__ = ["Attempt", "Check", "Facts", "Verdict", "collect", "judge"]
