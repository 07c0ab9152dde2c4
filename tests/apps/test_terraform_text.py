"""Text survives both fillings: Terraform's and the machine's. Asked of the real Terraform."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from app_cases import FACTS, by_terraform, dify, secret
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloudberth.apps.stack import stack
from cloudberth.apps.terraform_text import for_terraform
from cloudberth.environment.template import Reference, resolve, write
from cloudberth.infra.engine import find_engine, isolated_environment

pytestmark = pytest.mark.terraform

MAIN = """
variable "facts" { type = any }
output "texts" {
  value = {
    for file in fileset("${path.module}/texts", "**") :
    file => templatefile("${path.module}/texts/${file}", var.facts)
  }
}
"""
# What is special to Terraform, to Compose, to nginx and to our own grammar, and whatever else there is.
SPECIAL = st.text(alphabet=st.sampled_from("$%{}~\\\"'\n#|.<EOT if"), max_size=12)
ANY = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=12)
FACT = st.sampled_from(["database.host", "public.url", "name", "cache.port"]).map(
    lambda p: Reference(p, "", 0, 0)
)
SECRET = st.sampled_from(["url", ""]).map(lambda f: Reference("secret.key", f, 0, 0))
TEMPLATE = st.lists(SPECIAL | ANY | FACT | SECRET, max_size=6).map(write)


def filled_in(texts: dict[str, str], folder: Path) -> dict[str, str]:
    """What Terraform makes of templates: path → text."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "main.tf").write_text(MAIN, encoding="utf-8")
    (folder / "terraform.tfvars.json").write_text(json.dumps({"facts": FACTS}), encoding="utf-8")
    for name, text in texts.items():
        path = folder / "texts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
    engine = find_engine()
    environment = isolated_environment(folder / "home")
    for arguments in (["init", "-backend=false"], ["apply", "-auto-approve", "-no-color"]):
        engine.check(arguments, engine.run(arguments, folder, environment))
    output = engine.run(["output", "-json"], folder, environment)
    values: dict[str, Any] = json.loads(output.output)
    return dict(values["texts"]["value"])


def expected(template: str) -> str:
    """What has to stand there after both fillings, by the grammar alone."""
    normal = unicodedata.normalize("NFC", template)
    return resolve(normal, FACTS, secret)


@settings(max_examples=12, suppress_health_check=list(HealthCheck), deadline=None)
@given(templates=st.lists(TEMPLATE, min_size=40, max_size=80))
def test_any_text_survives_terraform_and_the_machine(templates: list[str], tmp_path_factory: Any) -> None:
    folder = tmp_path_factory.mktemp("texts")
    texts = {f"{number:03}": for_terraform(template) for number, template in enumerate(templates)}
    for name, text in filled_in(texts, folder).items():
        template = templates[int(name)]
        assert resolve(text, {}, secret) == expected(template), (template, texts[name], text)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("a ${database.host}", "a ${database.host}"),
        ("k=${secret.key|url}", "k=$${secret.key|url}"),
        ("$host $${x} %{y}", '$host ${"$$"}{x} %%{y}'),
        ("$$${database.host}", '${"$"}${database.host}'),
        ("50%${name}", '50${"%"}${name}'),
        ("${cache.username|url}", "${urlencode(cache.username)}"),
        ("${machine.id}/api", "$${machine.id}/api"),
    ],
)
def test_how_it_is_written(template: str, text: str) -> None:
    assert for_terraform(template) == text


def test_the_whole_stack_of_dify(tmp_path: Path) -> None:
    """Every file of the newest release goes through Terraform; only secrets and the machine's id are left."""
    files = {path: text for path, text in stack(*dify()).items() if path != "stack.json"}
    done = filled_in(files, tmp_path / "root")
    assert set(done) == set(files)
    for path, text in done.items():
        assert text == by_terraform(files[path]), (
            "the rehearsals of the boot program start from the same text"
        )
        left = resolve(text, {"machine": {"id": "i-1"}}, secret)
        assert "database.host" not in left
        assert "${" not in left or path.endswith("router.conf")
    assert "REDIS_HOST=cache.internal\n" in done["app/env/api.env"]
    assert "rediss://:${secret.cache_password|url}@cache.internal:6379/1" in done["app/env/api.env"]
