"""A unified diff in colours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import click

from mvc.cli import text


def styled(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        shown = text.safe(line, lines=True)
        if line.startswith(("--- ", "+++ ")):
            yield click.style(shown, bold=True)
        elif line.startswith("@@"):
            yield click.style(shown, fg="cyan")
        elif line.startswith(("+", "-")):
            yield click.style(shown, fg="green" if line[0] == "+" else "red")
        else:
            yield shown
