"""Deployment copies on a screen and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from mvc.cli import text
from mvc.cli.options import COMPONENTS

if TYPE_CHECKING:
    from mvc.api.deploy import Deployed, DeployReport, Export

_SHOWN_FILES = 50


def _document(deployed: Deployed) -> dict[str, Any]:
    return {
        "version": deployed.version,
        "number": deployed.number,
        "stage": deployed.stage,
        "stage_record": deployed.stage_record,
        "components": [c.value for c in deployed.components],
        "left_out": list(deployed.left_out),
        "files": deployed.files,
        "bytes": deployed.size,
    }


def export_document(made: Export) -> dict[str, Any]:
    return {"directory": made.directory, **_document(made.deployed), "replaced": made.replaced}


def verify_document(report: DeployReport) -> dict[str, Any]:
    return {
        "ok": report.ok,
        "directory": report.directory,
        **_document(report.deployed),
        "expected": report.expected,
        "same_version": report.same_version,
        "problems": [
            {
                "problem": p.problem,
                "component": None if p.component is None else p.component.value,
                "path": p.path,
            }
            for p in report.problems
        ],
    }


def _name(deployed: Deployed) -> str:
    name = click.style(f"v{deployed.number} {text.short(deployed.version)}", fg="yellow")
    if deployed.stage is None:
        return name
    return f"{name} ({text.safe(deployed.stage)}, record {deployed.stage_record})"


def _extent(deployed: Deployed) -> str:
    """ "3 files, 1.0 GiB, of weights and results only" """
    extent = f"{text.plural(deployed.files, 'file')}, {text.size(deployed.size)}"
    if out := deployed.left_out:
        extent += f" (without {text.plural(len(out), 'file')} of the weights)"
    if len(deployed.components) == len(COMPONENTS):
        return extent
    *names, last = (c.value for c in deployed.components)
    return f"{extent}, of {', '.join(names)}{' and ' if names else ''}{last} only"


def exported(made: Export) -> Iterator[str]:
    yield f"{_name(made.deployed)} is in {text.safe(made.directory)}"
    yield f"  {_extent(made.deployed)}"
    yield f"  version {made.deployed.version}"
    if made.replaced is not None:
        yield f"  in place of {text.short(made.replaced)}"


def verified(report: DeployReport) -> Iterator[str]:
    deployed = report.deployed
    if report.ok:
        yield f"{click.style('ok', fg='green')}  {_name(deployed)}, {_extent(deployed)}: all equal"
        yield f"  version {deployed.version}"
        return
    if not report.same_version:
        yield f"{click.style('another version', fg='red')}  {_name(deployed)} {deployed.version}"
        yield f"  expected        {report.expected}"
    for problem in report.problems[:_SHOWN_FILES]:
        component = "-" if problem.component is None else problem.component.value
        label = click.style(f"{problem.problem:<8}", fg="red")
        why = ": no record of the stage's history" if problem.problem == "record" else ""
        yield f"{label} {component:<15} {text.safe(problem.path)}{why}"
    if len(report.problems) > _SHOWN_FILES:
        yield f"... and {len(report.problems) - _SHOWN_FILES:,} more"
