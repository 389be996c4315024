"""A small GPT that learns real text with torch, checkpoint by checkpoint, and fine-tunes of where it ended.

Run as a program, `python gpt.py DIRECTORY COUNT WIDTH`, by a Python that has torch. It writes what series.py
writes (`001.safetensors` with FP32 weights, `bf16-001.safetensors`, `adam-001.safetensors`, ...), and from the
last checkpoint four fine-tunes, `tune-1.safetensors` and `bf16-tune-1.safetensors` to `tune-4`.

The text is Python's own standard library, the fine-tunes' some packages of it, so nothing is fetched. 256 wide
it has 6.9 million parameters. Weights and moments are FP32 and the products BF16, as most people train.
"""

from __future__ import annotations

import math
import re
import sys
import sysconfig
from collections import Counter
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

STEPS_BETWEEN = 40
TUNES = ("asyncio", "email", "xml", "multiprocessing")
TUNE_STEPS = 60
_WORDS = 8192
_LAYERS, _HEAD, _CONTEXT, _BATCH = 6, 64, 64, 8
_RATE, _TUNE_RATE = 3e-4, 2e-5
_WARM_STEPS = 40


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = width // _HEAD
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.looks, self.joins = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.widens, self.narrows = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        parts = self.looks(self.before(x)).split(width, 2)
        q, k, v = (p.view(batch, length, self.heads, _HEAD).transpose(1, 2) for p in parts)
        seen = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.joins(seen.transpose(1, 2).reshape(batch, length, width))
        return x + self.narrows(functional.gelu(self.widens(self.between(x))))


class Gpt(nn.Module):
    """The output layer is the embedding itself, as in GPT-2."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(_WORDS, width), nn.Embedding(_CONTEXT, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(_LAYERS))
        self.last = nn.LayerNorm(width)
        for name, values in self.named_parameters():
            if values.dim() == 2:
                deep = name.endswith(("joins.weight", "narrows.weight"))
                nn.init.normal_(values, std=0.02 / math.sqrt(2 * _LAYERS if deep else 1))

    def forward(self, ids: Tensor) -> Tensor:
        x = self.words(ids) + self.places.weight[: ids.shape[1]]
        for block in self.blocks:
            x = block(x)
        return functional.linear(self.last(x), self.words.weight)


def _text(pattern: str) -> str:
    home = Path(sysconfig.get_paths()["stdlib"])
    return "\n".join(p.read_text("utf-8", errors="replace") for p in sorted(home.glob(pattern)))


def _split(text: str) -> list[str]:
    return re.findall(r"\w+|\s+|[^\w\s]", text)


def _ids(text: str, known: dict[str, int]) -> Tensor:
    return torch.tensor([known.get(word, 0) for word in _split(text)])


class Run:
    """One optimizer over one text."""

    def __init__(self, model: Gpt, ids: Tensor, rate: float, steps: int, seed: int) -> None:
        self.model, self.ids, self.rate, self.steps, self.step = model, ids, rate, steps, 0
        self.adam = torch.optim.AdamW(model.parameters(), lr=rate)
        self.chance = torch.Generator().manual_seed(seed)

    def learn(self, steps: int) -> None:
        for _ in range(steps):
            self.step += 1
            starts = torch.randint(len(self.ids) - _CONTEXT - 1, (_BATCH,), generator=self.chance)
            rows = torch.stack([self.ids[s : s + _CONTEXT + 1] for s in starts])
            falls = 0.1 + 0.45 * (1 + math.cos(math.pi * self.step / self.steps))
            self.adam.param_groups[0]["lr"] = self.rate * min(self.step / _WARM_STEPS, falls)
            with torch.autocast("cpu", torch.bfloat16):
                told = self.model(rows[:, :-1])
            loss = functional.cross_entropy(told.float().flatten(0, 1), rows[:, 1:].flatten())
            self.adam.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.adam.step()

    def moments(self) -> dict[str, Tensor]:
        named = [(n, self.adam.state[p]) for n, p in self.model.named_parameters()]
        kinds = ("exp_avg", "exp_avg_sq")
        return {f"{name}.{kind}": state[kind] for kind in kinds for name, state in named}


def _write(path: Path, tensors: dict[str, Tensor]) -> None:
    import json
    import struct

    header, bodies, offset = {}, [], 0
    for name, values in tensors.items():
        body = values.detach().contiguous().view(torch.uint8).numpy().tobytes()
        header[name] = {
            "dtype": {torch.float32: "F32", torch.bfloat16: "BF16"}[values.dtype],
            "shape": list(values.shape),
            "data_offsets": [offset, offset + len(body)],
        }
        offset += len(body)
        bodies.append(body)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(bodies))


def _save(directory: Path, name: str, model: Gpt) -> None:
    weights = dict(model.named_parameters())
    _write(directory / name, weights)
    _write(directory / f"bf16-{name}", {n: w.bfloat16() for n, w in weights.items()})


def train(directory: Path, count: int, width: int) -> None:
    torch.manual_seed(1)
    torch.set_num_threads(1)  # two on a busy machine wait for each other: ten times the CPU seconds
    text = _text("*.py")
    words = Counter(_split(text)).most_common(_WORDS - 1)
    known = {word: number for number, (word, _) in enumerate(words, 1)}
    model = Gpt(width)
    run = Run(model, _ids(text, known), _RATE, count * STEPS_BETWEEN, seed=1)
    for number in range(1, count + 1):
        run.learn(STEPS_BETWEEN)
        _save(directory, f"{number:03}.safetensors", model)
        _write(directory / f"adam-{number:03}.safetensors", run.moments())
    base = {name: values.clone() for name, values in model.state_dict().items()}
    for number, package in enumerate(TUNES, 1):
        model.load_state_dict(base)
        tune = Run(model, _ids(_text(f"{package}/*.py"), known), _TUNE_RATE, TUNE_STEPS, number)
        tune.learn(TUNE_STEPS)
        _save(directory, f"tune-{number}.safetensors", model)


if __name__ == "__main__":
    train(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
