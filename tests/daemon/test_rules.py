"""The table of completion rules, each against the files that its writer leaves, in the writer's order.

Of each layout every proper prefix in the order of writing must be incomplete, or at least not claimed to be
complete, and the whole must not be incomplete. Then the first file is written again: incomplete once more.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from mvcd.daemon.formats import State, Verdict, incomplete
from mvcd.daemon.rules import RULES, by_marker, folder_of, temporary

TENSOR = save({"w": np.arange(8, dtype=np.float32)})
SAMPLE = (Path(__file__).parents[1] / "inspect" / "data" / "checkpoint.pt").read_bytes()
INDEX = json.dumps(
    {
        "weight_map": {
            "a": "model-00001-of-00002.safetensors",
            "b": "model-00002-of-00002.safetensors",
        }
    }
).encode()

Layout = Sequence[tuple[str, bytes]]

SHARDS: Layout = [
    ("model-00001-of-00002.safetensors", TENSOR),
    ("model-00002-of-00002.safetensors", TENSOR),
    ("model.safetensors.index.json", INDEX),
]
LAYOUTS: dict[str, tuple[str, Layout]] = {
    "shards with an index": ("model", SHARDS),
    "Trainer checkpoint-N": (
        "checkpoint-500",
        [
            ("training_args.bin", SAMPLE),
            ("model.safetensors", TENSOR),
            ("optimizer.pt", SAMPLE),
            ("scheduler.pt", SAMPLE),
            ("trainer_state.json", b'{"global_step": 500}'),
        ],
    ),
    "PyTorch distributed checkpoint": (
        "dcp",
        [("__0_0.distcp", SAMPLE), ("__1_0.distcp", SAMPLE), (".metadata", b"\x80\x04.")],
    ),
    "TensorFlow checkpoint": (
        "tf",
        [
            ("ckpt-3.data-00000-of-00002", b"data"),
            ("ckpt-3.data-00001-of-00002", b"data"),
            ("ckpt-3.index", b"index"),
            ("checkpoint", b'model_checkpoint_path: "ckpt-3"\n'),
        ],
    ),
    "DeepSpeed": (
        "ds",
        [
            ("global_step10/mp_rank_00_model_states.pt", SAMPLE),
            ("global_step10/zero_pp_rank_0_mp_rank_00_optim_states.pt", SAMPLE),
            ("latest", b"global_step10"),
        ],
    ),
    "Megatron": (
        "meg",
        [
            ("iter_0000100/mp_rank_00/model_optim_rng.pt", SAMPLE),
            ("latest_checkpointed_iteration.txt", b"100"),
        ],
    ),
}
NOT_INCOMPLETE = {("TensorFlow checkpoint", 3)}
"""Prefixes that another writer of the format leaves as a whole: save_weights makes no `checkpoint` file."""


class Home:
    """A directory whose files get distinct, rising modification times, as slow writes would."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.path.mkdir()
        self._tick = 1_000_000_000

    def write(self, name: str, data: bytes) -> None:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        self._tick += 1
        os.utime(file, ns=(self._tick, self._tick))

    def verdict(self) -> tuple[str | None, Verdict | None]:
        names = os.listdir(self.path)
        rule = next((r for r in RULES if r.claims(self.path.name, names)), None)
        return (
            (None, None)
            if rule is None
            else (rule.name, rule.check(folder_of(rule, str(self.path))))
        )


@pytest.mark.parametrize("name", LAYOUTS)
def test_complete_when_the_last_file_is_there_and_not_before(tmp_path: Path, name: str) -> None:
    directory, layout = LAYOUTS[name]
    home = Home(tmp_path / directory)
    for count, (file, data) in enumerate(layout):
        home.write(file, data)
        rule, verdict = home.verdict()
        if (
            count < len(layout) - 1
            and verdict is not None
            and (name, count + 1) not in NOT_INCOMPLETE
        ):
            assert verdict.state in (State.INCOMPLETE, State.UNKNOWN), (file, verdict)
    assert rule == name
    assert verdict is not None
    assert verdict.state in (State.COMPLETE, State.PROVEN), verdict


@pytest.mark.parametrize("name", LAYOUTS)
def test_incomplete_while_any_earlier_file_is_written_again(tmp_path: Path, name: str) -> None:
    directory, layout = LAYOUTS[name]
    if name == "Trainer checkpoint-N":
        layout = layout[1:]  # training_args.bin has no place in the order
    home = Home(tmp_path / directory)
    for file, data in layout:
        home.write(file, data)
    for file, data in layout[:-1]:
        home.write(file, data)
        verdict = home.verdict()[1]
        assert verdict is not None
        assert verdict.state is State.INCOMPLETE, file
        home.write(*layout[-2]) if name == "TensorFlow checkpoint" and file != layout[-2][
            0
        ] else None
        home.write(*layout[-1])
        verdict = home.verdict()[1]
        assert verdict is not None
        assert verdict.state is not State.INCOMPLETE, verdict


