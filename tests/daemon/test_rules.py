"""The table of completion rules, each against the files that its writer leaves, in the writer's order.

Of each layout every proper prefix in the order of writing must be incomplete, or at least not claimed to be
complete, and the whole must not be incomplete. Then the first file is written again: incomplete once more.
Copies come in any order, and are complete after some quiet.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from mvcd.daemon.formats import SaveState, Verdict, incomplete
from mvcd.daemon.rules import RULES, by_marker, folder_of, temporary

TENSOR = save({"w": np.arange(8, dtype=np.float32)})
SAMPLE = (Path(__file__).parents[1] / "inspect" / "data" / "checkpoint.pt").read_bytes()
INDEX = json.dumps(
    {
        "weight_map": {
            "w": "model-00001-of-00002.safetensors",
            "v": "model-00002-of-00002.safetensors",
        }
    }
).encode()
OTHER = save({"v": np.arange(8, dtype=np.float32)})
HDF5 = (Path(__file__).parent / "data" / "superblock0.h5").read_bytes()
FLAX = (Path(__file__).parent / "data" / "flax.msgpack").read_bytes()
GGUF = (Path(__file__).parents[1] / "inspect" / "data" / "model.gguf").read_bytes()

Layout = Sequence[tuple[str, bytes]]

SHARDS: Layout = [
    ("model-00001-of-00002.safetensors", TENSOR),
    ("model-00002-of-00002.safetensors", OTHER),
    ("model.safetensors.index.json", INDEX),
]


def numbered(pattern: str, data: bytes, index: str) -> Layout:
    """Two shards and their index, as libraries name them."""
    first, second = (pattern.format(number) for number in (1, 2))
    document = {"weight_map": {"a": first, "b": [second]}}
    return [(first, data), (second, data), (index, json.dumps(document).encode())]


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
INDEXED: dict[str, Layout] = {
    "transformers' variant": numbered(
        "model.fp16-{:05d}-of-00002.safetensors", TENSOR, "model.safetensors.index.fp16.json"
    ),
    "diffusers' variant": numbered(
        "diffusion_pytorch_model.fp16-{:05d}-of-00002.safetensors", TENSOR,
        "diffusion_pytorch_model.safetensors.index.fp16.json",
    ),
    "variant at the end": numbered(
        "model-{:05d}-of-00002.fp16.safetensors", TENSOR, "model.safetensors.index.fp16.json"
    ),
    "torch": numbered("pytorch_model-{:05d}-of-00002.bin", SAMPLE, "pytorch_model.bin.index.json"),
    "TensorFlow": numbered("tf_model-{:05d}-of-00002.h5", HDF5, "tf_model.h5.index.json"),
    "Flax": numbered("flax_model-{:05d}-of-00002.msgpack", FLAX, "flax_model.msgpack.index.json"),
    "Keras": numbered("model_{:05d}.weights.h5", HDF5, "model.weights.json"),
}  # fmt: skip
LAYOUTS |= {
    "SavedModel": (
        "export",
        [
            ("variables/variables.data-00000-of-00001", b"data"),
            ("variables/variables.index", b"index"),
            ("assets/vocabulary.txt", b"a"),
            ("saved_model.pb", b"graph"),
            ("fingerprint.pb", b"print"),
            ("keras_metadata.pb", b"keras"),
        ],
    ),
    "PEFT adapter": (
        "lora",
        [("adapter_model.safetensors", TENSOR), ("adapter_config.json", b'{"r": 8}')],
    ),
    "sentence-transformers": (
        "mini",
        [
            ("config_sentence_transformers.json", b"{}"),
            ("config.json", b"{}"),
            ("model.safetensors", TENSOR),
            ("1_Pooling/config.json", b"{}"),
            ("modules.json", b'[{"path": ""}, {"path": "1_Pooling"}, {"path": "2_Normalize"}]'),
        ],
    ),
}
NOT_INCOMPLETE = {("TensorFlow checkpoint", 3), ("SavedModel", 4), ("SavedModel", 5)}
"""Prefixes that another writer of the format leaves as a whole: save_weights makes no `checkpoint` file, and
versions of TensorFlow and Keras differ in what they add to a SavedModel."""


class Home:
    """A directory whose files get distinct, rising modification times, as slow writes would.

    The first is of `ago` seconds ago, and each is `step` seconds after the one before.
    """

    def __init__(self, path: Path, *, ago: float = 0.0, step: float = 0.001) -> None:
        self.path = path
        self.path.mkdir()
        self._tick = time.time_ns() - int(ago * 1e9)
        self._step = int(step * 1e9)

    def write(self, name: str, data: bytes) -> None:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        self._tick += self._step
        os.utime(file, ns=(self._tick, self._tick))

    def later(self, seconds: float) -> None:
        self._tick += int(seconds * 1e9)

    def judge(self, *, changed: Sequence[str] | None = None) -> Verdict:
        """What the rule that claims it says; `changed` names what differs from the last version."""
        rule = next(r for r in RULES if r.claims(self.path.name, os.listdir(self.path)))
        return rule.check(folder_of(rule, str(self.path), changed))

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
            assert verdict.state in (SaveState.INCOMPLETE, SaveState.UNKNOWN), (file, verdict)
    assert rule == name
    assert verdict is not None
    assert verdict.state in (SaveState.COMPLETE, SaveState.PROVEN), verdict


@pytest.mark.parametrize("name", LAYOUTS)
def test_incomplete_while_any_earlier_file_is_written_again(tmp_path: Path, name: str) -> None:
    directory, layout = LAYOUTS[name]
    if name == "Trainer checkpoint-N":
        layout = layout[1:]  # training_args.bin has no place in the order
    home = Home(tmp_path / directory)
    for file, data in layout:
        home.write(file, data)
    for place in range(len(layout) - 1):
        for file, data in layout[place:-1]:
            home.write(file, data)
            alone = file == "saved_model.pb" and place == len(layout) - 3  # never without variables
            if file == "fingerprint.pb" or alone:
                continue  # the order of the first differs by version
            assert home.judge().state is SaveState.INCOMPLETE, file
        home.write(*layout[-1])
        assert home.judge().state is not SaveState.INCOMPLETE, home.judge()


@pytest.mark.parametrize("order", ["marker first", "any"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_complete_an_hour_after_it_was_copied(tmp_path: Path, name: str, order: str) -> None:
    directory, layout = LAYOUTS[name]
    home = Home(tmp_path / directory, ago=3600, step=1)
    files = [*layout[::-1]] if order == "marker first" else [*layout[1:], layout[0]]
    for file, data in files:
        home.write(file, data)
    verdict = home.judge()
    assert verdict.state in (SaveState.COMPLETE, SaveState.PROVEN), verdict


@pytest.mark.parametrize("name", LAYOUTS)
def test_incomplete_while_it_is_copied(tmp_path: Path, name: str) -> None:
    """All is there, the marker first, and it might as well be written again: some quiet must tell."""
    directory, layout = LAYOUTS[name]
    home = Home(tmp_path / directory)
    for file, data in layout[::-1]:
        home.write(file, data)
    assert home.judge().state is SaveState.INCOMPLETE


@pytest.mark.parametrize(
    ("quiet", "state"),
    [(20, SaveState.INCOMPLETE), (40, SaveState.PROVEN), (3600, SaveState.PROVEN)],
)
def test_a_download_that_is_proven_whole_needs_little_quiet(
    tmp_path: Path, quiet: float, state: SaveState
) -> None:
    home = Home(tmp_path / "model", ago=quiet)
    for file, data in SHARDS[::-1]:
        home.write(file, data)
    assert home.judge().state is state


@pytest.mark.parametrize(
    ("quiet", "state"), [(60, SaveState.INCOMPLETE), (2000, SaveState.COMPLETE)]
)
def test_what_no_format_proves_needs_much_quiet(
    tmp_path: Path, quiet: float, state: SaveState
) -> None:
    home = Home(tmp_path / "dcp", ago=quiet)
    for file, data in (
        (".metadata", b"\x80\x04."),
        ("__0_0.distcp", b"raw"),
        ("__1_0.distcp", b"raw"),
    ):
        home.write(file, data)
    assert home.judge().state is state


def test_a_copy_in_any_order_needs_little_quiet_where_all_of_it_is_new(tmp_path: Path) -> None:
    home = Home(tmp_path / "model", ago=60)
    for file, data in (SHARDS[0], SHARDS[2], SHARDS[1]):
        home.write(file, data)
    names = [file for file, _ in SHARDS]
    assert home.judge().state is SaveState.INCOMPLETE
    assert home.judge(changed=names[1:]).state is SaveState.INCOMPLETE
    assert home.judge(changed=names).state is SaveState.PROVEN


@pytest.mark.parametrize("written", [1, 2])
def test_a_save_that_died_in_place_is_held_back_however_old_it_is(
    tmp_path: Path, written: int
) -> None:
    """Yesterday's index and shards, of which some were overwritten: by the stamps, or by the last version."""
    home = Home(tmp_path / "model", ago=90_000)
    for file, data in SHARDS:
        home.write(file, data)
    home.later(60)
    for file, data in SHARDS[:written]:
        home.write(file, data)
    overwritten = [file for file, _ in SHARDS[:written]]
    if (
        written == len(SHARDS) - 1
    ):  # nothing of yesterday's but the index, which names just these tensors
        assert home.judge(changed=overwritten).state is SaveState.PROVEN
        return
    verdict = home.judge(changed=overwritten)
    assert verdict.state is SaveState.INCOMPLETE
    assert "earlier save" in verdict.reason
    home.later(40_000)
    home.write(*SHARDS[0])
    verdict = home.judge()
    assert verdict.state is SaveState.INCOMPLETE
    assert "mvc commit" in verdict.reason


