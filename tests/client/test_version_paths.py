"""REV:PATH in all verbs that take it, and a colon within a version's name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from mvc.api.version_paths import split_path
from tests.support.commandline import SECOND, Mvc


def test_a_time_with_a_colon_is_no_path(mvc: Mvc, saved: Path) -> None:
    """`main@{2026-11-01T10:30}` in all that take REV:PATH."""
    then = f"main@{{{datetime.now(UTC) + timedelta(days=1):%Y-%m-%dT%H:%M}Z}}"
    assert split_path(f"{then}:model.py") == (then, "model.py")
    assert mvc("cat", f"{then}:model.py").out == SECOND["model.py"]
    assert mvc("explain", f"{then}:model.py").out.splitlines()[0] == f"{then}:model.py"
    assert "No differences" in mvc("diff", f"{then}:model.py", "HEAD:model.py").out
    assert "No differences" in mvc("diff", f"{then}..HEAD").out
