"""Stages on a screen and as JSON: who holds them, histories, what was checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from mvc.cli import text
from mvc.cli.documents import scalar

if TYPE_CHECKING:
    from mvc.api.stages import ChainReport, CheckedRequirement, StageRecord

_COLORS = {"promote": "green", "rollback": "yellow", "withdraw": "red"}


def document(record: StageRecord) -> dict[str, Any]:
    return {
        "stage": record.stage,
        "record": record.number,
        "step": record.step,
        "live": record.live,
        "version": record.version,
        "number": record.version_number,
        "author": record.author,
        "time": record.time.isoformat(),
        "until": None if record.until is None else record.until.isoformat(),
        "reason": record.reason,
        "requirements": [
            {
                "expression": r.expression,
                "found": {key: scalar(value) for key, value in r.found.items()},
                "rule": r.rule,
            }
            for r in record.requirements
        ],
        "signatures": list(record.signatures),
        "restores": record.restores,
        "digest": record.digest,
        "previous": record.previous,
    }


def holders(records: Iterable[StageRecord], now: datetime) -> list[str]:
    return text.table(
        (
            click.style(text.safe(r.stage), fg="magenta", bold=True),
            f"v{r.version_number}" if r.live else "-",
            click.style(text.short(r.version), fg="yellow") if r.live else "nobody",
            text.when(r.time, now),
            text.safe(r.author.split(" <")[0]),
            text.first_line(r.reason) if r.reason else "",
        )
        for r in records
    )


def history(records: Sequence[StageRecord], now: datetime, *, verbose: bool) -> Iterator[str]:
    for index, record in enumerate(records):
        if index:
            yield ""
        yield _heading(record, now)
        yield click.style(f"    {_reign(record)}  {text.safe(record.author)}", dim=True)
        for line in record.reason.strip().split("\n") if record.reason.strip() else ():
            yield f"    {text.safe(line)}".rstrip()
        for requirement in record.requirements:
            found = ", ".join(f"{k} {text.number(v)}" for k, v in requirement.found.items())
            rule = "  (mvc.toml)" if requirement.rule else ""
            yield f"    met  {text.safe(requirement.expression)}  {text.safe(found)}{rule}"
        for fingerprint in record.signatures:
            yield f"    signed  {text.safe(fingerprint)}"
        if verbose:
            yield click.style(f"    digest {record.digest}", dim=True)


def _heading(record: StageRecord, now: datetime) -> str:
    name = click.style(f"v{record.version_number} {text.short(record.version)}", fg="yellow")
    step = record.step + (f" to record {record.restores}" if record.restores else "")
    live = click.style("  live", fg="green", bold=True) if record.live else ""
    colored = click.style(step, fg=_COLORS[record.step])
    return f"{record.number:>3}  {colored}  {name}  {text.when(record.time, now)}{live}"


def _reign(record: StageRecord) -> str:
    begin = f"{record.time:%Y-%m-%d %H:%M %z}"
    return begin if record.until is None else f"{begin} to {record.until:%Y-%m-%d %H:%M %z}"


def checked(requirements: Iterable[CheckedRequirement]) -> list[str]:
    """Every requirement of a refused promotion."""
    return text.table(
        (
            click.style("  met", fg="green") if r.met else click.style("  not met", fg="red"),
            text.safe(r.expression),
            text.safe(r.why) + ("  (mvc.toml)" if r.rule else ""),
        )
        for r in requirements
    )


def met(record: StageRecord) -> list[str]:
    return text.table(
        (
            click.style("  met", fg="green"),
            text.safe(r.expression),
            ", ".join(f"{text.safe(k)} is {text.number(v)}" for k, v in r.found.items())
            + ("  (mvc.toml)" if r.rule else ""),
        )
        for r in record.requirements
    )


def chain_document(report: ChainReport) -> dict[str, Any]:
    return {
        "stage": report.stage,
        "ok": report.ok,
        "records": report.records,
        "head": report.head,
        "problems": list(report.problems),
    }


def chain(report: ChainReport) -> Iterator[str]:
    if report.ok:
        yield f"ok  {text.plural(report.records, 'record')}, chain ends in {report.head}"
    for problem in report.problems:
        yield click.style("broken  ", fg="red") + text.safe(problem)
