"""Options that every verb takes, before or after its name, and the class of a verb."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, ClassVar

import click

from mvc.cli.errors import EXIT_HELP
from mvc.cli.face import Face

COMPONENTS = ("architecture", "weights", "hyperparameters", "data", "results")
PARTS = (*COMPONENTS, "state")
"""What --only takes: `weights` is then the model, and `state` its training state."""

Function = Callable[..., Any]


class Option(click.Option):
    """An option whose help says "N", not "N [x>=0]"."""

    def get_help_extra(self, ctx: click.Context) -> click.types.OptionHelpExtra:
        extra = super().get_help_extra(ctx)
        extra.pop("range", None)
        return extra


def _set(name: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """Stores a given value on the Face, later ones over earlier ones; a default changes nothing."""

    def callback(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
        source = context.get_parameter_source(parameter.name or "")
        given = source is not None and source is not click.core.ParameterSource.DEFAULT
        face = context.ensure_object(Face)
        if given and name == "directories":
            face.directories.extend(value)
        elif given:
            setattr(face, name, value)
        return value

    return callback


def global_options(*, hidden: bool) -> list[Option]:
    def option(*names: str, target: str, **settings: Any) -> Option:
        return Option(names, expose_value=False, hidden=hidden, callback=_set(target), **settings)

    return [
        option(
            "-C", "in_directory", target="directories", metavar="DIR", multiple=True,
            help="Run as if started in DIR.",
        ),
        option(
            "-q", "--quiet", "be_quiet", target="quiet", is_flag=True,
            help="Print only answers and errors.",
        ),
        option("-v", "--verbose", "be_verbose", target="verbose", count=True, help="Print more."),
        option("--json", "as_json", target="json", is_flag=True, help="Answer with one JSON document."),
        option(
            "--color", "use_color", target="color", type=click.Choice(["auto", "always", "never"]),
            default="auto", help="Colours; auto obeys NO_COLOR and FORCE_COLOR.",
        ),
        option(
            "--no-progress", "show_progress", target="progress", is_flag=True, flag_value=False,
            default=True, help="Show no progress, not even on a terminal.",
        ),
        option(
            "--lock-timeout", "wait_for_lock", target="lock_timeout", type=click.FloatRange(min=0),
            metavar="SECONDS", default=60.0,
            help="How long to wait for another command to finish. [default: 60]",
        ),
    ]  # fmt: skip


EXIT_STATUS: Mapping[int, str] = {0: EXIT_HELP[0], 1: "failure", 2: EXIT_HELP[2], 10: EXIT_HELP[10]}
"""Exit codes of every verb, unless it says otherwise."""


_AFTER_DASHES = "mvc.after_dashes"


class Verb(click.Command):
    """A command that takes the global options too and states its exit codes in its help."""

    common: ClassVar[Mapping[int, str]] = EXIT_STATUS

    def __init__(
        self,
        *args: Any,
        exits: Mapping[int, str] | None = None,
        raw: str | None = None,
        dashes: bool = False,
        **settings: Any,
    ) -> None:
        """`raw` names the parameter whose words may be any bytes: a command that is run. With `dashes` words
        behind `--` are kept apart, for `after_dashes`."""
        super().__init__(*args, **settings)
        self.raw = raw
        self.dashes = dashes
        self.params += global_options(hidden=True)
        self.exits = dict(exits or {})

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if self.dashes and "--" in args:
            at = args.index("--")
            args, ctx.meta[_AFTER_DASHES] = args[:at], tuple(args[at + 1 :])
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        face = ctx.ensure_object(Face)
        _require_text(ctx, self.raw)
        face.enter(ctx)
        try:
            return super().invoke(ctx)
        finally:
            face.close()

    def exit_status(self) -> dict[int, str]:
        """What each exit code means, for this verb."""
        return {code: text for code, text in sorted({**self.common, **self.exits}.items()) if text}

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from mvc.cli.examples import examples  # late: start-up

        if found := examples(ctx.command_path.partition(" ")[2]):
            with formatter.section("Examples"):
                formatter.write_dl(list(found.items()), col_max=44)
        with formatter.section("Exit status"):
            formatter.write_dl([(str(code), text) for code, text in self.exit_status().items()])
        with formatter.section("Everywhere"):
            formatter.write_text(
                "-C DIR, -q, -v, --json, --color, --no-progress and --lock-timeout: see mvc --help."
            )


def verb(
    name: str,
    *,
    exits: Mapping[int, str] | None = None,
    raw: str | None = None,
    dashes: bool = False,
) -> Callable[[Function], Verb]:
    """Makes a function the command `name`. `exits` adds exit codes to the common ones in its help; `raw` is
    the parameter whose words may be any bytes; `dashes` keeps words behind `--` apart."""
    return click.command(name, cls=Verb, exits=exits, raw=raw, dashes=dashes)


def after_dashes(context: click.Context) -> tuple[str, ...]:
    """The words behind `--` of a verb with `dashes`."""
    words: tuple[str, ...] = context.meta.get(_AFTER_DASHES, ())
    return words


def _require_text(context: click.Context, raw: str | None) -> None:
    """Raises UsageError for a word that is not UTF-8: no name, message or path of ours can be."""
    for name, value in context.params.items():
        for word in value if isinstance(value, (list, tuple)) else (value,):
            if name != raw and isinstance(word, str) and (shown := not_text(word)):
                raise click.UsageError(f"{shown} is not UTF-8", context)


def not_text(word: str) -> str | None:
    """How a word that is not UTF-8 is shown; None for one that is."""
    if word.isascii() or not any("\ud800" <= c <= "\udfff" for c in word):
        return None
    return "'" + word.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace") + "'"


class VerbGroup(click.Group):
    """A verb with verbs of its own (`op log`, `config set`)."""

    command_class: type[Verb] = Verb

    def exit_status(self) -> dict[int, str]:
        """Exit codes of its verbs, unless they say otherwise."""
        return dict(self.command_class.common)

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.params += global_options(hidden=True)


def instead(context: click.Context, command: click.Command, **values: Any) -> Any:
    """Runs a verb of a group's where none was named, as if it had been; answers its exit code."""
    below = click.Context(command, info_name=command.name, parent=context, obj=context.obj)
    below.params = values
    with below:
        return command.invoke(below)


