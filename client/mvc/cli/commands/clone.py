"""`mvc clone`."""

from __future__ import annotations

import os

import click

from mvc.cli import text
from mvc.cli.face import Face
from mvc.cli.options import PARTS, REMOTE_EXITS, Option, remote_option, verb
from mvc.cli.screens import transfer as screen
from mvc.cli.screens.moved import lines


def _components(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[str, ...] | None:
    if value is None:
        return None
    names = tuple(name.strip() for name in value.split(","))
    wrong = [name for name in names if name not in PARTS]
    if wrong:
        raise click.BadParameter(f"{wrong[0]!r} is none of {', '.join(PARTS)}", context, parameter)
    return names


@verb("clone", exits=REMOTE_EXITS | {10: "", 11: ""})
@click.argument("url")
@click.argument("directory", required=False, metavar="[DIR]")
@click.option(
    "--records-only", is_flag=True, help="Fetch only history now, and content when it is needed."
)
@click.option(
    "--only",
    callback=_components,
    metavar="COMPONENT,...",
    help="Fetch only the content of these components; weights is the model, state its training state.",
)
@click.option(
    "--depth-of-content",
    "depth",
    cls=Option,
    type=click.IntRange(min=1),
    metavar="N",
    help="Fetch only the content of the N newest versions.",
)
@remote_option
@click.pass_obj
def command(
    face: Face,
    url: str,
    directory: str | None,
    records_only: bool,
    only: tuple[str, ...] | None,
    depth: int | None,
    options: dict[str, str],
) -> None:
    """Copy the repository at URL into DIR, with all its versions, and check it out.

    It checks out what the workspace there has checked out: a branch or a version. A repository without a
    workspace has main checked out.

    History is always complete. Content that was left out is fetched when it is needed (checkout, cat, diff),
    and only that. With --only and --records-only the files of the other components stay away until mvc checkout
    brings them; mvc status and mvc commit do not take that for a deletion. If cloning is interrupted, the same
    command resumes it.
    """
    from mvc.api.repo import Repo  # late: start-up

    if records_only and (only is not None or depth is not None):
        raise click.UsageError(
            "--records-only brings no content at all", click.get_current_context()
        )
    where = directory or os.path.basename(url.rstrip("/")) or "clone"
    repo, done = Repo.clone(
        url, where, only=() if records_only else only, depth=depth, options=options, monitor=face.monitor()
    )  # fmt: skip
    repo.close()
    if face.json:
        face.answer(screen.clone_document(done))
        return
    face.say(f"Cloned {screen.travelled(done.fetched)} into {text.safe(done.root)}")
    if done.checkout is None:
        face.hint("It has no versions yet.")
    else:
        if done.branch is None:
            face.hint("HEAD is on no branch, as there:  mvc switch BRANCH")
        face.say(*lines(done.checkout, moved=True))
