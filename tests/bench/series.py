"""A training run's checkpoints, one after another: a small network that learns with Adam, in numpy.

Run as a program, `python series.py DIRECTORY COUNT WIDTH`: writes `001.safetensors`, ... with FP32 weights,
`bf16-001.safetensors` with the same rounded, and `adam-001.safetensors` with both moments; and from the last
`tune-1.safetensors` and `bf16-tune-1.safetensors` to 4, which learned from another teacher each at a low rate.
Its gradients are real, so what changes from one checkpoint to the next is what training changes.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # two on a busy machine wait for each other

import numpy as np

Array = np.ndarray
STEPS_BETWEEN = 40
TUNES = 4
_BATCH, _RATE, _TUNE_RATE = 64, 1e-3, 2e-5
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


class Run:
    """A network that learns from a teacher, with Adam."""

    def __init__(self, weights: dict[str, Array], teacher: Array, rate: float, steps: int) -> None:
        self.weights, self.teacher, self.rate, self.steps, self.step = (
            weights,
            teacher,
            rate,
            steps,
            0,
        )
        self.first = {n: np.zeros_like(w) for n, w in weights.items()}
        self.second = {n: np.zeros_like(w) for n, w in weights.items()}

    def learn(self, rng: np.random.Generator) -> None:
        """One step."""
        self.step += 1
        x = rng.standard_normal((_BATCH, len(self.teacher)), dtype=np.float32)
        inputs = [x]
        for weight in self.weights.values():
            inputs.append(np.tanh(inputs[-1] @ weight))
        delta = (inputs[-1] - np.tanh(x @ self.teacher)) / _BATCH
        rate = np.float32(self.rate * 0.5 * (1 + np.cos(np.pi * self.step / self.steps)))
        for at, name in reversed(list(enumerate(self.weights))):
            delta = delta * (1 - inputs[at + 1] ** 2)
            gradient = inputs[at].T @ delta
            delta = delta @ self.weights[name].T
            self.first[name] += np.float32(0.1) * (gradient - self.first[name])
            self.second[name] += np.float32(0.001) * (gradient**2 - self.second[name])
            mean = self.first[name] / np.float32(1 - 0.9**self.step)
            spread = np.sqrt(self.second[name] / np.float32(1 - 0.999**self.step))
            self.weights[name] -= rate * mean / (spread + np.float32(1e-8))


def train(directory: Path, count: int, width: int) -> None:
    rng = np.random.default_rng(1)
    root = np.float32(np.sqrt(width))  # of 64 bits it would make all that it divides so

    def matrix() -> Array:
        return rng.standard_normal((width, width), dtype=np.float32) / root

    teacher = matrix()
    run = Run(
        {f"layers.{n}.weight": matrix() for n in range(_LAYERS)},
        teacher,
        _RATE,
        count * STEPS_BETWEEN,
    )
    for number in range(1, count + 1):
        for _ in range(STEPS_BETWEEN):
            run.learn(rng)
        _write(directory / f"{number:03}.safetensors", run.weights)
        _write(directory / f"bf16-{number:03}.safetensors", run.weights, bf16=True)
        moments = {f"{n}.exp_avg": m for n, m in run.first.items()}
        moments |= {f"{n}.exp_avg_sq": v for n, v in run.second.items()}
        _write(directory / f"adam-{number:03}.safetensors", moments)
    for number in range(1, TUNES + 1):
        weights = {name: values.copy() for name, values in run.weights.items()}
        tune = Run(weights, teacher + np.float32(0.1) * matrix(), _TUNE_RATE, STEPS_BETWEEN)
        for _ in range(STEPS_BETWEEN):
            tune.learn(rng)
        _write(directory / f"tune-{number}.safetensors", weights)
        _write(directory / f"bf16-tune-{number}.safetensors", weights, bf16=True)


if __name__ == "__main__":
    train(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
