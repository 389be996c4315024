"""`mvc demo`."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import resources
from typing import TYPE_CHECKING

import click

from mvc import daemon_client
from mvc.cli import documents, text
from mvc.cli.errors import exit_code
from mvc.cli.face import Face
from mvc.cli.options import Option, verb
from mvc.cli.screens import log as log_screen
from mvc.cli.screens import transfer as transfer_screen
from mvc.cli.screens.diff import whole
from mvc.training import checkpoint

if TYPE_CHECKING:
    from mvc.api.repo import Repo
    from mvc.api.results import Version
    from mvc.daemon_client import Connection

_ITERATIONS = 8
_CARD_AT = 5
"""The iteration at which the data gets its description, so that a diff has something to say of data too."""
_AUTHOR = "mvc demo"


@verb("demo", exits={10: "", 14: "damaged content"})
@click.option("--keep", metavar="DIR", help="Work in DIR, which must be empty or new, and keep it.")
@click.option(
    "--iterations",
    cls=Option,
    type=click.IntRange(min=_CARD_AT),
    default=_ITERATIONS,
    metavar="N",
    help=f"Train for N iterations, {_CARD_AT} at least. [default: {_ITERATIONS}]",
)
@click.pass_obj
def command(face: Face, keep: str | None, iterations: int) -> int:
    """Watch mvc version a real training run.

    A small network, in plain Python, learns Fisher's Iris while mvcd, the daemon, watches and makes a
    version of each iteration; then come the log, a diff, a rollback, a verification, a push to a server of this
    machine and a clone from it, and what all of it takes on the disk. It needs no network, and a daemon of
    yours is left alone.
    """
    with _directory(keep) as directory:
        face.say(
            "A small network learns Fisher's Iris; every iteration becomes a version.",
            f"Everything happens in {directory}",
        )
        return _play(face, directory, iterations)


@contextmanager
def _directory(keep: str | None) -> Iterator[str]:
    if keep is None:
        path = tempfile.mkdtemp(prefix="mvc-demo-")
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)
        return
    os.makedirs(keep, exist_ok=True)
    if os.listdir(keep):
        raise click.UsageError(f"{keep} is not empty", click.get_current_context())
    yield os.path.abspath(keep)


def _play(face: Face, directory: str, iterations: int) -> int:
    from mvc.api.errors import IntegrityError
    from mvc.api.repo import Repo

    repo = Repo.init(directory, author=_AUTHOR)
    try:
        _train(face, repo, iterations)
        versions = list(repo.log())
        _chapter(face, "mvc log --metrics")
        _show(face, log_screen.metrics(versions))

        old, new = "v2", f"v{iterations}"  # the skip path comes with v3 at the earliest
        _chapter(face, f"mvc diff {old} {new}", "the five differences")
        diff = repo.diff(old, new)
        _show(face, whole.lines(diff, *documents.side_names(repo, diff), verbose=False))

        best = _best(versions)
        _chapter(face, f"mvc rollback {best}", "where the validation loss was lowest")
        back = repo.rollback(best, sign=False)
        same = repo.show(best).components == repo.show().components
        alike = f"every component equal to {best}" if same else f"differs from {best}"
        _show(face, [f"v{back.number} {text.short(back.version)}  {alike}; the history stays"])

        _chapter(face, "mvc verify")
        report = repo.verify()
        read = f"{text.plural(report.objects, 'object')}, {text.size(report.bytes)} re-hashed"
        _show(face, [f"{'ok' if report.ok else 'damaged'}  {read}"])
        equal = _travel(face, repo)
        _totals(face, repo, list(repo.log()), rolled_back_to=best, keep=directory)
    finally:
        repo.close()
    return 0 if report.ok and same and equal else exit_code(IntegrityError("damaged"))


def _train(face: Face, repo: Repo, iterations: int) -> None:
    """Trains while a daemon of our own watches; where none can run, we commit ourselves."""
    from mvc.api.errors import DaemonError
    from mvc.cli.own_daemon import own_daemon

    repo.add(".")
    with ExitStack() as stack:
        try:
            events = stack.enter_context(own_daemon())
            daemon_client.ask("watch", root=repo.root, author=_AUTHOR)
        except DaemonError as problem:
            why = "MVC_NO_DAEMON is set" if daemon_client.forbidden() else str(problem)
            _chapter(face, "mvc commit", f"after each iteration; {why}")
            _run(face, repo, iterations, lambda number: _committed(repo, number))
            return
        _chapter(face, "mvc watch", "and train: mvcd saves each complete iteration by itself")
        saver = _Saver(repo.root, events)
        _run(face, repo, iterations, saver.save)
        saver.close()


def _travel(face: Face, repo: Repo) -> bool:
    """To a server and back, in directories that are gone afterwards; whether the clone is the same."""
    from mvc.api.repo import Repo
    from mvc.cli.own_server import own_server

    with tempfile.TemporaryDirectory(prefix="mvc-demo-") as directory:
        there, clone = os.path.join(directory, "iris"), os.path.join(directory, "clone")
        Repo.init_bare(there)
        with ExitStack() as stack:
            serves = not daemon_client.forbidden()
            url = stack.enter_context(own_server(there)) if serves else there
            _chapter(face, f"mvc push {url}", "a server of this machine" if serves else "")
            receipt = list(transfer_screen.receipt(repo.push(remote=url)))
            _show(face, [receipt[0], receipt[-1].strip()])
            _chapter(face, f"mvc clone {url}", "and verify the clone")
            copy, done = Repo.clone(url, clone)
            with copy:
                report = copy.verify()
                equal = report.ok and copy.show().id == repo.show().id
        read = f"{text.plural(report.objects, 'object')}, {text.size(report.bytes)} re-hashed"
        _show(face, [f"Cloned {transfer_screen.travelled(done.fetched)}"])
        _show(face, [f"ok  {read}; it ends where this one does" if equal else f"damaged  {read}"])
    return equal


def _committed(repo: Repo, iteration: int) -> str:
    return repo.commit(f"iteration {iteration}", sign=False).version


class _Saver:
    """What a training script does, `with mvc.checkpoint(...)` around each iteration; and it awaits the save."""

    def __init__(self, root: str, events: Connection) -> None:
        self._root = root
        self._events = events
        self._open = checkpoint(root).__enter__()

    def save(self, iteration: int) -> str:
        """Ends the iteration's block; answers the version that the daemon made of it."""
        self._open.message = f"iteration {iteration}"
        self.close()
        version = str(self._events.next()["version"])
        self._open = checkpoint(self._root).__enter__()
        return version

    def close(self) -> None:
        self._open.__exit__(None, None, None)


