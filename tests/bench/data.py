"""Makes the files that are measured: deterministic for a seed, written block by block.

Run as a program, `python data.py KIND PATH SIZE SEED`, so that numpy's memory never counts into
what the harness measures (see `measure.py`). `make` does that.

    bf16, fp32   safetensors, weights drawn from N(0, 0.02), rounded to nearest even for BF16: what
                 a trained dense layer looks like to an entropy coder (sign and mantissa are noise,
                 the exponent holds about 2.6 bits)
    random       noise without structure: no compressor helps, only deduplication does
    csv          a sensor log: time stamps, labels, decimals of limited precision, missing values
    sources      the Python files of this interpreter's standard library (differs with its version)
    small        SIZE files of 1 to 4 KiB, 1000 to a folder: half JSON records, half noise

The edits at the end work in place on such files, in the harness's own process, without numpy.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import struct
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

_TENSOR_COLUMNS = 2048
_TENSOR_BYTES = 16 * MIB
_BLOCK_ELEMENTS = 1 << 20
_WIDTH = {"BF16": 2, "F32": 4}


def make(kind: str, path: Path, size: int, *, seed: int = 1) -> Path:
    """Make `path`, of `size` bytes (of `size` files for `small`), in another process; return it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    argv = [sys.executable, os.path.abspath(__file__), kind, str(path), str(size), str(seed)]
    subprocess.run(argv, check=True)
    return path


