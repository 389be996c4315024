"""How completion speaks with bash, zsh and fish: click's protocol, and a script for bash of our own.

click's script for bash offers names or files, never both, breaks at the colon of `v3:PATH`, and lets the shell
expand what it was answered. zsh and fish complete `--best=lo` as one word, so they are answered `--best=loss`.
An answer is found silently, or it is empty: nothing of mvc's is ever printed into a line that somebody types.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import NoReturn

import click
from click import shell_completion
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
)

from mvc.cli import completing

VARIABLE = "_MVC_COMPLETE"
"""Set by the scripts: `bash_complete` asks for completions, `bash_source` for the script."""

_BASH = """\
%(complete_func)s() {
    local IFS=$'\\n' type value at word="" paths=""
    COMPREPLY=()
    while IFS=, read -r type value; do
        case $type in
            plain) COMPREPLY+=("$value") ;;
            word) word=$value ;;
            file | dir) paths=$type ;;
        esac
    done < <(env COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD="$COMP_CWORD" COMP_LINE="$COMP_LINE" \\
        COMP_POINT="$COMP_POINT" %(complete_var)s=bash_complete "$1" 2> /dev/null)
    # the shell completes what follows the last of COMP_WORDBREAKS: of v3:pa only pa
    if [[ $word != "$2" && $word == *"$2" ]]; then
        COMPREPLY=("${COMPREPLY[@]#"${word%%"$2"}"}")
    fi
    if [[ ${#COMPREPLY[@]} -eq 0 ]]; then
        [[ $paths == dir ]] && compopt -o dirnames 2> /dev/null || compopt -o default 2> /dev/null
    elif [[ -z $paths ]]; then
        for at in "${!COMPREPLY[@]}"; do
            [[ ${COMPREPLY[at]} == */ ]] && compopt -o nospace 2> /dev/null
            printf -v "COMPREPLY[at]" %%q "${COMPREPLY[at]}"
        done
    else
        [[ $paths == dir ]] && paths=-d || paths=-f
        while read -r value; do
            COMPREPLY+=("$value")
        done < <(compgen "$paths" -- "$2")
        compopt -o filenames 2> /dev/null
    fi
    return 0
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class _Completing(ShellComplete):
    """Completes with names of the repository what click knows nothing of."""

    whole_words = True
    """Whether the shell takes `--best=lo` for one word."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        context = shell_completion._resolve_context(self.cli, self.ctx_args, self.prog_name, args)
        found, word = shell_completion._resolve_incomplete(context, args, incomplete)
        if "--" in args and getattr(context.command, "dashes", False):
            return [CompletionItem(word, type="file")]
        items = found.shell_complete(context, word)
        if not items and isinstance(found, click.Parameter):
            items = completing.items(context, found, word)
        if self.whole_words and incomplete.startswith("--") and incomplete != word:
            for item in items:
                item.value = incomplete[: len(incomplete) - len(word)] + item.value
        return items


class Bash(_Completing, BashComplete):
    source_template = _BASH
    whole_words = False

    def get_completion_args(self) -> tuple[list[str], str]:
        """By the line itself where the shell sends it: its own words end at each colon."""
        line, point = os.environ.get("COMP_LINE"), os.environ.get("COMP_POINT")
        if not line or not point:
            return super().get_completion_args()
        before = os.fsencode(line)[: int(point)].decode("utf-8", "surrogateescape")
        words = shell_completion.split_arg_string(before)
        if before[-1:].isspace() and not before.endswith("\\ "):
            words.append("")
        return words[1:-1], words[-1]

    def complete(self) -> str:
        args, incomplete = self.get_completion_args()
        word = incomplete.partition("=")[2] if incomplete.startswith("--") else incomplete
        items = self.get_completions(args, incomplete)
        return "\n".join([f"word,{word}", *map(self.format_completion, items)])


class Zsh(_Completing, ZshComplete):
    pass


class Fish(_Completing, FishComplete):
    pass


SHELLS: dict[str, type[ShellComplete]] = {"bash": Bash, "zsh": Zsh, "fish": Fish}


def shell(name: str, cli: click.Command) -> ShellComplete | None:
    """The completion of a shell; None if neither we nor click know it."""
    kind = SHELLS.get(name)
    if kind is None:  # powershell, by click 8.5
        known = shell_completion.get_completion_class(name)
        if known is None:
            return None
        kind = type(known.__name__, (_Completing, known), {})
    return kind(cli, {}, "mvc", VARIABLE)


def answer(cli: click.Command, instruction: str) -> NoReturn:
    """Answers a shell that asks, and ends: silently and with 0 whatever happens."""
    name, _, what = instruction.partition("_")
    said = ""
    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            asked = shell(name, cli)
            if asked is not None:
                said = asked.source() if what == "source" else asked.complete()
    except (Exception, SystemExit):
        said = ""
    if said:
        with contextlib.suppress(OSError):
            sys.stdout.buffer.write(said.encode("utf-8", "surrogateescape") + b"\n")
            sys.stdout.flush()
    sys.exit(0)