def test_what_the_last_version_has_needs_no_marker_any_more(tmp_path: Path) -> None:
    """A copy was saved; something else beside it in the set does not bring the question up again."""
    home = Home(tmp_path / "checkpoint-5")
    for file, data in LAYOUTS["Trainer checkpoint-N"][1][::-1]:
        home.write(file, data)
    home.write("notes.txt", b"good")
    assert home.judge(changed=["notes.txt"]).state is SaveState.COMPLETE
    assert home.judge(changed=["notes.txt", "optimizer.pt"]).state is SaveState.INCOMPLETE


@pytest.mark.parametrize("cut", [False, True])
def test_a_tensorflow_index_says_how_long_its_data_is(tmp_path: Path, cut: bool) -> None:
    """So a copy needs little quiet, as one of a format that proves itself."""
    source = Path(__file__).parents[1] / "inspect" / "data" / "tf"
    data = (source / "ckpt.data-00000-of-00001").read_bytes()
    home = Home(tmp_path / "tf", ago=60)
    home.write("checkpoint", b'model_checkpoint_path: "ckpt"\n')
    home.write("ckpt.index", (source / "ckpt.index").read_bytes())
    home.write("ckpt.data-00000-of-00001", data[: len(data) // 2] if cut else data)
    assert home.judge().state is (SaveState.INCOMPLETE if cut else SaveState.COMPLETE)


def test_an_index_about_other_tensors_does_not_prove_a_download(tmp_path: Path) -> None:
    home = Home(tmp_path / "model", ago=60)
    other = json.loads(INDEX)
    other["weight_map"]["u"] = SHARDS[0][0]
    home.write(SHARDS[2][0], json.dumps(other).encode())
    for file, data in SHARDS[:2]:
        home.write(file, data)
    assert home.judge().state is SaveState.INCOMPLETE


def test_a_stamp_that_no_clock_made_counts_from_the_copy(tmp_path: Path) -> None:
    home = Home(tmp_path / "model", ago=time.time())  # 1970
    for file, data in SHARDS[::-1]:
        home.write(file, data)
    assert home.judge().state is SaveState.INCOMPLETE


@pytest.mark.parametrize("name", INDEXED)
def test_shards_of_every_name_wait_for_one_another(tmp_path: Path, name: str) -> None:
    home = Home(tmp_path / "model")
    (first, data), second, index = INDEXED[name]
    home.write(first, data)
    assert home.judge().state is SaveState.INCOMPLETE, "one of two"
    home.write(second[0], second[1][:-1])
    assert home.judge().state is SaveState.INCOMPLETE, "the second is cut short"
    home.write(*second)
    home.write(*index)
    assert home.judge().state is SaveState.PROVEN
    home.write(first, data)
    assert home.judge().state is SaveState.INCOMPLETE, "written again"
    home.write(*second)
    home.write(index[0], index[1][:-1])
    assert home.judge().state is SaveState.INCOMPLETE, "the index is cut short"


@pytest.mark.parametrize(
    ("pattern", "data"),
    [("llama-{:05d}-of-00003.gguf", GGUF), ("model_{:05d}-of-00003", b"raw"), ("m-{:05d}-of-00003.pt", SAMPLE)],
)  # fmt: skip
def test_shards_without_an_index_wait_for_one_another(
    tmp_path: Path, pattern: str, data: bytes
) -> None:
    home = Home(tmp_path / "model")
    for number in (1, 3):
        home.write(pattern.format(number), data)
        assert home.judge().reason.startswith(f"{number // 2 + 1} of 3 shards of "), home.judge()
    home.write(pattern.format(2), data)
    assert home.judge().state is not SaveState.INCOMPLETE
    home.write("other.gguf", b"GGUF")  # a model of its own
    assert home.judge().state is not SaveState.INCOMPLETE


@pytest.mark.parametrize(
    "name", ["train-00000-of-00010.parquet", "data-00000-of-00002.arrow", "train-00000-of-01024",
             "class.weights.json", "a-00001-of-00002.csv"],
)  # fmt: skip
def test_parts_of_data_sets_are_not_claimed(tmp_path: Path, name: str) -> None:
    home = Home(tmp_path / "data")
    home.write(name, b"x")
    assert home.verdict() == (None, None)


def test_shards_beside_an_adapter_wait_for_one_another(tmp_path: Path) -> None:
    home = Home(tmp_path / "merged")
    for file, data in LAYOUTS["PEFT adapter"][1]:
        home.write(file, data)
    home.write(*SHARDS[0])
    assert home.judge().reason == "1 of 2 shards of model.safetensors are there"


def test_a_document_about_something_else_is_no_index(tmp_path: Path) -> None:
    home = Home(tmp_path / "site")
    home.write("search.index.json", b'{"pages": []}')
    assert home.judge().state is not SaveState.INCOMPLETE


def test_deepspeed_tags_that_latest_does_not_name(tmp_path: Path) -> None:
    """A later step is a save under way, however old; an earlier one was copied in another order."""
    home = Home(tmp_path / "ds", ago=3600)
    home.write("global_step10/mp_rank_00_model_states.pt", SAMPLE)
    home.write("latest", b"global_step20")
    home.write("global_step20/mp_rank_00_model_states.pt", SAMPLE)
    home.write("global_step10/zero_pp_rank_0_mp_rank_00_optim_states.pt", SAMPLE)
    assert home.judge().state is SaveState.COMPLETE
    home.write("global_step30/mp_rank_00_model_states.pt", SAMPLE)
    assert home.judge().state is SaveState.INCOMPLETE


def test_distributed_metadata_name_their_files(tmp_path: Path) -> None:
    home = Home(tmp_path / "dcp")
    home.write("__0_0.distcp", b"raw")
    home.write(".metadata", b"\x80\x04\x8c\x0c__0_0.distcp\x8c\x0c__1_0.distcp.")
    assert home.judge() == incomplete("__1_0.distcp, which .metadata names, is not there")


def test_the_variables_of_a_saved_model_wait_for_it(tmp_path: Path) -> None:
    """They come first, when nothing else shows yet that there will be a model."""
    (tmp_path / "export").mkdir()
    home = Home(tmp_path / "export" / "variables")
    home.write("variables.data-00000-of-00001", b"data")
    home.write("variables.index", b"index")
    assert home.judge() == incomplete("saved_model.pb is not written yet")
    (tmp_path / "export" / "saved_model.pb").write_bytes(b"graph")
    assert home.judge().state is SaveState.COMPLETE


def test_onnx_waits_for_its_data(tmp_path: Path) -> None:
    source = Path(__file__).parents[1] / "inspect" / "data"
    model = (source / "external.onnx").read_bytes().replace(b"external.data", b"ml.onnx_data.")
    # Names of equal length, so that the protobuf lengths around them hold.
    data = (source / "external.data").read_bytes()
    home = Home(tmp_path / "onnx")
    home.write("ml.onnx_data_1", b"")
    assert home.judge() == incomplete("ml.onnx is not written yet")
    (home.path / "ml.onnx_data_1").unlink()
    model = model.replace(b"ml.onnx_data.", b"mli.onnx_data")
    home.write("mli.onnx_data", data[:-1])
    home.write("mli.onnx", model)
    assert home.judge().reason.endswith("bytes are there")
    home.write("mli.onnx_data", data)
    assert home.judge().state is SaveState.INCOMPLETE, "the model is older"
    home.later(-60)
    home.write("mli.onnx", model)
    home.write("mli.onnx_data", data)
    assert home.judge().state is SaveState.COMPLETE, "a copy"
    home.later(60)
    home.write("mli.onnx", model)
    assert home.judge().state is SaveState.COMPLETE


def test_a_marker_of_ones_own_may_be_empty(tmp_path: Path) -> None:
    rule = by_marker("runs/*", "DONE")
    home = Home(tmp_path / "r")
    home.write("weights.raw", b"1")
    home.write("DONE", b"")
    assert rule.check(folder_of(rule, str(home.path))).state is SaveState.COMPLETE


@pytest.mark.parametrize("name", ["shards with an index", "TensorFlow checkpoint", "Megatron"])
def test_incomplete_while_a_file_that_another_names_is_away(tmp_path: Path, name: str) -> None:
    directory, layout = LAYOUTS[name]
    home = Home(tmp_path / directory)
    for file, data in layout[1:]:
        home.write(file, data)
    verdict = home.verdict()[1]
    assert verdict is None or verdict.state is SaveState.INCOMPLETE


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
    assert verdict.state is SaveState.INCOMPLETE


def test_a_checkpoint_just_begun_is_told_by_its_neighbours(tmp_path: Path) -> None:
    begun = Home(tmp_path / "checkpoint-200")
    begun.write("config.json", b"{}")
    begun.write("model.safetensors", TENSOR)
    verdict = begun.verdict()[1]
    assert verdict is not None
    assert verdict.state is not SaveState.INCOMPLETE, "it may be somebody else's"
    before = Home(tmp_path / "checkpoint-100")
    before.write("trainer_state.json", b"{}")
    assert begun.verdict()[1] == incomplete("trainer_state.json is not written yet")
    begun.write("trainer_state.json", b"{}")
    verdict = begun.verdict()[1]
    assert verdict is not None
    assert verdict.state is SaveState.COMPLETE


def test_orbax_is_incomplete_until_it_has_its_name(tmp_path: Path) -> None:
    home = Home(tmp_path / "7.orbax-checkpoint-tmp-123")
    home.write("_CHECKPOINT_METADATA", b"{}")
    assert home.verdict()[0] == "Orbax"
    verdict = home.verdict()[1]
    assert verdict is not None
    assert verdict.state is SaveState.INCOMPLETE
    home.path = home.path.rename(tmp_path / "7")
    verdict = home.verdict()[1]
    assert verdict is not None
    assert verdict.state is SaveState.COMPLETE


def test_a_rule_of_ones_own(tmp_path: Path) -> None:
    rule = by_marker("runs/*", "DONE")
    home = Home(tmp_path / "r")
    home.write("weights.raw", b"1")
    assert rule.check(folder_of(rule, str(home.path))).state is SaveState.INCOMPLETE
    home.write("DONE", b"yes")
    assert rule.check(folder_of(rule, str(home.path))).state is SaveState.COMPLETE
    home.write("weights.raw", b"2")
    assert rule.check(folder_of(rule, str(home.path))).state is SaveState.INCOMPLETE


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
