"""Verification names whom damage hurts: every file of every version that needs what is gone, and no other."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from mvcd.codec.encoded import Codec, Encoded
from mvcd.ids import ChunkId, Digest, Kind, VersionId
from mvcd.repo.contents.files import VersionFiles, content_parts
from mvcd.repo.records.results import Harm
from mvcd.repo.trust import harms
from mvcd.store import check
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.reports import Damage
from tests.support.workspace import Bench


def noise(seed: int, size: int = 300_000) -> bytes:
    return random.Random(seed).randbytes(size)


def lose(bench: Bench, id: Digest) -> None:
    index = bench.repo._core.store.index  # type: ignore[attr-defined]
    assert index.write(lambda txn: txn.delete(id, db=index.objects))


def chunks_of(bench: Bench, path: str, rev: str = "HEAD") -> list[Digest]:
    core = bench.repo._core
    placed = VersionFiles(core.version(bench.repo.resolve(rev)), core.fetch).find(path)
    assert placed is not None
    return [p.chunk for p in content_parts(placed.entry, core.fetch) if p.chunk is not None]


def test_a_whole_repository(bench: Bench) -> None:
    bench.save({"a.pt": noise(1), "b": "x"})
    bench.save({"a.pt": noise(2)})
    report = bench.repo.verify()
    assert report.ok
    assert report.versions == 2
    assert report.objects == bench.repo.store.stats().objects
    assert report.bytes > 600_000


def test_a_lost_chunk_hurts_every_file_that_shares_it(bench: Bench) -> None:
    first = bench.save({"a.pt": noise(1), "b.pt": noise(2)}).version
    second = bench.save({"copy.pt": noise(1) + b"more", "b.pt": noise(3)}).version
    bench.remove("a.pt")
    third = bench.save({"b.pt": noise(4)}).version
    lost = chunks_of(bench, "copy.pt")[0]
    assert lost == chunks_of(bench, "a.pt", "v1")[0]
    lose(bench, lost)
    (error,) = bench.repo.verify().errors
    assert (error.problem, error.object) == ("missing object", f"chunk {lost.hex()}")
    assert error.hurts == (
        Harm(third, 3, "copy.pt"),
        Harm(second, 2, "a.pt"),
        Harm(second, 2, "copy.pt"),
        Harm(first, 1, "a.pt"),
    )


def test_lists_of_hurt_files_are_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harms, "MAX_HARMS", 3)
    bench.save({f"{n}.pt": noise(1) for n in range(9)})
    lose(bench, chunks_of(bench, "0.pt")[0])
    (error,) = bench.repo.verify().errors
    assert [h.path for h in error.hurts] == ["0.pt", "1.pt", "2.pt"]


def test_a_lost_version_is_named_with_what_names_it(bench: Bench) -> None:
    lost = bench.save({"a": "1"}).version
    bench.save({"a": "2"})
    lose(bench, lost)
    report = bench.repo.verify()
    (error,) = report.errors
    assert error.object == f"version {lost.hex()}"
    assert error.hurts == (Harm(lost, 0, ""),)


def test_garbage_hurts_nobody(bench: Bench) -> None:
    """An object that no version reaches may be damaged; that is said, and that it hurts nothing."""
    bench.save({"a.pt": noise(1)})
    store = bench.repo._core.store
    with store.session() as session:
        session.put(ChunkId.of(b"lie"), Encoded(Codec.RAW, 5, b"truth"))
        session.commit()
    (error,) = bench.repo.verify().errors
    assert error.object == f"chunk {ChunkId.of(b'lie').hex()}"
    assert error.hurts == ()
    assert bench.repo.verify(read_data=False).ok


@pytest.mark.parametrize("kind", [Kind.NODE, Kind.RECIPE])
def test_each_lost_object_hurts_what_is_above_it(bench: Bench, kind: Kind) -> None:
    ids = set()
    for n in range(3):
        files = {f"{m}.pt": noise(m) for m in range(3)} | {f"d/{n}.csv": noise(n + 10, 2000)}
        ids.add(bench.save(files).version)  # type: ignore[arg-type]
    store = bench.repo._core.store
    index = store.index  # type: ignore[attr-defined]
    for id in [i for i, info in store.ids() if info.kind is kind]:
        with index.read() as txn:
            row = txn.get(id, db=index.objects)
        lose(bench, id)
        errors = bench.repo.verify().errors
        assert [e.object for e in errors] == [f"{kind.name.lower()} {id.hex()}"]
        assert errors[0].hurts
        assert {h.version for h in errors[0].hurts} <= ids
        index.write(lambda txn: txn.put(id, row, db=index.objects))  # noqa: B023
    assert bench.repo.verify().ok


def test_what_only_the_operation_log_names_is_verified_too(bench: Bench) -> None:
    bench.save({"a.pt": noise(1)})
    undone: VersionId = bench.save({"a.pt": noise(2)}).version
    lost = chunks_of(bench, "a.pt")[0]
    bench.repo.undo(context=bench.context())
    lose(bench, lost)
    (error,) = bench.repo.verify().errors
    assert error.hurts == (Harm(undone, 2, "a.pt"),)


def test_commits_and_collections_meanwhile_are_no_damage(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the pack table and the objects: a pack has grown, another is gone with its file."""
    bench.save({"a.pt": noise(1)})
    bench.save({"a.pt": noise(2)})
    bench.repo.undo(context=bench.context())
    bench.repo.create_tag("later", context=bench.context())
    real, left = check._check_refs, [1]

    def disturbed(store: LmdbStore) -> Iterator[Damage]:
        if left.pop() if left else 0:
            bench.repo.gc(context=bench.context(), keep_operations_us=0)
            bench.save({"a.pt": noise(3)})
        yield from real(store)

    monkeypatch.setattr(check, "_check_refs", disturbed)
    report = bench.repo.verify()
    assert not left
    assert report.ok, report.errors
