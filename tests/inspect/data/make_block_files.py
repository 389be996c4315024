"""Writes blocks.npz beside it. Run with gguf 0.19.0 and numpy: `python make_block_files.py`.

`NAME.bytes` are random blocks of every quantised type of GGUF that blocks.py reads, and `NAME.values` what the
package gguf makes of them, so that the golden answers are not our own opinion. Half of the blocks have scales
as weights do, the others any, among them NaN and infinities. The package does not read Q8_K and Q1_0: here
ggml's formulas do (dequantize_row_q8_K and dequantize_row_q1_0 of ggml-quants.c).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize

HERE = Path(__file__).parent
RNG = np.random.default_rng(12)

HALVES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
    "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "Q8_K": [], "IQ4_NL": [0], "IQ4_XS": [0], "TQ1_0": [52],
    "TQ2_0": [64], "MXFP4": [], "NVFP4": [], "Q1_0": [0],
}  # fmt: skip
"""Where the float16 scales of a block are."""


def blocks(name: str) -> np.ndarray:
    """Half of them tame."""
    elements, width = GGML_QUANT_SIZES[GGMLQuantizationType[name]]
    count = 8 if elements == 256 else 16
    data = RNG.integers(0, 256, (count, width), dtype="u1")
    tame = count // 2
    for at in HALVES[name]:
        scale = RNG.uniform(1e-4, 0.1, tame) * RNG.choice([-1, 1], tame)
        data[:tame, at : at + 2] = scale.astype("<f2").view("u1").reshape(tame, 2)
    if HALVES[name]:
        data[-2:, HALVES[name][0] : HALVES[name][0] + 2] = [[0, 0x7C], [1, 0xFE]]  # infinite; NaN
    if name == "Q8_K":
        data[:tame, :4] = RNG.uniform(-0.1, 0.1, tame).astype("<f4").view("u1").reshape(tame, 4)
        data[-2:, 2:4] = [[0x80, 0x7F], [0xC0, 0xFF]]
    if name == "MXFP4":
        data[:tame, 0] = RNG.integers(110, 130, tame)
        data[-4:, 0] = [0, 1, 254, 255]
    if name == "NVFP4":
        data[-2:, :4] = [[0, 0x7F, 0xFF, 0x80], [1, 7, 8, 0x7E]]
    return data


def meant(name: str, data: np.ndarray) -> np.ndarray:
    if name == "Q8_K":
        return data[:, :4].copy().view("<f4") * data[:, 4:260].view("i1").astype("f4")
    if name == "Q1_0":
        ones = np.unpackbits(data[:, 2:], axis=1, bitorder="little").astype(bool)
        scale = data[:, :2].copy().view("<f2").astype("f4")
        return np.where(ones, scale, -scale)
    return dequantize(data, GGMLQuantizationType[name])


def main() -> None:
    found: dict[str, np.ndarray] = {}
    for name in HALVES:
        found[f"{name}.bytes"] = data = blocks(name)
        with np.errstate(all="ignore"):
            found[f"{name}.values"] = meant(name, data).astype("f4").reshape(len(data), -1)
    np.savez_compressed(HERE / "blocks.npz", **found)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
