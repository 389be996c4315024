"""`mvc export`."""

from __future__ import annotations

import os

import click

from mvc.cli.face import Face
from mvc.cli.options import BUSY, DAMAGE, PARTS, verb
from mvc.cli.screens import deploy as screen


def _components(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[str, ...] | None:
    if value is None:
        return None
    names = tuple(dict.fromkeys(value.split(",")))
    if wrong := [name for name in names if name not in PARTS]:
        raise click.BadParameter(
            f"there is no component {wrong[0]!r}; there are {', '.join(PARTS)}",
            context,
            parameter,
        )
    return names


@verb("export", exits=BUSY | DAMAGE)
@click.argument("rev")
@click.argument("directory", metavar="DIR")
@click.option(
    "--only",
    callback=_components,
    metavar="weights,...",
    help="Export only these components, separated by commas; weights is the model, state its training state.",
)
@click.option("--replace", is_flag=True, help="Replace an older export in DIR.")
@click.pass_obj
def command(
    face: Face, rev: str, directory: str, only: tuple[str, ...] | None, replace: bool
) -> None:
    """Write version REV into the new directory DIR, ready to deploy, without a repository or history.

    Either the whole DIR appears or nothing does. Beside its files is mvc-manifest.json: the version's id and
    record, the stage's record if REV is a stage, and each file's path, size, mode and SHA-256. mvc
    verify-deploy DIR checks it on any machine.
    """
    made = face.repo.export(rev, directory, only=only, replace=replace)
    if os.path.realpath(made.directory).startswith(face.repo.root + os.sep):
        face.warn(f"{directory} is in the workspace: if it is tracked, versions have the copy too")
    face.answer(screen.export_document(made), screen.exported(made))
    face.hint(f"mvc verify-deploy {directory}  checks it, there or anywhere")
