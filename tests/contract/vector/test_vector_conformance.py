"""Every promise of the vector contract, over every store that can run here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from vector_rig import Rig
from vector_rig_registry import all_rigs

from cloudberth.vector.conformance import Check, Subject
from cloudberth.vector.conformance.running import Outcome, run_check
from cloudberth.vector.registry import BACKENDS


def test_vector_contract(
    check: Check, vector_rig: Rig, subject: Subject, record_property: Callable[[str, Any], None]
) -> None:
    outcome = run_check(check, subject)
    if outcome is Outcome.REFUSED:
        record_property("vector unsupported", check.theme)
    if outcome is Outcome.SKIPPED:
        pytest.skip(f"{vector_rig.id}: not applicable to what this store can do")


def test_every_type_has_a_rig() -> None:
    assert {rig.type for rig in all_rigs()} == set(BACKENDS)


def test_a_rig_is_like_one_that_runs_everything() -> None:
    everything = {rig.id: rig for rig in all_rigs() if not rig.like}
    assert {rig.like for rig in all_rigs() if rig.like} <= set(everything)
