"""The picture of the path in the README: valid, self-contained, readable on white and on dark pages."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from test_diagram_svg import contrast

from cloudberth.infra.diagram import text

SVG = "{http://www.w3.org/2000/svg}"
PICTURE = Path(__file__).parents[2] / "docs" / "pictures" / "path.svg"


def rects(root: ElementTree.Element) -> list[tuple[float, float, float, float]]:
    return [
        tuple(float(one.attrib[name]) for name in ("x", "y", "width", "height"))
        for one in root.iter(f"{SVG}rect")
    ]  # type: ignore[misc]


def test_it_is_self_contained_and_described() -> None:
    source = PICTURE.read_text()
    root = ElementTree.fromstring(source)
    assert root.find(f"{SVG}title") is not None
    assert root.find(f"{SVG}desc") is not None
    assert "viewBox" in root.attrib
    assert not re.search(r"href|<script|<image|@import|url\(", source)


def test_every_text_lies_in_a_card_or_can_be_read_on_both_grounds() -> None:
    root = ElementTree.fromstring(PICTURE.read_text())
    cards = [one for one in rects(root) if one[2] < 300]
    for one in root.iter(f"{SVG}text"):
        x, y, size = (float(one.attrib[name]) for name in ("x", "y", "font-size"))
        wide = text.width(one.text or "", size, bold="font-weight" in one.attrib)
        inside = any(
            left < x and x + wide < left + w and top < y - size and y < top + h for left, top, w, h in cards
        )
        grounds = ("#ffffff",) if inside else ("#ffffff", "#0d1117")
        assert all(contrast(one.attrib["fill"], ground) >= (4.5 if inside else 3) for ground in grounds), (
            one.text
        )


def test_it_names_the_commands_in_the_order_of_the_path() -> None:
    words = re.findall(r">(berth \w+)</text>", PICTURE.read_text())
    assert words == ["berth init", "berth render", "berth rehearse", "berth plan", "berth up"]
