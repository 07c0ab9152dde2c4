"""`berth`: the commands, and the one place where errors become words and exit codes.

Exit codes: 0 done · 1 failed · 2 the input is wrong, nothing was written · 3 refused for safety ·
4 a difference or finding that the caller asked to fail on · 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from cloudberth import __version__
from cloudberth.cli.late import LateCommands
from cloudberth.errors import CloudberthError, InvalidDeployment, Rejected

# command → module that holds it: a command's imports are paid for only when it runs.
COMMANDS = {
    "init": "files",
    "schema": "files",
    "docs": "files",
    "render": "files",
    "releases": "files",
    "plan": "plan",
    "diagram": "plan",
    "compare": "compare",
    "rehearse": "rehearse",
    "up": "lifecycle",
    "down": "lifecycle",
    "status": "status",
    "doctor": "local_doctor",
    "outputs": "status",
    "env": "status",
    "storage": "storage",
    "cache": "cache",
    "logs": "logs",
    "traces": "traces",
    "vector": "vector",
    "serve": "serve",
    "worker": "worker",
    "completion": "completion",
}


@click.group(
    cls=LateCommands,
    late={name: f"cloudberth.cli.{module}" for name, module in COMMANDS.items()},
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Start with `berth init`, or look at a plan: `berth plan berth.yaml`.",
)
@click.version_option(__version__, prog_name="berth")
def berth() -> None:
    """Put Dify, or any LLM application, into production on a cloud from one file."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the `berth` command."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code; nothing escapes as a traceback."""
    # Else pydantic reads the metadata of everything that is installed, to find plugins that we have none of.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        result = berth.main(args=arguments, prog_name="berth", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.Abort:
        click.echo("Stopped.", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except CloudberthError as error:
        _show(error)
        return error.exit_code
    except KeyboardInterrupt:
        click.echo("\nInterrupted.", err=True)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except RecursionError as error:
        return _unexpected(error)
    except Exception as error:
        return _unexpected(error)


def _show(error: CloudberthError) -> None:
    if isinstance(error, InvalidDeployment | Rejected):
        for problem in error.problems:
            click.secho(f"{problem.where}: ", err=True, bold=True, nl=False)
            click.echo(problem.what, err=True)
            if problem.hint:
                click.secho(f"    hint: {problem.hint}", err=True, fg="cyan")
        count = f"{len(error.problems)} problem{'s' if len(error.problems) > 1 else ''}"
        said = "nothing was written" if isinstance(error, InvalidDeployment) else "Terraform stopped"
        click.echo(f"{count}; {said}.", err=True)
        return
    click.secho("error: ", err=True, fg="red", bold=True, nl=False)
    click.echo(str(error), err=True)
    if error.hint:
        click.secho(f"    hint: {error.hint}", err=True, fg="cyan")


def _unexpected(error: BaseException) -> int:
    """A defect of ours: keep the traceback in a private file, say one line."""
    if os.environ.get("BERTH_DEBUG"):
        raise error
    import tempfile
    import traceback

    handle, name = tempfile.mkstemp(prefix="berth-error-", suffix=".txt")
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.writelines(traceback.format_exception(error))
    click.secho("error: ", err=True, fg="red", bold=True, nl=False)
    click.echo(
        f"berth failed in an unforeseen way ({type(error).__name__}); this is a defect of berth", err=True
    )
    click.secho(f"    hint: please report it with the details in {Path(name)}", err=True, fg="cyan")
    return 1
