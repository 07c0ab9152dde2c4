"""Containers are found wherever a plan may hide them, and garbage is left alone."""

from __future__ import annotations

import base64
import gzip
import io
import json
import tarfile

import pytest
from finding_plans import resource
from hypothesis import given
from hypothesis import strategies as st

from cloudberth.findings.bundle import Container, read_bundle, unpack
from cloudberth.infra.plan import Plan

COMPOSE = "services:\n  api:\n    image: example/api:1\n    environment: [MODE=api, 'EMPTY=']\n"


def encoded(data: bytes | str) -> str:
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


def archive(files: dict[str, str]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    return stream.getvalue()


def packed(text: str) -> str:
    return encoded(gzip.compress(text.encode()))


def cloud_config(content: str) -> str:
    files = [{"path": "/opt/app/compose.yaml", "content": content}]
    return "#cloud-config\n" + json.dumps({"write_files": files})


def script(blob: str, width: int) -> str:
    lines = [blob[start : start + width] for start in range(0, len(blob), width)]
    return "\n".join(["#!/bin/sh", "base64 -d <<EOF | tar xz", *lines, "EOF", ""])


SHAPES = {
    "plain": COMPOSE,
    "base64": encoded(COMPOSE),
    "base64 of gzip": packed(COMPOSE),
    "cloud-init": cloud_config(COMPOSE),
    "cloud-init with gz+b64": packed(cloud_config(packed(COMPOSE))),
    "json of files": packed(json.dumps({"format": 1, "files": {"compose.yaml": COMPOSE}})),
    "tar": encoded(archive({"stack/compose.yaml": COMPOSE})),
    "script with lines": script(encoded(archive({"compose.yaml": COMPOSE})), 76),
    "script with one line": script(encoded(archive({"compose.yaml": COMPOSE})), 10_000),
    "script with a word": f"echo {encoded(archive({'compose.yaml': COMPOSE}))} | base64 -d | tar xz",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_containers_in_user_data(shape: str) -> None:
    plan = Plan((resource("aws_launch_template.a", user_data=SHAPES[shape]),))
    containers = read_bundle(plan, {}).containers
    assert [(c.origin, c.name, c.image) for c in containers] == [
        ("aws_launch_template.a", "api", "example/api:1")
    ]


def test_a_bundle_that_machines_fetch() -> None:
    content = packed(json.dumps({"files": {"compose.yaml": COMPOSE, "env/api.env": "A=1"}}))
    plan = Plan((resource("aws_s3_object.bundle", content_base64=content),))
    (container,) = read_bundle(plan, {}).containers
    assert container.environment == {"MODE": "api", "EMPTY": "", "A": "1"}


def test_the_workspace_s_stack() -> None:
    stack = {
        "app/compose.yaml": COMPOSE,
        "app/env/api.env": "# note\nDB_PASSWORD=${secret.db}\nDB_SSL_MODE='require'\n",
        "stateful/env/api.env": "MODE=other\n",
    }
    (container,) = read_bundle(Plan(()), stack).containers
    assert container.origin == "stack/app/compose.yaml"
    assert container.environment["DB_PASSWORD"] == "${secret.db}"
    assert container.environment["DB_SSL_MODE"] == "require"
    assert container.environment["MODE"] == "api"


def test_the_same_container_counts_once() -> None:
    plan = Plan((resource("aws_launch_template.a", user_data=COMPOSE),))
    assert len(read_bundle(plan, {"app/compose.yaml": COMPOSE}).containers) == 1


def test_task_definitions() -> None:
    definitions = json.dumps(
        [{"name": "api", "image": "x", "environment": [{"name": "A", "value": "1"}]}, "odd"]
    )
    plan = Plan((resource("aws_ecs_task_definition.a", container_definitions=definitions),))
    (container,) = read_bundle(plan, {}).containers
    assert isinstance(container, Container) and container.environment == {"A": "1"}


def test_user_data_that_is_not_known_holds_nothing() -> None:
    plan = Plan((resource("aws_launch_template.a", unknown={"user_data": True}),))
    assert read_bundle(plan, {}).containers == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        encoded(b"\x1f\x8b broken"),
        encoded(b"\x00\xff" * 100),
        "services: [",
        "services: 3",
        "services: {a: b}",
        "{" * 1000,
        "a: &a [*a]",
    ],
)
def test_garbage_is_left_alone(text: str) -> None:
    plan = Plan((resource("aws_launch_template.a", user_data=text),))
    assert read_bundle(plan, {"app/compose.yaml": text}).containers == ()


def test_a_bomb_is_cut() -> None:
    bomb = encoded(gzip.compress(b"0" * 50_000_000))
    assert sum(len(text) for _, text in unpack(bomb)) <= 8 * 1024 * 1024


@given(st.text() | st.binary().map(lambda data: base64.b64encode(data).decode()))
def test_any_text_can_be_unpacked(text: str) -> None:
    assert all(isinstance(path, str) and isinstance(content, str) for path, content in unpack(text))
