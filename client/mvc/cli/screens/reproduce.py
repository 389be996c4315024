"""What a reproduction tells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from mvc.cli import text

if TYPE_CHECKING:
    from mvc.api.interpreters import PackageDifference
    from mvc.api.runs import ReproducedFile, Reproduction

_SHOWN_LINES = 5


def lines(result: Reproduction) -> Iterator[str]:
    if result.status != result.recorded_status:
        yield _bad(f"the command ended with {result.status}, not {result.recorded_status}")
    yield from text.table(
        [
            (f"  {_mark(f.same)}", f.component.value, text.safe(f.path), _told(f))
            for f in result.files
        ]
    )
    if result.metrics:
        yield ""
        rows = [
            (f"  {_mark(m.within)}", text.safe(m.key), f"{m.recorded}", "->", f"{m.found}")
            for m in result.metrics
        ]
        yield from text.table(rows)
    for path in result.lost:
        yield _bad(f"{text.safe(path)} was overwritten by the run, and no version had it before")
    for what, recorded, now in result.environment:
        yield f"  {text.safe(what)} was {text.safe(recorded)}, now it is {text.safe(now) or 'not set'}"
    yield from _packages(result.packages or ())
    yield ""
    yield _verdict(result)


def headline(found: Sequence[PackageDifference]) -> str:
    """Says before a run how its packages differ from the recorded ones, in a line."""
    missing = [d.name for d in found if d.present is None]
    other = [f"{d.name} {d.recorded} -> {d.present}" for d in found if d.recorded and d.present]
    new = len(found) - len(missing) - len(other)
    parts = [f"missing: {_some(missing)}"] if missing else []
    parts += [_some(other)] if other else []
    parts += [f"{new} more than then"] if new else []
    return "the packages are not those of the run: " + "; ".join(parts)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN_LINES} more" if len(names) > _SHOWN_LINES else ""
    return ", ".join(text.safe(name) for name in names[:_SHOWN_LINES]) + more


def _packages(found: Sequence[PackageDifference]) -> Iterator[str]:
    """The packages that were recorded and are others now, by name; what came since is counted."""
    then = [d for d in found if d.recorded is not None]
    if then:
        yield "  packages that are not as they were:"
        rows = [
            (
                f"    {text.safe(d.name)}",
                text.safe(d.recorded or ""),
                "->",
                text.safe(d.present or "missing"),
            )
            for d in then
        ]
        yield from text.table(rows)
    if len(then) < len(found):
        came = [d.name for d in found if d.recorded is None]
        yield f"  {text.plural(len(came), 'package')} that the run had not: {_some(came)}"


def _verdict(result: Reproduction) -> str:
    same = sum(f.same for f in result.files)
    told = f"{same} of {text.plural(len(result.files), 'output')} equal"
    if result.metrics:
        within = sum(m.within for m in result.metrics)
        told += f", {within} of {text.plural(len(result.metrics), 'metric')} within {result.tolerance:g}"
    told += f"; {result.seconds:.1f} s (then {result.recorded_seconds:.1f} s)"
    word = click.style("reproduced", fg="green") if result.ok else click.style("differs", fg="red")
    return f"{word}  {told}"


def _told(file: ReproducedFile) -> str:
    if file.same:
        return "equal"
    if file.missing:
        return "was not made"
    if file.tensor_count:
        names = ", ".join(text.safe(n) for n in file.tensors[:_SHOWN_LINES])
        more = (
            f" and {len(file.tensors) - _SHOWN_LINES} more"
            if len(file.tensors) > _SHOWN_LINES
            else ""
        )
        count = f"{len(file.tensors)} of {text.plural(file.tensor_count, 'tensor')} differ"
        return f"{count}: {names}{more}" if file.tensors else "differs outside its tensors"
    return "differs"


def _mark(good: bool) -> str:
    return click.style("=", fg="green") if good else click.style("!", fg="red")


def _bad(message: str) -> str:
    return click.style(f"  {message}", fg="red")
