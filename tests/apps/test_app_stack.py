"""The stack folder: valid Compose, nothing secret, the same every time, and every promise of the contract."""

from __future__ import annotations

import json
import re
from importlib import resources
from typing import Any

import pytest
import yaml
from app_cases import FACTS, RELEASES, SIZES, custom, dify
from jsonschema import Draft202012Validator
from test_app_catalog import CUSTOM

from cloudberth.apps.catalog import app_of
from cloudberth.apps.compose import RUN
from cloudberth.apps.model import GROUPS, in_group
from cloudberth.apps.stack import stack
from cloudberth.apps.variables import cdn_paths, internal_ports, log_groups
from cloudberth.environment.template import resolve
from cloudberth.errors import InvalidInput

BOTH = [("1.15.0", group) for group in GROUPS] + [("1.17.1", group) for group in GROUPS]


def compose(files: dict[str, str], group: str) -> dict[str, Any]:
    """The Compose file as the machine will see it."""
    by_terraform = resolve(
        files[f"{group}/compose.yaml"], FACTS, str
    )  # no literal ${ in it: one pass is enough
    document: dict[str, Any] = yaml.safe_load(resolve(by_terraform, FACTS, str))
    return document


@pytest.fixture(scope="module")
def schema() -> Draft202012Validator:
    """The Compose specification's own schema, as check-jsonschema ships it."""
    package = pytest.importorskip(
        "check_jsonschema", reason="pip install check-jsonschema: it has the schema"
    )
    text = resources.files(package).joinpath("builtin_schemas/vendor/compose-spec.json").read_text()
    return Draft202012Validator(json.loads(text))


@pytest.mark.parametrize(("release", "group"), BOTH)
@pytest.mark.parametrize("size", SIZES)
def test_compose_files_follow_the_specification(
    schema: Draft202012Validator, release: str, group: str, size: str
) -> None:
    document = compose(stack(*dify(size=size, version=release)), group)
    assert [error.message for error in schema.iter_errors(document)] == []


def test_a_custom_application_follows_it_too(schema: Draft202012Validator) -> None:
    deployment = custom(CUSTOM)
    files = stack(app_of(deployment), deployment)
    for group in GROUPS:
        assert [error.message for error in schema.iter_errors(compose(files, group))] == []


def test_the_schema_would_notice(schema: Draft202012Validator) -> None:
    document = compose(stack(*dify()), "app")
    document["services"]["api"]["env_files"] = []
    document["services"]["web"]["restart"] = 1
    assert len(list(schema.iter_errors(document))) >= 2


def test_the_same_deployment_gives_the_same_files() -> None:
    assert stack(*dify(size="large")) == stack(*dify(size="large"))


@pytest.mark.parametrize(("release", "group"), BOTH)
def test_every_service_of_a_group_is_contained(release: str, group: str) -> None:
    app, deployment = dify(version=release)
    services = compose(stack(app, deployment), group)["services"]
    assert list(services) == list(in_group(app, group))  # type: ignore[arg-type]
    for name, service in services.items():
        assert re.fullmatch(r"\d+m", service["mem_limit"])
        assert service["cpu_shares"] > 0
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["ulimits"]["nofile"]["hard"] == 65536
        assert service["logging"]["driver"] == "awslogs"
        assert service["logging"]["options"]["awslogs-group"] == f"/cloudberth/dify/{name}"
        assert service["logging"]["options"]["awslogs-stream"] == f"i-0123456789abcdef0/{name}"
        assert "privileged" not in service
        assert "environment" not in service


@pytest.mark.parametrize("release", RELEASES)
def test_nothing_starts_before_the_boot_program(release: str) -> None:
    """`always` and `unless-stopped` would start containers before disks and secrets are there."""
    for group in GROUPS:
        for name, service in compose(stack(*dify(version=release)), group)["services"].items():
            once = "profiles" in service
            assert service["restart"] == ("no" if once else "on-failure"), name
            assert once == (name in ("database_setup", "migration"))


def test_variables_are_read_as_they_are() -> None:
    for group in GROUPS:
        files = stack(*dify())
        for name, service in compose(files, group)["services"].items():
            present = f"{group}/env/{name}.env" in files
            assert service.get("env_file", []) == (
                [{"path": f"{RUN}/env/{name}.env", "format": "raw"}] if present else []
            )


