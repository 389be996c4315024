"""The entry point: parses, runs one verb, and turns whatever happens into a message and an exit code.

Starting must be fast (60 ms over a bare interpreter): a verb's module is imported when the verb is called, and
`--help` and `--version` import none.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from keyword import iskeyword
from typing import TYPE_CHECKING, Any, NoReturn

import click

from mvc.api.errors import __version__
from mvc.cli import errors
from mvc.cli.face import Face
from mvc.cli.options import global_options, not_text
from mvc.cli.verbs import SECTIONS, SUMMARIES

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_HELP = """Version control for machine-learning models.

A version has five parts: architecture, weights, hyperparameters, data and results.
"""
_EPILOG = "mvc VERB --help tells more about a verb, with its exit codes; mvc help VERB shows its manual page."


class Mvc(click.Group):
    """The group of all verbs, which it imports one at a time."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(SUMMARIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in SUMMARIES:
            return None
        name = cmd_name.replace("-", "_")
        module = import_module(f"mvc.cli.commands.{name}{'_' * iskeyword(name)}")
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in SUMMARIES and not name.startswith("-"):
            from mvc.cli.aliases import expanded  # late: start-up

            args = [*expanded(name, ctx.ensure_object(Face).directories), *args[1:]]
            if args[0] not in SUMMARIES and not ctx.resilient_parsing:
                raise no_such_verb(args[0], ctx)
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        if incomplete.startswith("-"):
            return click.Command.shell_complete(self, ctx, incomplete)
        from mvc.cli import completing  # late: start-up

        return completing.verbs(ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        width = max(map(len, SUMMARIES))
        for section, verbs in SECTIONS.items():
            with formatter.section(section):
                formatter.write_dl([(f"{verb:<{width}}", text) for verb, text in verbs.items()])

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> NoReturn:  # noqa: ARG002
        """Never returns: ends in SystemExit, with a code of errors.EXIT_CODES."""
        words = list(sys.argv[1:] if args is None else args)
        if "_MVC_COMPLETE" in os.environ:
            from mvc.cli.shells import answer  # late: start-up

            answer(self, os.environ["_MVC_COMPLETE"])
        face = Face()
        try:
            code = self._run(words, face)
            sys.stdout.flush()
        except BaseException as error:
            code = _end(error, face, words)
        _let_go_of_streams()
        sys.exit(code)

    def _run(self, words: list[str], face: Face) -> int:
        try:
            _require_text(words)
            with self.make_context("mvc", words, obj=face) as context:
                result = self.invoke(context)
        except click.exceptions.Exit as end:
            return end.exit_code
        return result if isinstance(result, int) else errors.OK


def _require_text(words: Sequence[str]) -> None:
    """Raises UsageError for a word that is not UTF-8. Those of a command that is run may be (options.py)."""
    for word in words:
        if word == "run":
            return
        if shown := not_text(word):
            raise click.UsageError(f"{shown} is not UTF-8")


def no_such_verb(name: str, context: click.Context) -> click.UsageError:
    """The error about a verb that does not exist: what does here what it does elsewhere, or verbs of a similar
    name."""
    from difflib import get_close_matches  # late: start-up

    from mvc.cli import habits

    error = click.UsageError(f"there is no verb {name!r}", context)
    error.habit = habits.of_verb(name)  # type: ignore[attr-defined]
    error.possibilities = [f"mvc {n}" for n in get_close_matches(name, SUMMARIES)]  # type: ignore[attr-defined]
    return error


def _end(error: BaseException, face: Face, words: Sequence[str]) -> int:
    """Says why a command ended early; returns the exit code."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else errors.FAILURE
    if isinstance(error, BrokenPipeError):
        return errors.BROKEN_PIPE
    if isinstance(error, click.exceptions.NoArgsIsHelpError) and error.ctx is not None:
        click.echo(error.ctx.get_help(), err=True)
        return errors.USAGE
    if os.environ.get("MVC_DEBUG"):
        import traceback  # late: start-up

        traceback.print_exception(error)
    report = errors.report(error, words)
    with contextlib.suppress(OSError):  # stderr itself cannot be written: the code still tells
        _tell(report, face, words)
    return report.code


def _tell(report: errors.Report, face: Face, words: Sequence[str]) -> None:
    if face.json or "--json" in words:
        click.echo(report.document(), err=True)
        return
    from mvc.cli.text import safe  # late: start-up; messages quote names of files and revisions

    colors = {"error": "red", "cause": "yellow", "help": "cyan"}
    for label, text in report.lines():
        click.echo(
            f"{click.style(label + ':', fg=colors[label], bold=True)} {safe(text)}",
            err=True,
            color=face.colored(sys.stderr),
        )
        if label == "error":
            _point(report.pointed())


def _point(lines: Sequence[str]) -> None:
    """An expression and what points into it: one column a character, so what is odd becomes a dot."""
    for line in lines:
        click.echo("    " + "".join(c if c.isprintable() else "." for c in line), err=True)


def _let_go_of_streams() -> None:
    """Where nothing can be written any more (the reader went away, the disk is full), the interpreter must not
    complain again when it flushes."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _version(context: click.Context, parameter: click.Parameter, value: bool) -> None:  # noqa: ARG001
    if value and not context.resilient_parsing:
        click.echo(f"mvc {__version__}")
        context.exit()


cli = Mvc(
    "mvc",
    help=_HELP,
    no_args_is_help=True,
    subcommand_metavar="VERB ...",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=_EPILOG,
    params=[
        *global_options(hidden=False),
        click.Option(
            ["-V", "--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_version,
            help="Print the version of mvc.",
        ),
    ],
)


def _prepare_last_words() -> None:
    """A damaged index ends who reads it by a signal: then it is said what happened, with the exit code of
    damaged content. Not with MVC_DEBUG, where the signal itself and a core dump are of use."""
    if os.environ.get("MVC_DEBUG"):
        return
    from mvc.api.faults import last_words  # late: start-up

    if "_MVC_COMPLETE" in os.environ:  # nothing is printed into a line that somebody types
        last_words("", errors.OK)
        return
    report = errors.FAULT
    text = "".join(f"{label}: {said}\n" for label, said in report.lines())
    last_words(f"{report.document()}\n" if "--json" in sys.argv else text, report.code)


def main() -> NoReturn:
    """`mvc`, as installed."""
    _prepare_last_words()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(
                errors="backslashreplace"
            )  # an ASCII terminal must not end a command
    cli.main()
