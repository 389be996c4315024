"""README.md's session and sample, run as they stand. Figures and ids may differ, everything else may not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import mvc

README = (Path(__file__).parent.parent / "README.md").read_text()
MARK = "\x1d\n"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def session() -> list[tuple[str, str]]:
    """(command, what the README shows after it), over all console blocks."""
    found = []
    for part in re.split(r"^\$ ", "\n".join(blocks("console")), flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        found.append((command, shown))
    return found


def plain(output: str) -> list[str]:
    """Lines without what differs from run to run: ids, numbers, the widths that follow from them."""
    text = re.sub(r"\b[0-9a-f]{10}\b", "ID", output)
    text = re.sub(r"[-+]?\d+(\.\d+)?( (B|[KMG]iB)\b)?", "N", text)
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def test_the_session_is_what_a_reader_gets(tmp_path: Path) -> None:
    commands = session()
    assert len(commands) > 8
    script = f'mvc() {{ "{sys.executable}" -m mvc "$@"; }}\n'
    script += "".join(f"{command}\nprintf '{MARK}'\n" for command, _ in commands)
    environment = {
        **os.environ, "MVC_CONFIG": "", "MVC_AUTHOR": "Ada <ada@example.org>",
        "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(tmp_path / "compiled"),
    }  # fmt: skip
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    for (command, shown), output in zip(commands, done.stdout.split(MARK), strict=False):
        assert plain(output) == plain(shown), command


def test_the_sample_is_the_one_that_is_tested() -> None:
    assert mvc.__doc__ is not None
    (sample,) = blocks("python")
    assert [line.strip() for line in sample.splitlines()] == [
        line.strip() for line in mvc.__doc__.split("\n\n")[1].splitlines()
    ]
