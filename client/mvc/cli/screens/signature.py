"""Signatures as people read them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import click

from mvc.cli import text

if TYPE_CHECKING:
    from mvc.api.signatures import SignatureReport, SignatureStatus

_COLORS = {"good": "green", "bad": "red", "revoked": "red"}


def heading(report: SignatureReport) -> str:
    name = click.style(f"v{report.number} {text.short(report.version)}", fg="yellow")
    return f"tag {text.safe(report.tag)}, {name}" if report.tag else name


def best(statuses: Sequence[SignatureStatus]) -> str:
    """In a word: the state of the best signature, which is the first."""
    return _state(statuses[0]) if statuses else "not signed"


def _state(status: SignatureStatus) -> str:
    state = status.state.value
    return click.style(state, fg=_COLORS.get(state, "yellow"), bold=True)


def lines(statuses: Iterable[SignatureStatus]) -> Iterator[str]:
    """ "good signature by ada@example.org, ssh-ed25519 SHA256:..." """
    for status in statuses:
        state = _state(status)
        by = f" by {text.safe(status.principal)}" if status.principal else ""
        key = f"{status.key_type} {status.fingerprint}".strip()
        reason = f": {text.safe(status.reason)}" if status.reason else ""
        yield f"{state} signature{by}{', ' if key else ''}{key}{reason}"


def report_lines(reports: Iterable[SignatureReport]) -> Iterator[str]:
    for report in reports:
        yield heading(report)
        if not report.signatures:
            yield "  " + click.style("not signed", fg="yellow", bold=True)
        yield from (f"  {line}" for line in lines(report.signatures))
