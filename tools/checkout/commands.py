"""`./berth` and `./check`, from their arguments to their exit codes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from checkout.environment import Environment
from checkout.failure import SetUpFailed

BERTH_LAYERS = ("python", "runtime", "terraform", "package")
CHECK_LAYERS = (*BERTH_LAYERS, "dev", "vendors")
SECURITY_LAYERS = ("python", "security")


def environment_of(root: Path, purpose: str = "") -> Environment:
    """The environment of a checkout: .venv in it, or the folder that BERTH_VENV names.

    purpose: for what else there is one, beside it (`security`: .venv-security).
    """
    elsewhere = os.environ.get("BERTH_VENV")
    folder = Path(elsewhere).expanduser().absolute() if elsewhere else root / ".venv"
    return Environment(root, folder.with_name(f"{folder.name}-{purpose}") if purpose else folder)


def _terminated(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def prepare(root: Path, layers: Sequence[str], name: str, purpose: str = "") -> Environment | int:
    """The environment with these layers; or the exit code, when there is none and the reason is printed."""
    before = signal.signal(signal.SIGTERM, _terminated)
    environment = environment_of(root, purpose)
    try:
        environment.make_ready(layers)
    except SetUpFailed as failure:
        print(f"\n{name}: {failure.what}", file=sys.stderr)
        for line in failure.hint.splitlines():
            print(f"  {line}", file=sys.stderr)
        log = environment.folder / ".setup" / "log.txt"
        if log.exists():
            print(f"  All that pip said: {log}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\n{name}: interrupted; run it again to start over.", file=sys.stderr)
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)
    return environment


def run_berth(root: Path, arguments: Sequence[str]) -> int:
    """Become the berth of this checkout. Returns, with an exit code, only when that cannot be."""
    environment = prepare(root, BERTH_LAYERS, "berth")
    if isinstance(environment, int):
        return environment
    environment.keep_over_exec()
    sys.stdout.flush()
    sys.stderr.flush()
    return os.execv(environment.python, [environment.python, environment.program("berth"), *arguments])


def run_check(root: Path, arguments: Sequence[str]) -> int:
    """Run the checks of this checkout; 0 when all passed."""
    from checkout.checks import Environments, main

    environments = Environments(
        lambda: prepare(root, CHECK_LAYERS, "check"),
        lambda: prepare(root, SECURITY_LAYERS, "check", "security"),
    )
    return main(root, arguments, environments)
