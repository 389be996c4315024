"""The yardstick itself: files are what they say, costs and ratios are right, nothing is required."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from safetensors import deserialize

_HERE = Path(__file__).parent
sys.path.insert(0, str(_HERE))  # the scripts import one another as programs do: by plain name

import data  # noqa: E402
import measure  # noqa: E402
import peers  # noqa: E402
import report  # noqa: E402

ENV = dict(os.environ)


def weights(path: Path) -> np.ndarray:
    """All of a file's weights as float32, in order."""
    parts = []
    tensors = deserialize(path.read_bytes())  # in no order
    for _, tensor in sorted(tensors, key=lambda pair: int(pair[0].split(".")[2])):
        raw = bytes(tensor["data"])
        if tensor["dtype"] == "BF16":
            parts.append((np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32))
        else:
            parts.append(np.frombuffer(raw, "<f4"))
    return np.concatenate(parts)


def test_bf16_is_fp32_rounded_to_nearest(tmp_path: Path) -> None:
    full = data.make("fp32", tmp_path / "fp32", 40 * data.MIB)
    half = data.make("bf16", tmp_path / "bf16", 20 * data.MIB)
    exact, rounded = weights(full), weights(half)
    assert exact.size == rounded.size == 10 * data.MIB
    assert 0.0199 < exact.std() < 0.0201
    assert np.all(np.abs(rounded - exact) <= np.abs(exact) * 2.0**-8)  # 8 significant bits
    assert abs(float((rounded - exact).mean())) < 1e-7  # cut off instead, it would lean to zero


@pytest.mark.parametrize("kind", ["bf16", "fp32", "random", "csv"])
def test_same_seed_same_bytes(kind: str, tmp_path: Path) -> None:
    size = 300_000
    one, same, other = (
        data.make(kind, tmp_path / name, size, seed=seed).read_bytes()
        for name, seed in (("one", 1), ("same", 1), ("other", 2))
    )
    assert one == same
    assert one != other
    assert abs(len(one) - size) < 16 * data.KIB  # a row of weights, a header, a line


def test_small_files_have_the_size_that_they_claim(tmp_path: Path) -> None:
    data.make("small", tmp_path / "small", 1200)
    files = [path for path in (tmp_path / "small").rglob("*") if path.is_file()]
    assert len(files) == 1200
    assert all(data.KIB - 64 < path.stat().st_size <= 4 * data.KIB + 64 for path in files)
    assert all(json.loads(path.read_text()) for path in files if path.suffix == ".json")


def test_nudge_moves_one_percent_a_little(tmp_path: Path) -> None:
    path = data.make("bf16", tmp_path / "model", 4 * data.MIB)
    before = np.frombuffer(path.read_bytes(), "<u2")
    data.nudge(path, fraction=0.01, seed=2)
    after = np.frombuffer(path.read_bytes(), "<u2")
    assert before.size == after.size
    changed = before ^ after
    assert changed.max() == 7
    assert 0.008 < np.count_nonzero(changed) / changed.size < 0.01  # one in eight masks is zero


def test_edits(tmp_path: Path) -> None:
    path = tmp_path / "plain"
    path.write_bytes(bytes(range(100)))
    data.flip_byte(path, at=10)
    assert path.read_bytes() == bytes(range(10)) + b"\xf5" + bytes(range(11, 100))
    data.insert(path, b"new", at=99)
    assert path.read_bytes()[98:] == b"\x62new\x63"
    data.append(path, b"end")
    assert path.read_bytes()[98:] == b"\x62new\x63end"
    assert list(tmp_path.iterdir()) == [path]


def test_run_counts_cpu_and_memory_of_the_child(tmp_path: Path) -> None:
    script = "import time; b = bytearray(b'x') * (64 << 20)\nwhile time.process_time() < 0.3: pass"
    argv = [sys.executable, "-c", f"{script}\nprint('done')"]
    cost = measure.run(argv, cwd=tmp_path, env=ENV)
    assert cost.output == "done\n"
    assert cost.cpu >= 0.3
    assert cost.wall >= 0.3
    assert cost.peak > 64 << 20


@pytest.mark.thorough
def test_settling_leaves_no_trace_in_the_peak_of_what_follows(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "pass"]
    before = measure.run(argv, cwd=tmp_path, env=ENV).peak
    measure.settle(2 * before)
    assert measure.run(argv, cwd=tmp_path, env=ENV).peak < before + 16 * data.MIB


def test_run_tells_what_a_failing_command_said(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "import sys; sys.exit('no such thing')"]
    with pytest.raises(measure.Unmeasured, match="exited with 1: no such thing"):
        measure.run(argv, cwd=tmp_path, env=ENV)


