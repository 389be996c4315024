"""The quick answer to `mvc --version` is the one that the whole command gives, and costs no import of it."""

from __future__ import annotations

import subprocess
import sys

import pytest

_ASK = """
import sys
sys.argv = ['mvc', {option!r}]
from mvc.cli.{module} import main
try:
    main()
finally:
    print('click' in sys.modules)
"""


def ask(module: str, option: str) -> list[str]:
    code = _ASK.format(module=module, option=option)
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0
    return ended.stdout.splitlines()


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_version_is_answered_without_click(option: str) -> None:
    quick, whole = ask("start", option), ask("main", option)
    assert quick == [whole[0], "False"]
    assert whole[1] == "True"


def test_everything_else_goes_to_the_whole_command() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "mvc", "no-such-verb"], capture_output=True, text=True
    )
    assert ended.returncode == 2
    assert "no-such-verb" in ended.stderr
