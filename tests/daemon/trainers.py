"""Programs that write files as trainers do, in processes of their own; each tells what states it left behind.

Run as `python trainers.py NAME ARGUMENTS-AS-JSON`; every line of output is one JSON document. A pause is part
of the behaviour under test, not a means to be in step with it. They end when their standard input is closed.
"""

from __future__ import annotations

import hashlib
import io
import json
import mmap
import os
import random
import select
import shutil
import struct
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MAGIC = struct.Struct("<Q")


def stamped(generation: int, size: int) -> bytes:
    """Bytes that show on every 8 bytes which generation they are of."""
    return MAGIC.pack(generation) * (size // MAGIC.size)


def shard(generation: int, size: int) -> bytes:
    """A safetensors file of one tensor, stamped all over."""
    header = json.dumps(
        {
            "__metadata__": {"generation": str(generation)},
            "w": {"dtype": "I64", "shape": [size // 8], "data_offsets": [0, size // 8 * 8]},
        }
    ).encode()
    return len(header).to_bytes(8, "little") + header + stamped(generation, size)


def say(**document: Any) -> None:
    print(json.dumps(document), flush=True)


def told_to_end(pause: float) -> bool:
    ready, _, _ = select.select([sys.stdin], [], [], pause)
    return bool(ready) and not sys.stdin.buffer.read(1)


# -------------------------------------------------------------------- one file, rewritten in every way


def torn_reads(path: str, size: int, seed: int, longest: float) -> None:
    """Each line has the digest of a state in which the file was closed."""
    rng = random.Random(seed)
    file = Path(path)
    file.write_bytes(stamped(0, size))
    say(closed=_digest(file), how="new")
    generation = 0
    while not told_to_end(rng.uniform(0, longest)):
        generation += 1
        how = rng.choice(sorted(_WAYS))
        _WAYS[how](file, generation, size, rng, longest / 8)
        say(closed=_digest(file), how=how)
    say(closed=_digest(file), how="last")


def _pieces(data: bytes, rng: random.Random) -> Iterator[tuple[int, bytes]]:
    step = max(8, len(data) // rng.randint(2, 6) // 8 * 8)
    for start in range(0, len(data), step):
        yield start, data[start : start + step]


def _in_place(file: Path, generation: int, size: int, rng: random.Random, pause: float) -> None:
    with file.open("r+b", buffering=0) as out:
        for start, piece in _pieces(stamped(generation, size), rng):
            out.seek(start)
            out.write(piece)
            told_to_end(rng.uniform(0, pause))
        out.truncate(size // 8 * 8)


def _append(file: Path, generation: int, size: int, rng: random.Random, pause: float) -> None:
    with file.open("ab", buffering=0) as out:
        for _, piece in _pieces(stamped(generation, size // 4), rng):
            out.write(piece)
            told_to_end(rng.uniform(0, pause))


def _mapped(file: Path, generation: int, size: int, rng: random.Random, pause: float) -> None:
    """The descriptor is closed while the mapping is still written through: no event tells of that."""
    with file.open("r+b") as out:
        out.truncate(size // 8 * 8)
        view = mmap.mmap(out.fileno(), 0)
    for start, piece in _pieces(stamped(generation, size), rng):
        view[start : start + len(piece)] = piece
        told_to_end(rng.uniform(0, pause))
    view.close()


def _renamed(file: Path, generation: int, size: int, rng: random.Random, pause: float) -> None:
    temporary = file.with_name(file.name + ".tmp")
    with temporary.open("wb", buffering=0) as out:
        for _, piece in _pieces(stamped(generation, size), rng):
            out.write(piece)
            told_to_end(rng.uniform(0, pause))
    temporary.replace(file)


_WAYS = {"in place": _in_place, "append": _append, "mmap": _mapped, "rename": _renamed}


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


# -------------------------------------------------------------------- shards and an index


def torn_sets(directory: str, shards: int, size: int, rounds: int, seed: int, pause: float) -> None:
    """Overwrites one directory again and again; some rounds pause between shards, some die half-way.

    Each line has a generation and whether it was finished; the last always is. Every fourth finished one
    stays as it is until a line comes in, so that it can be saved whatever the machine is busy with.
    """
    rng = random.Random(seed)
    home = Path(directory)
    home.mkdir(parents=True, exist_ok=True)
    for generation in range(1, rounds + 1):
        dies = generation < rounds and generation % 4 and rng.random() < 0.4
        slow = rng.random() < 0.3
        finished = _save_shards(
            home, generation, shards, size, rng, bool(dies), pause if slow else 0.0
        )
        say(generation=generation, finished=finished)
        if generation % 4 == 0:
            sys.stdin.buffer.readline()
        if told_to_end(rng.uniform(0, 2 * pause)):
            return


def _save_shards(
    home: Path,
    generation: int,
    shards: int,
    size: int,
    rng: random.Random,
    dies: bool,
    pause: float,
) -> bool:
    fatal = rng.randrange(shards + 1) if dies else -1
    names = {}
    for number in range(1, shards + 1):
        name = f"model-{number:05d}-of-{shards:05d}.safetensors"
        names[f"w{number}"] = name
        data = shard(generation, size)
        if number == fatal:
            data = data[: rng.randrange(len(data))]
        if number == fatal + 1 and dies:
            return False
        (home / name).write_bytes(data)
        if pause and rng.random() < 0.2:
            told_to_end(rng.uniform(0, pause))
    if dies:
        return False
    index = {"metadata": {"generation": generation}, "weight_map": names}
    (home / "model.safetensors.index.json").write_text(json.dumps(index))
    return True


# -------------------------------------------------------------------- rotation, and one file again and again


def rotating(directory: str, saves: int, size: int, lives: float) -> None:
    """What the Trainer with `save_total_limit=1` does: checkpoint-N is written, then the one before is deleted.

    Each line names one that has stood for `lives` seconds.
    """
    home = Path(directory)
    for number in range(1, saves + 1):
        here = home / f"checkpoint-{number}"
        here.mkdir(parents=True)
        (here / "model.safetensors").write_bytes(shard(number, size))
        (here / "optimizer.pt").write_bytes(zipped(number, size // 2))
        (here / "trainer_state.json").write_text(json.dumps({"global_step": number}))
        shutil.rmtree(home / f"checkpoint-{number - 1}", ignore_errors=True)
        told_to_end(lives)
        say(checkpoint=number)


def overwriting(path: str, saves: int, size: int, every: float) -> None:
    """`torch.save` over the same file: truncated, written in place, its directory at its end. Each line has
    the digest of a complete state, when the next is about to begin."""
    for number in range(1, saves + 1):
        data = zipped(number, size)
        with open(path, "wb") as file:
            for start in range(0, len(data), 1 << 20):
                file.write(data[start : start + (1 << 20)])
        told_to_end(every)
        say(digest=hashlib.sha256(data).hexdigest())


def zipped(generation: int, size: int) -> bytes:
    """A zip as torch writes one: stored members, the directory last."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data/0", stamped(generation, size))
    return out.getvalue()


# -------------------------------------------------------------------- many files


def storm(directory: str, count: int, per_directory: int) -> None:
    """Each file comes by temp + rename; the line at the end says all are there."""
    for number in range(count):
        home = Path(directory, f"d{number // per_directory:05d}")
        home.mkdir(parents=True, exist_ok=True)
        temporary = home / f"f{number}.tmp"
        temporary.write_text(str(number))
        os.replace(temporary, home / f"f{number}")
    say(written=count)


def steady(directory: str, size: int, pause: float) -> None:
    """A file after the other, and now and then one overwritten, until told to end."""
    rng = random.Random(7)
    home = Path(directory)
    home.mkdir(parents=True, exist_ok=True)
    number = 0
    while not told_to_end(rng.uniform(0, pause)):
        number += 1
        (home / f"c{rng.randrange(8)}.bin").write_bytes(stamped(number, size))
    say(written=number)


if __name__ == "__main__":
    {
        "torn_reads": torn_reads, "torn_sets": torn_sets, "storm": storm, "steady": steady,
        "rotating": rotating, "overwriting": overwriting,
    }[sys.argv[1]](**json.loads(sys.argv[2]))  # fmt: skip