def test_files_are_mounted_from_memory_and_must_exist() -> None:
    files = stack(*dify())
    for group in GROUPS:
        for service in compose(files, group)["services"].values():
            for volume in service.get("volumes", []):
                if volume["type"] == "bind":
                    assert volume["source"].removeprefix(f"{RUN}/") in {
                        path.removeprefix(f"{group}/") for path in files
                    }
                    assert volume["read_only"] is True
                    assert volume["bind"] == {"create_host_path": False}


def test_only_the_router_and_what_app_machines_call_is_published() -> None:
    app, deployment = dify()
    files = stack(app, deployment)
    ports = {
        group: {name: s["ports"] for name, s in compose(files, group)["services"].items() if "ports" in s}
        for group in GROUPS
    }
    assert ports == {
        "app": {"router": ["80:80"]},
        "stateful": {
            "api_websocket": ["5001:5001"],
            "plugin_daemon": ["5002:5002"],
            "agent_backend": ["5050:5050"],
        },
    }
    assert internal_ports(app) == [5001, 5002, 5050]


def test_networks_without_a_way_out() -> None:
    files = stack(*dify())
    assert compose(files, "app")["networks"] == {
        "default": {"driver": "bridge"},
        "sandbox": {"driver": "bridge", "internal": True},
    }
    networks = compose(files, "stateful")["networks"]
    assert {name for name, network in networks.items() if network.get("internal")} == {
        "sandbox",
        "agent_sandbox",
        "agent_egress",
    }


def test_foreign_code_has_a_hard_share() -> None:
    files = stack(*dify(size="large"))
    for group in GROUPS:
        limited = {name for name, s in compose(files, group)["services"].items() if "cpus" in s}
        assert limited == ({"sandbox"} if group == "app" else {"sandbox", "local_sandbox"})


def test_read_only_where_we_know_the_image() -> None:
    services = compose(stack(*dify()), "stateful")["services"] | compose(stack(*dify()), "app")["services"]
    read_only = {name for name, service in services.items() if service.get("read_only")}
    assert read_only == {"router", "ssrf_proxy", "agent_ssrf_proxy", "database_setup"}


def test_persistent_volumes_lie_on_the_data_disk() -> None:
    volumes = compose(stack(*dify()), "stateful")["volumes"]
    assert volumes["plugins"]["driver_opts"]["device"] == "/data/volumes/plugins"
    assert set(volumes) == {"plugins", "agent_home", "agent_workspace"}
    assert "volumes" not in compose(stack(*dify()), "app")


def test_images_come_through_the_mirror() -> None:
    files = stack(*dify("compute: {registry_mirror: '123.dkr.ecr.eu-central-1.amazonaws.com/hub'}\n"))
    prefix = "123.dkr.ecr.eu-central-1.amazonaws.com/hub"
    images = {s["image"] for group in GROUPS for s in compose(files, group)["services"].values()}
    assert f"{prefix}/library/nginx:1.28.0-alpine" in images
    assert f"{prefix}/langgenius/dify-api:1.17.1" in images
    index = json.loads(files["stack.json"])
    assert set(index["images"]) == images
    assert all(image.startswith(prefix) for image in images)
    assert index["groups"]["app"]["compose_image"] == f"{prefix}/docker/compose-bin:v2.39.4"


def test_images_of_other_registries_stay() -> None:
    deployment = custom(CUSTOM + "compute: {registry_mirror: mirror.example.com}\n")
    images = json.loads(stack(app_of(deployment), deployment)["stack.json"])["images"]
    assert "example.com/shop:1.2.3" in images
    assert "mirror.example.com/library/nginx:1.28.0-alpine" in images


def test_the_index() -> None:
    app, deployment = dify()
    index = json.loads(stack(app, deployment)["stack.json"])
    assert re.fullmatch(r"dify-1\.17\.1-[0-9a-f]{8}", index["release"])
    assert index["groups"]["stateful"]["once"] == ["database_setup", "migration"]
    assert index["groups"]["app"]["once"] == []
    assert index["groups"]["app"]["drain"] == ["worker"]
    assert index["groups"]["stateful"]["drain"] == []
    assert index["groups"]["stateful"]["owners"]["files/agent_ssrf_proxy/squid-agent.conf"] == "13:13"
    assert index["queue"]["database"] == 1
    assert len(index["queue"]["names"]) == 20


