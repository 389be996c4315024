"""DVC takes models from exports, for its import-url knows a fixed list of schemes.

pip install dvc && pytest -m campaign tests/integrations
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import mvc
from tests.support.commandline import AUTHOR, write

pytestmark = [
    pytest.mark.campaign,
    pytest.mark.skipif(shutil.which("dvc") is None, reason="needs dvc on PATH"),
]


def dvc(place: Path, *words: str, code: int = 0) -> str:
    """What the command says on stdout and stderr."""
    ran = subprocess.run(
        ["dvc", *words], cwd=place, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert ran.returncode == code, ran.stdout
    return ran.stdout


def test_dvc_imports_an_export_and_follows_it(work: Path, tmp_path: Path) -> None:
    write(work, {"model/w.bin": b"1" * 1000, "train.csv": b"x\n"})
    repo = mvc.Repo.init(work, author=AUTHOR)
    repo.add(".")
    repo.commit("first")
    theirs, live = tmp_path / "theirs", tmp_path / "live"
    theirs.mkdir()
    subprocess.run(["git", "init", "-q"], cwd=theirs, check=True)
    dvc(theirs, "init", "-q")
    assert "does not exist" in dvc(theirs, "import-url", f"mvc://{work}@v1/train.csv", code=1)
    host = "mvc://models.example.org/team/iris@v1/train.csv"
    assert "Unsupported URL type mvc" in dvc(theirs, "import-url", host, code=1)
    repo.export("v1", live)
    dvc(theirs, "import-url", str(live), "iris")
    assert (theirs / "iris/model/w.bin").read_bytes() == b"1" * 1000
    assert "up to date" in dvc(theirs, "status")
    write(work, {"model/w.bin": b"2" * 1000})
    repo.commit("second")
    repo.export("v2", live, replace=True)
    dvc(theirs, "update", "iris.dvc")
    assert (theirs / "iris/model/w.bin").read_bytes() == b"2" * 1000
    repo.close()
