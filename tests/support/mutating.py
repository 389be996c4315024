"""Mutated files through every reader: `python -m tests.support.mutating FIRST COUNT NOTE`.

A process of its own, since what it looks for may kill it. It writes the number of each file into NOTE before it
reads it, and prints the slowest reading in seconds and its largest memory in KiB.
"""

from __future__ import annotations

import datetime
import io
import json
import random
import resource
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard
from safetensors.numpy import save

from mvcd.inspect import ocdbt, tensorfiles
from mvcd.inspect.crc32c import crc32c
from mvcd.inspect.layout import layout
from mvcd.inspect.spans import Layout, NotThisFormat, ReadAt
from mvcd.inspect.tables import read_table
from mvcd.inspect.tensorfile import TensorFile
from mvcd.repo.contents.unpacking import DamagedStream
from tests.support.reading import elements, reading

DATA = Path(__file__).parents[1] / "inspect" / "data"
ENDINGS = (
    ".distcp",
    ".metadata",
    "linear.json",
    ".ubj",
    "light.txt",
    ".pt",
    ".pt2",
    "_METADATA",
    "packed.z",
    "packed.gz",
    "packed.bz2",
    ".gguf",
    ".pb",
    ".tflite",
    ".onnx",
    ".index",
    ".pkl",
    ".joblib",
    ".h5",
    ".pdparams",
)
NODE = b"\x0c\xdb\x20\xde"
DATABASES = {
    root.name: {
        p.relative_to(root).as_posix(): p.read_bytes()
        for p in sorted(root.rglob("*"))
        if p.is_file()
    }
    for root in (DATA / "ocdbt").iterdir()
    if root.is_dir()
}
"""By name the files of each database of TensorStore."""

PATCHES = (
    b"\xff" * 4,
    b"\xff" * 8,
    b"\0" * 4,
    b"\0" * 8,
    b"\xff\xff\xff\x7f",
    b"\x80",
    b"(",
    b"t",
    b"}",
    b"]",
)


def seeds() -> list[tuple[str, bytes]]:
    """Names and contents: what the formats' own libraries wrote."""
    files = sorted(path for path in DATA.rglob("*") if path.name.endswith(ENDINGS))
    found = [(path.name, path.read_bytes()) for path in files]
    arrays = {
        "a": np.ones((3, 4), "f4"),
        "b": np.asfortranarray(np.ones((2, 3))),
        "c": np.arange(9),
    }
    for write in (np.savez, np.savez_compressed):
        file = io.BytesIO()
        write(file, **arrays)
        found.append(("m.npz", file.getvalue()))
    found += databases()
    file = io.BytesIO()
    np.save(file, arrays["a"])
    found += [("m.npy", file.getvalue()), ("m.safetensors", save(arrays, metadata={"a": "b"}))]
    return [*found, *tables()]


def databases() -> list[tuple[str, bytes]]:
    """Bodies of manifests, and of nodes that are not compressed; `check` puts them into envelopes again."""
    found = []
    for kind in ("plain", "inner", "zarr2", "zarr3"):
        data = DATABASES[kind]["manifest.ocdbt"]
        body = data[14:-4]
        if data[13]:
            body = zstandard.ZstdDecompressor().decompress(body, 1 << 20)
        found.append((f"ocdbt/{kind}/manifest.ocdbt/0/{len(data)}", body))
    for name, data in DATABASES["plain"].items():
        at = data.find(NODE)
        while at >= 0:
            size = int.from_bytes(data[at + 4 : at + 12], "little")
            found.append((f"ocdbt/plain/{name}/{at}/{size}", data[at + 14 : at + size - 4]))
            at = data.find(NODE, at + size)
    return found


def check_database(name: str, body: bytes) -> None:
    """Nodes keep their length, which their parents know."""
    _, kind, *parts, start, length = name.split("/")
    files, file, at, size = dict(DATABASES[kind]), "/".join(parts), int(start), int(length)
    whole = files[file]
    if file.startswith("d/"):
        body = body[: size - 18].ljust(size - 18, b"\0")
    made = whole[at : at + 4] + (len(body) + 18).to_bytes(8, "little") + b"\0\0" + body
    made += crc32c(made).to_bytes(4, "little")
    files[file] = whole[:at] + made + whole[at + size :]

    def beside(path: str) -> tuple[ReadAt, int] | None:
        assert not path.startswith("/") and ".." not in path.split("/")
        return (reading(files[path]), len(files[path])) if path in files else None

    with suppress(NotThisFormat):
        for value in ocdbt.read(beside).values():
            assert value.inline is not None or value.path
    if "_METADATA" in files:
        data = files["_METADATA"]
        found = tensorfiles.read(reading(data), len(data), "_METADATA", beside)
        for tensor in found.tensors.values() if found is not None else ():
            with suppress(DamagedStream):
                assert tensor.coded or len(elements(tensor, files)) == tensor.size


