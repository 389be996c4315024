"""The C cutter against its executable specification, for every kernel of this machine."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import mvcd.chunking
from mvcd.chunking import _cut, cut
from mvcd.chunking.chunker import cut_points
from mvcd.chunking.params import DEFAULT, ChunkParams
from tests.chunking.inputs import VECTORS, make, params_of

SOURCES = Path(mvcd.chunking.__file__).parent
SMALL = ChunkParams(256, 1024, 6000)
"""Every proposal cuts, so that short inputs have many points."""

DOCUMENT: dict[str, Any] = json.loads(VECTORS.read_text())
CASES: list[dict[str, Any]] = DOCUMENT["cases"]

every_kernel = pytest.mark.parametrize("kernel", _cut.kernels())


@every_kernel
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_vectors(case: dict[str, Any], kernel: str) -> None:
    data = make(case["input"])
    assert hashlib.sha256(data).hexdigest() == case["sha256"]
    params = params_of(case["params"])
    assert cut_points(data, final=case["final"], params=params, kernel=kernel) == case["points"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_vectors_of_the_reference(case: dict[str, Any]) -> None:
    points = cut.cut_points(
        make(case["input"]), final=case["final"], params=params_of(case["params"])
    )
    assert points == case["points"]


@pytest.mark.parametrize("case", DOCUMENT["weights"], ids=lambda case: case["weight"])
def test_weights(case: dict[str, Any]) -> None:
    assert f"{cut.weight(make(case['input'])):016x}" == case["weight"]


def test_the_c_table_is_the_derived_one() -> None:
    assert (SOURCES / "cut_table.h").read_text() == cut.c_table()


def test_the_portable_kernel_is_the_last_resort() -> None:
    assert _cut.kernels()[-1] == "portable"


def _proposing_windows() -> list[bytes]:
    """Runs of sixteen bytes that propose a cut at their end, to plant in short inputs."""
    windows = []
    data = make({"splitmix64": 11, "size": 40_000})
    gear = 0
    for i, byte in enumerate(data):
        gear = (2 * gear + cut.GEAR[byte]) % 2**16
        if i >= 15 and gear < cut.PROPOSAL_LIMIT:
            windows.append(data[i - 15 : i + 1])
    return windows


WINDOWS = _proposing_windows()

pieces = st.one_of(
    st.sampled_from(WINDOWS),
    st.binary(max_size=200),
    st.builds(
        lambda unit, times: unit * times, st.binary(min_size=1, max_size=9), st.integers(0, 300)
    ),
)
contents = st.lists(pieces, max_size=24).map(b"".join)
params = st.builds(
    lambda low, gap, spare: ChunkParams(low, gap, low + spare),
    st.integers(256, 700),
    st.sampled_from([1024, 1025, 1800, 5000]),
    st.sampled_from([1, 63, 64, 1000, 9000]),
)


@settings(max_examples=150, deadline=None)
@given(contents, params, st.booleans(), st.integers(0, 70))
def test_every_kernel_agrees_with_the_reference(
    data: bytes, sizes: ChunkParams, final: bool, offset: int
) -> None:
    expected = cut.cut_points(data[offset:], final=final, params=sizes)
    view = memoryview(data)[offset:]  # vector loads at every alignment
    for kernel in _cut.kernels():
        assert cut_points(view, final=final, params=sizes, kernel=kernel) == expected, kernel


@every_kernel
def test_a_proposal_is_seen_at_every_place_in_a_vector(kernel: str) -> None:
    for shift in range(160):
        for window in WINDOWS[:4]:
            data = bytes(300 + shift) + window + bytes(6000)  # zeros never propose
            expected = cut.cut_points(data, final=True, params=SMALL)
            assert 300 + shift + 16 in expected
            assert cut_points(data, final=True, params=SMALL, kernel=kernel) == expected


@every_kernel
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**64 - 1), size=st.integers(0, 40_000))
@example(seed=0, size=256)
@example(seed=0, size=255)
def test_sizes_are_kept(kernel: str, seed: int, size: int) -> None:
    data = make({"splitmix64": seed, "size": size})
    points = cut_points(data, final=True, params=SMALL, kernel=kernel)
    sizes = [b - a for a, b in zip([0, *points], points, strict=False)]
    assert sum(sizes) == size
    assert all(256 <= s <= 6000 for s in sizes[:-1])
    assert all(0 < s <= 6000 for s in sizes[-1:])


@every_kernel
def test_constant_integers_never_cut_before_the_maximum(kernel: str) -> None:
    for width in (1, 2, 4, 8):
        for value in range(256):
            data = value.to_bytes(width, "little") * (12_000 // width)
            assert cut_points(data, final=True, params=SMALL, kernel=kernel) == [6000, 12_000]


def test_without_a_cut_the_lightest_proposal_ends_the_chunk() -> None:
    gap_params = ChunkParams(256, 6000, 6000)  # one proposal in six cuts
    data = make({"splitmix64": 12, "size": 60_000})
    points = cut_points(data, final=True, params=gap_params)
    ends = [e for e in points[:-1] if cut.weight(data[e - 256 : e]) > gap_params.limit]
    assert len(ends) > 1
    for end in ends:
        start = points[points.index(end) - 1]
        assert end == cut.next_cut(data, start, start + 6000, gap_params)
        assert end < start + 6000  # the maximum itself is hardly ever where a proposal is


def test_repetitive_data_gets_few_chunks() -> None:
    """A period with proposals but no light one: of equal weights the last is taken, near the maximum."""
    data = (WINDOWS[1] + bytes(84)) * 3000
    sizes = ChunkParams(256, 60_000, 65_536)  # one proposal in 58 cuts: not this one
    points = cut_points(data, final=False, params=sizes)
    assert len(points) == 300_000 // 65_536
    assert all(b - a > 65_536 - 100 for a, b in zip([0, *points], points, strict=False))


def test_the_mean_size_on_random_data_is_the_stated_one() -> None:
    size = 16 << 20
    data = hashlib.shake_128(b"mean").digest(size)
    mean = size / len(cut_points(data, final=True))
    # 265 chunks with a standard deviation of a third of the mean: four sigmas are 8 %.
    assert abs(mean / DEFAULT.mean_size - 1) < 0.08


def test_refusals() -> None:
    with pytest.raises(ValueError, match="no usable kernel named mmx"):
        cut_points(b"", final=True, kernel="mmx")
    with pytest.raises(ValueError, match="sizes must obey 256 <="):
        _cut.cut_points(b"", True, 255, 6000, 0)
    with pytest.raises(ValueError, match="sizes must obey"):
        _cut.cut_points(b"", True, 6000, 6000, 0)
    with pytest.raises((BufferError, TypeError)):
        cut_points(memoryview(b"12345678")[::2], final=True)


SANITIZED = """
#include "cut.h"
#include <stdlib.h>
#include <string.h>

