"""The manual: its three forms say what the commands say, and what is in docs/ is what would be written now."""

from __future__ import annotations

import importlib.util
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import click
import pytest

from mvc.cli.main import cli
from mvc.cli.manual import pages, roff, screen, surroundings
from mvc.cli.manual.page import Item, ManualPage, Paragraph, Verbatim
from mvc.cli.verbs import SUMMARIES
from mvcd.daemon import main as daemon
from tests.support.commandline import Mvc

ROOT = Path(__file__).parents[2]
MACROS = set(".TH .SH .SS .PP .TP .RS .RE .nf .fi .nh .ad".split())


@pytest.fixture(scope="module")
def make() -> ModuleType:
    """docs/make.py, which is a program and in no package."""
    spec = importlib.util.spec_from_file_location("docs_make", ROOT / "docs" / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_in_the_tree_is_current(make: ModuleType) -> None:
    assert [str(path) for path in make.stale()] == [], "python docs/make.py"


def test_a_page_that_is_missing_changed_or_left_over_is_noticed(
    make: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "docs" / "man", tmp_path / "man")
    shutil.copytree(ROOT / "docs" / "reference", tmp_path / "reference")
    monkeypatch.setattr(make, "HERE", tmp_path)
    (tmp_path / "man" / "mvc-log.1").unlink()
    (tmp_path / "man" / "mvc-gone.1").write_text("")
    (tmp_path / "reference" / "mvc-op.md").write_text("old")
    monkeypatch.setattr(sys, "argv", ["make.py", "--check"])
    wrong = ["man/mvc-gone.1", "man/mvc-log.1", "reference/mvc-op.md"]
    assert ([str(p) for p in make.stale()], make.main()) == (wrong, 1)
    monkeypatch.setattr(sys, "argv", ["make.py"])
    assert (make.main(), make.stale()) == (0, [])


def test_every_verb_has_its_pages_and_they_are_installed(make: ModuleType) -> None:
    expected = {"mvc", "mvcd", *(f"mvc-{verb}" for verb in SUMMARIES)}
    assert {path.stem for path in make.files() if path.suffix == ".1"} == expected
    assert {path.stem for path in make.files() if path.suffix == ".md"} == expected
    assert '"share/man/man1" = ["docs/man/*.1"]' in (ROOT / "pyproject.toml").read_text()
    assert "COPY docs/man docs/man" in (ROOT / "deploy" / "Dockerfile").read_text()


def every_command() -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []

    def below(words: tuple[str, ...], command: click.Command) -> None:
        if words and not command.hidden:
            found.append(words)
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                child = command.get_command(context, name)
                assert child is not None
                below((*words, name), child)

    below((), cli)
    return found


def test_pages_hold_all_options_and_exit_codes_of_their_commands() -> None:
    whole = {page.words[1:]: page for verb in SUMMARIES for page in family(pages.page(verb))}
    assert set(whole) == set(every_command())
    assert {i.term for i in whole["push",].sections["Options"]} >= {"--tags", "--dry-run"}
    assert Item("13", "the remote does not answer") in whole["push",].sections["Exit status"]
    assert Item("10", "no repository here") not in whole["version",].sections["Exit status"]
    assert whole["checkout",].see == ("restore", "undo")


def family(page: ManualPage) -> list[ManualPage]:
    return [page, *(member for below in page.below for member in family(below))]


def test_man_pages_use_known_macros_and_no_line_becomes_one_by_accident(make: ModuleType) -> None:
    for path, text in make.files().items():
        if path.suffix == ".1":
            requests = {m[0] for m in re.finditer(r"^[.']\S*", text, re.MULTILINE)}
            assert requests <= MACROS, path
            assert text.startswith(f'.TH "{path.stem.upper()}" 1'.replace("-", "\\-")), path
    if shutil.which("groff"):
        for page in sorted((ROOT / "docs" / "man").glob("*.1")):
            ran = subprocess.run(
                ["groff", "-man", "-ww", "-z", page], capture_output=True, text=True
            )
            assert (ran.returncode, ran.stderr) == (0, ""), page


def test_characters_that_roff_would_read_are_escaped() -> None:
    body = (Paragraph(".TH is text, \\ too; 'a-b' ~ ^"), Verbatim((".br", "'x'")))
    text = roff.document(ManualPage(("mvc", "x"), "s", "mvc x", body), "1")
    assert "\n\\&.TH is text, \\e too; \\(aqa\\-b\\(aq \\(ti \\(ha\n" in text
    assert "\n\\&.br\n\\(aqx\\(aq\n" in text


@pytest.mark.parametrize("columns", [80, 60, 20, 300])
def test_lines_fit_the_terminal_but_for_those_shown_as_they_stand(columns: int) -> None:
    page = ManualPage(
        ("mvc", "x"),
        "do " * 60,
        "mvc x",
        (Paragraph("word " * 200), Verbatim(("a" * 150,))),
        {"Options": (Item("-x", "word " * 50), Item("--a-long-option VALUE", "word " * 50))},
    )
    lines = list(screen.lines(page, columns=columns))
    width = min(max(columns, screen.NARROWEST_COLUMNS), screen.WIDEST_COLUMNS)
    assert [line for line in lines if len(line) > width and "aaa" not in line] == []
    assert max(map(len, lines)) > width - 12


def test_help_shows_the_page_of_a_verb_and_of_a_verbs_verb(
    mvc: Mvc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = mvc("help", "promote").out
    assert shown.startswith("NAME\n    mvc-promote - ")
    for part in ("SYNOPSIS\n    mvc promote [OPTIONS] REV STAGE", "\nEXIT STATUS\n", "--require"):
        assert part in shown
    assert mvc("help", "op", "log").out.startswith("NAME\n    mvc-op-log - show operations")
    assert "MVC_NO_DAEMON" in mvc("help", "mvc").out
    assert mvc("help").out == mvc("--help").out
    for words in every_command():
        long = [line for line in mvc("help", *words).out.splitlines() if len(line) > 80]
        assert long == [], words


def test_help_answers_programs_too(mvc: Mvc) -> None:
    answer = mvc("help", "log", "--json").json
    assert (answer["command"], answer["text"]) == ("mvc log", mvc("help", "log").out)
    assert mvc("--json", "help").json["command"] == "mvc"


def test_help_of_what_is_no_verb_is_a_usage_error(mvc: Mvc) -> None:
    ran = mvc("help", "comit", code=2)
    assert (ran.out, ran.err) == (
        "", "error: there is no verb 'comit'\nhelp: did you mean mvc commit?\n"
    )  # fmt: skip
    assert "did you mean mvc op log?" in mvc("help", "op", "lgo", code=2).err
    assert mvc("help", "log", "log", code=2).err.startswith("error: mvc log has no verb 'log'\n")


def test_on_a_terminal_help_goes_through_the_pager_with_bold_headings(work: Path) -> None:
    pager = work / "pager"
    pager.write_text(
        f"#!{sys.executable}\nimport sys\nprint('PAGED', len(sys.stdin.read()) > 500)\n"
    )
    pager.chmod(0o755)
    assert "PAGED True" in on_a_terminal({"PAGER": str(pager)})
    assert "\x1b[1mNAME\x1b[0m" in on_a_terminal({"PAGER": "cat"})


def on_a_terminal(more: dict[str, str]) -> str:
    """What `mvc help promote` writes to a terminal of its own."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", **more}
    with subprocess.Popen(
        [sys.executable, "-m", "mvc", "help", "promote"],
        stdin=theirs, stdout=theirs, stderr=theirs, env=environment,
    ) as process:  # fmt: skip
        os.close(theirs)
        read = b""
        try:
            while part := os.read(ours, 65536):
                read += part
        except OSError:  # EIO: the other side is closed
            pass
        os.close(ours)
        assert process.wait() == 0, read
    return read.decode()


def test_every_variable_of_ours_is_in_the_manual_and_no_other() -> None:
    told = {
        name
        for names in {**surroundings.ENVIRONMENT, **surroundings.GIVEN}
        for name in names.split(", ")
        if name.startswith("MVC_")
    }
    sources = [*(ROOT / "mvcd").rglob("*.py"), *(ROOT / "client").rglob("*.py")]
    read = {
        name
        for path in sources
        if path.name != "surroundings.py"
        for name in re.findall(r"[\"'](MVC_[A-Z_]+)[\"']", path.read_text())
    }
    assert read == told


def test_the_exit_codes_of_the_daemon_are_those_of_its_page(make: ModuleType) -> None:
    codes = {str(code) for _, code in daemon._EXIT_CODES}
    assert codes <= set(make.DAEMON_EXITS)
    assert daemon.parser().parse_args(["status"]).verb is daemon.status


def test_verbs_of_a_server_tell_of_no_repository_here() -> None:
    """They work on the server's directory: without one the code is 1."""
    users, gone = pages.page("admin", "user", "list"), pages.page("admin", "repo", "remove")
    assert [item.term for item in users.sections["Exit status"]] == ["0", "1", "2"]
    assert Item("10", "no such repository on the server") in gone.sections["Exit status"]
    assert "10" not in {item.term for item in pages.page("admin").sections["Exit status"]}
