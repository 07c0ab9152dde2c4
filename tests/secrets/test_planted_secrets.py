"""No secret in the workspace, the plan, the state, what is printed, the logs, or the process list.

Generated secrets: the simulated account remembers every value that it handed out or was given; each is
looked for everywhere. The user's own: credentials planted in the environment of a live run.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudberth.cli.main import run
from cloudberth.infra import rehearsal
from cloudberth.infra.simulation import server
from thoroughness import with_thorough

pytestmark = pytest.mark.terraform

EXAMPLES = Path(__file__).parents[2] / "examples"
MARKER = "planted-credential-4f9c1e7b2a"


class ProcessList:
    """Command lines of all processes, read over and over while something runs."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self._stop.wait(0.05):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    self.seen.add(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))

    def __enter__(self) -> ProcessList:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def all_files(folder: Path) -> Iterator[tuple[Path, bytes]]:
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            yield path, path.read_bytes()


@pytest.mark.parametrize("example", with_thorough(["dify-aws.yaml"], ["dify-aws-large.yaml"]))
def test_generated_secrets_stay_in_the_store(
    example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    secrets: set[str] = set()
    documents: dict[str, str] = {}
    real_serve, real_leaks = server.serve, rehearsal._Run.leaks

    @contextlib.contextmanager
    def serve_and_remember() -> Iterator[server.Serving]:
        with real_serve() as serving:
            yield serving
            for account in serving.accounts.values():
                secrets.update(secret for secret in account.secrets if len(secret) >= 8)

    def leaks_and_remember(self: rehearsal._Run, found: dict[str, str]) -> tuple[str, ...]:
        documents.update(found)
        for path, content in all_files(self.stage.home):
            documents[str(path)] = content.decode(errors="replace")
        return real_leaks(self, found)

    monkeypatch.setattr(server, "serve", serve_and_remember)
    monkeypatch.setattr(rehearsal._Run, "leaks", leaks_and_remember)
    monkeypatch.chdir(tmp_path)
    with ProcessList() as processes:
        code = run(["rehearse", str(EXAMPLES / example), "--json"])
    captured = capfd.readouterr()
    assert code == 0, captured.err

    assert len(secrets) >= 10, "the simulated account handed out no secrets: this test would prove nothing"
    assert {"state", "plan"} <= set(documents)
    assert any(path.endswith("terraform.tfvars.json") for path in documents)
    assert any("terraform" in line for line in processes.seen), "Terraform was not seen running"
    documents |= {"standard output": captured.out, "standard error": captured.err}
    documents |= {f"process: {line[:60]}": line for line in processes.seen}
    for secret in secrets:
        assert [name for name, text in documents.items() if secret in text] == []


def test_the_users_credentials_stay_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    mirror = [sys.executable, "-m", "cloudberth.infra.simulation", "mirror", str(tmp_path / "mirror")]
    done = subprocess.run(mirror, capture_output=True, text=True, check=True)
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", done.stdout.strip().removeprefix("export TF_CLI_CONFIG_FILE="))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", f"AKIA{MARKER}")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", MARKER)
    monkeypatch.setenv("AWS_SESSION_TOKEN", f"token-{MARKER}")
    file = tmp_path / "berth.yaml"
    file.write_text("name: dify\napp: dify\ncloud: aws\nregion: us-east-1\nstate: {type: local}\n")
    monkeypatch.chdir(tmp_path)
    with ProcessList() as processes:
        assert run(["up", str(file), "--yes"]) == 0
    captured = capfd.readouterr()
    assert MARKER not in captured.out + captured.err
    assert not [line for line in processes.seen if MARKER in line]
    assert not [path for path, content in all_files(tmp_path) if MARKER.encode() in content]


def test_a_literal_secret_in_the_file_is_refused_without_being_repeated(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "berth.yaml"
    file.write_text(
        f"name: dify\napp: dify\ncloud: aws\nregion: us-east-1\nenv:\n  SMTP_PASSWORD: {MARKER}\n"
    )
    assert run(["plan", str(file)]) == 2
    captured = capfd.readouterr()
    assert "berth.yaml:6:" in captured.err
    assert "secret:" in captured.err
    assert MARKER not in captured.out + captured.err
