"""`berth traces`: traces of LLM applications and where they go. A command is imported when it runs."""

from __future__ import annotations

import click

from cloudberth.cli.late import LateCommands

COMMANDS = {
    "export": "exporting",
    "status": "looking",
    "list": "looking",
    "show": "looking",
    "providers": "destinations",
    "destinations": "destinations",
    "add": "destinations",
    "test": "destinations",
    "enable": "destinations",
    "disable": "destinations",
    "remove": "destinations",
    "backlog": "destinations",
    "senders": "keys",
    "add-sender": "keys",
    "revoke-sender": "keys",
    "new-key": "keys",
    "rotate-keys": "keys",
}


class TraceCommands(LateCommands):
    """Commands with a hyphen are functions with an underscore; `list` is a word of Python's own."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        module = self._late.get(cmd_name)
        if module is None:
            return None
        from importlib import import_module

        name = {"list": "list_command"}.get(cmd_name, cmd_name.replace("-", "_"))
        command: click.Command = getattr(import_module(module), name)
        return command


@click.group(
    cls=TraceCommands,
    late={name: f"cloudberth.cli.traces.{module}" for name, module in COMMANDS.items()},
    epilog="Where spans are kept is --store, or BERTH_TRACES_URL: sqlite:///path/traces.db or postgresql://…",
)
def traces() -> None:
    """Look at traces, and send them to many providers at once."""
