"""`mvc prompt`."""

from __future__ import annotations

import click

from mvc.cli.face import Face
from mvc.cli.options import verb
from mvc.cli.prompting import SCRIPTS, place


@verb("prompt", exits={10: ""})
@click.argument("shell", required=False, type=click.Choice(sorted(SCRIPTS)))
@click.pass_obj
def command(face: Face, shell: str | None) -> None:
    """Print the branch that HEAD is on, or the id of an old version; nothing where there is no repository.

    With a shell's name, print a function __mvc_ps1 for its prompt, which works as git's __git_ps1:

    \b
    bash  eval "$(mvc prompt bash)";  PS1='\\w$(__mvc_ps1 " (%s)")\\$ '
    zsh   eval "$(mvc prompt zsh)";   PS1='%~$(__mvc_ps1 " (%s)")%# '
    fish  mvc prompt fish | source    and in fish_prompt: __mvc_ps1 " (%s)"

    Outside of repositories it starts no process, in one a single one, which opens nothing.
    """
    if shell is not None:
        face.answer({"shell": shell, "script": SCRIPTS[shell]}, [SCRIPTS[shell].rstrip("\n")])
        return
    head = place().rstrip("\n")
    face.answer({"head": head or None}, [head] if head else [])
