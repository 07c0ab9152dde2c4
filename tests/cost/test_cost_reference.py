"""The generated pages are those of the code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cloudberth.cost.pricebook import shipped_book
from cloudberth.cost.quantities.registry import free, priced
from cloudberth.cost.reference import prices_page, usage_page
from cloudberth.cost.usage import Usage

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"


def test_the_page_of_prices_is_fresh() -> None:
    page = prices_page(shipped_book())
    assert (REFERENCE / "prices.md").read_text("utf-8") == page, (
        "run: python -m cloudberth.cost.reference prices > docs/reference/prices.md"
    )
    for kind in (*priced(), *free()):
        assert f"`{kind}`" in page
    for row in shipped_book().prices:
        assert row.source in page


def test_the_page_of_usage_is_fresh() -> None:
    page = usage_page()
    assert (REFERENCE / "usage.md").read_text("utf-8") == page, (
        "run: python -m cloudberth.cost.reference usage > docs/reference/usage.md"
    )
    assert sum(line.startswith("| `") for line in page.splitlines()) == len(Usage.model_fields)


@pytest.mark.parametrize("page", ["prices", "usage"])
def test_the_command_in_the_page_prints_it(page: str) -> None:
    command = [sys.executable, "-m", "cloudberth.cost.reference", page]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed == (REFERENCE / f"{page}.md").read_text("utf-8")


def test_an_unknown_page_is_refused() -> None:
    command = [sys.executable, "-m", "cloudberth.cost.reference", "recipes"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stderr == "usage: python -m cloudberth.cost.reference prices|usage\n"
