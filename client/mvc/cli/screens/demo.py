"""How `mvc demo` tells its story: chapters headed by a command, and what came of it below."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from mvc.cli import text

if TYPE_CHECKING:
    from mvc.api.results import VerifyReport, Version


def chapter(title: str, note: str = "") -> Iterator[str]:
    shown = click.style(f"$ {title}" if title.startswith("mvc") else title, bold=True)
    yield ""
    yield f"{shown}   {click.style(note, dim=True)}".rstrip() if note else shown


def below(lines: Iterable[str]) -> Iterator[str]:
    return (f"  {line}".rstrip() for line in lines)


def saved(version: Version, validation: dict[str, float], stored: int) -> str:
    return (
        f"v{version.number} {click.style(text.short(version.id), fg='yellow')}"
        f"  val loss {validation['loss']:.4f}  accuracy {validation['accuracy']:.3f}"
        f"   {text.size(version.size):>8} saved in {text.size(stored):>8}"
    )


def verified(report: VerifyReport) -> str:
    read = f"{text.plural(report.objects, 'object')}, {text.size(report.bytes)} re-hashed"
    return f"{'ok' if report.ok else 'damaged'}  {read}"


def totals(versions: int, copies: int, stored: int) -> Iterator[str]:
    yield f"{versions} versions as plain copies  {text.size(copies):>9}"
    yield f"the same in the repository {text.size(stored):>9}   {text.percent(stored, copies)}"
