"""What the examples really run, packed as machines fetch it: every container is read, and none is blamed."""

from __future__ import annotations

import base64
import gzip
import json
import re
from pathlib import Path

import pytest
from finding_plans import resource

from cloudberth import pipeline
from cloudberth.findings.bundle import read_bundle
from cloudberth.findings.review import review
from cloudberth.infra.plan import Plan

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NAMES = sorted(file.name for file in EXAMPLES.glob("*-*.yaml"))
_FACT = re.compile(r"(?<!\$)\$\{[a-z_.]+\}")


def stack(name: str) -> dict[str, str]:
    files = pipeline.lay_out(pipeline.read(EXAMPLES / name))
    return {path.removeprefix("stack/"): text for path, text in files.items() if path.startswith("stack/")}


def bundles(files: dict[str, str]) -> Plan:
    """A plan in which the bundles are known: facts filled in, secrets still named."""
    resources = []
    for group in ("app", "stateful"):
        own = {
            path.removeprefix(f"{group}/"): _FACT.sub("a-fact", text).replace("$${", "${")
            for path, text in files.items()
            if path.startswith(f"{group}/")
        }
        packed = gzip.compress(json.dumps({"format": 1, "group": group, "files": own}).encode())
        content = base64.b64encode(packed).decode()
        resources.append(resource(f'aws_s3_object.bundle["{group}"]', content_base64=content))
    return Plan(tuple(resources))


@pytest.mark.parametrize("name", NAMES)
def test_every_container_is_read_from_both_places(name: str) -> None:
    files = stack(name)
    packed = read_bundle(bundles(files), {}).containers
    plain = read_bundle(Plan(()), files).containers
    assert len(packed) > 3
    assert {(c.name, c.image) for c in packed} == {(c.name, c.image) for c in plain}
    assert any(container.environment for container in packed)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_wrong_with_them(name: str) -> None:
    files = stack(name)
    assert review(bundles(files)) == ()
    assert review(Plan(()), stack=files) == ()


@pytest.mark.parametrize(
    ("was", "now", "rule"),
    [
        (r"image: (\S+?)[@:][^\s:@]+\"?\n", r"image: \1:latest\n", "containers.image-not-pinned"),
        (r"(?m)^SECRET_KEY=.*$", "SECRET_KEY=correct-horse-battery", "containers.secret-in-environment"),
        (r"(?m)^LOG_LEVEL=.*$", "LOG_LEVEL=ERROR", "containers.errors-only-logged"),
    ],
)
def test_a_mistake_in_them_is_found(was: str, now: str, rule: str) -> None:
    files = stack("dify-aws.yaml")
    spoilt = {path: re.sub(was, now, text) for path, text in files.items()}
    assert spoilt != files
    assert rule in {finding.id for finding in review(Plan(()), stack=spoilt)}
    assert rule in {finding.id for finding in review(bundles(spoilt))}
