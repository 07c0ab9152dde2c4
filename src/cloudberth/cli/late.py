"""A group whose commands are imported when they are called: what a command needs is paid for when it runs."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click


class LateCommands(click.Group):
    """late: command → the module that holds it, under the command's name."""

    def __init__(self, *arguments: Any, late: Mapping[str, str], **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._late = late

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(self._late)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        module = self._late.get(cmd_name)
        if module is None:
            return None
        command: click.Command = getattr(import_module(module), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self._late and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], self._late, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"There is no command {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)
