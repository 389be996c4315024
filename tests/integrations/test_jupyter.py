"""`%mvc` in a real IPython shell; `pytest -m tools` once it is installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mvc
from tests.support.commandline import write

pytestmark = [pytest.mark.tools, pytest.mark.usefixtures("work")]


@pytest.fixture
def shell(work: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("IPYTHONDIR", str(work.parent / "ipython"))
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    with mvc.Repo.init(work) as repo:
        repo.add(".")
        for n in range(3):
            write(work, {"metrics.json": b'{"loss": %d}' % n})
            repo.commit(f"number {n}")
    made = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    made.run_line_magic("load_ext", "mvc")
    yield made
    InteractiveShell.clear_instance()
    repo.close()


def test_commands_print_into_the_notebook(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert shell.run_cell("%mvc log -n 1").success
    assert "number 2" in capsys.readouterr().out
    failed = shell.run_cell("%mvc show v9")
    assert isinstance(failed.error_in_exec, SystemExit)
    assert "no version is named" in capsys.readouterr().err


def test_a_plot_is_a_picture(shell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []
    monkeypatch.setattr("mvc.integrations.jupyter.display", shown.append)
    assert shell.run_cell("%mvc plot loss").success
    (picture,) = shown
    assert picture.data.startswith(b"\x89PNG")


def test_results_are_tables(shell: Any) -> None:
    shell.run_cell("import mvc; repo = mvc.Repo.open('.')")
    found = shell.run_cell("repo.log()").result
    formatted, _ = shell.display_formatter.format(found)
    assert "number 2" in formatted["text/html"]
    shell.run_cell("repo.close()")
