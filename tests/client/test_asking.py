"""`mvc restore -p` and `mvc commit -i` at a real terminal: a pty of their own, answered line by line."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from mvc import Repo
from tests.support.commandline import AUTHOR, FIRST, Mvc, write

END = "\x04"
"""^D: there are no more answers."""
BREAK = "\x03"
"""^C."""
PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class Session:
    """What stood on the terminal, and how the command ended."""

    screen: str
    code: int


def at_terminal(words: Sequence[str], answers: Sequence[str], cwd: Path) -> Session:
    """Runs `mvc WORDS` on a terminal of its own; each answer is typed when the prompt stands there."""
    controller, terminal = pty.openpty()
    environment = {
        **os.environ,
        "MVC_AUTHOR": AUTHOR,
        "MVC_CONFIG": "",
        "TERM": "xterm",
        "NO_COLOR": "1",
    }
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "mvc", *words],
        stdin=terminal, stdout=terminal, stderr=terminal, cwd=cwd, env=environment,
        start_new_session=True,
    )  # fmt: skip
    os.close(terminal)
    screen, waiting = "", list(answers)
    asked = 0
    try:
        while True:
            if not select.select([controller], [], [], PATIENCE_SECONDS)[0]:
                pytest.fail(f"nothing came for {PATIENCE_SECONDS} s after:\n{screen}")
            try:
                data = os.read(controller, 65536)
            except OSError:  # EIO: the last who had the terminal open has ended
                break
            if not data:
                break
            screen += data.decode()
            if screen.count("]? ") > asked and screen.endswith("]? ") and waiting:
                asked = screen.count("]? ")
                answer = waiting.pop(0)
                if answer == BREAK:
                    os.kill(process.pid, signal.SIGINT)
                else:
                    os.write(controller, (answer if answer == END else f"{answer}\n").encode())
        code = process.wait(PATIENCE_SECONDS)
    finally:
        process.kill()
        process.wait()
        os.close(controller)
    assert not waiting, f"{waiting} were never asked for:\n{screen}"
    return Session(screen.replace("\r\n", "\n"), code)


@pytest.fixture
def changed(mvc: Mvc, saved: Path) -> Path:
    """Of the second version: one file changed, one gone, one new, and a checkpoint of three files."""
    write(saved, {"model.py": "class Changed: ...\n", "new.py": "x = 1\n", "other.py": "y = 2\n"})
    (saved / "metrics.json").unlink()
    for name in ("a.safetensors", "b.safetensors", "optimizer.pt"):
        write(saved, {f"runs/checkpoint-7/{name}": name})
    return saved


def unsaved(root: Path) -> set[str]:
    with_repo = Repo(root)
    status = with_repo.status()
    with_repo.close()
    return {c.path for c in (*status.added, *status.modified, *status.deleted)}


CHECKPOINT = {
    f"runs/checkpoint-7/{name}" for name in ("a.safetensors", "b.safetensors", "optimizer.pt")
}


def test_restore_asks_about_each_file(changed: Path) -> None:
    before = (changed / "model.py").read_text()
    done = at_terminal(["restore", "-p"], ["n", "y"], changed)
    assert done.code == 0
    assert "(1/2) modified  architecture    model.py\nRestore [y,n,q,a,d,p,?]? n" in done.screen
    assert "(2/2) deleted   results         metrics.json\n" in done.screen
    assert (changed / "model.py").read_text() == before
    assert (changed / "metrics.json").exists()
    assert (changed / "new.py").exists()


def test_restore_shows_helps_and_quits(changed: Path) -> None:
    done = at_terminal(["restore", "--patch", "HEAD", "."], ["?", "what", "p", "q"], changed)
    assert done.code == 0
    assert done.screen.count("a - all: this one and every one that follows") == 2
    assert "+class Changed: ..." in done.screen
    assert done.screen.endswith("Nothing was chosen, nothing changed\n")
    assert "metrics.json" in unsaved(changed)


@pytest.mark.parametrize(("answers", "restored"), [(["a"], True), ([END], False), (["d"], False)])
def test_restore_all_or_none(changed: Path, answers: list[str], restored: bool) -> None:
    assert at_terminal(["restore", "-p", "model.py"], answers, changed).code == 0
    assert ("model.py" not in unsaved(changed)) == restored
    assert "metrics.json" in unsaved(changed)


def test_restore_from_another_version(changed: Path) -> None:
    done = at_terminal(["restore", "-p", "v1", "model.py"], ["y"], changed)
    assert done.code == 0
    assert (changed / "model.py").read_text() == FIRST["model.py"]


def test_interrupting_changes_nothing(changed: Path) -> None:
    before = unsaved(changed)
    done = at_terminal(["restore", "-p"], ["y", BREAK], changed)
    assert (done.code, unsaved(changed)) == (130, before)
    done = at_terminal(["commit", "-i", "-m", "x"], [BREAK], changed)
    assert (done.code, unsaved(changed)) == (130, before)


def test_commit_asks_about_the_parts(changed: Path, mvc: Mvc) -> None:
    done = at_terminal(["commit", "-i", "-m", "some"], ["y", "n", "n"], changed)
    assert done.code == 0
    assert "(1/3) architecture: 1 file modified, 2 added\nSave [y,n,q,a,d,s,p,?]? y" in done.screen
    assert "(2/3) added     weights         runs/checkpoint-7/  3 files\n" in done.screen
    assert unsaved(changed) == {"metrics.json", *CHECKPOINT}
    assert mvc("log", "--oneline", "-n", "1").out.endswith("some\n")
    mvc("commit", "-m", "the rest")
    assert unsaved(changed) == set()


def test_commit_splits_a_part_and_a_checkpoint(changed: Path) -> None:
    done = at_terminal(
        ["commit", "-i", "-m", "some"], ["s", "n", "y", "d", "s", "y", "n", "n", "q"], changed
    )
    assert done.code == 0, done.screen
    assert unsaved(changed) == {
        "model.py",
        "other.py",
        "metrics.json",
        "runs/checkpoint-7/b.safetensors",
        "runs/checkpoint-7/optimizer.pt",
    }


def test_commit_of_everything_and_of_nothing(changed: Path) -> None:
    done = at_terminal(["commit", "-i", "-m", "none"], ["q"], changed)
    assert done.code == 1
    assert "error: nothing was chosen" in done.screen
    assert at_terminal(["commit", "-i", "-m", "all"], ["a"], changed).code == 0
    assert unsaved(changed) == set()
    assert (
        "error: nothing to commit" in at_terminal(["commit", "-i", "-m", "x"], [], changed).screen
    )


def test_without_a_terminal_there_is_nobody_to_ask(mvc: Mvc, changed: Path) -> None:
    for words, instead in (
        (["restore", "-p"], "mvc restore PATH..."),
        (["commit", "-i", "-m", "x"], "mvc commit -m"),
    ):
        ran = mvc(*words, code=2)
        assert f"error: {words[1]} asks, and this is no terminal\nhelp: {instead}" in ran.err
    assert "exclude" in mvc("commit", "-i", "--amend", "-m", "x", code=2).err
    assert unsaved(changed) >= CHECKPOINT
