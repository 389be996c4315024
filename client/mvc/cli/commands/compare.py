"""`mvc compare`."""

from __future__ import annotations

import click

from mvc.cli.face import Face
from mvc.cli.options import verb
from mvc.cli.screens import compare as screen


@verb("compare")
@click.argument("revs", nargs=-1, metavar="[REV|A..B]...")
@click.option(
    "--branch", "branches", multiple=True, metavar="NAME", help="Include all versions of a branch."
)
@click.option(
    "--all", "all_refs", is_flag=True, help="Include all versions of every branch and tag."
)
@click.option(
    "--where", metavar="EXPR", help="Include only versions for which EXPR holds: mvc log --help."
)
@click.option("--sort", metavar="KEY", help="Sort by a metric, a hyperparameter, time or version.")
@click.option("--reverse", is_flag=True, help="Sort from high to low.")
@click.option(
    "--columns",
    multiple=True,
    metavar="KEY",
    help="Show only these keys or globs, separated by commas.",
)
@click.option("--full", is_flag=True, help="Show all columns, not only those that differ.")
@click.option("--csv", "shape", flag_value="csv", help="Print comma-separated values.")
@click.option("--md", "shape", flag_value="md", help="Print a Markdown table.")
@click.pass_obj
def command(
    face: Face,
    revs: tuple[str, ...],
    branches: tuple[str, ...],
    all_refs: bool,
    where: str | None,
    sort: str | None,
    reverse: bool,
    columns: tuple[str, ...],
    full: bool,
    shape: str | None,
) -> None:
    """Show versions as rows, with their hyperparameters and metrics as columns.

    A..B means the versions that B has and A does not. Columns in which all rows agree are left out. A terminal
    shows what it has room for, metrics that get better or worse first, then hyperparameters, and names the
    rest. With --where alone, every version is
    considered.

    \b
    mvc compare v3 v7 HEAD
    mvc compare --all --where 'val_acc>0.9' --sort val_acc --reverse
    mvc compare main..wide --columns 'lr,val.*' --md
    """
    if full and columns:
        raise click.UsageError(
            "--full and --columns exclude each other", click.get_current_context()
        )
    if face.json and shape:
        raise click.UsageError(
            f"--json and --{shape} exclude each other", click.get_current_context()
        )
    everything = all_refs or (where is not None and not revs and not branches)
    wanted = [key.strip() for group in columns for key in group.split(",") if key.strip()]
    found = face.repo.compare(
        *revs, branches=branches, all_refs=everything, where=where, sort=sort, reverse=reverse,
        columns=wanted, every_column=full,
    )  # fmt: skip
    if face.json:
        face.answer(screen.document(found))
    elif shape == "csv":
        click.echo(screen.csv(found), nl=False)
    elif shape == "md":
        face.answer({}, screen.markdown(found))
    else:
        shown = found if full or columns else screen.fitting(found)
        face.page(screen.table(shown))
        if left_out := screen.without_room(found, shown):
            face.hint(left_out)
        if found.rows and found.hidden and not columns:
            face.hint(screen.hidden(found))
