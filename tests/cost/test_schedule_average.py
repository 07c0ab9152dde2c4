"""The mean size of a scheduled group, against sums by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudberth.cost.quantities.schedule import Step, average


def steps(*pairs: tuple[str, int], zone: str = "UTC") -> list[Step]:
    return [Step(cron, Decimal(machines), zone) for cron, machines in pairs]


def test_without_schedules_the_groups_minimum_holds() -> None:
    assert average(Decimal(2), []) == 2


def test_one_schedule_holds_all_year_round() -> None:
    assert average(Decimal(2), steps(("0 8 * * *", 5))) == 5


def test_nights_of_ten_hours_off() -> None:
    # 08:00-22:00 four machines, else one: (14 * 4 + 10 * 1) / 24
    assert average(Decimal(9), steps(("0 8 * * *", 4), ("0 22 * * *", 1))) == Decimal(66) / 24


def test_office_hours_on_weekdays() -> None:
    # 2027 has 261 weekdays; ten hours each on three machines, one machine for the rest of 8,760 hours.
    on = Decimal(261 * 10)
    expected = (on * 3 + (8760 - on) * 1) / 8760
    found = average(Decimal(1), steps(("0 8 * * MON-FRI", 3), ("0 18 * * 1-5", 1)))
    assert abs(found - expected) < Decimal("1e-20")


def test_a_weekend_round_the_end_of_the_week() -> None:
    found = average(Decimal(2), steps(("0 20 * * FRI", 0), ("0 8 * * MON", 2)))
    assert Decimal("1.28") < found < Decimal("1.30")  # 60 of 168 hours off: 2 * 108 / 168 = 1.2857


def test_a_day_of_the_month_or_a_weekday_is_enough_when_both_are_named() -> None:
    # Every first of a month and every Monday: 12 + 52 days of 2027, three of which are both.
    found = average(Decimal(0), steps(("0 0 1 * MON", 1), ("0 12 * * *", 0)))
    assert found == Decimal(61) / 730


def test_different_time_zones_are_compared_in_utc() -> None:
    # 08:00 in Tokyo is 23:00 UTC of the day before, 23:00 UTC is the other step: eight hours a day are left.
    mixed = [Step("0 8 * * *", Decimal(5), "Asia/Tokyo"), Step("0 7 * * *", Decimal(1), "UTC")]
    assert average(Decimal(0), mixed) == (Decimal(5) * 8 + Decimal(1) * 16) / 24


@pytest.mark.parametrize(
    "cron", ["", "0 8 * *", "61 8 * * *", "x 8 * * *", "0 8 * * MONDAY", "0 8 32 * *", "0 */0 * * *"]
)
def test_what_is_not_cron_is_refused(cron: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        average(Decimal(1), steps((cron, 1)))


def test_steps_lists_and_names_mean_what_cron_means() -> None:
    by_names = average(Decimal(0), steps(("30 6,18 * JAN-MAR mon", 2), ("0 */12 * * *", 1)))
    by_numbers = average(Decimal(0), steps(("30 6,18 * 1,2,3 1", 2), ("0 0,12 * * *", 1)))
    assert by_names == by_numbers


@given(st.integers(0, 23), st.integers(0, 23), st.integers(0, 20), st.integers(0, 20))
def test_the_average_lies_between_the_levels(on: int, off: int, high: int, low: int) -> None:
    found = average(Decimal(1), steps((f"0 {on} * * *", high), (f"0 {off} * * *", low)))
    assert min(high, low) <= found <= max(high, low)
    if on != off:
        hours = Decimal((off - on) % 24)
        assert abs(found - (hours * high + (24 - hours) * low) / 24) < Decimal("1e-20")
