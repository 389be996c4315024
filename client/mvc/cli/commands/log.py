"""`mvc log`."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain, islice
from typing import TYPE_CHECKING, NoReturn

import click

from mvc.api.errors import Failure
from mvc.api.metric_names import is_settled
from mvc.cli import documents, text
from mvc.cli.face import Face
from mvc.cli.options import component_option, limit_option, verb
from mvc.cli.screens import log as screen
from mvc.cli.screens.graph import Lanes
from mvc.cli.words import is_path, is_version, version_and_paths

if TYPE_CHECKING:
    from mvc.api.repo import Repo
    from mvc.api.results import Version
    from mvc.cli.screens.log import Signatures


@verb("log", dashes=True)
@click.argument("words", nargs=-1, metavar="[REV] [PATH]...")
@click.option("--oneline", is_flag=True, help="Show one line per version.")
@click.option("--graph", is_flag=True, help="Draw beside them how lines part and merge.")
@limit_option("versions")
@component_option("Show only versions that changed this component.")
@click.option("--metrics", is_flag=True, help="Show a table of the metrics, one line per version.")
@click.option(
    "--show-signature",
    is_flag=True,
    help="Show who signed each version, and whether the signature is good.",
)
@click.option(
    "--every", is_flag=True, help="Show every automatic version; long runs are not folded."
)
@click.option("--where", metavar="EXPR", help="Show only versions for which EXPR holds; see above.")
@click.option("--best", metavar="METRIC", help="Show the best 10 (or -n) by METRIC, best first.")
@click.option(
    "--max/--min",
    "highest",
    default=None,
    help="Which direction is better, if the metric's name does not say.",
)
@click.option(
    "--touching", metavar="NAME", help="Show only versions that changed a path, tensor or key."
)
@click.option("--all", "all_refs", is_flag=True, help="Start from every branch and tag.")
@click.option("--first-parent", is_flag=True, help="Follow only the first parent of a merge.")
@click.pass_obj
def command(
    face: Face,
    words: tuple[str, ...],
    oneline: bool,
    graph: bool,
    limit: int | None,
    component: str | None,
    metrics: bool,
    show_signature: bool,
    every: bool,
    where: str | None,
    best: str | None,
    highest: bool | None,
    touching: str | None,
    all_refs: bool,
    first_parent: bool,
) -> None:
    """Show the versions that REV (by default HEAD) grew from, newest first.

    With PATHs, only versions that changed these files, or files below them.

    \b
    REV is one of
      HEAD, HEAD~2, HEAD^      where you stand, and its ancestors
      main, v1.0, production   a branch, a tag or a stage
      v12                      number 12 on the line of HEAD
      1f2e3d                   the beginning of an id, 4 digits or more
      main@{2h}, @{1}          where it stood 2 hours, or 1 move, ago
      production@{2026-11-01}  who held the stage at the end of that day

    \b
    EXPR is like
      val_acc>0.9 and lr<1e-3
      model.name ~ res* or not has val_loss
      params.lr in (0.1, 0.2) and time > 3d
      keys    metrics and hyperparameters, nested ones with dots; if a key
              is both, params.KEY is the hyperparameter
      fields  version branch tag stage author message trigger time (or date),
              note.KEY (an annotation: see mvc note)
      signs   = != < <= > >=, ~ (a part, a glob, a /regex/), in (A, B),
              has KEY, joined by and, or, not and parentheses
    """
    _check(metrics=metrics, signed=show_signature, ranked=best is not None, way=highest is not None)
    rev, paths, gone = _asked(face.repo, words)
    if graph and (where or best or touching or gone or paths or component or metrics):
        _refuse(
            "--graph shows every version of the lines: leave conditions, paths and --metrics out"
        )
    versions = face.repo.find(
        where, rev=rev, best=best, lowest=None if highest is None else not highest,
        touching=touching or gone, paths=paths, limit=limit, component=component, all_refs=all_refs,
        first_parent=first_parent,
    )  # fmt: skip
    none, versions = _looked_into(versions)
    every = every or bool(where or best or touching or gone or paths)
    signatures = _signatures(face) if show_signature else None
    if face.json:
        face.answer({"versions": [_document(v, signatures) for v in versions]})
    elif metrics:
        settled = is_settled(face.repo.root)
        face.page(screen.metrics(list(versions), settled=settled, width=text.room()))
    elif graph:
        face.page(_graph(face, versions, oneline=oneline, signatures=signatures))
    elif oneline:
        face.page(screen.oneline(screen.fold(versions, every=every), signatures=signatures))
    else:
        shown, now = screen.fold(versions, every=every), datetime.now().astimezone()
        face.page(screen.full(shown, now, verbose=face.verbose > 0, signatures=signatures))
    if none and rev == "HEAD" and not all_refs:
        _hint(face)


def _check(*, metrics: bool, signed: bool, ranked: bool, way: bool) -> None:
    if way and not ranked:
        _refuse("--max and --min belong to --best")
    if metrics and signed:
        _refuse("--metrics and --show-signature exclude each other")


def _refuse(message: str) -> NoReturn:
    raise click.UsageError(message, click.get_current_context())


def _asked(repo: Repo, words: Sequence[str]) -> tuple[str, tuple[str, ...], str | None]:
    """The version to start from, the paths, and a name that only history may know: of a file that is gone."""
    rev, paths = version_and_paths(repo, words)
    if len(words) == 1 and rev is not None and not is_version(repo, rev):
        with contextlib.suppress(Failure):
            repo.blame(rev)
            return "HEAD", (), rev
    stray = next((path for path in paths if path in words and not is_path(repo, path)), None)
    if stray is not None:
        _refuse(f"{stray} is no path, here or in HEAD")
    return rev or "HEAD", tuple(map(os.path.abspath, paths)), None


def _graph(
    face: Face,
    versions: Iterable[Version],
    *,
    oneline: bool,
    signatures: Signatures | None,
) -> Iterator[str]:
    now, verbose = datetime.now().astimezone(), face.verbose > 0
    lanes = Lanes(ascii_only=not (sys.stdout.encoding or "").lower().startswith("utf"))
    for version in versions:
        one = [version]
        lines = (
            screen.oneline(one, signatures=signatures)
            if oneline
            else chain(screen.full(one, now, verbose=verbose, signatures=signatures), [""])
        )
        yield from lanes.beside(version.id, version.parents, lines)


def _looked_into(versions: Iterable[Version]) -> tuple[bool, Iterator[Version]]:
    """Whether there are none; and they, of which one was read already."""
    rest = iter(versions)
    first = list(islice(rest, 1))
    return not first, chain(first, rest)


def _hint(face: Face) -> None:
    if not face.json and face.repo.head.number == 0:
        face.hint(_nothing(face.repo.fetched_branches()))


def _nothing(fetched: tuple[str, ...]) -> str:
    """What to say where HEAD has no versions."""
    if not fetched:
        return "No versions yet.  mvc add . && mvc commit -m 'First version'"
    branch = next((name for name in fetched if name.endswith("/main")), fetched[0])
    names = text.safe(", ".join(fetched[:5]) + (" ..." if len(fetched) > 5 else ""))
    return f"No versions here yet; fetched: {names}.  mvc log {text.safe(branch)}, or: mvc pull"


def _signatures(face: Face) -> Signatures:
    return lambda version: face.repo.signatures(version.id).signatures


def _document(version: Version, signatures: Signatures | None) -> documents.Json:
    found = documents.version(version)
    if signatures is not None:
        found["signatures"] = [documents.signature(s) for s in signatures(version)]
    return found
