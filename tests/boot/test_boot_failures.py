"""What goes wrong on machines: refused secrets, failing pulls, a migration that does not come, bad input."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from machine_rig import Metadata, Rig, serving, set_up

DENIED = (
    "\nAn error occurred (AccessDeniedException) when calling the GetSecretValue operation: "
    "User: arn:aws:sts::0 is not authorized to perform: secretsmanager:GetSecretValue\n"
)


@pytest.fixture(scope="module")
def metadata() -> Iterator[str]:
    with serving(Metadata) as address:
        yield address


@pytest.fixture
def app(tmp_path: Path, metadata: str) -> Rig:
    return set_up(tmp_path, "app", metadata)


@pytest.fixture
def stateful(tmp_path: Path, metadata: str) -> Rig:
    return set_up(tmp_path, "stateful", metadata)


def test_a_refused_secret_ends_the_start(app: Rig) -> None:
    app.fail("secret:dify/secret_key", exit=254, stderr=DENIED)
    done = app.boot()
    assert done.code == 1
    assert done.why.startswith(
        "aws secretsmanager get-secret-value: An error occurred (AccessDeniedException)"
    )
    failed = [event for event in done.events if event["event"] == "failed"]
    assert {event["what"] for event in failed} == {"secret secret_key"}
    assert len(failed) == 5, "a policy that was just attached takes a moment: it is asked again"
    assert not done.lines("docker")
    assert not list(app.run.rglob("*.env"))
    assert "--lifecycle-action-result ABANDON" in done.lines("aws autoscaling")[0]


def test_a_secret_that_is_refused_for_a_moment(app: Rig) -> None:
    app.fail("secret:dify/secret_key", times=2, exit=254, stderr=DENIED)
    assert app.boot().code == 0


def test_a_secret_that_nobody_made(app: Rig) -> None:
    secrets = {name: value for name, value in app.bundle()["secrets"].items() if name != "sandbox_api_key"}
    app.change_bundle(secrets=secrets)
    assert app.boot().why == "there is no secret sandbox_api_key"


def test_a_pull_that_fails_at_first(app: Rig) -> None:
    app.fail(
        "compose.yaml pull", times=3, stderr="Error: toomanyrequests: You have reached your pull rate limit"
    )
    done = app.boot()
    assert done.code == 0
    waits = [event for event in done.events if event["event"] == "failed"]
    assert [event["attempt"] for event in waits] == [1, 2, 3]
    assert "toomanyrequests" in waits[0]["why"]


def test_a_pull_that_never_works(app: Rig) -> None:
    app.fail("compose.yaml pull", stderr="no route to host")
    done = app.boot()
    assert done.code == 1
    assert "no route to host" in done.why
    assert len([event for event in done.events if event["event"] == "failed"]) == 7


def test_the_compose_image_fails_at_first(app: Rig) -> None:
    app.fail("docker pull --quiet", times=2, stderr="EOF")
    assert app.boot().code == 0


def test_a_half_copied_plugin_is_not_used(app: Rig) -> None:
    app.fail("docker cp", times=1, stderr="no space left on device")
    assert app.boot().code == 1
    plugin = app.root / "usr/local/lib/docker/cli-plugins"
    assert not (plugin / "docker-compose.image").exists()
    assert app.boot().code == 0


def test_the_migration_does_not_come(app: Rig) -> None:
    app.set("marker", "dify-1.15.0-00000000")
    done = app.boot()
    assert done.code == 1
    assert done.why.startswith("the database was not prepared for dify-1.17.1-")
    assert done.why.endswith("it is at dify-1.15.0-00000000")
    assert not [line for line in done.lines("docker compose") if " up " in line]
    assert "--lifecycle-action-result ABANDON" in done.lines("aws autoscaling")[0]


def test_the_migration_comes_late(app: Rig) -> None:
    answer = json.dumps({"Parameter": {"Value": "none"}})
    app.fail("ssm get-parameter", times=3, exit=0, stdout=answer)
    done = app.boot()
    assert done.code == 0
    assert done.names().count("waiting") == 1, "said once, not at every look"


def test_a_marker_that_cannot_be_read_for_a_while(app: Rig) -> None:
    app.fail("ssm get-parameter", times=2, exit=255, stderr="Could not connect to the endpoint URL")
    done = app.boot()
    assert done.code == 0
    assert any("unreadable" in event.get("is_now", "") for event in done.events)


def test_a_failing_migration_stops_everything(stateful: Rig) -> None:
    stateful.fail("-T migration", stderr="alembic.util.exc.CommandError: Can't locate revision")
    done = stateful.boot()
    assert done.code == 1
    assert "Can't locate revision" in done.why
    assert stateful.marker == "none", "app machines must go on waiting"
    assert not [line for line in done.lines("docker compose") if " up " in line]
    assert len([line for line in done.lines("docker compose") if "-T migration" in line]) == 5


def test_a_database_that_is_not_up_yet(stateful: Rig) -> None:
    stateful.fail("-T database_setup", times=3, exit=2, stderr="psql: error: could not connect to server")
    done = stateful.boot()
    assert done.code == 0
    assert len([line for line in done.lines("docker compose") if "-T migration" in line]) == 1


def test_services_that_do_not_become_healthy(app: Rig) -> None:
    app.fail("up --detach", exit=1, stderr="container cloudberth-api-1 is unhealthy")
    done = app.boot()
    assert done.code == 1
    assert "is unhealthy" in done.why


def test_a_router_that_does_not_answer(app: Rig) -> None:
    app.router = "127.0.0.1:9"
    done = app.boot()
    assert done.code == 1
    assert "http://127.0.0.1:9/healthz" in done.why


def test_a_disk_that_another_machine_holds(stateful: Rig) -> None:
    held = {"State": "in-use", "Attachments": [{"InstanceId": "i-other", "State": "attached"}]}
    stateful.set("volume", json.dumps({"Volumes": [held]}))
    done = stateful.boot()
    assert done.code == 1
    assert "held by i-other" in done.why
    assert not done.lines("mount")


def test_a_machine_without_its_metadata(app: Rig) -> None:
    app.metadata = "http://127.0.0.1:9"
    done = app.boot()
    assert done.code == 1
    assert "metadata service" in done.why


def test_a_program_that_is_missing(app: Rig) -> None:
    (app.root / "bin/docker").unlink()
    assert app.boot().why == "docker is not installed"


def test_an_aws_command_that_is_missing(app: Rig) -> None:
    (app.root / "bin/aws").unlink()
    done = app.boot()
    assert done.code == 1
    assert done.why == "the aws command is not installed"


def test_a_journal_that_cannot_be_sent_is_no_failure(app: Rig) -> None:
    app.fail("aws logs", stderr="An error occurred (ResourceNotFoundException)")
    done = app.boot()
    assert done.code == 0
    assert "journal not sent" in done.names()


def test_a_hook_that_nobody_waits_for_is_no_failure(app: Rig) -> None:
    app.fail(
        "complete-lifecycle-action", stderr="An error occurred (ValidationError): No active Lifecycle Action"
    )
    assert app.boot().code == 0


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"format": 2}, "the bundle has format 2, this program reads 1"),
        ({"files": {"env/api.env": "A=${nothing.here}\n"}}, "there is no fact nothing.here"),
        ({"files": {"env/api.env": "A=${broken"}}, "unforeseen TemplateError"),
    ],
)
def test_a_bundle_that_does_not_fit(app: Rig, change: dict[str, object], what: str) -> None:
    app.change_bundle(**change)
    done = app.boot()
    assert done.code == 1
    assert what in done.why
    assert done.stderr == "", "never a traceback"


def test_no_bundle(app: Rig) -> None:
    (app.root / "opt/cloudberth/bundle.json").unlink()
    done = app.boot()
    assert done.code == 1
    assert done.why.endswith("bundle.json is missing")


def test_an_unforeseen_error_shows_its_place_and_nothing_else(app: Rig) -> None:
    app.change_bundle(stack={key: value for key, value in app.bundle()["stack"].items() if key != "owners"})
    done = app.boot()
    assert done.code == 1
    assert done.why.startswith("unforeseen KeyError in boot.py:")
    assert done.stderr == ""
