"""The page of providers is what the profiles say."""

from __future__ import annotations

from pathlib import Path

from cloudberth.tracing.documentation import PAGE, page
from cloudberth.tracing.providers import profiles

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_is_fresh() -> None:
    assert (ROOT / PAGE).read_text(encoding="utf-8") == page()


def test_every_field_has_a_name_in_both_languages() -> None:
    for each in profiles():
        for field in each.fields:
            assert field.label
            assert field.label_zh
        assert each.proved
