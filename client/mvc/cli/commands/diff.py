"""`mvc diff`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import click

from mvc.api.version_paths import split_path
from mvc.cli import diff_document, documents, text
from mvc.cli.face import Face
from mvc.cli.options import Option, after_dashes, component_option, verb
from mvc.cli.screens.diff.marks import WHOLE, RowLimits
from mvc.cli.screens.patch import styled
from mvc.cli.screens.tensors import TOP_TENSORS
from mvc.cli.screens.tensors import markdown as tensor_markdown
from mvc.cli.screens.tensors import whole as tensor_screen
from mvc.cli.words import first_path

if TYPE_CHECKING:
    from mvc import Repo
    from mvc.api.diff import Diff


@verb("diff", exits={1: "failure, or differences with --exit-code"}, dashes=True)
@click.argument("words", nargs=-1, metavar="[A] [B] [PATH]...")
@click.option("-p", "--patch", is_flag=True, help="Show text files line by line too.")
@click.option(
    "--tensors", is_flag=True, help="Read changed tensors and show how much each changed."
)
@click.option(
    "-n",
    "--top",
    cls=Option,
    type=click.IntRange(min=0),
    metavar="N",
    help="With --tensors: show the N that changed most. [default: 24]",
)
@click.option(
    "--plot",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Draw how much each tensor changed, layer by layer, as FILE.png, FILE.svg or FILE.html.",
)
@click.option("--stat", "form", flag_value="stat", help="Show one line per component.")
@click.option("--md", "form", flag_value="md", help="Write Markdown, for a pull request.")
@click.option("--columns", is_flag=True, help="Read changed tables and summarise their columns.")
@component_option("Compare only this component; may be given several times.", multiple=True)
@click.option("--exit-code", is_flag=True, help="Exit with 1 if there are differences.")
@click.pass_obj
def command(
    face: Face,
    words: tuple[str, ...],
    patch: bool,
    tensors: bool,
    top: int | None,
    plot: str | None,
    form: str | None,
    columns: bool,
    components: tuple[str, ...],
    exit_code: bool,
) -> int:
    """Compare two versions in five parts.

    The comparison goes from A (by default HEAD) to B (by default the files as they are now); A..B means the
    same. With PATHs, only these files and what is below these directories is compared; -- before them says that
    they are no versions. REV:PATH is a directory or file of a version, compared with another one:

    \b
    mvc diff v3 v7 -- src params.yaml
    mvc diff v3:runs/checkpoint-10 v3:runs/checkpoint-20

    For each component it shows the files added, modified, deleted and renamed (equal content). Architecture:
    layers added, removed, reshaped, retyped and renamed, parameters, configuration keys, lines of source,
    packages of requirement and lock files. Weights: the tensors that changed, compared by digest without
    reading data, and by how much (norm of the difference as a share of the norm before) where that takes less
    than a second. Hyperparameters and results: key by key, and whether a metric got better; names such as loss
    or acc decide, or the [metrics] table of mvc.toml. Data: rows and columns of tables (CSV, TSV, JSON lines,
    Parquet, Arrow, tars of samples), images by directory, equal files, and files that train, validation and
    test share.

    Of several checkpoints of a model one is shown, the final or the newest, and the others are counted; -v
    shows all. A checkpoint that came is compared with the one before it.

    Tables of more than 64 MiB in total are not read, except for Parquet. With --columns they are, and each
    changed table also shows types, missing cells, distinct values, range and mean of its columns.

    With --tensors the data of changed tensors is read too. Each shows its relative change (norm of the
    difference divided by the norm of the old tensor), share of elements changed, largest difference, cosine,
    mean and standard deviation before and after (if the terminal is wide enough), grouped by module, the
    largest change first. Quantised tensors are compared by value; where their packing is not read (IQ1 to IQ3,
    safetensors' F6), the share of changed bytes is shown. --plot draws the relative changes, layer by layer.
    """
    if top is not None and not tensors:
        raise click.UsageError("--top goes with --tensors", click.get_current_context())
    _check(plot)
    a, b, paths = _sides(face.repo, words)
    diff = face.repo.diff(a, b, components=components or None, paths=paths)
    if tensors or plot is not None:
        diff.weights.measure()
    if plot is not None:
        _draw(face, diff, plot)
    if face.json:
        more: dict[str, object] = {"plot": plot} if plot is not None else {}
        more |= {"patch": list(face.repo.patch(diff))} if patch else {}
        face.answer({**_document(diff, columns=columns, tensors=tensors), **more})
    elif not face.quiet:
        names = documents.side_names(face.repo, diff)
        screen = _screen(diff, names, form, verbose=face.verbose > 0)
        if columns:
            screen = chain(screen, [""], _columns(diff, verbose=face.verbose > 0))
        if tensors:
            screen = chain(screen, [""], _tensors(diff, form, _top(face, top)))
        if plot is not None and form != "md":
            screen = chain(screen, ["", f"Drawn as {text.safe(plot)}"])
        face.page(chain(screen, [""], styled(face.repo.patch(diff))) if patch else screen)
    return 1 if exit_code and diff.changed else 0


def _document(diff: Diff, *, columns: bool, tensors: bool) -> documents.Json:
    found = diff_document.diff(diff, columns=columns)
    return {**found, "weights": documents.weights(diff.weights)} if tensors else found


def _check(plot: str | None) -> None:
    if plot is not None:
        from mvc.pictures.files import check_name  # late: start-up

        check_name(plot)


def _draw(face: Face, diff: Diff, path: str) -> None:
    from mvc.pictures import strip  # late: start-up
    from mvc.pictures.files import write

    old, new = documents.side_names(face.repo, diff)
    write(strip.of(diff.weights, f"{old} -> {new}"), path)


def _columns(diff: Diff, *, verbose: bool) -> Iterator[str]:
    from mvc.cli.screens.diff.data import summaries  # late: start-up

    return summaries(diff.columns, WHOLE if verbose else RowLimits())


def _tensors(diff: Diff, form: str | None, top: int | None) -> Iterator[str]:
    return tensor_markdown(diff.weights, top=top) if form == "md" else tensor_screen(diff, top=top)


def _top(face: Face, top: int | None) -> int | None:
    return top if top is not None else None if face.verbose else TOP_TENSORS


def _screen(
    diff: Diff, names: tuple[str, str], form: str | None, *, verbose: bool
) -> Iterator[str]:
    if form == "stat":
        from mvc.cli.screens.diff import stat  # late: start-up

        return stat.lines(diff, *names)
    if form == "md":
        from mvc.cli.screens.diff import markdown  # late: start-up

        return markdown.lines(diff, *names)
    from mvc.cli.screens.diff import whole  # late: start-up

    return whole.lines(diff, *names, verbose=verbose)


def _sides(repo: Repo, words: Sequence[str]) -> tuple[str | None, str | None, list[str]]:
    """Up to two versions, and paths. What is no version is a path if there is such a file, here or in HEAD."""
    context = click.get_current_context()
    at = first_path(repo, words, 2)
    paths = [os.path.abspath(word) for word in (*words[at:], *after_dashes(context))]
    revs = list(words[:at])
    if revs and ".." in revs[0] and split_path(revs[0])[1] is None:
        if len(revs) > 1:
            raise click.UsageError("give A..B, or A and B", context)
        old, _, new = revs[0].partition("..")
        revs = [old or "HEAD", new or "HEAD"]
    if len(revs) > 2:
        raise click.UsageError(f"{revs[2]} is no path, here or in HEAD", context)
    a, b = (*revs, None, None)[:2]
    return a, b, paths
