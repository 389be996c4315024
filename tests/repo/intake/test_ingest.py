"""Files into recipes: a pure function of content, however it is read; memory that does not grow."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.codec.encode import Encoder
from mvcd.codec.encoded import Codec, Encoded
from mvcd.errors import Failure
from mvcd.ids import ChunkId, Kind, RecipeId
from mvcd.monitor import Silent
from mvcd.objects.recipe import Recipe, parts
from mvcd.repo.intake import ingest
from mvcd.repo.intake.ingest import Ingest
from mvcd.repo.intake.loading import Reader, Source
from mvcd.repo.intake.targets import DryTarget, StoreTarget
from mvcd.repo.ondisk import reading
from mvcd.repo.ondisk.statcache import FileStat
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.memory_store import MemoryStore
from mvcd.store.pack import pack_name
from mvcd.store.readymade import ReadyRecords
from mvcd.store.record import PACK_HEADER, Record, scan
from tests.support.memory import in_memory
from tests.support.workspace import Bench


@st.composite
def contents(draw: st.DrawFn) -> bytes:
    """Up to about 900 KB: noise, zeros and repeats, sometimes within a safetensors file."""
    source = random.Random(draw(st.integers(0, 2**32)))
    pieces = []
    for _ in range(draw(st.integers(0, 3))):
        size = draw(st.sampled_from([0, 1, 128, 129, 40_000, 262_144, 300_000]))
        kind = draw(st.sampled_from(["noise", "zeros", "repeat"]))
        made = {
            "noise": source.randbytes,
            "zeros": bytes,
            "repeat": lambda n: b"abc,1\n" * (n // 6),
        }
        pieces.append(made[kind](size))
    if draw(st.booleans()):
        arrays = {f"t{n}": np.frombuffer(piece, np.uint8) for n, piece in enumerate(pieces)}
        return safetensors.numpy.save(arrays)
    return b"".join(pieces)


def source_of(root: Path, name: str, reader: Reader | None = None) -> Source:
    return Source(name, FileStat.of(os.lstat(root / name)), reader)


def recipes(root: Path, sources: list[Source]) -> tuple[list[RecipeId], MemoryStore]:
    store = MemoryStore()
    with store.session() as session:
        with Ingest(str(root), StoreTarget(store, session), monitor=Silent()) as run:
            found = list(run.run(sources))
        session.commit()
    assert [f.path for f in found] == [s.path for s in sources]
    for result, source in zip(found, sources, strict=True):
        content = (root / source.path).read_bytes()
        assert result.told == (None if source.reader is None else (content, len(content)))
    return [f.recipe for f in found], store


@given(data=contents(), batch=st.sampled_from([400_000, 1 << 20, 3 << 20]))
@settings(max_examples=40, deadline=None)
def test_the_way_a_file_is_read_leaves_no_trace(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, batch: int
) -> None:
    root = tmp_path_factory.mktemp("ingest")
    (root / "f").write_bytes(data)
    (root / "g").write_bytes(data[:100])
    wanted = source_of(root, "f", lambda file, size: (file.read(), size))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ingest, "SMALL_FILE_BYTES", 1 << 30)
        (whole, _), _ = recipes(root, [source_of(root, "f"), source_of(root, "g")])
        ((asked,), _) = recipes(root, [wanted])
        assert asked == whole
        patch.setattr(ingest, "SMALL_FILE_BYTES", -1)
        patch.setattr(ingest, "BATCH_BYTES", batch)
        (_, streamed), store = recipes(root, [source_of(root, "g"), source_of(root, "f")])
        ((asked,), _) = recipes(root, [wanted])
    assert whole == streamed == asked
    read = b"".join(
        part.literal if part.chunk is None else store.get(part.chunk)  # type: ignore[misc]
        for part in parts(Recipe.decode(store.get(whole)), store.get)
    )
    assert read == data


def test_equal_files_are_stored_once(tmp_path: Path) -> None:
    data = random.Random(1).randbytes(3_000_000)
    for name in "abc":
        (tmp_path / name).write_bytes(data)
    store = MemoryStore()
    with store.session() as session:
        with Ingest(str(tmp_path), StoreTarget(store, session), monitor=Silent()) as run:
            found = list(run.run([source_of(tmp_path, n) for n in "abc"]))
        session.commit()
    assert len({f.recipe for f in found}) == 1
    assert run.bytes_new == 3_000_000


def mixed_tensors() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    weights = rng.normal(0, 0.02, 700_000).astype("<f4")
    text = np.frombuffer(b"".join(b"%07d," % (n % 1000) for n in range(50_000)), "<u4")
    return {
        "a": weights,
        "b": np.zeros(300_000, "<f4"),
        "c": weights[:150_000].view("<u2"),
        "d": weights,
        "e": rng.integers(0, 256, 600_000, np.uint8).view("<u2"),
        "f": text,
        "g": rng.normal(0, 0.02, 900).astype("<f4"),
        "h": weights[::-1].copy(),
    }


@pytest.mark.parametrize("lots", [False, True])
def test_pieces_rest_in_the_order_of_the_file_as_each_is_encoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lots: bool
) -> None:
    """In lots or not: of tensors that need zstd, are one value, do not shrink or come twice, too."""
    safetensors.numpy.save_file(mixed_tensors(), tmp_path / "m")
    put: list[int] = []
    real = StoreTarget.put_lot

    def put_lot(self: StoreTarget, lot: ReadyRecords) -> tuple[int, int]:
        put.append(len(lot.ids))
        return real(self, lot)

    monkeypatch.setattr(StoreTarget, "put_lot", put_lot)
    if not lots:
        monkeypatch.setattr(StoreTarget, "sealed", lambda *_: None)
    with in_memory() as path, LmdbStore.create(path) as store, store.session() as session:
        with Ingest(str(tmp_path), StoreTarget(store, session), monitor=Silent()) as run:
            (found,) = run.run([source_of(tmp_path, "m")])
        session.commit()
        pack = Path(store.pack_directory, pack_name(0)).read_bytes()
        resting = [
            (r.id, r.encoded()._replace(body=bytes(r.body)))
            for _, r in scan(pack)
            if isinstance(r, Record) and r.id.kind is Kind.CHUNK
        ]
        recipe = Recipe.decode(store.get(found.recipe))
        expected: dict[ChunkId, Encoded] = {}
        encoder = Encoder()
        for segment in recipe.segments:
            tensor = segment.tensor
            size, dtype = (
                (1, None) if tensor is None else (int(tensor.dtype[1:]) // 8, tensor.dtype)
            )
            alone = Recipe(segment.size, "", (segment,))
            for chunk in (part.chunk for part in parts(alone, store.get) if part.chunk):
                raw = store.get(chunk)
                expected.setdefault(chunk, encoder.encode(raw, element_size=size, dtype=dtype))
        assert resting == [*expected.items()]
        assert list(store.check()) == []
        assert run.bytes_new == sum(encoded.raw_size for encoded in expected.values())
        assert run.bytes_stored == len(pack) - PACK_HEADER.size
    assert (sum(put) > 6) is lots


def test_a_lot_of_which_another_has_put_a_part_meanwhile(tmp_path: Path) -> None:
    weights = np.random.default_rng(6).normal(0, 0.02, 1_000_000).astype("<f4")
    safetensors.numpy.save_file({"w": weights}, tmp_path / "m")
    store = MemoryStore()
    with store.session() as session:
        target = StoreTarget(store, session)
        middle = weights.tobytes()[5 << 18 : 6 << 18]
        target.known = lambda ids: [False] * len(ids)  # type: ignore[method-assign]
        session.put(ChunkId.of(middle), Encoded(Codec.RAW, len(middle), middle))
        with Ingest(str(tmp_path), target, monitor=Silent()) as run:
            (found,) = run.run([source_of(tmp_path, "m")])
        session.commit()
    assert run.bytes_new == weights.nbytes - len(middle)
    read = parts(Recipe.decode(store.get(found.recipe)), store.get)
    content = b"".join(store.get(part.chunk) if part.chunk else part.literal for part in read)
    assert content == (tmp_path / "m").read_bytes()


@pytest.mark.parametrize("size", [100, 2_000_000])
@pytest.mark.parametrize("turned", ["nothing", "a link", "a directory", "a pipe"])
def test_a_file_that_is_gone_when_it_is_read_is_looked_for_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, size: int, turned: str
) -> None:
    """Between scan and reading anything may happen; a commit is of what there was at one moment."""
    bench.save({"a": "1"})
    bench.write({"f": b"x" * size, "g": "new"})
    real, path, left = Ingest.run, bench.path("f"), [1]

    def disturbed(self: Ingest, sources: list[Source], **options: bool) -> object:
        if left.pop() if left else 0:
            os.unlink(path)
            make: dict[str, Callable[[], None]] = {
                "a link": lambda: os.symlink("/etc/passwd", path),
                "a directory": lambda: os.mkdir(path),
                "a pipe": lambda: os.mkfifo(path),
            }
            make.get(turned, lambda: None)()
        return real(self, sources, **options)

    monkeypatch.setattr(Ingest, "run", disturbed)
    result = bench.commit()
    linked = {"f"} if turned == "a link" else set()
    assert {row.path for row in bench.repo.ls()} == {"a", "g"} | linked
    assert {p for p, _ in result.leading_out} == linked
    assert [p for p, _ in result.skipped] == (["f"] if turned == "a pipe" else [])


@pytest.mark.parametrize("size", [100, 2_000_000])
def test_a_file_that_nobody_may_read_is_named(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    bench.save({"a": "1"})
    bench.write({"f": b"x" * size})
    with monkeypatch.context() as patch:
        deny(patch, bench.path("f"))
        with pytest.raises(Failure) as caught:
            bench.commit()
        assert caught.value.kind == "nothing-to-commit"
        assert str(caught.value.cause).endswith("but for f: cannot be read: Permission denied")
        with (
            Ingest(str(bench.root), DryTarget(), monitor=Silent()) as run,
            pytest.raises(Failure) as caught,
        ):
            list(run.run([source_of(bench.root, "f")]))
        assert caught.value.kind == "unreadable-file"
        assert str(caught.value).startswith("f ")
    assert bench.repo.head.number == 1
    assert bench.commit().number == 2


def deny(patch: pytest.MonkeyPatch, path: str) -> None:
    """As for a file of another user; tests may run as root, who can read everything."""
    real_open, real_read = os.open, reading.read_files

    def refusing(name: str, *args: int, **options: int) -> int:
        if name == path:
            raise PermissionError(13, "Permission denied", path)
        return real_open(name, *args, **options)

    def refusing_group(names: list[bytes], limit: int) -> object:
        found = iter(real_read([n for n in names if n != path.encode()], limit))
        return [13 if n == path.encode() else next(found) for n in names]

    patch.setattr(os, "open", refusing)
    patch.setattr(reading, "read_files", refusing_group)


MEASURE = """
import os, re, resource, sys
from tests.support.engine import Repository
from mvcd.repo.records.results import Context

