"""Stock projects of transformers, Lightning and Keras: what they say of themselves is what mvc shows, unedited.

pip install torch==2.13.0 && pip install -e '.[dev,trainers]' && pytest -m trainers

Each project is trained three times in place, with another learning rate and then with another width, and is
committed each time; all looking is by commands in a terminal of 80 columns.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.trainers, pytest.mark.timeout(1200)]

PROGRAM = Path(__file__).with_name("stock_projects.py")
RUNS = [("1e-3", "16"), ("1e-2", "16"), ("1e-2", "32")]
LIBRARIES = {"transformers": "eval_loss", "lightning": "val_loss", "keras": "val_loss"}
"""With the metric that decides."""


@dataclass
class Project:
    """A trained project; `said` is what the library said of each run."""

    library: str
    root: Path
    environment: dict[str, str]
    said: list[dict[str, Any]]

    @property
    def metric(self) -> str:
        return LIBRARIES[self.library]

    def run(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "mvc", *words],
            cwd=self.root, env=self.environment, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    def screen(self, *words: str) -> list[str]:
        """Lines of a screen, each of which fits, but for paths, which are never cut."""
        lines = self.run(*words).splitlines()
        wide = [line for line in lines if len(line) > 80 and not re.search(r"\S{60}$", line)]
        assert wide == [], words
        return lines

    def versions(self) -> list[dict[str, Any]]:
        """Oldest first."""
        found: list[dict[str, Any]] = json.loads(self.run("--json", "log"))["versions"]
        return found[::-1]


@pytest.fixture(scope="module", params=LIBRARIES)
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Project:
    base = tmp_path_factory.mktemp(request.param)
    root = base / "project"
    for directory in (root, base / "home", base / "state"):
        directory.mkdir()
    (base / "run").mkdir(mode=0o700)
    environment = {
        **os.environ, "HOME": str(base / "home"), "MVC_RUNTIME_DIR": str(base / "run"),
        "MVC_STATE_DIR": str(base / "state"), "NO_COLOR": "1", "COLUMNS": "80",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }  # fmt: skip
    project = Project(request.param, root, environment, [])
    (root / "train.py").write_bytes(PROGRAM.read_bytes())
    for rate, width in RUNS:
        trained = subprocess.run(
            [sys.executable, "train.py", project.library, rate, width],
            cwd=root, env=environment, capture_output=True, text=True,
        )  # fmt: skip
        assert trained.returncode == 0, trained.stderr
        project.said.append(json.loads(trained.stdout.splitlines()[-1]))
        if len(project.said) == 1:
            project.run("init")
            project.run("add", ".")
        project.run("commit", "-m", f"rate {rate}, width {width}")
    return project


def test_the_figures_are_those_of_the_library(project: Project) -> None:
    for version, said in zip(project.versions(), project.said, strict=True):
        for key, value in said["metrics"].items():
            if key in version["metrics"] and key != "epoch":
                assert version["metrics"][key] == pytest.approx(value, rel=1e-5), key
        assert version["metrics"][project.metric] == pytest.approx(
            said["metrics"][project.metric], rel=1e-5
        )
    card = json.loads(project.run("--json", "card", "v3"))
    assert sum(card["parameters"].values()) == project.said[2]["parameters"]
    assert (
        sum(json.loads(project.run("--json", "card", "v1"))["parameters"].values())
        == (project.said[0]["parameters"])
    )


def test_settings_that_differ_are_seen(project: Project) -> None:
    rates = [float(rate) for rate, _ in RUNS]
    key = "lr" if project.library == "lightning" else "learning_rate"
    assert [version["hyperparameters"][key] for version in project.versions()] == rates
    assert key in project.screen("compare", "v1", "v2", "v3")[0].split()
    if project.library == "lightning":
        assert project.versions()[0]["hyperparameters"]["optimizer"] == "torch.optim.adam.Adam"


def test_of_all_arguments_those_that_were_set_are_shown(project: Project) -> None:
    rows = project.screen("show", "v2")
    rows = [row.split() for row in rows[rows.index("hyperparameters") + 1 :]]
    if project.library != "transformers":
        assert rows[-1][0] != "..."
        return
    assert {row[0] for row in rows[:-1]} == {
        "output_dir", "learning_rate", "max_steps", "per_device_train_batch_size", "eval_strategy",
        "eval_steps",
        "logging_steps", "save_steps", "save_total_limit", "report_to.0", "disable_tqdm", "use_cpu",
    }  # fmt: skip
    assert ["learning_rate", "0.01", "was", "0.001"] in rows
    assert rows[-1][0] == "..." and int(rows[-1][1]) > 40


def test_the_best_is_first(project: Project) -> None:
    losses = [said["metrics"][project.metric] for said in project.said]
    best = [f"v{losses.index(loss) + 1}" for loss in sorted(losses)]
    shown = project.screen("log", "--best", project.metric)
    assert [line.split()[0] for line in shown if re.match(r"v\d", line)] == best
    limit = (sorted(losses)[0] + sorted(losses)[1]) / 2
    shown = project.screen("log", "--where", f"{project.metric}<{limit}")
    assert [line.split()[0] for line in shown if re.match(r"v\d", line)] == best[:1]
    heads = project.screen("log", "--metrics")[0].split()
    assert project.metric in heads
    assert not {"hp_metric", "epoch", "step"} & set(heads)


def test_one_checkpoint_speaks(project: Project) -> None:
    lines = project.screen("diff", "v1", "v2")
    shown = [line for line in lines if re.search(r"\d tensors?: ", line)]
    models = [line for line in shown if "training state" not in line]
    assert len(models) == 1, shown
    assert re.search(r"(\d+) tensors: \1 changed$", models[0]), (
        "each tensor of the model, and no other"
    )
    assert any("by " in line and "%" in line for line in lines)
    assert any("more checkpoint" in line for line in lines)
    wider = project.screen("diff", "v2", "v3")
    old, new = project.said[1]["parameters"], project.said[2]["parameters"]
    assert sum(f"parameters  {old:,} -> {new:,}" in line for line in wider) == 1
    assert f"parameters {old:,} -> {new:,}" in " ".join(
        project.screen("diff", "v2", "v3", "--stat")
    )
    assert any(project.metric in line for line in lines)


def test_other_screens_fit_and_hold(project: Project, tmp_path: Path) -> None:
    project.screen("status")
    project.screen("diff", "v1", "v2", "--tensors")
    assert project.screen("plot", project.metric, "--x", "step")[0].startswith(project.metric)
    project.run("plot", project.metric, "--x", "step", "-o", str(tmp_path / "a.png"))
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert "not understood" not in "\n".join(project.screen("explain"))
    project.run("clone", "--only", "weights", str(project.root), str(tmp_path / "clone"))
    files = {
        p.name for p in (tmp_path / "clone").rglob("*") if p.is_file() and ".mvc" not in p.parts
    }
    assert files and not files & {"optimizer.pt", "scheduler.pt", "rng_state.pth", "train.py"}
    project.run("tag", "v1.0")
    (row,) = [line for line in project.run("catalogue").splitlines() if line.startswith("v1.0")]
    assert f"{project.said[2]['parameters']:,} F32" in row and project.metric in row


def test_two_checkpoints_of_a_version_are_compared(project: Project) -> None:
    if project.library == "transformers":
        parts = ["v2:out/checkpoint-30", "v2:out/checkpoint-40"]
    elif project.library == "lightning":
        (first, second) = sorted(project.root.glob("lightning_logs/version_2/checkpoints/epoch*"))
        parts = [f"v2:{path.relative_to(project.root)}" for path in (first, second)]
    else:
        parts = ["v1:models/best.keras", "v2:models/best.keras"]
    assert sum("changed" in line for line in project.screen("diff", *parts)) >= 1
