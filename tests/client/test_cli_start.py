"""The quick answer to `mvc --version` is the one that the whole command gives, and costs no import of it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

from mvc.cli.main import main as whole

_ASK = "import sys; sys.argv = ['mvc', {!r}]; from mvc.cli.start import main; main(); print('click' in sys.modules)"


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_version_is_answered_without_click(option: str) -> None:
    quick = subprocess.run(
        [sys.executable, "-c", _ASK.format(option)], capture_output=True, text=True, check=True
    )
    answer, click_was_loaded = quick.stdout.splitlines()
    assert CliRunner().invoke(whole, [option]).output == answer + "\n"
    assert click_was_loaded == "False"


def test_everything_else_goes_to_the_whole_command() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "mvc", "no-such-verb"], capture_output=True, text=True
    )
    assert ended.returncode == 2
    assert "no-such-verb" in ended.stderr
