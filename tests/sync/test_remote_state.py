"""verify --remote, verify and gc of a clone that left content out, stages that travel along."""

from __future__ import annotations

from pathlib import Path

from mvcd.ids import Kind
from mvcd.repo.core.wanted import Wanted
from mvcd.repo.trust.judging import Trust
from mvcd.store.lmdb_store import LmdbStore
from tests.sync.people import Pair, noise
from tests.wire.hosts import serving

MODEL = {"model.bin": noise(2 << 20, 1), "params.yaml": "lr: 0.1\n"}


def unasked() -> Trust:
    raise AssertionError("no signature is demanded")


def damage(path: str, at: int = -1000) -> None:
    """Turns a byte of the newest pack over."""
    pack = max(Path(path, "packs").iterdir(), key=lambda p: p.stat().st_size)
    data = bytearray(pack.read_bytes())
    data[at] ^= 0xFF
    pack.write_bytes(data)


def test_a_remote_that_is_whole(pair: Pair) -> None:
    pair.ada.save(MODEL)
    pair.ada.push()
    report = pair.ada.repo.verify_remote(read_data=True)
    assert report.ok
    assert report.bytes > 2 << 20
    assert report.unknown == 0


def test_wrong_bytes_there_are_named(pair: Pair) -> None:
    pair.ada.save(MODEL)
    pair.ada.push()
    damage(pair.url, 1_000_000)
    report = pair.ada.repo.verify_remote()  # a session there reads what changed unseen
    assert not report.ok
    assert len(report.missing) == 1
    again = pair.ada.repo.verify_remote(read_data=True)
    assert again.missing == report.missing


def test_what_is_missing_there_is_named(pair: Pair) -> None:
    pair.ada.save(MODEL)
    pair.ada.push()
    with LmdbStore.open(pair.url) as shared:
        lost = [id for id, _ in shared.ids() if id.kind is Kind.CHUNK][:3]
        shared.index.write(lambda txn: [txn.delete(id, db=shared.index.objects) for id in lost])
    report = pair.ada.repo.verify_remote()
    assert sorted(report.missing) == sorted(f"chunk {id.hex()}" for id in lost)


def test_left_out_is_not_damaged(pair: Pair) -> None:
    pair.ada.save(MODEL)
    pair.ada.save({"model.bin": noise(2 << 20, 2)})
    pair.ada.push()
    bob = pair.join(wanted=Wanted(depth=1))
    report = bob.repo.verify()
    assert report.ok
    assert report.absent > 0
    bob.repo.gc(context=bob.context())
    assert bob.repo.verify().absent == report.absent
    bob.checkout("HEAD~1")
    assert bob.repo.verify().ok
    damage(bob.repo.store_path)
    assert not bob.repo.verify().ok


def test_stages_go_with_their_versions(pair: Pair) -> None:
    made = pair.ada.save(MODEL)
    pair.ada.repo.promote("HEAD", "production", context=pair.ada.context(), trust=unasked)
    pair.ada.push()
    bob = pair.join()
    assert bob.repo.resolve("production") == made.version
    pair.ada.save({"params.yaml": "lr: 0.2\n"})
    pair.ada.repo.promote("HEAD", "production", context=pair.ada.context(), trust=unasked)
    assert {m.name for m in pair.ada.push().moved} == {"heads/main", "stages/production/00000002"}
    bob.pull()
    assert bob.repo.resolve("production") == bob.repo.head.version


def test_all_of_it_over_grpc(pair: Pair) -> None:
    with LmdbStore.open(pair.url) as store:
        served, port = serving(store)
        try:
            url = f"grpc://127.0.0.1:{port}/r"
            pair.ada.repo.set_remote_url("origin", url)
            pair.ada.save(MODEL)
            done = pair.ada.push()
            assert done.objects == done.verified_objects
            bob = pair.join(url=url)
            carol = pair.join("carol", url=url, wanted=Wanted(frozenset()))
            bob.save({"params.yaml": "lr: 0.2\n"})
            bob.push()
            pair.ada.pull()
            carol.pull("origin", branch="main") if carol.repo.head.branch else carol.fetch()
            carol.checkout("origin/main")
            assert pair.ada.files() == bob.files() == carol.files()
            assert pair.ada.repo.verify_remote(read_data=True).ok
        finally:
            served.stop(1)
