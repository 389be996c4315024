"""`mvc demo`."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import resources
from typing import TYPE_CHECKING, Any

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
    from mvc.api.results import VerifyReport, Version
    from mvc.daemon_client import Connection

_ITERATIONS = 8
_CARD_AT = 5
"""The iteration at which the data gets its description, so that a diff has something to say of data too."""
_AUTHOR = "mvc demo"

Switch = dict[str, Any]
"""A line of `mvc follow --json`."""


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
    version of each iteration; then come the log, a diff, a push to a server of this machine, a clone from it, a
    deployment directory that follows a rollback, a verification, and what all of it takes on the disk. It needs
    no network, and a daemon of yours is left alone.
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
        same, live = _share(face, repo, best)

        _chapter(face, "mvc verify")
        report = repo.verify()
        _show(face, [f"{'ok' if report.ok else 'damaged'}  {_read(report)}"])
        _totals(face, repo, list(repo.log()), rolled_back_to=best, deployed=live, keep=directory)
    finally:
        repo.close()
    return 0 if report.ok and same else exit_code(IntegrityError("damaged"))


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


def _share(face: Face, repo: Repo, best: str) -> tuple[bool, str]:
    """Through a server of this machine to a clone, and to a deployment directory that follows a rollback to the
    version `best`; whether all are what they should be, and the version deployed at the end. The directories
    are gone afterwards."""
    from mvc.api.repo import Repo
    from mvc.cli.own_server import own_server

    with tempfile.TemporaryDirectory(prefix="mvc-demo-") as place, ExitStack() as stack:
        there, clone = os.path.join(place, "iris"), os.path.join(place, "clone")
        live = os.path.join(place, "live")
        Repo.init_bare(there)
        serves = not daemon_client.forbidden()
        url = stack.enter_context(own_server(there)) if serves else there
        _push(face, repo, url, "a server of this machine" if serves else "")
        equal = _clone(face, repo, url, clone)

        _chapter(face, "mvc follow origin main --to live", "a deployment directory, equal to main")
        switches = stack.enter_context(_switches(clone, live, serves=serves))
        _show(face, [_held(repo, switches())])
        _chapter(face, f"mvc rollback {best}", "where the validation loss was lowest")
        same = _roll_back(face, repo, best)
        _push(face, repo, url, "and the directory switches")
        after = switches()
        deployed = after["version"] == repo.show().id and _holds_files_of(repo, live)
        _show(face, [_held(repo, after) + ("" if deployed else "  but other files")])
    return equal and same and deployed, str(after["version"])


def _push(face: Face, repo: Repo, url: str, note: str) -> None:
    _chapter(face, f"mvc push {url}", note)
    receipt = list(transfer_screen.receipt(repo.push(remote=url)))
    _show(face, [receipt[0], receipt[-1].strip()])


def _clone(face: Face, repo: Repo, url: str, directory: str) -> bool:
    from mvc.api.repo import Repo

    _chapter(face, f"mvc clone {url}", "and verify the clone")
    copy, done = Repo.clone(url, directory)
    try:
        report = copy.verify()
        equal = report.ok and copy.show().id == repo.show().id
    finally:
        copy.close()
    _show(face, [f"Cloned {transfer_screen.travelled(done.fetched)}"])
    end = "it ends where this one does" if equal else "it is not what was pushed"
    _show(face, [f"{'ok' if report.ok else 'damaged'}  {_read(report)}; {end}"])
    return equal


def _roll_back(face: Face, repo: Repo, best: str) -> bool:
    back = repo.rollback(best, sign=False)
    same = repo.show(best).components == repo.show().components
    alike = f"every component equal to {best}" if same else f"differs from {best}"
    _show(face, [f"v{back.number} {text.short(back.version)}  {alike}; the history stays"])
    return same


@contextmanager
def _switches(clone: str, directory: str, *, serves: bool) -> Iterator[Callable[[], Switch]]:
    """What waits for the next switch of `directory`. Without a server nothing tells of changes: then it is
    looked for once each time."""
    from mvc.cli.own_follower import own_follower

    if serves:
        with own_follower(clone, "main", directory) as follower:
            yield follower.next
        return

    def once() -> Switch:
        with own_follower(clone, "main", directory, once=True) as follower:
            return follower.next()

    yield once


def _held(repo: Repo, switch: Switch) -> str:
    version = repo.show(switch["version"])
    return (
        f"live holds v{version.number} {text.short(version.id)}  "
        f"({text.size(switch['bytes'])} verified)"
    )


def _holds_files_of(repo: Repo, directory: str) -> bool:
    """Whether a directory has what HEAD's version has, file by file."""

    def content(path: str) -> bytes:
        with open(os.path.join(directory, path), "rb") as file:
            return file.read()

    return all(content(file.path) == repo.read(file.path) for file in repo.ls())


def _read(report: VerifyReport) -> str:
    return f"{text.plural(report.objects, 'object')}, {text.size(report.bytes)} re-hashed"


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
    face: Face,
    repo: Repo,
    versions: list[Version],
    *,
    rolled_back_to: str,
    deployed: str,
    keep: str,
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
            "deployed": deployed,
            "bytes_copies": copies,
            "bytes_stored": stored,
        }
    )


def _chapter(face: Face, title: str, note: str = "") -> None:
    shown = click.style(f"$ {title}" if title.startswith("mvc") else title, bold=True)
    face.say("", f"{shown}   {click.style(note, dim=True)}".rstrip() if note else shown)


def _show(face: Face, lines: Iterable[str]) -> None:
    face.say(*(f"  {line}".rstrip() for line in lines))
