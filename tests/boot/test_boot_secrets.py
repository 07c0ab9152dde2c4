"""No secret leaves memory: not for arguments, the environment of programs, the journal or the disk."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from machine_rig import Done, Metadata, Rig, mode, serving, set_up

# Nothing else on the machine looks like these, and each form that they could take is searched for.
MARKERS = {
    name: f"MARKER-{name}-zQ9$x/{number}+@:&'\"\\é"
    for number, name in enumerate(
        (
            *("database_password", "cache_password", "secret_key", "init_password", "sandbox_api_key"),
            *("plugin_daemon_key", "inner_api_key", "agent_api_token", "agent_server_secret_key"),
            *("agent_sandbox_token",),
        )
    )
}
FORMS = {
    form
    for value in MARKERS.values()
    for form in (
        value,
        quote(value, safe=""),
        json.dumps(value)[1:-1],
        base64.b64encode(value.encode()).decode(),
    )
}


@pytest.fixture(scope="module")
def metadata() -> Iterator[str]:
    with serving(Metadata) as address:
        yield address


def with_markers(rig: Rig) -> Rig:
    for name, value in MARKERS.items():
        rig.set_secret(name, value)
    return rig


@pytest.fixture(params=["app", "stateful"])
def rig(request: pytest.FixtureRequest, tmp_path: Path, metadata: str) -> Rig:
    return with_markers(set_up(tmp_path, request.param, metadata))


def assert_nothing_leaked(rig: Rig, done: Done) -> None:
    places = {
        "standard output": done.stdout,
        "standard error": done.stderr,
        **{
            f"arguments of {call.line[:60]}": json.dumps(call.argv, ensure_ascii=False) for call in done.calls
        },
        **{f"environment of {call.argv[0]}": json.dumps(call.env, ensure_ascii=False) for call in done.calls},
        **{f"input of {call.line[:60]}": call.stdin for call in done.calls},
        **{str(path): path.read_text(errors="replace") for path in rig.files_outside_memory()},
    }
    leaks = [(place, form) for place, text in places.items() for form in FORMS if form in text]
    assert leaks == []
    assert "MARKER-" not in "".join(places.values())


def test_a_start_leaks_nothing(rig: Rig) -> None:
    done = rig.boot()
    assert done.code == 0, done.stdout
    assert_nothing_leaked(rig, done)
    text = "".join(path.read_text() for path in rig.run.rglob("*.env"))
    assert f"SECRET_KEY={MARKERS['secret_key']}\n" in text, "the markers were really used"
    assert {mode(path) for path in rig.run.rglob("*") if path.is_file()} == {"0o600"}


@pytest.mark.parametrize(
    "failing",
    [
        "docker pull --quiet",
        "compose.yaml",
        "ssm get-parameter",
        "ssm put-parameter",
        "systemctl",
        "aws autoscaling",
    ],
)
def test_a_failing_start_leaks_nothing(rig: Rig, failing: str) -> None:
    rig.fail(failing, stderr="it failed")
    assert_nothing_leaked(rig, rig.boot())


def test_what_a_program_says_about_a_secret_is_struck_out(rig: Rig) -> None:
    """A tool that repeats its input in an error message."""
    told = f"cannot connect with {MARKERS['cache_password']} or {quote(MARKERS['secret_key'], safe='')}"
    rig.fail("up --detach", stderr=told)
    done = rig.boot()
    assert done.code == 1
    assert "cannot connect with ***" in done.why
    assert_nothing_leaked(rig, done)


def test_values_are_taken_as_they_are(tmp_path: Path, metadata: str) -> None:
    """A value that looks like a reference, or holds what shells and Compose would read."""
    rig = with_markers(set_up(tmp_path, "app", metadata))
    nasty = "${secret.secret_key} $${x} $HOME `id` \"'\\ #=%{y}"
    rig.set_secret("sandbox_api_key", nasty)
    assert rig.boot().code == 0
    assert f"CODE_EXECUTION_API_KEY={nasty}\n" in (rig.run / "env/api.env").read_text()


def test_a_secret_cannot_add_a_variable(tmp_path: Path, metadata: str) -> None:
    rig = with_markers(set_up(tmp_path, "app", metadata))
    rig.set_secret("sandbox_api_key", "key\nLD_PRELOAD=/tmp/x")
    done = rig.boot()
    assert done.code == 1
    assert "holds a line break" in done.why
    assert "LD_PRELOAD" not in done.stdout
    assert not [path for path in rig.run.rglob("*.env") if "LD_PRELOAD" in path.read_text()]


def test_the_bundle_itself_holds_no_secret(rig: Rig) -> None:
    assert not [form for form in FORMS if form in json.dumps(rig.bundle())]
