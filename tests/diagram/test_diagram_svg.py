"""The file that comes out: valid, self-contained, small, always the same, harmless with any names in it."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from diagram_plans import NETWORK, dify_plan, plan, resource
from hypothesis import given, settings
from test_diagram_layout import check, pictures

from cloudberth.infra.diagram import draw, picture_of
from cloudberth.infra.diagram.layout import lay_out
from cloudberth.infra.diagram.model import Edge, Node, Picture, Place, Role, Traffic
from cloudberth.infra.diagram.svg import write_svg
from cloudberth.infra.plan import Plan
from thoroughness import examples

SVG = "{http://www.w3.org/2000/svg}"
LARGE = dify_plan(
    zones=3,
    nat="per-zone",
    multi_zone=True,
    aurora=True,
    waf=True,
    cdn=True,
    spot=50,
    schedules=3,
    endpoints=("secretsmanager", "logs", "ssm", "ecr.api"),
)


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def shown(svg: str) -> list[str]:
    """Everything that can be read in the picture, tooltips aside."""
    return [
        "".join(part for part in (one.text, *(child.tail for child in one)) if part)
        for one in parsed(svg).iter(f"{SVG}text")
    ]


@pytest.mark.parametrize("made", [dify_plan(), LARGE, plan([])], ids=["small", "large", "empty"])
def test_it_is_one_valid_scalable_file(made: Plan) -> None:
    svg = draw(made)
    root = parsed(svg)
    assert root.tag == f"{SVG}svg"
    left, top, width, height = (float(part) for part in root.attrib["viewBox"].split())
    assert (left, top) == (0, 0)
    assert (float(root.attrib["width"]), float(root.attrib["height"])) == (width, height)
    assert width > 300
    assert height > 200
    assert len(svg.encode()) < 120_000


def test_it_needs_nothing_from_elsewhere() -> None:
    svg = draw(LARGE)
    assert (
        re.findall(r'(?:https?:|data:|file:|//)[^"\'\s<]*', svg.replace("http://www.w3.org/2000/svg", ""))
        == []
    )
    assert not re.search(r"<(script|image|foreignObject|iframe|a)\b|@import|@font-face|\son\w+=", svg)
    uses = {one.attrib["href"] for one in parsed(svg).iter(f"{SVG}use")}
    ids = {f"#{one.attrib['id']}" for one in parsed(svg).iter() if "id" in one.attrib}
    assert uses <= ids


def test_its_names_do_not_meet_those_of_a_page_that_holds_it() -> None:
    svg = draw(LARGE)
    names = re.findall(r'(?:class|id)="([^"]+)"', svg) + re.findall(r"^\.([\w-]+)\{", svg, re.MULTILINE)
    assert names
    assert all(name.startswith("berth-") for name in names)


def test_it_describes_itself_for_people_who_cannot_see_it() -> None:
    root = parsed(draw(dify_plan()))
    assert root.attrib["role"] == "img"
    title, words = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None and title.text == "dify"
    assert words is not None and words.text
    assert "RDS PostgreSQL" in words.text
    assert "App machines to RDS PostgreSQL (PostgreSQL 5432)" in words.text


def test_the_same_plan_gives_the_same_bytes() -> None:
    assert draw(LARGE) == draw(LARGE)


def test_the_order_of_a_plan_does_not_matter() -> None:
    assert draw(replace(LARGE, resources=tuple(reversed(LARGE.resources)))) == draw(LARGE)


def test_names_facts_and_labels_can_be_read() -> None:
    words = shown(draw(LARGE))
    for expected in (
        "dify",
        "Region eu-central-1",
        "VPC 10.40.0.0/16",
        "Application Load Balancer",
        "NAT gateway",
        "Aurora PostgreSQL",
        "CloudFront",
        "PostgreSQL 5432",
        "HTTP 80",
        "eu-central-1c",
        "User traffic",
    ):
        assert expected in words, expected


HOSTILE = (
    "<script>alert(1)</script>",
    '"/><image href="http://evil/"/>',
    "]]>",
    "&lt;b&gt;",
    "a\x00b\x1b[31m\u202egnp.exe",
    "\ud800",
    "${jndi:ldap://x}",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_text(name: str) -> None:
    made = [
        resource("aws_subnet.private", availability_zone=name, cidr_block=name),
        resource("aws_lambda_function.it", function_name=name, tags={"Name": name}),
        resource("aws_s3_bucket.this", bucket=name),
        resource("aws_route53_record.it", type="A", name=name),
        resource("aws_instance.this", ["aws_subnet.private"], instance_type=name, tags={"Name": name}),
    ]
    svg = draw(plan(made, name=name, region=name, providers={name: name}))
    root = parsed(svg)
    assert {one.tag.removeprefix(SVG) for one in root.iter()} <= {
        "svg",
        "title",
        "desc",
        "style",
        "defs",
        "path",
        "rect",
        "text",
        "g",
        "use",
    }
    assert not any(
        key.lower().startswith("on") or "evil" in value
        for one in root.iter()
        for key, value in one.attrib.items()
    )
    svg.encode("utf-8")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\ud800-\udfff]", svg)


@settings(max_examples=examples(40, 12))
@given(pictures())
def test_any_picture_becomes_valid_xml(picture: Picture) -> None:
    layout = lay_out(picture)
    root = parsed(write_svg(layout))
    icons = list(root.iter(f"{SVG}use"))
    assert len(icons) == len(picture.nodes)


def test_every_role_has_an_icon_and_every_traffic_its_own_look() -> None:
    nodes = tuple(Node(role, role, role, Place.REGION) for role in Role)
    edges = tuple(
        Edge(Role.APP, role, traffic)
        for role, traffic in zip((Role.LOGS, Role.DNS, Role.CDN, Role.NAT, Role.WAF), Traffic, strict=True)
    )
    svg = write_svg(check(Picture("p", nodes=nodes, edges=edges)))
    icons = {
        one.attrib["id"]: one.attrib["d"] for one in parsed(svg).iter(f"{SVG}path") if "id" in one.attrib
    }
    assert set(icons) == {f"berth-icon-{role}" for role in Role}
    looks = re.findall(r"^\.berth-(\w+)(\{fill:none;stroke:#.*\})$", svg, re.MULTILINE)
    lines = {name: look for name, look in looks if name in set(Traffic)}
    assert len(set(lines.values())) == len(Traffic)


def contrast(one: str, other: str) -> float:
    """WCAG 2 contrast of two #rrggbb colours."""

    def light(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = [
            part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
        ]
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_colours_can_be_told_from_their_ground() -> None:
    svg = draw(LARGE)
    texts = set(re.findall(r'<text[^>]* fill="(#[0-9a-f]{6})"', svg)) | set(
        re.findall(r"^\.berth-(?:title|strong|plain|frame)\{fill:(#[0-9a-f]{6})", svg, re.MULTILINE)
    )
    grounds = ("#ffffff", "#f8fafc", "#e8f5ea", "#e6f0fc", "#efeafb")
    assert texts
    assert set(re.findall(r'<rect [^>]*fill="(#[0-9a-f]{6})" stroke=', svg)) <= set(grounds)
    for colour in texts:
        assert min(contrast(colour, ground) for ground in grounds) >= 4.5, colour
    for colour in re.findall(r"fill:none;stroke:(#[0-9a-f]{6});stroke-width:[12]\.[458]", svg):
        assert min(contrast(colour, ground) for ground in grounds) >= 3, colour
    for tile in re.findall(r'rx="7" fill="(#[0-9a-f]{6})"', svg):
        assert contrast(tile, "#ffffff") >= 4.5, tile


def huge_plan() -> Plan:
    """300 resources of many kinds in a network of three zones."""
    made = list(LARGE.resources)
    for index in range(60):
        made.append(
            resource(
                f"aws_instance.box{index}",
                [f"{NETWORK}aws_subnet.private", f"{NETWORK}aws_security_group.app"],
                instance_type="t4g.small",
            )
        )
        made.append(resource(f"aws_s3_bucket.bucket{index}", bucket=f"bucket-{index}"))
    for index in range(50):
        made.append(
            resource(
                f"aws_db_instance.db{index}",
                ["module.database[0].aws_db_subnet_group.this", f"{NETWORK}aws_security_group.database"],
                engine="postgres",
                instance_class="db.t4g.small",
                port=5432,
            )
        )
        made.append(resource(f"aws_mystery_{index}.it"))
    return plan(made)


def test_a_huge_plan_stays_readable_and_quick() -> None:
    made = huge_plan()
    assert len(made.resources) > 300
    begin = time.process_time()
    svg = draw(made)
    assert time.process_time() - begin < 3  # about 0.6 s here; the margin is for slower machines
    picture = picture_of(made)
    assert len(picture.nodes) < 50
    assert any(node.title == "60 × EC2 instance" for node in picture.nodes)
    layout = check(picture)
    assert layout.height < 2600
    assert len(svg.encode()) < 120_000
