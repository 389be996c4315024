"""Where a bisection stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from mvc.cli import documents, text
from mvc.cli.screens.log import heading

if TYPE_CHECKING:
    from mvc.api.results import Version
    from mvc.api.search import Bisection, Turning


def _one(version: Version | None) -> Any:
    return None if version is None else documents.version(version)


def document(found: Bisection) -> dict[str, Any]:
    return {
        "start": found.start,
        "bad": found.bad,
        "good": list(found.good),
        "skipped": list(found.skipped),
        "remaining": found.remaining,
        "testing": _one(found.testing),
        "first_bad": _one(found.first_bad),
        "suspects": [documents.version(v) for v in found.suspects],
        "log": list(found.log),
    }


def lines(found: Bisection) -> Iterator[str]:
    if found.first_bad is not None:
        yield f"{click.style('First bad version', fg='red', bold=True)}  {heading(found.first_bad)}"
        yield f"    {text.safe(found.first_bad.author)}"
        yield f"    {text.first_line(found.first_bad.message)}"
        yield click.style(
            f"mvc diff v{found.first_bad.number}^ v{found.first_bad.number}  shows what it changed; "
            "mvc bisect reset  goes back", dim=True,
        )  # fmt: skip
    elif found.suspects:
        yield "Only skipped versions are left; the first bad one is one of"
        for version in found.suspects:
            yield f"    {heading(version)} {text.first_line(version.message)}"
    elif found.testing is not None:
        left = found.remaining - 1
        yield f"{text.plural(left, 'version')} left to test, about {text.plural(found.steps, 'step')}"
        yield f"    {heading(found.testing)} {text.first_line(found.testing.message)}"
        yield click.style("mvc bisect good, bad or skip  says what it is", dim=True)
    else:
        missing = [w for w, there in (("bad", found.bad), ("good", found.good)) if not there]
        yield "Waiting for a " + " and a ".join(f"{word} version" for word in missing)
        yield click.style("mvc bisect " + missing[0] + " REV", dim=True)


def place(name: str) -> str:
    return text.short(name) if len(name) == 64 else text.safe(name)


def turning_document(found: Turning, where: str) -> dict[str, Any]:
    return {
        "where": where,
        "first": _one(found.first),
        "before": _one(found.before),
        "unknown": found.unknown,
        "later_untrue": found.later,
        "asked": found.asked,
    }


def turning(found: Turning, where: str) -> Iterator[str]:
    condition = click.style(text.safe(where), bold=True)
    if found.first is None:
        yield f"{condition} is true in no version; {text.plural(found.asked, 'version')} could be asked"
        return
    if found.before is None:
        yield f"{condition} is true from the first version that could be asked"
    else:
        yield f"{condition} became true in"
    yield f"    {heading(found.first)} {text.first_line(found.first.message)}"
    if found.before is not None:
        yield "and was not in"
        yield f"    {heading(found.before)} {text.first_line(found.before.message)}"
    if found.unknown:
        are = "lacks" if found.unknown == 1 else "lack"
        yield f"{text.plural(found.unknown, 'version')} between them {are} what it asks for"
    if found.later:
        yield f"Later it became untrue again {text.plural(found.later, 'time')}"
