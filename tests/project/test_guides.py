"""Every deployment file in the README and the guides is a valid one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cloudberth.deployment.loader import load_text
from cloudberth.deployment.local import load_local_text

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "guides").glob("*.md"))]
BLOCKS = [
    (page.name, text)
    for page in PAGES
    for text in re.findall(r"^```yaml\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    if text.startswith("name:")
]


def test_every_page_shows_a_file() -> None:
    assert {name for name, _ in BLOCKS} == {page.name for page in PAGES}


@pytest.mark.parametrize(("page", "text"), BLOCKS)
def test_the_file_is_valid(page: str, text: str) -> None:
    if "\ncloud: local\n" in text:
        assert load_local_text(text, page, {"OPENAI_API_KEY": "x"}).name
    else:
        assert load_text(text, page, {}).name
