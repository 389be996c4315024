"""`mvc import tf`: directories as the Model Garden and Keras leave them, written here."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

import mvc as api
from mvc.importers.tfcheckpoints import read_checkpoints
from tests.support.commandline import Mvc, write
from tests.support.githistory import state_of

pytestmark = pytest.mark.usefixtures("work")

EVENTS = Path(__file__).parent.parent / "inspect" / "data" / "recorded" / "events.out.tfevents.0"
SHARD = ".data-00000-of-00001"
PARAMS = "task:\n  model:\n    num_classes: 10\ntrainer:\n  train_steps: 300\n"


def checkpoint(top: Path, stem: str, when: int) -> None:
    write(top, {f"{stem}{SHARD}": f"data of {stem}", f"{stem}.index": f"index of {stem}"})
    os.utime(top / f"{stem}.index", (when, when))


def held(repo: api.Repo, rev: str) -> dict[str, bytes]:
    return {file.path: repo.read(file.path, rev) for file in repo.ls(rev)}


@pytest.fixture
def garden(work: Path) -> Path:
    """What a training of the Model Garden leaves; steps of one, two and three digits."""
    top = work / "runs" / "bert"
    for step in (100, 20, 3):
        checkpoint(top, f"ckpt-{step}", 1_700_000_000 + step)
    checkpoint(top / "best_ckpt", "ckpt-20", 1_700_000_030)
    state = 'model_checkpoint_path: "ckpt-100"\nall_model_checkpoint_paths: "ckpt-20"\n'
    write(top, {
        "checkpoint": state, "best_ckpt/checkpoint": state, "params.yaml": PARAMS,
        "vocab.txt": "a\nb\n", "train/events.out.tfevents.1700000000.host": EVENTS.read_bytes(),
        "validation/events.out.tfevents.1700000000.host": EVENTS.read_bytes(),
    })  # fmt: skip
    return top


COMMON = {
    "params.yaml", "vocab.txt", "train/events.out.tfevents.1700000000.host",
    "validation/events.out.tfevents.1700000000.host",
}  # fmt: skip


def named(stem: str) -> bytes:
    return f'model_checkpoint_path: "{stem}"\nall_model_checkpoint_paths: "{stem}"\n'.encode()


def test_a_step_is_a_version(mvc: Mvc, garden: Path, work: Path) -> None:
    before = state_of(garden)
    ran = mvc("import", "tf", "runs/bert")
    assert ran.out.startswith("Imported 3 versions, 1 branch, 3 tags from runs/bert into")
    assert "each version has the events of all steps: its metrics are the last" in ran.err
    assert state_of(garden) == before
    with api.Repo.open(work / "bert-history") as repo:
        log = list(reversed(list(repo.log("main"))))
        assert [v.message.split("\n")[0] for v in log] == ["Step 3", "Step 20", "Step 100"]
        assert [v.time.timestamp() - 1_700_000_000 for v in log] == [3, 30, 100]
        for version, step in zip(log, (3, 20, 100), strict=True):
            files = held(repo, version.id)
            stem = f"ckpt-{step}"
            wanted = COMMON | {"checkpoint", f"{stem}.index", stem + SHARD}
            if step == 20:
                wanted |= {
                    f"best_ckpt/{name}" for name in ("checkpoint", f"{stem}.index", stem + SHARD)
                }
            assert files.keys() == wanted
            assert files["checkpoint"] == named(stem)
            assert files[stem + SHARD] == f"data of {stem}".encode()
            assert {p: files[p] for p in COMMON} == {p: (garden / p).read_bytes() for p in COMMON}
        assert repo.verify().ok
        assert repo.status().clean


def test_the_catalogue_has_the_settings(
    mvc: Mvc, garden: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mvc("import", "tf", "runs/bert", "out")
    with api.Repo.open(work / "out") as repo:
        for version in repo.log("main"):
            assert version.hyperparameters == {
                "task.model.num_classes": 10, "trainer.train_steps": 300,
            }  # fmt: skip
        assert {t.name for t in repo.tags()} == {"step-3", "step-20", "step-100"}
    monkeypatch.chdir(work / "out")
    page = mvc("card", "step-20").out
    assert "trainer.train_steps" in page and "Step 20" in page
    rows = mvc("catalogue").out.splitlines()[1:]
    assert {row.split()[0] for row in rows} == {"step-3", "step-20", "step-100"}


def test_again_brings_new_steps_and_keeps_removed_ones(mvc: Mvc, garden: Path, work: Path) -> None:
    mvc("import", "tf", "runs/bert", "runs/bert/history")
    assert mvc("import", "tf", "runs/bert", "runs/bert/history").out.startswith("Nothing new in ")
    for path in garden.glob("ckpt-3.*"):
        path.unlink()
    checkpoint(garden, "ckpt-101", 1_700_000_101)
    write(garden, {"vocab.txt": "a\nb\nc\n"})
    answer = mvc("import", "tf", "runs/bert", "runs/bert/history", "--json").json
    assert (answer["versions"], answer["versions_before"]) == (1, 3)
    with api.Repo.open(garden / "history") as repo:
        messages = [v.message.split("\n")[0] for v in repo.log("main")]
        assert messages == ["Step 101", "Step 100", "Step 20", "Step 3"]
        assert repo.read("vocab.txt", "main") == b"a\nb\nc\n"
        assert repo.read("vocab.txt", "main~1") == b"a\nb\n"


def test_checkpoints_that_are_being_written(mvc: Mvc, garden: Path, work: Path) -> None:
    write(garden, {
        "ckpt-200.data-00000-of-00001": "x", "ckpt-300.data-00000-of-00002": "x",
        "ckpt-300.index": "x", "ckpt-400_temp/part-00000-of-00001.index": "x",
    })  # fmt: skip
    ran = mvc("import", "tf", "runs/bert", "out")
    assert "Imported 3 versions" in ran.out
    for said in (
        "ckpt-200.data-00000-of-00001 is in no version: ckpt-200.index is not there",
        "ckpt-300.index is in no version: ckpt-300 has 1 of 2 files of data",
        "ckpt-400_temp/part-00000-of-00001.index is in no version: it is part of a checkpoint",
    ):
        assert said in ran.err


def test_keras(mvc: Mvc, work: Path) -> None:
    write(work / "k", {"model-0002.keras": "two", "model-0010.keras": "ten", "config.json": "{}"})
    for n, name in enumerate(("model-0002.keras", "model-0010.keras")):
        os.utime(work / "k" / name, (1000 + n, 1000 + n))
    (work / "k" / "newest.keras").symlink_to("model-0010.keras")
    assert not mvc("import", "tf", "k", "out").err
    with api.Repo.open(work / "out") as repo:
        ten, two = repo.log("main")
        assert (ten.message.split("\n")[0], ten.time.timestamp()) == ("Step 10", 1001)
        assert held(repo, two.id) == {
            "model-0002.keras": b"two", "config.json": b"{}", "newest.keras": b"model-0010.keras",
        }  # fmt: skip


@pytest.mark.parametrize(
    ("names", "steps"),
    [
        (["weights.05-0.32.weights.h5", "weights.11-0.30.weights.h5"], [5, 11]),
        (["resnet-50-1.h5", "resnet-50-2.h5", "resnet50.h5"], [1, 2]),
        (["model-7.keras", "resnet50.keras", "final.h5"], [7]),
        (["epoch3.weights.h5", "best.weights.h5"], [3]),
        (["a/m-1.keras", "b/m-1.keras", "b/m-2.keras"], [1, 2]),
        (["cp-0001.ckpt.index", "cp-0001.ckpt" + SHARD], [1]),
        (["model.ckpt-9.index", "model.ckpt-9" + SHARD, "model.ckpt-9.meta"], [9]),
    ],
)
def test_numbers_that_count(work: Path, names: list[str], steps: list[int]) -> None:
    write(work / "d", dict.fromkeys(names, "x"))
    assert [step.step for step in read_checkpoints(str(work / "d")).steps] == steps


def test_mistakes(mvc: Mvc, garden: Path, work: Path) -> None:
    write(work / "none", {"ckpt.index": "x", "resnet50.keras": "x"})
    ran = mvc("import", "tf", "none", "o", code=1)
    assert "none has no checkpoints" in ran.err
    assert "mvc import folders none --to NEW" in ran.err
    assert "nowhere is no directory" in mvc("import", "tf", "nowhere", "o", code=1).err
    assert not (work / "o").exists()
    mvc("import", "tf", "runs/bert", "out")
    for path in garden.glob("ckpt-*"):
        path.unlink()
    shutil.rmtree(garden / "best_ckpt")
    assert "has no checkpoints" in mvc("import", "tf", "runs/bert", "out", code=1).err
