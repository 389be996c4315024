"""`mvc verify`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from mvc.api.errors import IntegrityError
from mvc.cli import documents, text
from mvc.cli.errors import exit_code
from mvc.cli.face import Face
from mvc.cli.options import REMOTE_EXITS, verb
from mvc.cli.screens import verified as screen

if TYPE_CHECKING:
    from mvc.api.results import VerifyError, VerifyReport

_SHOWN_LINES = 10


def _share(context: click.Context, option: click.Parameter, given: str) -> float:
    """1%, 0.5 % or 0.01."""
    try:
        share = float(given.strip().rstrip("% ")) / (100 if "%" in given else 1)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise click.BadParameter(
            f"{given!r} is no share of the content (1%, 25%, 0.01)", context, option
        )
    return share


sample_option = click.option(
    "--sample", callback=_share, default="100%", metavar="SHARE",
    help="Read only so much of the content, 1% for instance, other objects each time.",
)  # fmt: skip


@verb("verify", exits=REMOTE_EXITS | {11: ""})
@click.option("--quick", is_flag=True, help="Check the index and all links, but decode no content.")
@sample_option
@click.option(
    "--remote",
    is_flag=False,
    flag_value="",
    metavar="[NAME]",
    help="Check a remote (by default origin) instead: everything that its refs reach.",
)
@click.option("--read-data", is_flag=True, help="With --remote: fetch all content and re-hash it.")
@click.pass_obj
def command(face: Face, quick: bool, sample: float, remote: str | None, read_data: bool) -> int:
    """Re-hash all stored content and follow every link between versions, files and chunks.

    Each damaged object is named, with the versions and files that it affects. Content that a clone left out by
    choice is counted, but is no error. With --remote another repository is checked instead, as far as its
    versions are known here; of a bucket also whether its own objects are all there, and as long as they were.
    """
    if read_data and remote is None:
        raise click.UsageError("--read-data goes with --remote", click.get_current_context())
    if remote is not None:
        return _remote(face, remote or None, read_data=read_data)
    from mvc.api.care import verify  # late: start-up

    report = verify(read_data=not quick, sample=sample, monitor=face.monitor())
    return answer(face, report, quick=quick, sample=sample)


def answer(face: Face, report: VerifyReport, *, quick: bool, sample: float) -> int:
    if face.json or not (face.quiet and report.ok):
        read = "not read" if quick else "re-hashed"
        if sample < 1:
            read = f"of which {100 * sample:g} %, chosen anew each time, were {read}"
        lines = _lines(report, read, all_harms=face.verbose > 0)
        face.answer(documents.verify(report) | {"sample": sample}, lines)
    return 0 if report.ok else exit_code(IntegrityError("damaged"))


def _remote(face: Face, name: str | None, *, read_data: bool) -> int:
    report = face.repo.verify_remote(name, read_data=read_data)
    if face.json or not (face.quiet and report.ok):
        face.answer(screen.remote_document(report), screen.remote(report, read=read_data))
    return 0 if report.ok else exit_code(IntegrityError("damaged"))


def _lines(report: VerifyReport, read: str, *, all_harms: bool) -> Iterator[str]:
    what = (
        f"{text.plural(report.versions, 'version')}, {text.plural(report.objects, 'object')}, "
        f"{text.size(report.bytes)} {read}"
    )
    if report.absent:
        what += f"; {text.plural(report.absent, 'object')} and what they reach left out or pruned"
    if report.ok:
        yield f"{click.style('ok', fg='green', bold=True)}  {what}"
        return
    damage = click.style("damaged", fg="red", bold=True)
    yield f"{damage}  {text.plural(len(report.errors), 'error')} in {what}"
    for error in report.errors:
        yield from _error(error, None if all_harms else _SHOWN_LINES)
    if any(error.object is None for error in report.errors):
        yield "help: mvc repair  (shows what it can do about the store itself)"


def _error(error: VerifyError, limit: int | None) -> Iterator[str]:
    yield f"  {error.problem}: {error.object or ''} in {error.where}".replace(":  in", " in")
    for harm in error.hurts[:limit]:
        yield f"      hurts v{harm.number} {text.short(harm.version)}  {text.safe(harm.path)}".rstrip()
    if limit is not None and len(error.hurts) > limit:
        yield f"      ... and {len(error.hurts) - limit:,} more (-v)"
