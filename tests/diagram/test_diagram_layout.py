"""Layouts checked as geometry: nothing overlaps, no text leaves its box, no line runs through a card."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloudberth.infra.diagram import text
from cloudberth.infra.diagram.geometry import Frame, Layout, Rect, Text
from cloudberth.infra.diagram.labels import crosses, label_box
from cloudberth.infra.diagram.layout import lay_out
from cloudberth.infra.diagram.model import Edge, Node, Picture, Place, Role, Subnet, Tier, Traffic
from thoroughness import examples

ZONES = ("eu-central-1a", "eu-central-1b", "eu-central-1c", "eu-central-1d")
WORDS = st.text(min_size=0, max_size=60)


@st.composite
def nodes(draw: st.DrawFn, zones: tuple[str, ...], index: int) -> Node:
    place = draw(st.sampled_from(Place))
    inside = place is Place.ZONES
    return Node(
        id=f"n{index}",
        role=draw(st.sampled_from(Role)),
        title=draw(WORDS),
        place=place,
        captions=tuple(draw(st.lists(WORDS, max_size=4))),
        tier=draw(st.sampled_from([*Tier, None])) if inside else None,
        zones=tuple(draw(st.lists(st.sampled_from(zones), unique=True))) if inside and zones else (),
    )


@st.composite
def pictures(draw: st.DrawFn) -> Picture:
    zones = ZONES[: draw(st.integers(0, len(ZONES)))]
    made = tuple(draw(nodes(zones, index)) for index in range(draw(st.integers(0, 22))))
    pairs = [(one.id, other.id) for one in made for other in made if one is not other]
    chosen = draw(st.lists(st.sampled_from(pairs), max_size=24)) if pairs else []
    edges = tuple(
        Edge(
            source,
            target,
            draw(st.sampled_from(Traffic)),
            draw(st.sampled_from(("", "HTTPS 443", "TCP 5001, 5002"))),
        )
        for source, target in chosen
    )
    subnets = tuple(
        Subnet(tier, zone, draw(WORDS), draw(WORDS))
        for tier in Tier
        for zone in (("",) if draw(st.booleans()) else zones)
        if draw(st.booleans())
    )
    network = draw(st.sampled_from(("", "VPC 10.40.0.0/16")))
    return Picture(draw(WORDS), draw(WORDS), draw(WORDS), draw(WORDS), network, zones, subnets, made, edges)


def frame_rects(layout: Layout, *frames: Frame) -> list[Rect]:
    return [box.rect for box in layout.boxes if box.frame in frames]


def every_text(layout: Layout) -> list[Text]:
    boxes = [one for box in layout.boxes for one in box.texts]
    cards = [one for card in layout.cards for one in card.texts]
    labels = [route.label for route in layout.routes if route.label]
    return [*boxes, *cards, *labels, *layout.texts, *(sample.text for sample in layout.legend)]


def check_cards(layout: Layout, picture: Picture) -> None:
    assert sorted(card.node.id for card in layout.cards) == sorted(node.id for node in picture.nodes)
    page = Rect(0, 0, layout.width, layout.height)
    for one, other in combinations(layout.cards, 2):
        assert not one.rect.grown(5).overlaps(other.rect), (one.node, other.node)
    account, region = frame_rects(layout, Frame.ACCOUNT)[0], frame_rects(layout, Frame.REGION)[0]
    assert page.holds(account)
    assert account.holds(region)
    for card in layout.cards:
        assert page.holds(card.rect)
        assert card.rect.holds(card.icon)
        assert account.overlaps(card.rect) == (card.node.place is not Place.OUTSIDE)
        if card.node.place not in (Place.OUTSIDE, Place.ACCOUNT):
            assert region.holds(card.rect), card.node
        elif card.node.place is Place.ACCOUNT:
            assert not region.overlaps(card.rect), card.node


def check_frames(layout: Layout) -> None:
    """Frames of one kind never overlap; each lies in the next one outwards."""
    inwards = (Frame.REGION, Frame.NETWORK, Frame.ZONE, Frame.PUBLIC, Frame.PRIVATE, Frame.DATA, Frame.PANEL)
    for frame in inwards:
        for one, other in combinations(frame_rects(layout, frame), 2):
            assert not one.overlaps(other)
    for inner, outer in (
        (Frame.NETWORK, Frame.REGION),
        (Frame.PANEL, Frame.REGION),
        (Frame.ZONE, Frame.NETWORK),
    ):
        for rect in frame_rects(layout, inner):
            assert any(around.holds(rect) for around in frame_rects(layout, outer))
    for rect in frame_rects(layout, Frame.PUBLIC, Frame.PRIVATE, Frame.DATA):
        zones = frame_rects(layout, Frame.ZONE)
        over = [zone for zone in zones if zone.overlaps(rect)]
        assert any(zone.holds(rect) for zone in zones) or len(over) == len(zones), "neither one zone nor all"
        assert any(network.holds(rect) for network in frame_rects(layout, Frame.NETWORK))
    for network in frame_rects(layout, Frame.NETWORK):
        assert not any(network.overlaps(panel) for panel in frame_rects(layout, Frame.PANEL))


def check_texts(layout: Layout) -> None:
    page = Rect(0, 0, layout.width, layout.height)
    for one in every_text(layout):
        assert one.text
        assert page.holds(one.rect), one
        assert text.width(one.text, one.size, bold=one.bold) <= one.rect.w + 0.01
        assert text.clean(one.text) == one.text
    for card in layout.cards:
        for one in card.texts:
            assert card.rect.holds(one.rect), one
            assert not one.rect.overlaps(card.icon)
        for one, other in pairwise(card.texts):
            assert not one.rect.overlaps(other.rect) or other.rect.y - one.rect.y >= 13
    for box in layout.boxes:
        for one in box.texts:
            assert box.rect.holds(one.rect), one
            for card in layout.cards:
                assert not card.rect.overlaps(one.rect), (one, card.node)


def check_routes(layout: Layout, picture: Picture) -> None:
    drawn = sorted((edge.source, edge.target) for route in layout.routes for edge in route.edges)
    assert drawn == sorted((edge.source, edge.target) for edge in picture.edges)
    rects = {card.node.id: card.rect for card in layout.cards}
    headings = [one.rect for box in layout.boxes for one in box.texts]
    page = Rect(0, 0, layout.width, layout.height)
    for route in layout.routes:
        assert route.legs, "an edge was not drawn"
        for leg in route.legs:
            for start, end in leg.segments:
                assert start[0] == end[0] or start[1] == end[1], "a line is slanted"
                assert page.holds(Rect(start[0], start[1], 0, 0))
                for rect in (*rects.values(), *headings):
                    assert not crosses((start, end), rect), (route.edges[0], rect)
        touched = {
            name
            for name, rect in rects.items()
            for leg in route.legs
            for point in leg.points
            if rect.grown(0.1).holds(Rect(*point, 0, 0))
        }
        assert touched == {name for edge in route.edges for name in (edge.source, edge.target)}
        tips = [
            point
            for leg in route.legs
            for point, tip in ((leg.points[-1], leg.arrow_last), (leg.points[0], leg.arrow_first))
            if tip
        ]
        for edge in route.edges:
            assert any(rects[edge.target].grown(0.1).holds(Rect(*tip, 0, 0)) for tip in tips), (
                "no arrow at the target"
            )


def check_labels(layout: Layout) -> None:
    labels = [(route, label_box(route.label)) for route in layout.routes if route.label]
    solid = [card.rect for card in layout.cards] + [one.rect for box in layout.boxes for one in box.texts]
    for route, rect in labels:
        assert not any(rect.overlaps(one) for one in solid)
        assert any(crosses(segment, rect) for leg in route.legs for segment in leg.segments), (
            "not on its line"
        )
        for other in layout.routes:
            if other is not route:
                assert not any(crosses(segment, rect) for leg in other.legs for segment in leg.segments)
    for (_, one), (_, other) in combinations(labels, 2):
        assert not one.overlaps(other)


def check(picture: Picture) -> Layout:
    layout = lay_out(picture)
    check_cards(layout, picture)
    check_frames(layout)
    check_texts(layout)
    check_routes(layout, picture)
    check_labels(layout)
    return layout


@settings(
    max_examples=examples(150, 30),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(pictures())
def test_any_picture_is_laid_out_without_collisions(picture: Picture) -> None:
    check(picture)


def test_the_empty_picture_has_frames_and_nothing_else() -> None:
    layout = check(Picture("empty"))
    assert layout.cards == ()
    assert layout.routes == ()
    assert layout.legend == ()


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_zones_are_columns_in_order(count: int) -> None:
    picture = Picture("p", network="VPC", zones=ZONES[:count])
    zones = frame_rects(check(picture), Frame.ZONE)
    assert len(zones) == count
    assert all(one.right < other.x and one.y == other.y for one, other in pairwise(zones))


def test_tiers_are_rows_from_the_internet_inwards() -> None:
    made = tuple(
        Node(tier, Role.MACHINE, tier, Place.ZONES, tier=tier, zones=("a",)) for tier in reversed(Tier)
    )
    layout = check(Picture("p", network="VPC", zones=("a", "b"), nodes=made))
    tops = {card.node.id: card.rect.y for card in layout.cards}
    assert tops["public"] < tops["private"] < tops["data"]


def test_a_node_over_several_zones_spans_their_columns() -> None:
    wide = Node("wide", Role.APP, "App", Place.ZONES, tier=Tier.PRIVATE, zones=("a", "b"))
    narrow = Node("narrow", Role.NAT, "NAT", Place.ZONES, tier=Tier.PRIVATE, zones=("c",))
    layout = check(Picture("p", network="VPC", zones=("a", "b", "c"), nodes=(wide, narrow)))
    cards = {card.node.id: card.rect for card in layout.cards}
    zones = frame_rects(layout, Frame.ZONE)
    assert zones[0].holds(Rect(cards["wide"].x, cards["wide"].y, 1, 1))
    assert zones[1].holds(Rect(cards["wide"].right - 1, cards["wide"].y, 1, 1))
    assert zones[2].holds(cards["narrow"])
    assert cards["wide"].y == cards["narrow"].y


def test_a_copy_stands_beside_what_it_copies() -> None:
    facts = (("db", "a"), ("cache", "a"), ("replica", "b"))
    made = tuple(
        Node(name, Role.DATABASE, name, Place.ZONES, tier=Tier.DATA, zones=(zone,)) for name, zone in facts
    )
    copy = (Edge("cache", "replica", Traffic.COPY),)
    layout = check(Picture("p", network="VPC", zones=("a", "b"), nodes=made, edges=copy))
    tops = {card.node.id: card.rect.y for card in layout.cards}
    assert tops["db"] < tops["cache"] == tops["replica"]


def test_parallel_edges_share_one_tree() -> None:
    ends = tuple(
        Node(name, Role.MACHINE, name, Place.ZONES, tier=tier, zones=(zone,))
        for name, tier, zone in (
            ("one", Tier.PRIVATE, "a"),
            ("two", Tier.PRIVATE, "b"),
            ("db", Tier.DATA, "a"),
        )
    )
    edges = (Edge("one", "db", Traffic.DATA, "SQL"), Edge("two", "db", Traffic.DATA, "SQL"))
    layout = check(Picture("p", network="VPC", zones=("a", "b"), nodes=ends, edges=edges))
    assert len(layout.routes) == 1
    assert layout.routes[0].edges == edges
    assert sum(leg.arrow_last for leg in layout.routes[0].legs) == 1


def test_edges_that_would_become_ambiguous_stay_apart() -> None:
    ends = tuple(
        Node(name, Role.MACHINE, name, Place.ZONES, tier=Tier.PRIVATE, zones=("a",)) for name in "abcd"
    )
    edges = (Edge("a", "c", Traffic.DATA), Edge("b", "c", Traffic.DATA), Edge("b", "d", Traffic.DATA))
    layout = check(Picture("p", network="VPC", zones=("a",), nodes=ends, edges=edges))
    assert len(layout.routes) == 2


def test_two_bundles_never_share_a_stretch() -> None:
    ends = tuple(
        Node(name, Role.MACHINE, name, Place.ZONES, tier=tier, zones=("a",))
        for name, tier in (
            ("one", Tier.PRIVATE),
            ("two", Tier.PRIVATE),
            ("db", Tier.DATA),
            ("cache", Tier.DATA),
        )
    )
    edges = (
        Edge("one", "db", Traffic.DATA, "a"),
        Edge("two", "db", Traffic.EGRESS, "b"),
        Edge("one", "cache", Traffic.DATA, "c"),
    )
    layout = check(Picture("p", network="VPC", zones=("a", "b"), nodes=ends, edges=edges))
    taken: set[tuple[tuple[float, float], tuple[float, float]]] = set()
    for route in layout.routes:
        own = {unit for leg in route.legs for segment in leg.segments for unit in units(*segment)}
        assert not own & taken
        taken |= own


def units(
    start: tuple[float, float], end: tuple[float, float]
) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """A stretch as lattice steps, each from its smaller end."""
    (x1, y1), (x2, y2) = sorted((start, end))
    if x1 == x2:
        return [((x1, y), (x1, y + 12)) for y in range(int(y1), int(y2), 12)]
    return [((x, y1), (x + 12, y1)) for x in range(int(x1), int(x2), 12)]


def test_a_long_title_is_cut_and_kept_in_full_beside() -> None:
    long = "a-very-long-name-" * 12
    layout = check(Picture("p", nodes=(Node("n", Role.OBJECTS, long, Place.REGION, (long,)),)))
    title, caption = layout.cards[0].texts
    assert title.text.endswith("…")
    assert caption.text.endswith("…")
    assert title.full == layout.cards[0].node.captions[0] == long


def test_the_legend_explains_exactly_the_kinds_that_are_drawn() -> None:
    ends = tuple(Node(name, Role.OBJECTS, name, Place.REGION) for name in "abc")
    edges = (Edge("a", "b", Traffic.COPY), Edge("b", "c", Traffic.EGRESS))
    layout = check(Picture("p", nodes=ends, edges=edges))
    assert [sample.traffic for sample in layout.legend] == [Traffic.COPY, Traffic.EGRESS]


def test_a_picture_refuses_edges_to_nothing_and_repeated_ids() -> None:
    node = Node("n", Role.APP, "n", Place.REGION)
    with pytest.raises(ValueError, match="repeat"):
        Picture("p", nodes=(node, node))
    with pytest.raises(ValueError, match="not in the picture"):
        Picture("p", nodes=(node,), edges=(Edge("n", "ghost", Traffic.DATA),))
    with pytest.raises(ValueError, match="itself"):
        Picture("p", nodes=(node,), edges=(Edge("n", "n", Traffic.DATA),))


@given(WORDS, st.floats(8, 24), st.floats(1, 400), st.booleans())
def test_fitted_text_never_exceeds_its_limit(words: str, size: float, limit: float, bold: bool) -> None:
    assert text.width(text.fit(text.clean(words), size, limit, bold=bold), size, bold=bold) <= limit


@given(st.lists(WORDS, max_size=6), st.floats(40, 400), st.integers(1, 4))
def test_flowing_facts_keeps_order_limits_and_lines(parts: list[str], limit: float, lines: int) -> None:
    packed = text.flow(parts, 12, limit, lines)
    assert len(packed) <= lines
    assert all(text.width(line, 12) <= limit for line in packed)


def test_widths_are_those_of_helvetica() -> None:
    assert (
        text.width("Hello, World", 1000)
        == 722 + 556 + 222 + 222 + 556 + 278 + 278 + 944 + 556 + 333 + 222 + 556
    )
    assert text.width("W", 10, bold=True) == 9.44
    assert text.width("負荷", 10) == 20
