"""`mvc repair`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from mvc.cli import text
from mvc.cli.face import Face
from mvc.cli.options import REMOTE_EXITS, verb

if TYPE_CHECKING:
    from mvc.api.care import RepairPlan, RepairReport


def asking(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that `mvc repair` and `mvc admin repair` share."""
    for option in (
        click.option(
            "--lost-found", is_flag=True,
            help="Make branches lost/... for versions that no ref reaches.",
        ),
        click.option("-y", "--yes", is_flag=True, help="Do it without asking."),
        click.option("-n", "--dry-run", is_flag=True, help="Only show what would be done."),
    ):  # fmt: skip
        function = option(function)
    return function


@verb("repair", exits=REMOTE_EXITS)
@asking
@click.option(
    "--store", metavar="DIR", help="Where the store is, if the settings that say so are lost."
)
@click.option(
    "--from",
    "remote",
    metavar="REMOTE",
    help="Verify all content, and fetch what is damaged or missing from REMOTE.",
)
@click.pass_obj
def command(
    face: Face, dry_run: bool, yes: bool, lost_found: bool, store: str | None, remote: str | None
) -> int:
    """Make a repository open again: rebuild what is lost or damaged from what is left.

    It shows what it would do and asks. The index is rebuilt from the packs, branches and operations from the
    journal or the old index, whichever has more. Damaged files are kept beside the new ones, as
    data.mdb.damaged-1. It works where no other command does. If it is interrupted, run it again.

    Damaged content is stored again if the workspace's files or REMOTE have it; mvc verify finds all damage.
    """
    from mvc.api.care import RepairPlan  # late: start-up

    plan = RepairPlan(store=store)
    return run(face, [plan], dry_run=dry_run, yes=yes, lost_found=lost_found, remote=remote)


def run(
    face: Face, plans: list[RepairPlan], *, dry_run: bool, yes: bool, lost_found: bool,
    ids: Iterable[str | None] | None = None, remote: str | None = None,
) -> int:  # fmt: skip
    """Shows, asks, does. `ids` are those of the stores, where they are known."""

    wanted = remote is not None or any(
        plan.findings or (lost_found and plan.lost_versions) for plan in plans
    )
    shown = list(_plans(plans, lost_found=lost_found, remote=remote))
    do = wanted and not dry_run and (yes or _agreed(face, shown))
    if not do:
        face.answer(_document(plans, None, dry_run=True), [] if wanted and not dry_run else shown)
        return 1 if wanted and not dry_run else 0
    known = list(ids or [None] * len(plans))
    reports = [
        plan.carry_out(lost_found=lost_found, id=id, remote=remote, monitor=face.monitor())
        for plan, id in zip(plans, known, strict=True)
    ]
    face.answer(_document(plans, reports, dry_run=False), _reports(plans, reports))
    if not face.quiet and not lost_found and any(r.lost_versions for r in reports):
        face.hint("mvc repair --lost-found  makes branches for versions that no ref reaches")
    face.hint("mvc verify  tells whether all content is whole")
    return 14 if remote is not None and any(report.lost for report in reports) else 0


def _agreed(face: Face, shown: list[str]) -> bool:
    if face.json:
        return False
    for line in shown:
        click.echo(line)
    try:
        return click.confirm("Do this?")
    except click.Abort:  # no terminal to ask
        raise click.UsageError(
            "nothing was done: mvc repair -y does it without asking", click.get_current_context()
        ) from None


def _plans(plans: list[RepairPlan], *, lost_found: bool, remote: str | None) -> Iterator[str]:
    for plan in plans:
        bad = plan.findings or plan.broken or plan.lost_versions
        if len(plans) > 1 and bad:
            yield text.safe(plan.root)
        for finding in plan.findings:
            yield f"  {finding.part}: {text.safe(finding.problem)}"
            yield f"      would {finding.remedy}"
        yield from (f"  cannot be repaired from here: {text.safe(b)}" for b in plan.broken)
        for id in plan.lost_versions:
            made = f"would make branch lost/{text.short(id)}" if lost_found else "--lost-found"
            yield f"  version {text.short(id)} is reached by no ref ({made})"
    if remote is not None:
        yield f"  would verify all content and fetch what is damaged or missing from {text.safe(remote)}"
    elif not any(plan.findings for plan in plans):
        yield "Nothing to repair; mvc verify tells whether all content is whole"


def _reports(plans: list[RepairPlan], reports: list[RepairReport]) -> Iterator[str]:
    for plan, report in zip(plans, reports, strict=True):
        if len(plans) > 1 and (report.done or report.lost):
            yield text.safe(plan.root)
        yield from (f"  {text.safe(line)}" for line in report.done)
        yield from (f"  kept {text.safe(path)}" for path in report.kept)
        yield from (f"  lost: {text.safe(line)}" for line in report.lost)


def _document(
    plans: list[RepairPlan], reports: list[RepairReport] | None, *, dry_run: bool
) -> dict[str, object]:
    found = []
    for number, plan in enumerate(plans):
        report = None if reports is None else reports[number]
        found.append(
            {
                "root": plan.root,
                "findings": [
                    {"part": f.part, "problem": f.problem, "remedy": f.remedy}
                    for f in plan.findings
                ],
                "lost_versions": list(plan.lost_versions),
                "broken": list(plan.broken),
                "done": [] if report is None else list(report.done),
                "kept": [] if report is None else list(report.kept),
                "lost": [] if report is None else list(report.lost),
            }
        )
    return {"dry_run": dry_run, "repositories": found}
