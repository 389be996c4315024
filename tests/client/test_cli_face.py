"""Colours, warnings and progress: what reaches which stream, and when."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mvc.cli.face import Face
from mvc.cli.progress import Bar, Lines
from tests.support.commandline import Mvc

ESCAPE = "\x1b["


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("color", "environment", "terminal", "colored"),
    [
        ("auto", {}, True, True),
        ("auto", {}, False, False),
        ("auto", {"NO_COLOR": "1"}, True, False),
        ("auto", {"NO_COLOR": ""}, True, True),
        ("auto", {"FORCE_COLOR": "1"}, False, True),
        ("auto", {"TERM": "dumb"}, True, False),
        ("always", {"NO_COLOR": "1"}, False, True),
        ("never", {"FORCE_COLOR": "1"}, True, False),
    ],
)
def test_when_output_has_colours(
    work: Path,
    monkeypatch: pytest.MonkeyPatch,
    color: str,
    environment: dict[str, str],
    terminal: bool,
    colored: bool,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Face(color=color).colored(Terminal() if terminal else io.StringIO()) is colored


def test_colours_of_real_output(mvc: Mvc, saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ESCAPE not in mvc("log").out
    assert ESCAPE in mvc("log", "--color", "always").out
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert ESCAPE in mvc("log").out
    assert ESCAPE in mvc("log", "nothing", code=1).err
    monkeypatch.setenv("NO_COLOR", "1")
    assert ESCAPE not in mvc("log").out
    assert ESCAPE not in mvc("log", "nothing", code=1).err
    assert ESCAPE not in mvc("log", "--json", "--color", "always").out


def test_a_terminal_gets_colours_and_a_pipe_does_not(saved: Path) -> None:
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "PAGER": "cat"}
    command = [sys.executable, "-m", "mvc", "log", "--oneline"]
    subprocess.run(command, stdout=follower, stderr=follower, env=environment, check=True)
    os.close(follower)
    shown = os.read(leader, 10_000).decode()
    os.close(leader)
    assert ESCAPE in shown
    assert ESCAPE not in subprocess.check_output(command, text=True, env=environment)


def test_progress_is_for_terminals_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", Terminal())
    assert type(Face().monitor()) is Bar
    for face in (Face(quiet=True), Face(json=True), Face(progress=False)):
        assert type(face.monitor()) is Lines
    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert type(Face().monitor()) is Lines


def test_a_short_task_draws_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    bar = Bar(Face().warn)
    bar.begin("snapshot", total_bytes=100)
    bar.advance(bytes_done=100, bytes_new=50)
    bar.finish()
    assert terminal.getvalue() == ""


def test_a_long_task_draws_bytes_rate_and_what_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setattr("mvc.cli.progress.time.monotonic", lambda: clock[0])
    monkeypatch.setenv("COLUMNS", "120")
    bar = Bar(Face().warn)
    bar.begin("snapshot", total_bytes=4 << 20)
    clock[0] += 1
    bar.advance(bytes_done=1 << 20, bytes_new=1 << 19)
    clock[0] += 1
    bar.advance(bytes_done=1 << 20)
    bar.finish()
    shown = terminal.getvalue()
    assert "saving" in shown
    assert "2.0 MiB of 4.0 MiB  1.0 MiB/s  new 512 KiB, reused 1.5 MiB" in shown


def test_a_transfer_learns_its_totals_as_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("mvc.cli.progress.time.monotonic", lambda: clock[0])
    monkeypatch.setenv("COLUMNS", "120")
    for more, shown in (({"more_bytes": 2 << 20}, "of 4.0 MiB"), ({"more_items": 50}, ", 20 %")):
        terminal = Terminal()
        monkeypatch.setattr("sys.stderr", terminal)
        bar = Bar(Face().warn)
        bar.begin("push")
        bar.expect(**more)
        bar.expect(**more)
        clock[0] += 1
        bar.advance(bytes_done=1 << 20, items_done=20)
        bar.finish()
        assert f"1.0 MiB{' ' * shown.startswith('of')}{shown}  1.0 MiB/s" in terminal.getvalue()


def test_a_warning_is_said_once_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(Face().warn)
    lines.warn("skipped a\x1b[31m")
    lines.warn("skipped a\x1b[31m")
    assert capsys.readouterr() == ("", "warning: skipped a\\x1b[31m\n")


def test_what_a_terminal_cannot_show_does_not_end_a_command(saved: Path) -> None:
    (saved / "模型.py").write_text("x")
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(
        [sys.executable, "-m", "mvc", "status"], capture_output=True, env=environment, check=True
    )
    assert b"\\u6a21\\u578b.py" in done.stdout


def test_lines_that_were_found_before_an_error_are_written(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def lines() -> Iterator[str]:
        yield from map(str, range(300))
        raise ValueError("the rest cannot be read")

    with pytest.raises(ValueError, match="the rest"):
        Face().page(lines())
    assert capsys.readouterr().out == "".join(f"{number}\n" for number in range(300))
