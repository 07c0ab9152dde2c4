"""Releases, overrides, and applications of the user's own."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from app_cases import RELEASES, custom, dify
from pydantic import ValidationError

from cloudberth.apps import catalog
from cloudberth.apps.catalog import app, app_of, merged, versions
from cloudberth.apps.model import App, Resources, Service, in_group
from cloudberth.errors import InvalidInput


def test_releases_are_listed_newest_last() -> None:
    assert versions("dify") == RELEASES
    assert versions("nothing") == ()
    assert versions("../dify") == ()


def test_versions_are_compared_as_numbers(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for version in ("1.9.2", "1.10.0", "1.2.12"):
        (tmp_path / "thing").mkdir(exist_ok=True)
        (tmp_path / "thing" / f"{version}.yaml").write_text("{}")
    monkeypatch.setattr(catalog, "_FOLDER", tmp_path)
    assert versions("thing") == ("1.2.12", "1.9.2", "1.10.0")


def test_the_default_is_the_newest() -> None:
    assert app("dify").version == RELEASES[-1]
    assert app("dify", "1.15.0").services["api"].image.endswith(":1.15.0")


@pytest.mark.parametrize(
    ("name", "version", "what", "hint"),
    [
        ("dify", "1.17.0", "release '1.17.0' of dify is not known", "did you mean 1.17.1?"),
        ("dify", "9", "release '9'", "known: 1.15.0, 1.17.1"),
        ("difi", None, "no application 'difi'", "dify, custom"),
    ],
)
def test_unknown_ones_are_refused(name: str, version: str | None, what: str, hint: str) -> None:
    with pytest.raises(InvalidInput, match=what) as caught:
        app(name, version)
    assert hint in caught.value.hint


def test_a_release_file_that_extends_another() -> None:
    base = {"a": {"x": 1, "y": [1]}, "gone": 1}
    assert merged(base, {"a": {"y": [2], "z": 3}, "gone": None}) == {"a": {"x": 1, "y": [2], "z": 3}}
    assert base == {"a": {"x": 1, "y": [1]}, "gone": 1}


def test_release_files_are_one_service_after_the_other() -> None:
    """The order of the data is the order of the Compose file and of the one-shot steps."""
    assert list(dify()[0].services)[:2] == ["database_setup", "router"]


def test_services_can_be_changed() -> None:
    changed, _ = dify(
        "services:\n"
        "  worker:\n"
        "    image: registry.example.com/dify-api:1.17.1-patched\n"
        "    resources: {cpu: 3, memory_mb: 4096}\n"
        "    env: {OPENAI_API_KEY: 'secret:prod/openai', NOTE: '100% $x'}\n"
    )
    worker = changed.services["worker"]
    assert worker.image == "registry.example.com/dify-api:1.17.1-patched"
    assert set(worker.resources.values()) == {Resources(cpu=3, memory_mb=4096)}
    assert worker.env["OPENAI_API_KEY"].startswith("${secret.external_prod_openai_")
    assert worker.env["MODE"] == "worker"
    assert changed.services["api"].image == "langgenius/dify-api:1.17.1"


def test_a_service_that_the_release_does_not_have() -> None:
    _, chosen = dify()
    override = next(iter(dify("services: {worker: {env: {A: b}}}\n")[1].overrides.values()))
    with pytest.raises(InvalidInput, match="has no service 'agent_bakend'") as caught:
        app_of(chosen.model_copy(update={"services": {"agent_bakend": override}}))
    assert caught.value.hint == "did you mean agent_backend?"
    assert caught.value.where == "services.agent_bakend"


CUSTOM = """
services:
  shop:
    image: example.com/shop:1.2.3
    port: 8000
    routes: [{path: /}, {path: /static/, cacheable: true}]
    health: {path: /ready}
    resources: {cpu: 1, memory_mb: 512}
    env: {SESSION: '${secret.session_key}'}
  jobs:
    image: example.com/shop:1.2.3
    command: [work]
    resources:
      small: {cpu: 1, memory_mb: 512}
      medium: {cpu: 2, memory_mb: 1024}
      large: {cpu: 4, memory_mb: 2048}
  runner:
    image: example.com/runner:2
    port: 9000
    networks: [isolated-code]
    resources: {cpu: 1, memory_mb: 256}
  index:
    image: example.com/index:1
    runs: one
    port: 7700
    volumes: [{name: index, path: /data, owner: '1000:1000'}]
    resources: {cpu: 1, memory_mb: 512}