int main(void) {
    /* Exact allocations, so that one byte read too far is seen; every size around the vector widths. */
    for (size_t size = 0; size < 5000; size += size < 700 ? 1 : 61) {
        struct cut_params params = {256 + size % 70, 900 + size % 33, ~(uint64_t)0 >> size % 5};
        uint8_t *data = malloc(size + 1);
        uint64_t *expected = malloc(sizeof *expected * cut_capacity(size, &params));
        uint64_t *points = malloc(sizeof *points * cut_capacity(size, &params));
        uint8_t *start = data + 1;
        uint64_t state = size;
        for (size_t i = 0; i < size; i++)
            start[i] = (uint8_t)((state = state * 6364136223846793005u + 1442695040888963407u) >> 33);
        for (int final = 0; final < 2; final++)
            for (size_t k = cut_kernel_count; k-- > 0;) {
                if (!cut_kernels[k].usable())
                    continue;
                size_t count = cut_points(start, size, final, &params, cut_kernels[k].scan, points);
                if (k == cut_kernel_count - 1)
                    memcpy(expected, points, count * sizeof *points);
                else if (memcmp(expected, points, count * sizeof *points) != 0)
                    return 1;
            }
        free(data), free(expected), free(points);
    }
    return 0;
}
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs the sanitizers of gcc or clang")
def test_no_kernel_reads_or_computes_out_of_bounds(tmp_path: Path) -> None:
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        pytest.skip(f"no compiler ({compiler})")
    (tmp_path / "main.c").write_text(SANITIZED)
    flags = ["-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", f"-I{SOURCES}"]
    checks = "-fsanitize=address,undefined"
    program = str(tmp_path / "main")
    built = subprocess.run(
        [
            compiler,
            *flags,
            checks,
            "-fno-sanitize-recover=all",
            "main.c",
            str(SOURCES / "cut.c"),
            "-o",
            program,
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    if "asan" in built.stderr and "cannot find" in built.stderr:
        pytest.skip("the compiler comes without its sanitizers")
    assert built.returncode == 0, built.stderr
    ran = subprocess.run([program], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