@pytest.mark.parametrize("name", ["shards with an index", "TensorFlow checkpoint", "Megatron"])
def test_incomplete_while_a_file_that_another_names_is_away(tmp_path: Path, name: str) -> None:
    directory, layout = LAYOUTS[name]
    home = Home(tmp_path / directory)
    for file, data in layout[1:]:
        home.write(file, data)
    verdict = home.verdict()[1]
    assert verdict is None or verdict.state is State.INCOMPLETE


def test_a_shard_cut_short_is_incomplete_whatever_the_index_says(tmp_path: Path) -> None:
    home = Home(tmp_path / "model")
    home.write(SHARDS[0][0], TENSOR[:-1])
    home.write(*SHARDS[1])
    home.write(*SHARDS[2])
    verdict = home.verdict()[1]
    assert verdict is not None
    assert verdict.reason == f"{SHARDS[0][0]}: {len(TENSOR) - 1} of {len(TENSOR)} bytes are there"


def test_shards_of_a_new_count_beside_an_old_index_are_incomplete(tmp_path: Path) -> None:
    home = Home(tmp_path / "model")
    for file, data in SHARDS:
        home.write(file, data)
    home.write("model-00001-of-00003.safetensors", TENSOR)
    verdict = home.verdict()[1]
    assert verdict is not None
    assert verdict.state is State.INCOMPLETE


def test_a_checkpoint_just_begun_is_told_by_its_neighbours(tmp_path: Path) -> None:
    begun = Home(tmp_path / "checkpoint-200")
    begun.write("config.json", b"{}")
    begun.write("model.safetensors", TENSOR)
    verdict = begun.verdict()[1]
    assert verdict is not None
    assert verdict.state is not State.INCOMPLETE, "it may be somebody else's"
    before = Home(tmp_path / "checkpoint-100")
    before.write("trainer_state.json", b"{}")
    assert begun.verdict()[1] == incomplete("trainer_state.json is not written yet")
    begun.write("trainer_state.json", b"{}")
    verdict = begun.verdict()[1]
    assert verdict is not None
    assert verdict.state is State.COMPLETE


def test_orbax_is_incomplete_until_it_has_its_name(tmp_path: Path) -> None:
    home = Home(tmp_path / "7.orbax-checkpoint-tmp-123")
    home.write("_CHECKPOINT_METADATA", b"{}")
    assert home.verdict()[0] == "Orbax"
    verdict = home.verdict()[1]
    assert verdict is not None
    assert verdict.state is State.INCOMPLETE
    home.path = home.path.rename(tmp_path / "7")
    verdict = home.verdict()[1]
    assert verdict is not None
    assert verdict.state is State.COMPLETE


def test_a_rule_of_ones_own(tmp_path: Path) -> None:
    rule = by_marker("runs/*", "DONE")
    home = Home(tmp_path / "r")
    home.write("weights.raw", b"1")
    assert rule.check(folder_of(rule, str(home.path))).state is State.INCOMPLETE
    home.write("DONE", b"yes")
    assert rule.check(folder_of(rule, str(home.path))).state is State.COMPLETE
    home.write("weights.raw", b"2")
    assert rule.check(folder_of(rule, str(home.path))).state is State.INCOMPLETE


def test_other_directories_are_not_claimed(tmp_path: Path) -> None:
    home = Home(tmp_path / "src")
    home.write("train.py", b"")
    home.write("model.safetensors", TENSOR)
    home.write("latest", b"x")
    assert home.verdict() == (None, None)


def test_a_set_has_no_files_of_its_subdirectories_unless_the_rule_says_so(tmp_path: Path) -> None:
    home = Home(tmp_path / "model")
    for file, data in SHARDS:
        home.write(file, data)
    home.write("older/model.safetensors", TENSOR)
    rule = next(r for r in RULES if r.name == "shards with an index")
    assert set(folder_of(rule, str(home.path)).files) == {file for file, _ in SHARDS}


@pytest.mark.parametrize(
    "path",
    [
        "a.tmp",
        "m.safetensors.part",
        "tmp-checkpoint-5/x",
        ".tmpAb3x9Z",
        "d/.m.pt.tmp.123",
        "x.incomplete",
    ],
)
def test_temporary_names(path: str) -> None:
    assert temporary(path)


@pytest.mark.parametrize("path", ["model.pt", "tmp/model.pt", "attempt.txt", ".metadata", "a.tmpl"])
def test_names_that_only_look_temporary(path: str) -> None:
    assert not temporary(path)
