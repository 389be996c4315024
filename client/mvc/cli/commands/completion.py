"""`mvc completion`."""

from __future__ import annotations

import click

from mvc.cli.face import Face
from mvc.cli.options import verb

_SHELLS = ("bash", "zsh", "fish", "powershell")


@verb("completion", exits={10: ""})
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_obj
def command(face: Face, shell: str) -> None:
    """Print a completion script for your shell.

    \b
    bash        echo 'eval "$(mvc completion bash)"' >> ~/.bashrc
    zsh         echo 'eval "$(mvc completion zsh)"' >> ~/.zshrc
    fish        mvc completion fish > ~/.config/fish/completions/mvc.fish
    powershell  mvc completion powershell | Out-String | Invoke-Expression
    """
    from mvc.cli import shells  # late: start-up
    from mvc.cli.main import cli

    completion = shells.shell(shell, cli)
    if completion is None:
        raise click.UsageError(
            f"click {click.__version__} has no completion for {shell}", click.get_current_context()
        )
    script = completion.source()
    face.answer({"shell": shell, "script": script}, [script])
