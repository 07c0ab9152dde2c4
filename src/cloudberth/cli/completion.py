"""`berth completion`: the script that teaches a shell to complete `berth`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for SHELL.

    \b
    bash:  berth completion bash > ~/.local/share/bash-completion/completions/berth
    zsh:   berth completion zsh > "${fpath[1]}/_berth"
    fish:  berth completion fish > ~/.config/fish/completions/berth.fish
    """
    from cloudberth.cli.main import berth

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    click.echo(kind(berth, {}, "berth", "_BERTH_COMPLETE").source())
