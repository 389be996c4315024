"""`mvc import`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from mvc.cli.face import Face
from mvc.cli.options import BUSY, DAMAGE, VerbGroup
from mvc.cli.screens import imports as screen

if TYPE_CHECKING:
    from mvc.importers.history import GitKind
    from mvc.importers.results import ImportResult

_EXITS = BUSY | DAMAGE

Function = Callable[..., Any]


@click.group("import", cls=VerbGroup)
def command() -> None:
    """Import the whole history that another tool keeps.

    Each kind makes a new repository in DIR, or adds to the one around the current directory with --into. The
    source is only read. The same command again goes on where it was interrupted, and brings what is new.
    """


_BARE = click.option("--bare", is_flag=True, help="Make a repository without a workspace.")
_INTO = click.option(
    "--into",
    metavar="PREFIX",
    help="Add to the repository here; its branches and tags become PREFIX/NAME.",
)
_PATHS = click.option(
    "--path", "paths", multiple=True, metavar="PATH", help="Import only what lies there."
)
_CACHES = click.option(
    "--cache", "caches", multiple=True, metavar="DIR", help="Look for content in DIR too."
)
_MISSING = click.option(
    "--allow-missing", is_flag=True, help="Leave pointers to content that is nowhere as they are."
)


def _git_options(function: Function) -> Function:
    source = click.argument("source", metavar="SRC")
    directory = click.argument("directory", required=False, metavar="[DIR]")
    return source(directory(_PATHS(_INTO(_BARE(function)))))


def _pointer_options(function: Function) -> Function:
    return _git_options(_CACHES(_MISSING(function)))


def _store_options(metavar: str) -> Callable[[Function], Function]:
    source = click.argument("source", metavar=metavar)
    directory = click.argument("directory", required=False, metavar="[DIR]")
    return lambda function: source(directory(_INTO(_BARE(function))))


@command.command("git", exits=_EXITS)
@_git_options
@click.pass_obj
def git(face: Face, /, **given: Any) -> None:
    """Import the git repository SRC, a directory or an address, into DIR.

    Each commit becomes a version with its author, date, message and files; branches, tags and merges are kept.
    Of a merge of more than two, a version follows the first two parents. Pointers of Git LFS and DVC stay
    pointers: mvc import lfs and mvc import dvc bring what they stand for.
    """
    _import(face, "git", **given)


@command.command("dvc", exits=_EXITS)
@_pointer_options
@click.pass_obj
def dvc(face: Face, /, **given: Any) -> None:
    """Import the git repository SRC with what DVC has in its cache.

    The outputs of .dvc files and dvc.lock are at their paths in each version, directories too, compared with
    their MD5. Content comes from the cache and from remotes that are directories, as .dvc/config names them. A
    .dvc file that says nothing else is left out.
    """
    _import(face, "dvc", **given)


@command.command("lfs", exits=_EXITS)
@_pointer_options
@click.pass_obj
def lfs(face: Face, /, **given: Any) -> None:
    """Import the git repository SRC with the objects of Git LFS.

    Each pointer is replaced by the object that it names, compared with its SHA-256. git lfs fetch --all in SRC
    brings the objects of all commits first.
    """
    _import(face, "lfs", **given)


@command.command("folders", exits=_EXITS)
@click.argument("sources", nargs=-1, required=True, metavar="DIR...")
@click.option("--to", "directory", metavar="NEW", help="Make a repository in the directory NEW.")
@_INTO
@_BARE
@click.pass_obj
def folders(
    face: Face, sources: tuple[str, ...], directory: str | None, into: str | None, bare: bool
) -> None:
    """Import directories like model_v1, model_v2 and final as versions, oldest first.

    A single DIR stands for the directories in it. Each becomes a version of one branch with just its files, of
    the time of its newest file, and a tag of its name.
    """
    from mvc.importers.folders import import_folders  # late: start-up

    if (directory is None) == (into is None):
        raise click.UsageError("name --to NEW or --into PREFIX", click.get_current_context())
    _require_one_place(None, into, bare)
    _told(face, import_folders(sources, directory, into=into, bare=bare, monitor=face.monitor()))


@command.command("mlflow", exits=_EXITS)
@_store_options("SRC")
@click.pass_obj
def mlflow(face: Face, source: str, directory: str | None, into: str | None, bare: bool) -> None:
    """Import the runs of MLflow in SRC, an mlruns directory or an mlflow.db, into DIR.

    Each experiment becomes a branch and each run a version, in the order in which they started: parameters in
    params.yaml, last metrics in metrics.json, all of them in history.csv, and the artifacts. Versions of
    registered models become tags NAME/vN, their aliases tags NAME/ALIAS. MLflow need not be installed.
    """
    from mvc.importers.mlflowruns import import_mlflow  # late: start-up

    _require_one_place(directory, into, bare)
    _told(face, import_mlflow(source, directory, into=into, bare=bare, monitor=face.monitor()))


@command.command("hf", exits=_EXITS)
@_store_options("REPO_DIR")
@click.option("--allow-missing", is_flag=True, help="Leave out files whose download did not end.")
@click.pass_obj
def hf(
    face: Face,
    source: str,
    directory: str | None,
    into: str | None,
    bare: bool,
    allow_missing: bool,
) -> None:
    """Import a model or data set of the Hugging Face cache, REPO_DIR, into DIR.

    REPO_DIR is like ~/.cache/huggingface/hub/models--ORG--NAME. Each snapshot becomes a version, in the order
    in which they came, with its commit and the files that the cache has, compared with SHA-256 or git's id.
    main becomes a branch, other refs become tags. Nothing is downloaded.
    """
    from mvc.importers.hfsnapshots import import_hf  # late: start-up

    _require_one_place(directory, into, bare)
    done = import_hf(
        source, directory, allow_missing=allow_missing, into=into, bare=bare, monitor=face.monitor()
    )
    _told(face, done)


@command.command("tf", exits=_EXITS)
@_store_options("SRC")
@click.pass_obj
def tf(face: Face, source: str, directory: str | None, into: str | None, bare: bool) -> None:
    """Import the checkpoints of TensorFlow or Keras in the directory SRC into DIR.

    Each step becomes a version of one branch, in order, of the time of its checkpoint, and a tag step-N:
    ckpt-STEP.index with its data, or model-STEP.keras, .weights.h5, .h5. Files that are no checkpoints, like
    params.yaml and TensorBoard's events, are in each version as they are now. TensorFlow need not be installed.
    """
    from mvc.importers.tfsteps import import_tf  # late: start-up

    _require_one_place(directory, into, bare)
    _told(face, import_tf(source, directory, into=into, bare=bare, monitor=face.monitor()))


def _require_one_place(directory: str | None, into: str | None, bare: bool) -> None:
    if into is not None and (directory is not None or bare):
        raise click.UsageError("--into goes without DIR and --bare", click.get_current_context())


def _import(
    face: Face,
    kind: GitKind,
    *,
    source: str,
    directory: str | None,
    into: str | None,
    paths: tuple[str, ...],
    bare: bool,
    caches: tuple[str, ...] = (),
    allow_missing: bool = False,
) -> None:
    from mvc.importers.history import GitImport, import_git  # late: start-up

    _require_one_place(directory, into, bare)
    how = GitImport(kind, paths, caches, allow_missing, bare)
    _told(face, import_git(source, directory, how, into=into, monitor=face.monitor()))


def _told(face: Face, done: ImportResult) -> None:
    if face.json:
        face.answer(screen.document(done))
        return
    face.say(*screen.lines(done))
    for note in screen.doubts(done):
        face.warn(note)
