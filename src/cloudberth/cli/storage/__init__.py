"""`berth storage`: objects of any store, from the command line. A command is imported when it runs."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from cloudberth.cli.late import LateCommands
from cloudberth.errors import CloudberthError

COMMANDS = {
    "ls": "listing",
    "cat": "reading",
    "head": "reading",
    "cp": "copying",
    "mv": "copying",
    "rm": "removing",
    "du": "usage",
    "presign": "presigning",
    "uploads": "removing",
    "doctor": "checking",
    "sync": "transfer",
    "migrate": "transfer",
    "verify": "verifying",
}


class StorageCommands(LateCommands):
    """Files of this machine are the user's matter: what the system says of one is an error with its name."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CloudberthError:
            raise
        except BrokenPipeError:
            # Whoever read our output has enough (`berth storage cat … | head`): that is no failure.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(0)
        except OSError as error:
            if error.filename is None:
                raise
            raise CloudberthError(error.strerror or str(error), where=str(error.filename)) from None


@click.group(
    cls=StorageCommands,
    late={name: f"cloudberth.cli.storage.{module}" for name, module in COMMANDS.items()},
    epilog="A LOCATION is s3://bucket/key (azblob, gs, oss, cos, obs, tos, bos, oci, supabase, clickzetta, "
    "opendal+scheme), a Dify .env file (.env#key), a deployment that is up (berth.yaml#key, or its name) or "
    "a path. In a key, %XX is one byte, % itself is %25 and, in a URL, ? is %3F.",
)
def storage() -> None:
    """List, copy, measure, check and move objects in any store."""
