"""`berth vector`: collections of any vector store. A command is imported when it runs."""

from __future__ import annotations

import click

from cloudberth.cli.late import LateCommands

COMMANDS = {
    "ls": "looking",
    "info": "looking",
    "query": "querying",
    "drop": "looking",
    "doctor": "checking",
    "conformance": "checking",
    "migrate": "moving",
    "verify": "moving",
    "bench": "measuring",
}


@click.group(
    cls=LateCommands,
    late={name: f"cloudberth.cli.vector.{module}" for name, module in COMMANDS.items()},
    epilog="A STORE is pgvector://user@host:5432/database (any type of Dify's, _ written as -), a file .db "
    "of the embedded store, a Dify .env file, or env: for this process's variables. Passwords come from "
    "Dify's variables (PGVECTOR_PASSWORD …), never from a location.",
)
def vector() -> None:
    """List, query, check, move and measure collections in any vector store."""
