"""What a server said of the caller, as a line and as JSON."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import click

from mvc.cli import text

if TYPE_CHECKING:
    from mvc.api.credentials import Login


def document(answer: Login) -> dict[str, Any]:
    return dataclasses.asdict(answer)


def line(answer: Login) -> str:
    """`grpcs://host:7443  ada, write in team/iris  token 0a1b2c3d4e5f`."""
    if not answer.principal:
        who = "it takes the token"
    else:
        who = click.style(text.safe(answer.principal), fg="magenta")
        who += f", {text.safe(answer.role)} in {text.safe(answer.repo)}"
    return f"{answer.server}  {who}  token {answer.token}"