def _run(face: Face, repo: Repo, iterations: int, save: Callable[[int], str]) -> None:
    from mvc.demo import run_training

    def stored() -> int:
        stats = repo.stats()
        return stats.pack_bytes + stats.index_bytes

    before = stored()

    def finish(iteration: int, metrics: dict[str, dict[str, float]]) -> None:
        nonlocal before
        if iteration == _CARD_AT:
            card = resources.files("mvc.demo").joinpath("DATA.md").read_bytes()
            with open(os.path.join(repo.root, "data", "DATA.md"), "wb") as file:
                file.write(card)
        version, now = repo.show(save(iteration)), stored()
        _show(face, [_saved(version, metrics["val"], now - before)])
        before = now

    run_training(repo.root, iterations=iterations, on_iteration=finish)


def _saved(version: Version, validation: dict[str, float], stored: int) -> str:
    return (
        f"v{version.number} {click.style(text.short(version.id), fg='yellow')}"
        f"  val loss {validation['loss']:.4f}  accuracy {validation['accuracy']:.3f}"
        f"   {text.size(version.size):>8} saved in {text.size(stored):>8}"
    )


def _best(versions: Iterable[Version]) -> str:
    """The version before the newest whose validation loss is lowest."""
    older = [v for v in versions if isinstance(v.metrics.get("val.loss"), float)][1:]
    return f"v{min(older, key=lambda v: float(v.metrics['val.loss'] or 0)).number}"


def _totals(
    face: Face, repo: Repo, versions: list[Version], *, rolled_back_to: str, keep: str
) -> None:
    stats = repo.stats()
    copies, stored = sum(v.size for v in versions), stats.pack_bytes + stats.index_bytes
    _chapter(face, "What it takes")
    _show(
        face,
        [
            f"{len(versions)} versions as plain copies  {text.size(copies):>9}",
            f"the same in the repository {text.size(stored):>9}   {text.percent(stored, copies)}",
        ],
    )
    face.answer(
        {
            "directory": keep,
            "versions": [documents.version(v) for v in versions],
            "rolled_back_to": rolled_back_to,
            "bytes_copies": copies,
            "bytes_stored": stored,
        }
    )


def _chapter(face: Face, title: str, note: str = "") -> None:
    shown = click.style(f"$ {title}" if title.startswith("mvc") else title, bold=True)
    face.say("", f"{shown}   {click.style(note, dim=True)}".rstrip() if note else shown)


def _show(face: Face, lines: Iterable[str]) -> None:
    face.say(*(f"  {line}".rstrip() for line in lines))
