"""What the options of every verb say, and where output goes: answers on stdout, everything else on stderr."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

import click

if TYPE_CHECKING:
    from mvc.api.repo import Repo
    from mvc.api.waiting import Waiting
    from mvc.cli.progress import Lines

Document = Mapping[str, Any]
_BLOCK_LINES = 256


@dataclass
class Face:
    """One run of one command."""

    directories: list[str] = field(default_factory=list)
    quiet: bool = False
    verbose: int = 0
    json: bool = False
    color: str = "auto"
    progress: bool = True
    lock_timeout: float = 60.0
    _repo: Repo | None = None

    def enter(self, context: click.Context) -> None:
        """Puts the options into force once all of them are known, before the verb runs."""
        for directory in self.directories:
            try:
                os.chdir(directory)
            except OSError as error:
                raise click.UsageError(
                    f"cannot change to {directory}: {os.strerror(error.errno or 0)}", context
                ) from None
        self.directories.clear()
        for level in (context, context.find_root()):
            level.color = self.colored(sys.stdout)

    def colored(self, stream: TextIO) -> bool:
        """no-color.org and its counterpart; a dumb terminal shows escape codes as rubbish."""
        if self.color != "auto":
            return self.color == "always"
        if os.environ.get("NO_COLOR"):
            return False
        if os.environ.get("FORCE_COLOR"):
            return True
        return os.environ.get("TERM") != "dumb" and stream.isatty()

    # ---------------------------------------------------------------- the repository

    @property
    def repo(self) -> Repo:
        """The repository at or above the current directory, opened when first asked for."""
        if self._repo is None:
            from mvc.api.repo import Repo  # late: start-up

            self._repo = Repo.open(monitor=self.monitor(), lock_timeout=self.lock_timeout)
        return self._repo

    def monitor(self) -> Lines:
        """Who hears of progress and warnings: a bar on a terminal, unless the options silence it."""
        from mvc.cli.progress import Bar, Lines  # late: start-up

        drawn = self.progress and not self.quiet and not self.json and sys.stderr.isatty()
        return Bar(self.warn) if drawn else Lines(self.warn)

    def close(self) -> None:
        if self._repo is not None:
            self._repo.close()
            self._repo = None

    # ---------------------------------------------------------------- output

    def answer(self, document: Document, lines: Iterable[str] = ()) -> None:
        """The verb's answer: one JSON document if that was asked for, else lines for people."""
        if self.json:
            click.echo(json.dumps({"schema_version": 1, **document}, indent=2, allow_nan=False))
        else:
            for line in lines:
                click.echo(line)

    def page(self, lines: Iterable[str]) -> None:
        """Lines of any number: through $PAGER on a terminal, where less stays away if all fits."""
        if self.quiet or not sys.stdout.isatty():
            _print(lines)
            return
        os.environ.setdefault(
            "LESS", "FRX"
        )  # as git does: quit if one screen, colours, no clearing
        click.echo_via_pager((f"{line}\n" for line in lines), color=self.colored(sys.stdout))

    def say(self, *lines: str) -> None:
        """What a person may want to know besides; silent with --quiet and --json."""
        if not self.quiet and not self.json:
            for line in lines:
                click.echo(line)

    def hint(self, *lines: str) -> None:
        if not self.quiet and not self.json:
            for line in lines:
                click.echo(click.style(line, dim=True))

    def waiting(self, what: str) -> Waiting:
        """Tells on stderr what is waited for, and how long already, if it takes its time."""
        from mvc.api.waiting import Waiting  # late: start-up

        return Waiting(what, shown=self.progress and not self.quiet and not self.json)

    def warn(self, message: str) -> None:
        from mvc.cli.text import safe  # late: start-up

        label = click.style("warning:", fg="yellow", bold=True)
        click.echo(f"{label} {safe(message)}", err=True, color=self.colored(sys.stderr))


def _print(lines: Iterable[str]) -> None:
    """Writes many lines at once: each by itself took a third of the time of a long log. Who reads a pipe has
    each as it is found, and what was found before an error is there in any case."""
    most = 1 if _is_pipe(sys.stdout) else _BLOCK_LINES
    block: list[str] = []
    try:
        for line in lines:
            block.append(line)
            if len(block) >= most:
                found = "\n".join(block)
                block.clear()
                click.echo(found)
    finally:
        if block:
            click.echo("\n".join(block))


def _is_pipe(stream: TextIO) -> bool:
    try:
        kind = os.fstat(stream.fileno()).st_mode
    except (OSError, ValueError):  # a stream of a program that called us, which may be no file
        return False
    return stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind)
