"""A training run's checkpoints, one after another: a small network that learns with Adam, in numpy.

Run as a program, `python series.py DIRECTORY COUNT WIDTH`: writes `001.safetensors`, ... with FP32 weights,
`bf16-001.safetensors` with the same rounded, and `adam-001.safetensors` with both moments. Its gradients are
real, so what changes from one checkpoint to the next is what training changes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

Array = np.ndarray
STEPS_BETWEEN = 40
_BATCH, _RATE = 64, 1e-3
_LAYERS = 4


def _bf16(values: Array) -> bytes:
    bits = values.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()


def _write(path: Path, tensors: dict[str, Array], *, bf16: bool = False) -> None:
    import json
    import struct

    header, offset, bodies = {}, 0, []
    for name, values in tensors.items():
        body = _bf16(values) if bf16 else values.astype("<f4").tobytes()
        place = [offset, offset + len(body)]
        header[name] = {
            "dtype": "BF16" if bf16 else "F32",
            "shape": list(values.shape),
            "data_offsets": place,
        }
        bodies.append(body)
        offset += len(body)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(bodies))


def train(directory: Path, count: int, width: int) -> None:
    rng = np.random.default_rng(1)
    teacher = rng.standard_normal((width, width), dtype=np.float32) / np.sqrt(width)
    names = [f"layers.{layer}.weight" for layer in range(_LAYERS)]
    weights = {
        n: rng.standard_normal((width, width), dtype=np.float32) / np.sqrt(width) for n in names
    }
    first = {n: np.zeros_like(w) for n, w in weights.items()}
    second = {n: np.zeros_like(w) for n, w in weights.items()}
    for step in range(1, count * STEPS_BETWEEN + 1):
        x = rng.standard_normal((_BATCH, width), dtype=np.float32)
        inputs = [x]
        for name in names:
            inputs.append(np.tanh(inputs[-1] @ weights[name]))
        delta = (inputs[-1] - np.tanh(x @ teacher)) / _BATCH
        rate = np.float32(_RATE * 0.5 * (1 + np.cos(np.pi * step / (count * STEPS_BETWEEN))))
        for at in reversed(range(_LAYERS)):
            name = names[at]
            delta = delta * (1 - inputs[at + 1] ** 2)
            gradient = inputs[at].T @ delta
            delta = delta @ weights[name].T
            first[name] += np.float32(0.1) * (gradient - first[name])
            second[name] += np.float32(0.001) * (gradient**2 - second[name])
            mean = first[name] / np.float32(1 - 0.9**step)
            spread = np.sqrt(second[name] / np.float32(1 - 0.999**step)) + np.float32(1e-8)
            weights[name] -= rate * mean / spread
        if step % STEPS_BETWEEN == 0:
            number = f"{step // STEPS_BETWEEN:03}.safetensors"
            _write(directory / number, weights)
            _write(directory / f"bf16-{number}", weights, bf16=True)
            moments = {f"{n}.exp_avg": m for n, m in first.items()}
            moments |= {f"{n}.exp_avg_sq": v for n, v in second.items()}
            _write(directory / f"adam-{number}", moments)


if __name__ == "__main__":
    train(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