def test_ratios_are_taken_within_a_round() -> None:
    rounds = measure.Rounds(
        {
            "a": [measure.Cost(wall, 0, 1) for wall in (1.0, 30.0, 2.0)],
            "b": [measure.Cost(wall, 0, 1) for wall in (2.0, 90.0, 5.0)],
        }
    )
    assert rounds.ratio("a", "b") == pytest.approx(0.4)
    assert rounds.difference("b", "a") == 3.0


def test_a_subject_that_fails_leaves_no_half_pairs(tmp_path: Path) -> None:
    order: list[str] = []
    places: list[Path] = []

    def good(directory: Path) -> Mapping[str, measure.Cost]:
        order.append("good")
        places.append(directory)
        return {"good": measure.Cost(1.0, 1.0, 1)}

    def fails_later(directory: Path) -> Mapping[str, measure.Cost]:
        order.append("bad")
        places.append(directory)
        if order.count("bad") == 2:
            raise measure.Unmeasured("it broke")
        return {"bad add": measure.Cost(1.0, 1.0, 1)}

    subjects = {"good": good, "bad": fails_later}
    rounds = measure.interleave(subjects, rounds=4, scratch=tmp_path)
    assert order == ["good", "bad", "bad", "good", "good", "good"]
    assert len(rounds.of("good")) == 4
    with pytest.raises(measure.Unmeasured, match="it broke"):
        rounds.ratio("good", "bad add")
    assert not any(place.exists() for place in places)


def test_allocated_counts_blocks_not_lengths(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(64 * data.MIB)
    (tmp_path / "full").write_bytes(os.urandom(data.MIB))
    assert data.MIB <= measure.allocated(tmp_path) < 2 * data.MIB


@pytest.fixture
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> peers.Programs:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    return peers.find(tmp_path / "home")


def test_a_missing_program_says_how_to_get_it(nothing_installed: peers.Programs) -> None:
    assert nothing_installed.versions()["restic"] == "not installed: apt-get install restic"
    with pytest.raises(measure.Unmeasured, match="dvc is not installed: pip install dvc"):
        nothing_installed.dvc.init(Path("/"))


def test_claims_hold_break_or_stay_open(nothing_installed: peers.Programs, tmp_path: Path) -> None:
    def missing() -> float:
        raise measure.Unmeasured("no | such peer")

    bench = report.Bench("b", nothing_installed, tmp_path, size=1, rounds=1)
    bench.at_most("holds", 0.6, "x", lambda: 0.6)
    bench.at_least("breaks", 3, "x", lambda: 2.99)
    bench.at_most("open", 1, "MiB", missing)
    assert [claim.ok for claim in bench.claims] == [True, False, None]
    assert report.claims_table(bench.claims).splitlines()[2:] == [
        "| holds | <= 0.6 x | 0.6 x | yes |",
        "| breaks | >= 3 x | 2.99 x | **no** |",
        "| open | <= 1 MiB | no \\| such peer | - |",
    ]


@pytest.mark.parametrize(
    ("text", "size"), [("100000", 100_000), ("256MiB", 256 << 20), ("1g", 1 << 30), ("4KB", 4096)]
)
def test_sizes(text: str, size: int) -> None:
    assert report.parse_size(text) == size


PEERS_OF_THEIR_OWN = {"bench_cut.py": "hf_xet", "bench_dedup.py": "pyfastcdc"}
"""Libraries that scripts are held against, which not every machine has."""


@pytest.mark.parametrize(
    "script", sorted(Path(__file__).parent.glob("bench_*.py")), ids=lambda p: p.name
)
def test_each_script_says_what_it_measures_wherever_it_is_called(script: Path) -> None:
    done = subprocess.run(
        [sys.executable, script, "-h"], cwd="/", capture_output=True, text=True, check=False
    )
    lacking = PEERS_OF_THEIR_OWN.get(script.name)
    if lacking is not None and done.returncode:
        assert f"No module named '{lacking}'" in done.stderr
    else:
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("usage: ")


@pytest.mark.thorough
def test_a_script_runs_as_a_program(tmp_path: Path) -> None:
    """As a person starts it, from anywhere; its scratch directory is gone afterwards."""
    argv = [sys.executable, str(_HERE / "bench_start.py"), "--json", "--rounds=1"]
    argv += ["--scratch=scratch", "--size=3", f"--mvc={sys.executable} -m mvc"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    result = json.loads(done.stdout)
    assert [claim["target"] for claim in result["claims"]][:2] == ["<= 60 ms", "<= 5 x"]
    assert {"mvc --version", "python -c pass"} <= {figure["name"] for figure in result["figures"]}
    assert list((tmp_path / "scratch").iterdir()) == []


def test_safetensors_header_is_padded(tmp_path: Path) -> None:
    raw = data.make("bf16", tmp_path / "model", data.MIB).read_bytes()
    assert struct.unpack("<Q", raw[:8])[0] % 8 == 0