root, verb = sys.argv[1:]
with Repository.open(root) as repo:
    context = Context("Ada", time_us=1)
    if verb == "commit":
        assert repo.commit("m", context=context).bytes_total == 512 << 20
    elif verb == "checkout":
        os.truncate(root + "/model.bin", 1)
        repo.restore("HEAD", context=context)
    elif verb == "verify":
        assert repo.verify().ok
    else:
        with repo.open_file("model.bin") as file:
            while file.read(1 << 20):
                pass
try:  # the peak of this program alone; ru_maxrss begins with what the parent had when it forked
    with open("/proc/self/status") as file:
        print(re.search(r"VmHWM:\\s+(\\d+) kB", file.read())[1])
except FileNotFoundError:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """512 MiB of noise, zeros and holes: each verb stays under 300 MiB resident, as for any size."""
    with Bench(tmp_path / "experiment") as bench:
        bench.add()
    path = tmp_path / "experiment/model.bin"
    block = random.Random(1).randbytes(4 << 20)
    with path.open("wb") as file:
        for number in range(16):
            file.write(number.to_bytes(8, "little") + block[8:] + bytes(4 << 20))
        file.truncate(512 << 20)
    for verb in ("commit", "verify", "checkout", "read"):
        ran = subprocess.run(
            [sys.executable, "-c", MEASURE, str(path.parent), verb],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        )
        assert ran.returncode == 0, ran.stderr
        assert int(ran.stdout) < 300 << 10, verb


