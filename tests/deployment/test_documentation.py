"""`berth docs` and the reference page: complete, true, current."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cloudberth.deployment import load_text
from cloudberth.deployment.documentation import Field, document, local_fields, reference_markdown, sections
from cloudberth.deployment.local import LocalPlatform
from cloudberth.deployment.model import Deployment
from cloudberth.deployment.sizes import SIZES
from cloudberth.errors import InvalidInput

PAGE = Path(__file__).resolve().parents[2] / "docs/reference/deployment.md"
HEAD = "name: dify\napp: dify\ncloud: aws\nregion: eu-central-1\n"
# Parts that the applications' room describes.
_APPS = ("services.<name>", "secrets.<name>", "queue.")


def fields() -> list[Field]:
    return [field for section in sections() for field in section.fields]


def test_page_is_fresh() -> None:
    again = "run: python -m cloudberth.deployment.documentation > docs/reference/deployment.md"
    assert PAGE.read_text(encoding="utf-8") == reference_markdown(), again


def test_every_key_of_the_file_is_explained() -> None:
    assert [section.name for section in sections()] == list(Deployment.model_fields)
    assert [field.path for field in fields() if not field.text and not field.path.startswith(_APPS)] == []


def test_every_setting_has_an_example() -> None:
    without = [
        field.path
        for field in fields()
        if not field.example and "section" not in field.type and not field.path.startswith((*_APPS, "usage."))
    ]
    assert without == []


def test_paths_are_unique_and_reach_the_depths() -> None:
    paths = [field.path for field in fields()]
    assert len(set(paths)) == len(paths)
    assert {
        "compute.app.min",
        "storage.lifecycle[].tier",
        "services.<name>.routes[].path",
        "usage.storage_gb",
    } <= {*paths}


def test_defaults_are_the_ones_that_hold() -> None:
    """The defaults on the page are those of a loaded file, at every size."""
    for size in SIZES:
        deployment = load_text(f"{HEAD}size: {size}\n", environment={}).model_dump()
        for field in fields():
            if not re.fullmatch(r"[a-z_.]+", field.path) or "section" in field.type or not field.defaults:
                continue
            value = deployment
            for step in field.path.split("."):
                value = value[step] if isinstance(value, dict) and step in value else None
            shown = field.defaults.get("", field.defaults.get(size))
            if field.path.startswith("usage.") or value is None or field.path == "size":
                continue
            assert _same(value, shown), (field.path, size, value, shown)


def _same(value: object, shown: str | None) -> bool:
    if isinstance(value, tuple | list):
        return shown == ("[" + ", ".join(map(str, value)) + "]" if value else "empty")
    if isinstance(value, bool):
        return shown == str(value).lower()
    if isinstance(value, int | float):
        return shown is not None and float(shown) == float(value)
    return (shown or "").strip('"') == (str(value) if value else "empty")


def test_overview() -> None:
    text = document()
    for section in sections():
        assert re.search(rf"^  {section.name} ", text, re.M)
    assert "region: eu-central-1" in text


def test_one_section() -> None:
    text = document("compute.app")
    assert text.startswith("compute.app\n")
    assert "default: small 1, medium 2, large 3 · example: 2" in text
    assert "database" not in text.split()
    assert document("storage.lifecycle").count("storage.lifecycle[].") == 4


def test_lists_of_the_cloud() -> None:
    assert "eu-central-1 (3)" in document("region")
    assert "3653" in document("logs")
    assert "qdrant" in document("vector")
    assert "secretsmanager" in document("network")


def test_the_file_of_this_machine() -> None:
    """Every key with its text and default, in the terminal and on the page."""
    assert [field.path for field in local_fields()] == list(LocalPlatform.model_fields)
    assert [
        field.path for field in local_fields() if not field.text or not (field.example or field.defaults)
    ] == []
    text = document("local")
    assert "port\n    Port to listen on. Default: 8840, or the next one that is free." in text
    assert "local, required" in text.replace(" ·", ",")
    assert "whole number, 1 to 32 · default: 1 · example: 2" in text
    assert document("local.workers").startswith("workers\n    Processes that index documents.")
    assert "berth docs local" in document()
    page = PAGE.read_text(encoding="utf-8")
    assert [
        name for name in LocalPlatform.model_fields if f"### `{name}` with `cloud: local`" not in page
    ] == []


def test_unknown_key_of_this_machine() -> None:
    with pytest.raises(InvalidInput, match="has no 'prot'") as caught:
        document("local.prot")
    assert caught.value.hint == "did you mean port?"


@pytest.mark.parametrize(
    "section", [None, *Deployment.model_fields, "compute.stateful", "local", "local.port"]
)
def test_lines_fit_a_terminal(section: str | None) -> None:
    assert [line for line in document(section).splitlines() if len(line) > 100 and "arn:" not in line] == []


def test_unknown_section() -> None:
    with pytest.raises(InvalidInput, match="the deployment file has no 'storge'") as caught:
        document("storge")
    assert caught.value.hint == "did you mean storage?"
