"""Where Dify's services run, what contains them, and what each may reach."""

from __future__ import annotations

import re

import pytest
from app_cases import RELEASES, SIZES, api_services, dify, wired

from cloudberth.apps.model import App, in_group
from cloudberth.apps.stack import stack
from cloudberth.deployment.facts import facts


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def app(release: str) -> App:
    return dify(version=release)[0]


@pytest.fixture
def environments(release: str) -> dict[str, dict[str, str]]:
    return wired(version=release)


def test_public_routes_are_all_there(app: App) -> None:
    routes = {route.path: name for name, service in app.services.items() for route in service.routes}
    assert routes == {
        "/console/api": "api",
        "/api": "api",
        "/v1": "api",
        "/openapi": "api",
        "/files": "api",
        "/mcp": "api",
        "/triggers": "api",
        "/socket.io/": "api_websocket",
        "/e/": "plugin_daemon",
        "/": "web",
    }


def test_the_plugin_daemon_is_one_with_a_disk_of_its_own(app: App) -> None:
    daemon = app.services["plugin_daemon"]
    assert daemon.runs == "one"
    assert not daemon.spot
    assert [volume.persistent for volume in daemon.volumes] == [True]
    assert daemon.env["PLUGIN_WORKING_PATH"].startswith(daemon.volumes[0].path)
    assert daemon.env["FORCE_VERIFYING_SIGNATURE"] == "true"
    assert daemon.env["PLUGIN_REMOTE_INSTALLING_ENABLED"] == "false"
    assert int(daemon.env["PYTHON_ENV_INIT_TIMEOUT"]) > 120


def test_user_code_reaches_nothing_but_its_proxy(app: App) -> None:
    assert app.services["sandbox"].networks == ("sandbox",)
    assert app.networks["sandbox"] == "isolated"
    assert "sandbox" in app.services["ssrf_proxy"].networks
    sharing = {name for name, service in app.services.items() if "sandbox" in service.networks}
    assert sharing == {"sandbox", "ssrf_proxy", "api", "worker"}
    assert not app.services["sandbox"].routes


def test_the_agents_shell_reaches_nothing_but_its_backend_and_its_proxy() -> None:
    app, _ = dify(version="1.17.1")
    shell = app.services["local_sandbox"]
    assert {app.networks[network] for network in shell.networks} == {"isolated"}
    neighbours = {
        name
        for name, service in app.services.items()
        if set(service.networks) & set(shell.networks) and name != "local_sandbox"
    }
    assert neighbours == {"agent_backend", "agent_ssrf_proxy"}
    assert shell.runs == "one"
    assert shell.env["SHELLCTL_ENABLE_PATH_ISOLATION"] == "true"


def test_no_sandbox_is_published(release: str) -> None:
    files = stack(*dify(version=release))
    for group in ("app", "stateful"):
        compose = files[f"{group}/compose.yaml"]
        for port in ("8194:", "5004:", "3128:", "5003:"):
            assert f"- {port}" not in compose


def test_files_of_the_api_need_no_shared_disk(app: App, environments: dict[str, dict[str, str]]) -> None:
    """With object storage no volume of uid 1001 is left to prepare, and no disk to share."""
    for name, environment in {s: environments[s] for s in api_services(app)}.items():
        assert environment["STORAGE_TYPE"] == "s3"
        assert not app.services[name].volumes


def test_images_are_pinned(app: App) -> None:
    for name, service in app.services.items():
        tag = service.image.rpartition("/")[2].partition(":")[2]
        assert re.search(r"\d", tag), f"{name} has no pinned tag: {service.image}"
        assert tag != "latest"


def test_workers_never_have_to_be_woken(app: App) -> None:
    """A queue consumer has no route that would start it: it runs on every app machine."""
    assert app.services["worker"].runs == "many"
    assert app.services["worker"].stop_seconds <= 120  # a spot machine has two minutes
    assert all(not service.spot for service in app.services.values() if service.runs in ("one", "once"))


def test_the_first_account_is_gated(app: App, environments: dict[str, dict[str, str]]) -> None:
    assert app.secrets["init_password"].length <= 30
    assert environments["api"]["INIT_PASSWORD"]


def test_streams_do_not_queue_behind_ten_others(environments: dict[str, dict[str, str]]) -> None:
    assert int(environments["api"]["SERVER_WORKER_CONNECTIONS"]) >= 100


def test_memory_fits_the_machines(release: str) -> None:
    """2 GiB for everything ended in restarts elsewhere: limits fit the machine, with 5 % to spare."""
    for size in SIZES:
        app, chosen = dify(size=size, version=release)
        for group, machine_type in (
            ("app", chosen.compute.app.machine_types[0]),
            ("stateful", chosen.compute.stateful.machine_type),
        ):
            machine = facts("aws").machine(machine_type)
            assert machine is not None
            limits = sum(
                service.resources[size].memory_mb  # type: ignore[index]
                for service in in_group(app, group).values()  # type: ignore[arg-type]
                if service.runs != "once"
            )
            assert limits <= machine.memory_gib * 1024 * 0.95, (size, group, limits)
