"""What every command shares: where output goes, progress of long work, common options."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

out = Console(highlight=False)
"""Results."""
err = Console(stderr=True, highlight=False)
"""Progress and remarks, so that results can be piped."""


def deployment_argument(function: Decorated) -> Decorated:
    """FILE, berth.yaml by default."""
    return click.argument(
        "file", type=click.Path(path_type=Path), default=Path("berth.yaml"), metavar="[FILE]"
    )(function)


def json_option(function: Decorated) -> Decorated:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON only.")(function)


def yes_option(function: Decorated) -> Decorated:
    return click.option("--yes", "-y", is_flag=True, help="Do not ask.")(function)


def workspace_option(function: Decorated) -> Decorated:
    return click.option(
        "--workspace",
        "-w",
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder of the Terraform workspace (default: <name>-<cloud> beside FILE).",
    )(function)


def local_option(function: Decorated) -> Decorated:
    return click.option("--local", is_flag=True, help="A platform on this machine; needs no file.")(function)


def data_option(function: Decorated) -> Decorated:
    return click.option(
        "--data",
        type=click.Path(path_type=Path, file_okay=False),
        help="Local: the folder for everything it keeps (default: .berth/<name> beside FILE).",
    )(function)


def print_json(document: Any) -> None:
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


@contextmanager
def step(title: str) -> Iterator[Callable[[str], None]]:
    """Show one step of long work: a spinner on a terminal, lines otherwise. Yields a setter of the detail."""
    started = time.monotonic()
    if not err.is_terminal:
        err.print(f"{title} …")
        yield lambda _detail: None
        err.print(f"{title}: {time.monotonic() - started:.1f} s")
        return
    with err.status(title) as status:
        yield lambda detail: status.update(f"{title} [dim]· {detail}[/dim]")
    err.print(f"[green]✓[/green] {title} [dim]{time.monotonic() - started:.1f} s[/dim]")


def confirm(question: str, *, yes: bool) -> None:
    """Ask, unless told not to; a closed standard input counts as no."""
    if not yes:
        click.confirm(question, abort=True, err=True)