def test_the_release_changes_with_what_prepares_the_database_only() -> None:
    """App machines wait for it: it must change when a migration is due, and not with every other figure."""
    release = json.loads(stack(*dify())["stack.json"])["release"]
    assert json.loads(stack(*dify(version="1.15.0"))["stack.json"])["release"] != release
    assert json.loads(stack(*dify("services: {web: {env: {A: b}}}\n"))["stack.json"])["release"] == release
    assert json.loads(stack(*dify("env: {A: b}\n"))["stack.json"])["release"] != release


def test_what_the_infrastructure_needs_to_know() -> None:
    app, _ = dify()
    assert log_groups(app) == sorted([*app.services, "boot"])
    assert cdn_paths(app) == ["/_next/static/"]
    assert cdn_paths(app_of(custom(CUSTOM))) == ["/static/"]
    assert internal_ports(app_of(custom(CUSTOM))) == []


def test_a_custom_service_that_others_call_is_published() -> None:
    text = CUSTOM.replace(
        "env: {SESSION: '${secret.session_key}'}", "env: {INDEX: 'http://${service.index}:7700'}"
    )
    deployment = custom(text)
    app = app_of(deployment)
    files = stack(app, deployment)
    assert internal_ports(app) == [7700]
    assert "INDEX=http://${stateful.host}:7700" in files["app/env/shop.env"]
    assert compose(files, "stateful")["services"]["index"]["ports"] == ["7700:7700"]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"command": ("work", "${secret.session_key}")}, "would stand in the process list"),
        ({"env": {"A": "two\nlines"}}, "cannot hold a line break"),
        ({"env": {"A": "${service.shopp}"}}, "there is no service 'shopp'"),
        ({"env": {"A": "${databse.host}"}}, "does not exist"),
    ],
)
def test_what_cannot_be_carried_is_refused(change: dict[str, Any], what: str) -> None:
    """Also when nothing checked it before."""
    deployment = custom(CUSTOM)
    app = app_of(deployment)
    jobs = app.services["jobs"].model_copy(update=change)
    with pytest.raises(InvalidInput, match=what) as caught:
        stack(app.model_copy(update={"services": {**app.services, "jobs": jobs}}), deployment)
    assert caught.value.where.startswith("services")


def test_dollars_survive_compose() -> None:
    """Compose has variables of its own: `$x` in a command has to reach the container as `$x`."""
    deployment = custom(
        CUSTOM.replace("command: [work]", "command: [sh, -c, 'echo $HOME costs $$5 ${NOT_SET:-1}']")
    )
    text = stack(app_of(deployment), deployment)["app/compose.yaml"]
    command = yaml.safe_load(resolve(resolve(text, FACTS, str), FACTS, str))["services"]["jobs"]["command"]
    as_compose_reads_it = command[2].replace("$$", "\0").replace("\0", "$")
    assert as_compose_reads_it == "echo $HOME costs $$5 1"


def test_no_secret_stands_anywhere() -> None:
    """Only references: every secret of every file is a `$${secret.…}`."""
    app, deployment = dify()
    files = stack(app, deployment)
    names = {name for text in files.values() for name in re.findall(r"\$\$\{secret\.(\w+)(?:\|url)?\}", text)}
    assert names == {"database_password", "cache_password", *app.secrets}
    for path, text in files.items():
        assert text.count("secret.") == text.count("$${secret."), path
        assert path.endswith(".env") or "secret." not in text, path


def test_databases_are_made_before_anything_else() -> None:
    sql = stack(*dify())["stateful/files/database_setup/databases.sql"]
    assert sql.index('CREATE DATABASE "dify"') < sql.index('\\connect "dify"')
    assert 'CREATE EXTENSION IF NOT EXISTS "uuid-ossp";' in sql
    assert 'CREATE EXTENSION IF NOT EXISTS "vector";' in sql
    assert 'CREATE DATABASE "dify_plugin"' in sql


def test_two_services_cannot_share_a_port_of_the_machine() -> None:
    deployment = custom(CUSTOM)
    app = app_of(deployment)
    index = app.services["index"]
    calling = app.services["shop"].model_copy(
        update={"env": {"A": "http://${service.index}", "B": "http://${service.other}"}}
    )
    services = {**app.services, "shop": calling, "other": index}
    with pytest.raises(InvalidInput, match="index and other have the same port 7700"):
        stack(app.model_copy(update={"services": services}), deployment)
