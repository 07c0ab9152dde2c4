"""The pages about storage types say what the code says."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import pytest

from cloudberth.storage import documentation
from cloudberth.storage.contract import Capabilities, StorageClass
from cloudberth.storage.documentation import abilities, facts_of, page, pages, size
from cloudberth.storage.location import Url, parse
from cloudberth.storage.registry import BACKENDS, SCHEMES, backend_class

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / documentation.FOLDER


def test_the_pages_are_fresh() -> None:
    made = pages()
    there = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.md")}
    stale = sorted(name for name in made.keys() | there.keys() if made.get(name) != there.get(name))
    assert not stale, "run: python -m cloudberth.storage.documentation"


@pytest.mark.parametrize("type_id", BACKENDS)
def test_every_variable_is_on_its_page(type_id: str) -> None:
    text = page(type_id)
    settings = backend_class(type_id).settings
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    for name, variable in settings.variables().items():
        row = next(line for line in rows if line.startswith(f"| `{variable}` |"))
        assert ("**secret**" in row) == (name in settings.secret_fields())
        dify_s_own = variable in facts_of(type_id).dify
        assert ("not one of Dify's" in row) == (not dify_s_own), variable


@pytest.mark.parametrize("type_id", BACKENDS)
def test_the_location_of_the_page_is_one_of_the_type(type_id: str) -> None:
    found = parse(facts_of(type_id).location)
    if isinstance(found, Url):
        scheme = found.scheme.partition("+")[0]
        assert SCHEMES.get(scheme, scheme) == type_id
        known = {*backend_class(type_id).settings.model_fields}
        assert type_id == "opendal" or set(found.query) <= known
        assert not set(found.query) & backend_class(type_id).settings.secret_fields()
    else:
        assert type_id == "local"


@pytest.mark.parametrize("type_id", BACKENDS)
def test_policies_in_json_are_json(type_id: str) -> None:
    for policy in facts_of(type_id).policy:
        if policy.language == "json":
            assert json.loads(policy.text)


@pytest.mark.parametrize("type_id", BACKENDS)
def test_the_words_of_proof_are_those_of_the_rigs(type_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`Rig.proved` of the contract suite: nobody writes a better word than what was run."""
    folder = ROOT / "tests/contract/storage"
    monkeypatch.syspath_prepend(str(folder))
    file = folder / "rigs" / f"{type_id.replace('-', '_')}.py"
    assert file.exists()
    proved = set(re.findall(r"Proof\.([A-Z_]+)", file.read_text(encoding="utf-8")))
    words = {proof.name: proof.value for proof in importlib.import_module("rig").Proof}
    assert set(facts_of(type_id).proof) == {words[name] for name in proved}


@pytest.mark.parametrize("type_id", BACKENDS)
def test_a_type_that_needs_an_extra_names_one_that_exists(type_id: str) -> None:
    import tomllib

    extra = facts_of(type_id).extra
    if extra is not None:
        declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        assert extra in declared["project"]["optional-dependencies"]


def test_abilities_are_told_in_words() -> None:
    told = dict(
        abilities(
            Capabilities(
                max_parts=0, copy_max=0, presign=frozenset({"GET"}), metadata=False,
                classes={StorageClass.COLD: "COOL_IA"}, conditional=frozenset({"absent"}), checksum="md5",
            )
        )
    )  # fmt: skip
    assert told["multipart upload"] == "no"
    assert told["copy on the server"] == "no"
    assert told["signed URLs"] == "GET"
    assert told["user metadata"] == "no"
    assert told["storage classes"] == "cold (`COOL_IA`)"
    assert told["conditional write"] == "only if there is none"
    assert told["largest object in one request"] == "5 GiB"
    assert [size(count) for count in (1, 2, 1024, 5 * 1024**3, 5000 * 1024**2, 5 * 10**9, 190 * 1024**4)] == [
        "1 byte", "2 bytes", "1 KiB", "5 GiB", "5,000 MiB", "4.657 GiB", "190 TiB",
    ]  # fmt: skip
