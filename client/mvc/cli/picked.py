"""The common part of merge, cherry-pick, revert, stash pop: options about conflicts, and how they are told."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from mvc.cli.face import Face
from mvc.cli.options import Function
from mvc.cli.screens import transfer as screen
from mvc.cli.screens.commit import lines, warnings

if TYPE_CHECKING:
    from mvc.api.picks import Picked

CONFLICTS = {1: "failure, or conflicts: then nothing was changed"}


def side_options(function: Function) -> Function:
    """--ours and --theirs."""
    for name, help in (
        ("--theirs", "Take their side where both changed it."),
        ("--ours", "Keep our side where both changed it. May be given several times."),
    ):
        option = click.option(name, multiple=True, metavar="PATH|COMPONENT", help=help)
        function = option(function)
    return function


def pick_options(*, message: str) -> Callable[[Function], Function]:
    """REV, and the options of a verb that makes a version of another's changes; `message` is the help of -m."""

    def decorate(function: Function) -> Function:
        function = click.option(
            "--author", metavar="'NAME <MAIL>'", help="Record this author. [env: MVC_AUTHOR]"
        )(function)
        function = click.option("-m", "--message", metavar="TEXT", help=message)(function)
        return click.argument("rev")(side_options(function))

    return decorate


@contextlib.contextmanager
def conflicts_told(face: Face) -> Iterator[None]:
    """Lists the conflicts on stderr, or as fields of the JSON error, before the error goes on its way."""
    from mvc.api.remotes import MergeConflict  # late: start-up

    try:
        yield
    except MergeConflict as conflict:
        if face.json:
            conflict.more = {"conflicts": [screen.clash_document(c) for c in conflict.clashes]}
        else:
            for line in screen.clashes(conflict.clashes):
                click.echo(line, err=True, color=face.colored(sys.stderr))
        raise


def pick(face: Face, run: Callable[[], Picked]) -> None:
    """Runs cherry-pick or revert and tells what was made."""
    with conflicts_told(face):
        done = run()
    for warning in warnings(done.commit):
        face.warn(warning)
    if face.json:
        face.answer(screen.picked_document(done))
    else:
        face.say(*screen.resolved(done.resolved), *lines(done.commit, verbose=face.verbose > 0))
