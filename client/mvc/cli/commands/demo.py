"""`mvc demo`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from importlib import resources
from typing import TYPE_CHECKING

import click

from mvc.api.errors import IntegrityError, MvcError
from mvc.cli import documents, text
from mvc.cli.demo_bucket import bucket_lines, demo_bucket
from mvc.cli.errors import EXIT_HELP, exit_code
from mvc.cli.face import Face
from mvc.cli.options import Option, verb
from mvc.cli.own_process import own_directory
from mvc.cli.screens import log as log_screen
from mvc.cli.screens.demo import below, chapter, saved, totals, verified
from mvc.cli.screens.diff import whole as whole_diff
from mvc.cli.signals import enter, unwinding, whole

if TYPE_CHECKING:
    from mvc.api.repo import Repo
    from mvc.api.results import Version
    from mvc.cli.demo_saves import Saves
    from mvc.cli.demo_shares import Impatient, Switch

_MAX_ITERATIONS = 8
_CARD_AT = 5
"""The iteration at which the data gets its description, so that a diff has something to say of data too."""
_AUTHOR = "mvc demo"


@verb("demo", exits={10: "", 14: EXIT_HELP[14]})
@click.option("--keep", metavar="DIR", help="Work in DIR, which must be empty or new, and keep it.")
@click.option(
    "--iterations",
    cls=Option,
    type=click.IntRange(min=_CARD_AT),
    default=_MAX_ITERATIONS,
    metavar="N",
    help=f"Train for N iterations, at least {_CARD_AT}. [default: {_MAX_ITERATIONS}]",
)
@click.option(
    "--store",
    metavar="URL",
    help="Share it through this address in a bucket, where nothing may be yet, instead of a server.",
)
@click.option(
    "--ui", is_flag=True, help="Show the experiment in the browser at the end, until Ctrl-C."
)
@click.pass_obj
def command(face: Face, keep: str | None, iterations: int, store: str | None, ui: bool) -> int:
    """Watch mvc at work on a real training.

    A small network, in plain Python, learns Fisher's Iris while the daemon mvcd watches and saves a version of
    each iteration. Then the demo shows the log and a diff, pushes to a server on this machine, clones from it,
    lets a deployment directory follow a rollback, verifies everything, and tells how much disk space it takes.
    It needs no network and leaves a daemon of yours alone. Where a daemon or a server cannot run, it goes on
    without. When it ends, early or not, it leaves no process and no file behind, except for what is in DIR.

    With --store, everybody meets in a bucket (s3://, gs://, az://, bucket+file://), where nothing runs. What it
    put there it removes at the end, unless --keep is given too.
    """
    if ui:
        if face.json:
            raise click.UsageError(
                "--json and --ui exclude each other", click.get_current_context()
            )
        from mvc.web.server import require_extra  # late: start-up

        require_extra()
    with unwinding(), _directory(keep) as directory, demo_bucket(store, kept=keep is not None):
        face.say(
            "A small network learns Fisher's Iris; every iteration becomes a version.",
            f"Everything happens in {directory}",
        )
        return _play(face, directory, iterations, store, ui=ui)


@contextmanager
def _directory(keep: str | None) -> Iterator[str]:
    if keep is None:
        with ExitStack() as stack:
            yield enter(stack, own_directory("mvc-demo-"))
        return
    os.makedirs(keep, exist_ok=True)
    if os.listdir(keep):
        raise click.UsageError(f"{keep} is not empty", click.get_current_context())
    path = os.path.abspath(keep)
    try:
        yield path
    except BaseException:
        with whole(), suppress(OSError):
            click.echo(f"{text.safe(path)} stays: {_holds(path)}", err=True)
        raise


def _holds(path: str) -> str:
    """What is in a directory that was left in the middle."""
    from mvc.api.repo import Repo  # late: start-up

    try:
        repo = Repo.open(path)
    except MvcError:
        return "there is no repository in it yet"
    try:
        count = sum(1 for _ in repo.log())
    except MvcError:
        count = 0
    finally:
        repo.close()
    if not count:
        return "a repository without a version yet"
    return f"a repository of {text.plural(count, 'version')} (mvc -C {text.safe(path)} log)"


def _play(face: Face, directory: str, iterations: int, store: str | None, *, ui: bool) -> int:
    from mvc.api.repo import Repo  # late: start-up
    from mvc.cli.demo_shares import Impatient

    monitor = Impatient(face)
    repo = Repo.init(directory, author=_AUTHOR, monitor=monitor)
    try:
        _train(face, repo, iterations)
        versions = list(repo.log())
        _chapter(face, "mvc log --metrics")
        _show(face, log_screen.metrics(versions))

        old, new = "v2", f"v{iterations}"  # the skip path comes with v3 at the earliest
        _chapter(face, f"mvc diff {old} {new}", "the five differences")
        diff = repo.diff(old, new)
        _show(face, whole_diff.lines(diff, *documents.side_names(repo, diff), verbose=False))

        best = _best(versions)
        same, live = _share(face, repo, monitor, best, store)

        _chapter(face, "mvc verify")
        report = repo.verify()
        _show(face, [verified(report)])
        told = {"rolled_back_to": best, "deployed": live, "directory": directory, "store": store}
        _totals(face, repo, list(repo.log()), told)
        if ui:
            from mvc.cli.commands.ui import show_page  # late: start-up

            _chapter(face, "mvc ui", "the same in the browser; Ctrl-C ends the demo")
            show_page(face, repo)
    finally:
        repo.close()
    return 0 if report.ok and same else exit_code(IntegrityError("damaged"))


def _train(face: Face, repo: Repo, iterations: int) -> None:
    """Trains while a daemon of our own watches; where none can run, we commit ourselves."""
    from mvc.cli.demo_saves import Saves  # late: start-up

    def lost(problem: str) -> None:
        _show(face, [f"{text.safe(problem)}; from here on the demo commits by itself"])

    repo.add(".")
    with Saves(face, repo, _AUTHOR, lost=lost) as saves:
        if saves.problem is None:
            _chapter(face, "mvc watch", "and train: mvcd saves each complete iteration by itself")
        else:
            _chapter(face, "mvc commit", f"after each iteration; {text.safe(saves.problem)}")
        _run(face, repo, iterations, saves)


def _share(
    face: Face, repo: Repo, monitor: Impatient, best: str, store: str | None
) -> tuple[bool, str]:
    """Through a server of this machine, or a bucket, to a clone, and to a deployment directory that follows a
    rollback to the version `best`; whether all are what they should be, and the version deployed at the end.
    The directories are gone afterwards."""
    from mvc.cli.demo_shares import DemoShares  # late: start-up

    with ExitStack() as stack:
        shares = DemoShares(face, repo, monitor, stack, store)
        shares.push("")
        equal = shares.clone()
        _show(face, [_held(repo, shares.follow())])
        _chapter(face, f"mvc rollback {best}", "where the validation loss was lowest")
        same = _roll_back(face, repo, best)
        shares.push("" if store else "and the directory switches")
        if store:
            shares.fetch()
            _chapter(face, "mvc follow origin main --to live --once", "the directory switches")
        after = shares.switch()
        deployed = after["version"] == repo.show().id and _holds_files_of(repo, shares.live)
        _show(face, [_held(repo, after) + ("" if deployed else "  but other files")])
        if store:
            _chapter(face, "What the bucket holds")
            _show(face, bucket_lines(store))
    return equal and same and deployed, str(after["version"])


def _roll_back(face: Face, repo: Repo, best: str) -> bool:
    back = repo.rollback(best, sign=False)
    same = repo.show(best).components == repo.show().components
    alike = f"every component equal to {best}" if same else f"differs from {best}"
    _show(face, [f"v{back.number} {text.short(back.version)}  {alike}; the history stays"])
    return same


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


def _run(face: Face, repo: Repo, iterations: int, saves: Saves) -> None:
    from mvc.demo import run_training  # late: start-up

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
        version, now = repo.show(saves.save(iteration)), stored()
        _show(face, [saved(version, metrics["val"], now - before)])
        before = now

    run_training(repo.root, iterations=iterations, on_iteration=finish)


def _best(versions: Iterable[Version]) -> str:
    """The version before the newest whose validation loss is lowest."""
    older = [v for v in versions if isinstance(v.metrics.get("val.loss"), float)][1:]
    return f"v{min(older, key=lambda v: float(v.metrics['val.loss'] or 0)).number}"


def _totals(
    face: Face, repo: Repo, versions: list[Version], told: Mapping[str, str | None]
) -> None:
    """The end of the story; `told` is for its document too."""
    stats = repo.stats()
    copies, stored = sum(v.size for v in versions), stats.pack_bytes + stats.index_bytes
    _chapter(face, "What it takes")
    _show(face, totals(len(versions), copies, stored))
    face.answer(
        {
            **told,
            "versions": [documents.version(v) for v in versions],
            "bytes_copies": copies,
            "bytes_stored": stored,
        }
    )


def _chapter(face: Face, title: str, note: str = "") -> None:
    face.say(*chapter(title, note))


def _show(face: Face, lines: Iterable[str]) -> None:
    face.say(*below(lines))
