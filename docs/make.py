"""Writes the reference: `python docs/make.py` makes docs/reference/*.md and docs/man/*.1 from the commands.

`--check` writes nothing, and exits with 1 if a file is not what it would write. The text is in the commands
(client/mvc/cli/commands, mvcd/daemon/main.py): change it there.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from mvc.api.errors import __version__
from mvc.cli.manual import markdown, pages, roff
from mvc.cli.manual.page import EXITS, HELP, OPTIONS, Block, Item, ManualPage, Paragraph
from mvc.cli.verbs import SUMMARIES
from mvcd.daemon.main import parser

HERE = Path(__file__).parent
DAEMON_EXITS = {
    "0": "success",
    "1": "failure",
    "2": "the command line makes no sense",
    "10": "no repository here",
    "11": "another server has the directory",
    "12": "not allowed",
    "13": "the remote does not answer",
    "14": "damaged content",
    "15": "the daemon is absent or refuses",
    "130": "interrupted",
    "141": "the reader of our output went away",
}


def files() -> dict[Path, str]:
    """What the reference consists of, by path below docs/."""
    links = {verb: f"mvc-{verb}.md" for verb in SUMMARIES}
    verbs = {f"mvc-{verb}": pages.page(verb) for verb in SUMMARIES}
    tops = {"mvc": pages.whole(), "mvcd": daemon()}
    found = {}
    for name, page in {**tops, **verbs}.items():
        home = "mvc.md" if name in verbs else None
        found[Path("reference", f"{name}.md")] = markdown.document(page, links, home=home)
        found[Path("man", f"{name}.1")] = roff.document(page, __version__)
    return found


# -------------------------------------------------------------------- the daemon's command line


def daemon() -> ManualPage:
    """The page of `mvcd`, whose parser is argparse's: it starts without click."""
    whole = parser()
    sections = {OPTIONS: _options(whole._actions)}
    sections[EXITS] = tuple(Item(code, said) for code, said in DAEMON_EXITS.items())
    return ManualPage(
        ("mvcd",),
        "save checkpoints by itself, and serve repositories",
        "mvcd [OPTIONS] VERB ...",
        _paragraphs(whole.description),
        sections,
        tuple(_verbs(whole)),
        ("watch", "unwatch", "admin"),
    )


def _verbs(above: argparse.ArgumentParser) -> Iterator[ManualPage]:
    for action in above._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield _verb(name, below)


def _verb(name: str, verb: argparse.ArgumentParser) -> ManualPage:
    words, body = tuple(verb.prog.split()), _paragraphs(verb.description)
    if name == "admin":  # its verbs have a page: mvc admin
        return ManualPage(words, "", "mvcd admin VERB ...", body)
    sections: dict[str, tuple[Item, ...]] = {}
    for group in verb._action_groups:
        title = "Arguments" if group is verb._positionals else _sentence(group.title or "")
        if items := _options(group._group_actions):
            sections[title] = items
    arguments = [f"[{a.dest}]".upper() for a in verb._positionals._group_actions]
    return ManualPage(words, "", " ".join([verb.prog, "[OPTIONS]", *arguments]), body, sections)


def _options(actions: list[argparse.Action]) -> tuple[Item, ...]:
    shown = (a for a in actions if a.help not in (None, argparse.SUPPRESS))
    return tuple(_option(a) for a in shown if not isinstance(a, argparse._SubParsersAction))


def _option(action: argparse.Action) -> Item:
    if isinstance(action, argparse._HelpAction):
        return Item(HELP, "Show this message and exit.")
    value = str(action.metavar) if action.metavar else _value(action)
    words = [*action.option_strings[:-1], " ".join([*action.option_strings[-1:], value]).strip()]
    return Item(", ".join(words), _sentence((action.help or "").removesuffix(".")) + ".")


def _value(action: argparse.Action) -> str:
    if action.choices is not None:
        return "{" + ",".join(map(str, action.choices)) + "}"
    return "" if action.nargs == 0 else action.dest.upper()


def _paragraphs(text: str | None) -> tuple[Block, ...]:
    parts = [" ".join(part.split()).removesuffix(".") for part in (text or "").split("\n\n")]
    return tuple(Paragraph(f"{_sentence(part)}.") for part in parts)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


# -------------------------------------------------------------------- writing


def stale() -> list[Path]:
    """Files that are not what would be written, those that would not be written included."""
    made = files()
    there = {p.relative_to(HERE) for d in ("reference", "man") for p in (HERE / d).glob("mvc*")}
    return sorted(
        path
        for path in there | set(made)
        if path not in made or not (HERE / path).exists() or (HERE / path).read_text() != made[path]
    )


def main() -> int:
    if "--check" in sys.argv[1:]:
        for path in stale():
            sys.stdout.write(f"docs/{path} is not current: python docs/make.py\n")
        return 1 if stale() else 0
    made = files()
    for path in stale():
        (HERE / path).parent.mkdir(exist_ok=True)
        if path in made:
            (HERE / path).write_text(made[path])
        else:
            (HERE / path).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