def check_elements(found: TensorFile | None, data: bytes) -> None:
    """Of formats with packed elements that are unpacked whole."""
    for tensor in found.tensors.values() if found is not None and found.format == "hdf5" else ():
        with suppress(DamagedStream):
            assert tensor.coded or len(elements(tensor, {"": data})) == tensor.size


def tables() -> list[tuple[str, bytes]]:
    table = pa.table({
        "s": ["a", "bb", None, "c"] * 9, "i": [1, 2, 3, None] * 9, "x": [0.5] * 36,
        "l": [[1], [], None, [2, 3]] * 9, "d": pa.array(["u", "v", "u", "u"] * 9).dictionary_encode(),
        "b": [b"1"] * 36, "t": [datetime.datetime(2020, 1, 1)] * 36, "f": [True] * 36,
    })  # fmt: skip
    found = []
    for compression in (None, "lz4", "zstd"):
        for name, new in (("t.arrow", pa.ipc.new_file), ("t.feather", pa.ipc.new_stream)):
            file = io.BytesIO()
            options = pa.ipc.IpcWriteOptions(compression=compression)
            with new(file, table.schema, options=options) as writer:
                writer.write_table(table)
            found.append((name, file.getvalue()))
        file = io.BytesIO()
        pq.write_table(table, file, compression=compression or "snappy")
        found.append(("t.parquet", file.getvalue()))
    lines = "".join(f"{i},{i / 3},x{i % 4}\n" for i in range(60)).encode()
    rows = "".join(json.dumps({"i": i, "x": [i]}) + "\n" for i in range(60)).encode()
    return [*found, ("t.csv", b"i,x,s\n" + lines), ("t.jsonl", rows)]


def mutated(data: bytes, rng: random.Random) -> bytes:
    """A few bytes changed, put in, or left out; or an end cut off; or another beginning or end put to it."""
    made = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        if not made:
            break
        at = rng.randrange(len(made)) if rng.random() < 0.7 else rng.randrange(min(len(made), 200))
        patch = rng.choice(
            (*PATCHES, rng.randbytes(rng.randint(1, 4)), bytes([made[at] ^ 1 << rng.randrange(8)]))
        )
        match rng.randrange(6):
            case 0:
                made[at:at] = patch
            case 1:
                del made[at : at + len(patch)]
            case 2 if rng.random() < 0.3:
                del made[at:]
            case 3 if rng.random() < 0.3:
                end = rng.randrange(len(made) + 1)
                made[at:at] = made[min(at, end) : max(at, end)][:4096]
            case _:
                made[at : at + len(patch)] = patch
    return bytes(made)


def check(name: str, data: bytes) -> None:
    """Raises AssertionError where a reader breaks what it promises of any content."""

    def read_at(offset: int, length: int) -> bytes:
        assert offset >= 0 and length >= 0
        return data[offset : offset + length]

    if name.startswith("t."):
        read_table(name, io.BytesIO(data), summaries=True)
        return
    if name.startswith("ocdbt/"):
        check_database(name, data)
        return
    sane_layout(layout(read_at, len(data)), len(data))
    found = tensorfiles.read(read_at, len(data), name)
    sane_file(found, len(data))
    check_elements(found, data)


def sane_layout(found: Layout | None, size: int) -> None:
    end = 0
    for span in found.spans if found is not None else ():
        assert span.offset == end and span.size > 0
        end += span.size
    assert found is None or end == size
    names = [span.tensor.name for span in found.spans if span.tensor] if found is not None else []
    assert len(set(names)) == len(names)


def sane_file(found: TensorFile | None, size: int) -> None:
    for name, tensor in found.tensors.items() if found is not None else ():
        assert tensor.name == name and name.encode() and tensor.dtype
        assert all(extent >= 0 for extent in tensor.shape)
        assert sorted(tensor.order) in ([], list(range(len(tensor.shape))))
        places = tensor.content if not isinstance(tensor.content, bytes) else ()
        for place in (part for each in places for part in each.parts):
            assert place.offset >= 0 and place.size >= 0
            assert place.beside or place.offset + place.size <= size


def main(first: int, count: int, note: str) -> None:
    originals, slowest = seeds(), (0.0, -1)
    with Path(note).open("w") as written:
        for number in range(first, first + count):
            rng = random.Random(number)
            name, data = originals[number % len(originals)]
            data = mutated(data, rng)
            written.seek(0)
            written.write(f"{number:12}")
            written.flush()
            start = time.process_time()
            check(name, data)
            slowest = max(slowest, (time.process_time() - start, number))
    print(json.dumps({"slowest": slowest, "peak": peak()}))


def peak() -> int:
    """The largest memory of this process in KiB. What `getrusage` tells counts the process that it was forked
    from too, here a whole test run, so it is asked only where nothing else tells."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except FileNotFoundError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