def _safetensors(path: Path, size: int, seed: int, dtype: str) -> None:
    """One file of about `size` bytes: square-ish layers of 16 MiB, the last one what is left."""
    row = _TENSOR_COLUMNS * _WIDTH[dtype]
    rows_left = max(1, size // row)
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset, layer = 0, 0
    while rows_left:
        rows = min(rows_left, _TENSOR_BYTES // row)
        header[f"model.layers.{layer}.mlp.weight"] = {
            "dtype": dtype,
            "shape": [rows, _TENSOR_COLUMNS],
            "data_offsets": [offset, offset + rows * row],
        }
        offset, layer, rows_left = offset + rows * row, layer + 1, rows_left - rows
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        _write_normal(file, offset // _WIDTH[dtype], seed, dtype)


def _write_normal(file: BinaryIO, count: int, seed: int, dtype: str) -> None:
    import numpy as np

    rng = np.random.default_rng(seed)
    while count:
        n = min(count, _BLOCK_ELEMENTS)
        values = rng.standard_normal(n, dtype=np.float32)
        values *= np.float32(0.02)
        if dtype == "BF16":
            bits = values.view(np.uint32)
            bits += np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
            file.write((bits >> np.uint32(16)).astype("<u2").tobytes())
        else:
            file.write(values.astype("<f4").tobytes())
        count -= n


def _random(path: Path, size: int, seed: int) -> None:
    source = random.Random(seed)
    with path.open("wb") as file:
        while size:
            n = min(size, MIB)
            file.write(source.randbytes(n))
            size -= n


def _csv(path: Path, size: int, seed: int) -> None:
    source = random.Random(seed)
    with path.open("w", newline="\n") as file:
        written = file.write("time,station,temperature,humidity,pressure,count,state,label\n")
        for line in _readings(source):
            if written + len(line) > size:
                return
            written += file.write(line)


def _readings(source: random.Random) -> Iterator[str]:
    states = ("ok",) * 17 + ("warming", "degraded", "offline")
    labels = ("background", "event", "calibration")
    clock, count = 1_700_000_000, 0
    walk = [[20.0, 50.0, 1013.0] for _ in range(64)]
    while True:
        for station, last in enumerate(walk):
            warmth = last[0] + source.gauss(0.0, 0.05)
            wet = min(100.0, max(0.0, last[1] + source.gauss(0.0, 0.2)))
            press = last[2] + source.gauss(0.0, 0.02)
            walk[station] = [warmth, wet, press]
            count += source.randrange(40)
            humid = "" if source.random() < 0.02 else f"{wet:.1f}"
            yield (
                f"{clock},ST-{station:03d},{warmth:.3f},{humid},{press:.2f},"
                f"{count},{source.choice(states)},{source.choice(labels)}\n"
            )
        clock += 30


def _sources(path: Path, size: int) -> None:
    """Copy standard-library sources, in path order, while they fit into `size` bytes."""
    root = Path(sysconfig.get_paths()["stdlib"])
    for source in sorted(root.rglob("*.py")):
        inner = source.relative_to(root)
        if "site-packages" in inner.parts or not source.is_file():
            continue
        size -= source.stat().st_size
        if size < 0:
            return
        target = path / inner
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def _small(path: Path, count: int, seed: int) -> None:
    source = random.Random(seed)
    for number in range(count):
        if number % 1000 == 0:
            folder = path / f"{number // 1000:04d}"
            folder.mkdir(parents=True)
        length = source.randint(KIB, 4 * KIB)
        if number % 2:
            (folder / f"{number:06d}.bin").write_bytes(source.randbytes(length))
        else:
            (folder / f"{number:06d}.json").write_text(_record(source, number, length))


def _record(source: random.Random, number: int, length: int) -> str:
    """A JSON document of `length` characters, give or take one number."""
    boxes: list[list[float]] = []
    size = 80
    while size < length:
        boxes.append([round(source.uniform(0, 640), 2) for _ in range(4)])
        size += len(str(boxes[-1])) + 2
    return json.dumps({"image": f"{number:06d}.jpg", "width": 640, "height": 480, "boxes": boxes})


def nudge(path: Path, *, fraction: float, seed: int) -> None:
    """Move 16-bit floats by up to 7 units in the last place: ten even runs, `fraction` of the file.

    A step of fine-tuning that touched some layers. Every byte stays where it was.
    """
    source = random.Random(seed)
    size = path.stat().st_size
    length = max(2, int(size * fraction / 10) & ~1)
    with path.open("r+b") as file:
        for run in range(10):
            position = size * (2 * run + 1) // 20 & ~1
            end = min(position + length, size & ~1)
            while position < end:
                n = min(end - position, MIB)
                file.seek(position)
                moved = _moved(file.read(n), source)
                file.seek(position)
                file.write(moved)
                position += n


def step(before: Path, after: Path) -> None:
    """Write a BF16 safetensors file in which each weight of `before` moved by up to 7 units in the last place.

    A step of training. The header stays.
    """
    source = random.Random(3)
    with before.open("rb") as old, after.open("wb") as new:
        length = old.read(8)
        new.write(length + old.read(int.from_bytes(length, "little")))
        while piece := old.read(MIB):
            new.write(_moved(piece, source))


def _moved(values: bytes, source: random.Random) -> bytes:
    """16-bit floats, each moved by up to 7 units in the last place."""
    noise = int.from_bytes(source.randbytes(len(values)), "little")
    noise &= int.from_bytes(b"\x07\x00" * (len(values) // 2), "little")
    return (int.from_bytes(values, "little") ^ noise).to_bytes(len(values), "little")


def flip_byte(path: Path, *, at: int) -> None:
    """Change the one byte at offset `at`."""
    with path.open("r+b") as file:
        file.seek(at)
        old = file.read(1)[0]
        file.seek(at)
        file.write(bytes([old ^ 0xFF]))


def insert(path: Path, data: bytes, *, at: int) -> None:
    """Put `data` at offset `at`, inside the file; what follows moves on."""
    assert at <= path.stat().st_size
    aside = path.with_name(path.name + ".new")
    with path.open("rb") as old, aside.open("wb") as new:
        left = at
        while left:
            left -= new.write(old.read(min(left, MIB)))
        new.write(data)
        shutil.copyfileobj(old, new, MIB)
    aside.replace(path)


def append(path: Path, data: bytes) -> None:
    """Put `data` at the end."""
    with path.open("ab") as file:
        file.write(data)


def main(argv: list[str]) -> None:
    kind, target, size, seed = argv[0], Path(argv[1]), int(argv[2]), int(argv[3])
    match kind:
        case "bf16":
            _safetensors(target, size, seed, "BF16")
        case "fp32":
            _safetensors(target, size, seed, "F32")
        case "random":
            _random(target, size, seed)
        case "csv":
            _csv(target, size, seed)
        case "sources":
            _sources(target, size)
        case "small":
            _small(target, size, seed)
        case _:
            raise SystemExit(f"unknown kind of data: {kind}")


if __name__ == "__main__":
    main(sys.argv[1:])
