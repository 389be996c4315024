"""How fast a verb begins is a matter of what it imports: this is counted here, since times are of the machine.

`tests/bench/bench_start.py` has the times.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mvcd.repo.ondisk.statcache import FileStat
from tests.support.commandline import Mvc

_PROBE = """
import json, sys
before = set(sys.modules)
sys.argv = ["mvc", *sys.argv[1:]]
from mvc.cli.start import main
try:
    main()
finally:
    print("\\n" + json.dumps(sorted(set(sys.modules) - before)), file=sys.stderr)
"""

NEVER = (
    "asyncio", "ctypes", "grpc", "importlib.metadata", "numpy", "platformdirs", "rich", "ruamel", "tomlkit",
    "watchdog",
)  # fmt: skip
"""Libraries that none of these verbs needs."""
READING = (
    "concurrent.futures", "difflib", "google.protobuf.descriptor", "logging", "mvc.api.results",
    "mvcd.inspect.layout", "mvcd.inspect.recorded", "mvcd.inspect.tensorfile", "mvcd.repo.change.commit",
    "mvcd.repo.intake", "mvcd.repo.records.results", "mvcd.store.reports", "mvcd.store.session", "pickle",
    "secrets", "shutil", "subprocess",
)  # fmt: skip
"""What looking at a small repository does not need besides: what reads and writes content, and many values."""
CHECKPOINTS = ("mvcd.inspect.checkpoints", "mvcd.inspect.runfiles")
"""What folds the files of one checkpoint, of which a clean workspace shows none."""
FILES = (
    "mvcd.inspect.tensorfile",
    "mvcd.repo.change.commit",
    "mvcd.store.session",
    "secrets",
    "subprocess",
)
"""What a comparison of small files does not need."""


@pytest.fixture
def saved(mvc: Mvc, work: Path) -> Path:
    """A repository of three versions, in which nothing changed since."""
    mvc("init")
    (work / "params.yaml").write_text("lr: 0.1\n")
    (work / "notes.txt").write_text("first")
    mvc("add", ".")
    for number in range(3):
        (work / "metrics.json").write_text(json.dumps({"acc": number / 10}))
        mvc("commit", "-m", f"version {number}")
    files = [path for path in work.iterdir() if path.is_file()]
    while any(FileStat.of(os.stat(path)).racy(time.time_ns()) for path in files):
        time.sleep(0.01)  # for a tick of the clock: stamps prove nothing before
    mvc("status")
    return work


def imported(work: Path, *words: str) -> set[str]:
    """Modules that a verb loads, less those that the interpreter has as it starts."""
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, *words],
        cwd=work, env={**os.environ, "MVC_CONFIG": ""}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(json.loads(done.stderr.splitlines()[-1]))


def among(modules: set[str], unwanted: tuple[str, ...]) -> list[str]:
    return [m for m in sorted(modules) if any(m == u or m.startswith(u + ".") for u in unwanted)]


@pytest.mark.parametrize(
    ("words", "most", "unwanted"),
    [
        (("branch",), 136, READING),
        (("tag",), 136, READING),
        (("status",), 160, (*READING, *CHECKPOINTS)),
        (("log",), 156, (*READING, "mvc.api.standing", "mvcd.sync")),
        (("log", "--oneline"), 156, READING),
        (("show",), 175, (*FILES, "hashlib")),
        (("diff",), 190, (*FILES, "mvcd.repo.intake")),
        (("commit", "--allow-empty", "-m", "none"), 222, ("mvcd.inspect.tensorreaders", "rich")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) and len(value) < 5 else "",
)
def test_a_verb_imports_what_it_uses(
    saved: Path, words: tuple[str, ...], most: int, unwanted: tuple[str, ...]
) -> None:
    found = imported(saved, *words)
    ours = {module for module in found if module.partition(".")[0] in ("mvc", "mvcd")}
    assert f"mvc.cli.commands.{words[0]}" in ours, "the probe sees what is loaded"
    assert among(found, NEVER + unwanted) == []
    assert len(ours) <= most


def test_a_file_that_may_have_tensors_loads_their_readers(saved: Path) -> None:
    (saved / "model.npz").write_bytes(b"PK\x03\x04" + bytes(100))
    found = imported(saved, "commit", "-m", "a model")
    assert "mvcd.inspect.tensorreaders" in found