secrets: {session_key: {length: 48, purpose: signs cookies}}
"""


def test_an_application_of_ones_own() -> None:
    shop = app_of(custom(CUSTOM))
    assert (shop.name, shop.databases, shop.extensions) == ("shop", ("shop",), ("vector",))
    assert list(shop.services) == ["database_setup", "router", "shop", "jobs", "runner", "index"]
    assert set(in_group(shop, "app")) == {"router", "shop", "jobs", "runner"}
    assert set(in_group(shop, "stateful")) == {"database_setup", "index"}
    assert shop.networks == {"default": "open", "isolated-code": "isolated"}
    assert shop.secrets["session_key"].length == 48
    assert shop.services["jobs"].resources["large"].memory_mb == 2048
    assert all(service.extra_env for name, service in shop.services.items() if name in ("shop", "jobs"))


def test_an_application_without_a_database() -> None:
    text = (
        "database: null\nservices: {web: {image: 'example.com/web:1', resources: {cpu: 1, memory_mb: 256}}}\n"
    )
    web = app_of(custom(text))
    assert web.databases == ()
    assert list(web.services) == ["router", "web"]


def test_databases_and_extensions_that_the_file_names() -> None:
    text = (
        "database: {names: [orders, people], extensions: [pg_trgm]}\n"
        "services: {web: {image: 'example.com/web:1', resources: {cpu: 1, memory_mb: 256}}}\n"
    )
    shop = app_of(custom(text))
    assert shop.databases == ("orders", "people")
    assert shop.extensions == ("pg_trgm", "vector")
    script = shop.texts["databases.sql"]
    assert script.count('CREATE EXTENSION IF NOT EXISTS "pg_trgm"') == 2
    assert "datname = 'people'" in script


SERVICE: dict[str, Any] = {"image": "a:1", "resources": {"cpu": 1, "memory_mb": 64}}


@pytest.mark.parametrize(
    ("services", "what"),
    [
        ({"a": {"networks": ["nowhere"]}}, "services.a: there is no network 'nowhere'"),
        ({"a": {"after": ["b"]}}, "runs after 'b', which does not exist"),
        ({"a": {"after": ["b"]}, "b": {"runs": "one"}}, "runs after 'b', which is not on the same machine"),
        ({"a": {"volumes": [{"name": "v", "path": "/v"}]}}, "only a service with `runs: one`"),
        ({"a": {"routes": [{"path": "/"}]}}, "has routes but no port"),
        ({"a": {"runs": "once", "port": 1, "routes": [{"path": "/"}]}}, "one-shot step cannot have routes"),
        ({"a": {"health": {"path": "/"}}}, "has a health path but no port"),
        ({"a": {"files": {"/etc/x": "x.conf"}}}, "there is no file 'x.conf'"),
        (
            {"a": {"port": 1, "routes": [{"path": "/"}]}, "b": {"port": 2, "routes": [{"path": "/"}]}},
            "services.b: a has the route / already",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused(services: dict[str, Any], what: str) -> None:
    with pytest.raises(ValidationError) as caught:
        App(name="x", version="1", services={n: Service(**SERVICE | v) for n, v in services.items()})
    assert what in str(caught.value)


def test_a_fact_stands_once() -> None:
    """The same variable with the same value in two services of a release belongs into a group."""
    from pathlib import Path

    folder = Path(catalog.__file__).parent / "dify"
    for release in RELEASES:
        services = yaml.safe_load((folder / f"{release}.yaml").read_text())["services"]
        seen: dict[tuple[str, str], list[str]] = {}
        for name, service in services.items():
            if service.get("image", "").startswith("langgenius/dify-api"):
                for pair in (service.get("env") or {}).items():
                    seen.setdefault(pair, []).append(name)
        shared = {pair: names for pair, names in seen.items() if len(names) > 1 and pair[0] != "MODE"}
        classes = {("SERVER_WORKER_CLASS", "gevent")}
        assert not {pair: names for pair, names in shared.items() if pair not in classes}


@pytest.mark.parametrize(
    "change",
    [
        {"port": 1, "routes": [{"path": "/x { return 200; }"}]},
        {"port": 1, "routes": [{"path": "x"}]},
        {"port": 1, "routes": [{"path": "/", "headers": {"X-A": "b; deny all"}}]},
        {"port": 1, "routes": [{"path": "/", "headers": {"X A": "b"}}]},
        {"port": 1, "health": {"path": "/x'); process.exit(0"}},
        {"runs": "one", "volumes": [{"name": "../etc", "path": "/v"}]},
        {"runs": "one", "volumes": [{"name": "v", "path": "/v", "owner": "root"}]},
        {"networks": ["a b"]},
    ],
)
def test_signs_that_would_mean_something_elsewhere_are_refused(change: dict[str, Any]) -> None:
    networks: dict[str, Any] = {"default": "open", "a b": "open"}
    with pytest.raises(ValidationError, match="cannot be"):
        App(name="x", version="1", services={"a": Service(**SERVICE | change)}, networks=networks)
