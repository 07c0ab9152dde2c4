"""`python -m cloudberth.infra.simulation mirror DIR`: simulated providers for a plain terraform."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from cloudberth.errors import CloudberthError
from cloudberth.infra.simulation.registry import PROVIDERS
from cloudberth.infra.simulation.standalone import run_plugin, write_mirror


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m cloudberth.infra.simulation", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    mirror = commands.add_parser("mirror", help="write a filesystem mirror and a CLI configuration")
    mirror.add_argument("folder", type=Path)
    plugin = commands.add_parser("plugin", help="serve one provider (Terraform calls this)")
    plugin.add_argument("name", choices=sorted(PROVIDERS))
    plugin.add_argument("folder", type=Path)
    for command in (mirror, plugin):
        command.add_argument("--delay", type=float, default=0.0, help="seconds that every change takes")
    options = parser.parse_args(arguments)
    if options.command == "plugin":
        code = run_plugin(options.name, options.folder, options.delay)
        sys.stdout.flush()
        os._exit(code)  # gRPC's threads may still wait for a client that is gone
    try:
        configuration = write_mirror(options.folder, delay=options.delay)
    except CloudberthError as error:
        print(f"{error} ({error.hint})", file=sys.stderr)
        return error.exit_code
    print(f"export TF_CLI_CONFIG_FILE={configuration}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
