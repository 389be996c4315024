"""Small files taken together leave what the general path leaves: the same results, the same bytes in packs."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.inspect.kinds import UNKNOWN, kind_of, may_tell
from mvcd.monitor import Silent
from mvcd.repo.intake import ingest, smallfiles
from mvcd.repo.intake.ingest import Ingest
from mvcd.repo.intake.loading import Ingested, Source
from mvcd.repo.intake.smallfiles import EDITED_BYTES
from mvcd.repo.intake.targets import DryTarget, StoreTarget
from mvcd.repo.ondisk.statcache import FileStat
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.record import Record, scan
from tests.codec.samples import table
from tests.support.memory import in_memory
from tests.support.workspace import Bench

BEGUN = st.sampled_from([
    b"", b"{", b" \n{", b'{"learner":{', b'{"weight_map": {}}', b"GGUF", b"\x93NUMPY\x01\0v\0",
    b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", b"\x80\x04", b"\x08\x01", b"\0\0", b"12345678{", b"1234TFL3",
    b"abcdORTM", b"tree\nversion=", b'\x10\0\0\0\0\0\0\0{"__metadata__":', b"CBM1", b"binf", b"x\x9c",
    b"\x1f\x8b", b"\n\x80\x02\n\x01", b"\xba\x16\x4f\x2f",
])  # fmt: skip
"""How files begin of which something may be said, and of others."""

SIZES = st.one_of(
    st.sampled_from([0, 1, 7, 8, 64, 65, 128, 129, 4096, 4097, 8191, 8192]), st.integers(0, 9000)
)


def made(size: int, seed: int, kind: str, start: bytes) -> bytes:
    body = {
        "noise": lambda: random.Random(seed).randbytes(size),
        "text": lambda: table(size // 8 + 1)[seed : seed + size],
        "even": lambda: bytes([seed]) * size,
    }[kind]()
    return (start + body)[:size]


CONTENTS = st.lists(
    st.builds(made, SIZES, st.integers(0, 5), st.sampled_from(["noise", "text", "even"]), BEGUN),
    max_size=30,
)


@contextmanager
def files(contents: Sequence[bytes]) -> Iterator[tuple[str, list[Source]]]:
    """A directory with these files, of which some are executable or links."""
    with tempfile.TemporaryDirectory() as root:
        sources = []
        for number, data in enumerate(contents):
            place = Path(root, f"f{number}")
            if number % 11 == 5:
                place.symlink_to("x" * (1 + len(data) % 50))
            else:
                place.write_bytes(data)
                place.chmod(0o755 if number % 3 == 1 else 0o644)
            sources.append(Source(place.name, FileStat.of(os.lstat(place)), None, number % 4 > 0))
        yield root, sources


def stored(
    root: str, sources: Sequence[Source]
) -> tuple[list[Ingested], tuple[int, int], list[bytes]]:
    """The results, the bytes that were new and stored, and the records of the pack: those that a worker makes
    ready come first in their group."""
    with in_memory() as path, LmdbStore.create(path) as store, store.session() as session:
        with Ingest(root, StoreTarget(store, session), monitor=Silent()) as run:
            found = list(run.run(sources))
        session.commit()
        packs = sorted(Path(store.pack_directory).iterdir())
        records = [data for pack in packs for data in records_of(pack.read_bytes())]
        for result in found:
            store.get(result.recipe)
        return found, (run.bytes_new, run.bytes_stored), sorted(records)


def records_of(pack: bytes) -> Iterator[bytes]:
    for at, record in scan(pack):
        assert isinstance(record, Record)
        yield pack[at : at + record.size]


@contextmanager
def one_by_one() -> Iterator[None]:
    """Takes no file for a small one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ingest, "is_small", lambda *_: False)
        yield


@given(contents=CONTENTS, group=st.sampled_from([1, 7, 128]), threads=st.booleans())
@settings(deadline=None, max_examples=60)
def test_what_is_stored_is_the_same(contents: list[bytes], group: int, threads: bool) -> None:
    with files(contents) as (root, sources), pytest.MonkeyPatch.context() as patch:
        patch.setattr(ingest, "_GROUP_FILES", group)
        if threads:
            patch.setattr(smallfiles, "FEW_FILES", 0)
        together = stored(root, sources)
        with one_by_one():
            assert stored(root, sources) == together


@given(contents=CONTENTS)
@settings(deadline=None, max_examples=30)
def test_what_is_compared_is_the_same(contents: list[bytes]) -> None:
    def compared() -> list[Ingested]:
        with Ingest(root, DryTarget(), monitor=Silent()) as run:
            return list(run.run(sources))

    with files(contents) as (root, sources):
        together = compared()
        with one_by_one():
            assert compared() == together


@given(start=BEGUN, more=st.binary(max_size=60), seed=st.integers(0, 9))
def test_of_what_may_not_tell_nothing_is_told(start: bytes, more: bytes, seed: int) -> None:
    data = start + more + random.Random(seed).randbytes(100)
    if not may_tell(data):
        assert kind_of(lambda at, size: data[at : at + size], len(data)) == UNKNOWN
    assert may_tell(b"GGUF")
    assert not may_tell(b"[1, 2]")


def test_a_version_is_the_same(bench: Bench) -> None:
    """Whole commits, of new files and of some that changed, in sizes on both sides of what is small."""
    source = random.Random(4)
    texts = {
        f"d{n % 7}/f{n}.json": source.randbytes(50 + 97 * (n % 90)).hex()[: EDITED_BYTES + n]
        for n in range(300)
    }
    texts |= {"metrics.json": '{"loss": 0.5}', "params.yaml": "lr: 0.1\n", "copy.json": "1" * 900}
    bench.save(texts)
    bench.save({name: text[::-1] for name, text in list(texts.items())[::9]})
    with one_by_one():
        other = Bench(bench.root.parent / "other")
        other.save(texts)
        other.save({name: text[::-1] for name, text in list(texts.items())[::9]})
    cores = bench.repo._core, other.repo._core
    head, second = (core.version(core.head().version) for core in cores)
    assert head.components == second.components
    assert head.metrics == second.metrics
    assert head.hyperparameters == second.hyperparameters
