"""The usage section: what is given, what is assumed, what follows from what."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cloudberth.cost.usage import _BY_SIZE, _FORMULAS, _SAME, Figures, PlanFacts, Usage

KEYS = [key for key in Usage.model_fields if key not in ("profile", "free_allowances")]
FROM_THE_PLAN = {"app_machines_average", "database_capacity_units"}


def figures(facts: PlanFacts | None = None, **values: object) -> Figures:
    return Figures(Usage.model_validate(values), facts or PlanFacts())


def test_every_figure_has_a_text_a_unit_and_one_origin() -> None:
    for key in KEYS:
        field = Usage.model_fields[key]
        assert field.description, key
        assert isinstance(field.json_schema_extra, dict)
        assert field.json_schema_extra.get("unit"), key
        origins = [key in _FORMULAS, key in _SAME, key in _BY_SIZE["small"], key in FROM_THE_PLAN]
        assert sum(origins) == 1, (key, origins)
    assert set(_FORMULAS) | set(_SAME) | set(_BY_SIZE["small"]) <= set(KEYS)
    assert _BY_SIZE["small"].keys() == _BY_SIZE["medium"].keys() == _BY_SIZE["large"].keys()


@pytest.mark.parametrize("size", ["small", "medium", "large"])
def test_every_figure_can_be_worked_out_in_every_profile(size: str) -> None:
    found = figures(profile=size)
    for key in set(KEYS) - FROM_THE_PLAN:
        assert found[key] >= 0
        assert isinstance(found[key], Decimal)


def test_a_larger_profile_uses_more() -> None:
    growing = ("nat_gb", "egress_gb", "logs_gb", "storage_gb", "requests_millions", "database_gb")
    for key in growing:
        small, medium, large = (figures(profile=size)[key] for size in ("small", "medium", "large"))
        assert small < medium < large, key


def test_a_given_figure_wins_over_its_formula() -> None:
    found = figures(nat_gb="12.5")
    assert found["nat_gb"] == Decimal("12.5")
    (assumed,) = found.assumptions({"nat_gb"})
    assert (assumed.given, assumed.value, assumed.derived_from) == (True, Decimal("12.5"), ())


def test_a_given_driver_moves_what_follows_from_it() -> None:
    # 1,024 people with one message of 1,024 KB each are one GB; no pages, no prompts
    answers = {"monthly_active_users": 1024, "chats_per_user": 1, "response_kb_per_chat": 1024}
    nothing_else = {"page_mb_per_user": 0, "tokens_in_per_chat": 0, "documents": 0}
    assert figures(**answers, **nothing_else)["egress_gb"] == 1
    assert figures(**{**answers, "chats_per_user": 3}, **nothing_else)["egress_gb"] == 3


def test_an_assumption_brings_everything_beneath_it() -> None:
    found = figures(monthly_active_users=7)
    assert found["alb_new_connections_per_second"] > 0
    listed = {a.key: a for a in found.assumptions({"alb_new_connections_per_second"})}
    assert list(listed) == [
        "monthly_active_users",
        "chats_per_user",
        "requests_per_chat",
        "alb_new_connections_per_second",
        "alb_requests_per_second",
        "requests_millions",
    ]
    assert listed["monthly_active_users"].given
    assert not listed["chats_per_user"].given
    assert listed["requests_millions"].derived_from == (
        "monthly_active_users",
        "chats_per_user",
        "requests_per_chat",
    )


def test_figures_that_nothing_rests_on_are_not_listed() -> None:
    found = figures()
    assert found["logs_gb"] > 0
    assert "nat_gb" not in {a.key for a in found.assumptions({"logs_gb"})}


def test_logs_go_through_the_nat_gateway_unless_they_have_an_endpoint() -> None:
    through, past = figures(logs_gb=100), figures(PlanFacts(log_endpoint=True), logs_gb=100)
    assert through["nat_gb"] - past["nat_gb"] == 100
    assert (through["endpoint_gb"], past["endpoint_gb"]) == (0, 100)


def test_in_one_zone_nothing_crosses_zones() -> None:
    assert figures(PlanFacts(zones=1))["inter_zone_gb"] == 0
    two, three = (figures(PlanFacts(zones=n))["inter_zone_gb"] for n in (2, 3))
    assert abs(three / two - Decimal(4) / 3) < Decimal("0.0001")  # (2/3) / (1/2)


@pytest.mark.parametrize(
    "values",
    [
        {"nat_gbs": 1},
        {"nat_gb": -1},
        {"nat_gb": "much"},
        {"nat_gb": float("inf")},
        {"nat_gb": float("nan")},
        {"nat_gb": 10**13},
        {"capacity_percent": 101},
        {"profile": "huge"},
        {"free_allowances": "perhaps"},
    ],
)
def test_what_makes_no_sense_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Usage.model_validate(values)


def test_a_file_may_name_its_profile_itself() -> None:
    assert Usage.for_size("large").profile == "large"
    assert Usage.for_size("large", {"profile": "small", "nat_gb": 3}).profile == "small"


def test_numbers_of_a_file_become_exact_decimals() -> None:
    usage = Usage.model_validate({"nat_gb": 0.1})
    assert usage.nat_gb == Decimal("0.1")


def test_the_schema_says_number_for_editors() -> None:
    properties = Usage.model_json_schema()["properties"]
    assert {"type": "number", "minimum": 0} in properties["nat_gb"]["anyOf"]
    json.dumps(Usage.model_json_schema())


def test_the_usage_model_loads_nothing_heavy() -> None:
    code = "import sys, cloudberth.cost.usage; print([m for m in sys.modules if m.startswith('cloudberth')])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "cloudberth.infra" not in loaded
    assert "pricebook" not in loaded


@given(st.sampled_from(sorted(set(KEYS) - FROM_THE_PLAN)), st.integers(0, 100))
def test_any_figure_given_alone_leaves_all_others_sound(key: str, value: int) -> None:
    found = figures(PlanFacts(Decimal(3), 3, 12, True, True), **{key: value})
    assert found[key] == value
    for other in set(KEYS) - FROM_THE_PLAN:
        assert found[other] >= 0
