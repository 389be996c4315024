"""The sessions of README.md and of the pages below docs/, run as they stand.

Figures and ids may differ, everything else may not. Each page begins in an empty directory, shown as
`/home/ada`. After a change that is meant, bless it:  MVC_BLESS=1 pytest tests/test_readme.py
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import mvc

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
MARK = "\x1d\n"
HOME = "/home/ada"


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def session(text: str) -> list[tuple[str, str]]:
    """(command, what the page shows after it), over all console blocks. `> ` goes on with a command."""
    found = []
    for part in re.split(r"^\$ ", "\n".join(blocks("console", text)), flags=re.MULTILINE)[1:]:
        typed = re.match(r".*(\n>.*)*", part)
        assert typed is not None
        command = re.sub(r"\n> ?", "\n", typed[0])
        found.append((command, part[typed.end() + 1 :]))
    return found


def plain(output: str) -> list[str]:
    """Lines without what differs from run to run: ids, numbers, the widths that follow from them."""
    text = re.sub(r"SHA256:\S+|\b[0-9a-f]{64}\b|\b[0-9a-f]{10}\b", "ID", output)
    text = re.sub(r"\b\d{4}-\d\d-\d\d( \d\d:\d\d)?|\b(just now|\d+ \w+ ago)\b", "WHEN", text)
    text = re.sub(r"[-+]?\d+(\.\d+)?( (B|[KMG]iB)\b)?", "N", text)
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


QUICK = ("README.md", "docs/guide/first-hour.md")
"""Pages whose sessions the default run has; those of the others are in the thorough one."""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """An empty directory, and an environment with a daemon of its own, which ends with the test."""
    home = tmp_path / "home"
    home.mkdir()
    with tempfile.TemporaryDirectory(
        prefix="mvc-"
    ) as runtime:  # a socket's path has 107 bytes at most
        environment = {
            **os.environ, "HOME": str(home), "MVC_CONFIG": "", "MVC_AUTHOR": "Ada <ada@example.org>",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "COLUMNS": "100",
            "MVC_RUNTIME_DIR": runtime, "MVC_STATE_DIR": str(tmp_path / "state"),
            "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(tmp_path / "compiled"),
        }  # fmt: skip
        yield home, environment
        stop = [sys.executable, "-m", "mvcd.daemon", "stop"]
        subprocess.run(stop, env=environment, check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=name, marks=[] if name in QUICK else pytest.mark.thorough)
        for page in PAGES
        if session(page.read_text())
        for name in [str(page.relative_to(ROOT))]
    ],
)
def test_the_sessions_of_a_page_are_what_a_reader_gets(
    page: Path, place: tuple[Path, dict[str, str]]
) -> None:
    home, environment = place
    commands = session(page.read_text())
    assert len(commands) > 3
    script = "".join(
        f'{name}() {{ "{sys.executable}" {options} "$@"; }}\n'
        for name, options in (("mvc", "-m mvc"), ("mvcd", "-m mvcd.daemon"), ("python", ""))
    )
    script += "".join(f"{command}\nprintf '{MARK}'\n" for command, _ in commands)
    done = subprocess.run(
        ["bash", "-c", script], cwd=home, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    outputs = done.stdout.replace(str(home), HOME).split(MARK)[:-1]
    assert len(outputs) == len(commands), done.stdout
    if os.environ.get("MVC_BLESS"):
        bless(page, commands, outputs)
        return
    for (command, shown), output in zip(commands, outputs, strict=True):
        assert plain(output) == plain(shown), command


def bless(page: Path, commands: list[tuple[str, str]], outputs: list[str]) -> None:
    """Writes what the commands said into the page, if it shows something else: all of it, so that ids agree."""
    if all(plain(o) == plain(s) for (_, s), o in zip(commands, outputs, strict=True)):
        return
    text, begin = page.read_text(), 0
    for (command, _), output in zip(commands, outputs, strict=True):
        head = "$ " + re.sub(r"\n(.?)", lambda m: f"\n> {m[1]}" if m[1] else "\n>", command) + "\n"
        begin = text.index(head, begin) + len(head)
        end = min(i for i in (text.find(s, begin - 1) + 1 for s in ("\n$ ", "\n```")) if i > 0)
        assert not re.search(r"^\$ |^```", output, re.MULTILINE), (
            f"{command}: it looks like a command"
        )
        blank = "\n" if text[begin - 1 : end].endswith("\n\n") else ""
        text = text[:begin] + output + blank + text[end:]
        begin += len(output)
    page.write_text(text)


def test_the_sample_is_the_one_that_is_tested() -> None:
    assert mvc.__doc__ is not None
    (sample,) = blocks("python")
    assert [line.strip() for line in sample.splitlines()] == [
        line.strip() for line in mvc.__doc__.split("\n\n")[1].splitlines()
    ]