BUSY = {11: EXIT_HELP[11], 12: EXIT_HELP[12]}

OPERATIONS_KEPT = timedelta(days=30)
"""How long `mvc gc` keeps what only the operation log reaches, unless it is told otherwise."""
"""Exit codes of verbs that change something: another may be at it, or it may not be ours to change."""
DAMAGE = {14: EXIT_HELP[14]}
REMOTE_EXITS = BUSY | DAMAGE | {12: EXIT_HELP[12], 13: EXIT_HELP[13]}


def component_option(help: str, *, multiple: bool = False) -> Callable[[Function], Function]:
    return click.option(
        "--component",
        "components" if multiple else "component",
        type=click.Choice(COMPONENTS),
        multiple=multiple,
        help=help,
    )


def limit_option(what: str) -> Callable[[Function], Function]:
    return click.option(
        "-n",
        "--limit",
        cls=Option,
        type=click.IntRange(min=0),
        metavar="N",
        help=f"Show at most N {what}.",
    )


def _pairs(
    context: click.Context, parameter: click.Parameter, given: tuple[str, ...]
) -> dict[str, str]:
    """KEY=VALUE, each."""
    for text in given:
        if not text.partition("=")[0] or "=" not in text:
            raise click.BadParameter(f"{text!r} is not of the form KEY=VALUE", context, parameter)
    return dict(text.split("=", 1) for text in given)


def remote_option(function: Function) -> Function:
    """Adds --option, which says how a remote is reached."""
    return click.option(
        "-o",
        "--option",
        "options",
        multiple=True,
        callback=_pairs,
        metavar="KEY=VALUE",
        help="Set remote.NAME.KEY, for instance endpoint=https://HOST; may be repeated.",
    )(function)