def test_an_edited_table_is_stored_as_patches_of_what_it_was(bench: Bench) -> None:
    """One row of a thousand differs, some by their length, so that chunks begin elsewhere."""
    source = random.Random(6)
    rows = [f"{n},{source.random():.6f},name{source.randrange(99)}\n" for n in range(60_000)]
    saved = [bench.save({"rows.csv": "".join(rows)})]
    for version in range(3):
        for _ in range(60):
            row = source.randrange(len(rows))
            rows[row] = f"{row},{source.random()},edited in {version}\n"
        saved.append(bench.save({"rows.csv": "".join(rows)}))
        assert saved[-1].bytes_stored < 0.1 * saved[0].bytes_stored
        assert bench.repo.read("rows.csv") == "".join(rows).encode()
    assert bench.repo.verify().ok


def test_what_is_like_nothing_before_is_not_tried_for_ever(bench: Bench) -> None:
    bench.save({"a.zip": random.Random(1).randbytes(4 << 20)})
    reads: list[ChunkId] = []
    store = bench.repo._core.store
    real = store.get

    def get(id: ChunkId) -> bytes:
        if id.kind is Kind.CHUNK:
            reads.append(id)
        return real(id)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "get", get)
        bench.save({"a.zip": random.Random(2).randbytes(4 << 20)})
    assert 0 < len(reads) < 40
    assert bench.repo.verify().ok
