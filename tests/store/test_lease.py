from __future__ import annotations

import os

from mvcd.ids import ChunkId
from mvcd.store.lease import Lease, leased_ids, read_digests
from tests.store.children import Child, die

IDS = [ChunkId.of(b"%d" % n) for n in range(5)]


def test_a_lease_names_what_was_added_until_it_is_closed(tmp_path):
    a, b = Lease(str(tmp_path)), Lease(str(tmp_path))
    a.add(IDS[:2])
    b.add([IDS[3]])
    a.add([IDS[4]])
    assert leased_ids(str(tmp_path)) == {*IDS[:2], IDS[3], IDS[4]}
    assert a.ids() == {*IDS[:2], IDS[4]}
    a.clear()
    a.add([IDS[2]])
    assert a.ids() == {IDS[2]}
    a.close()
    assert leased_ids(str(tmp_path)) == {IDS[3]}
    b.close()
    assert os.listdir(tmp_path) == []


def test_leases_of_the_dead_are_removed(tmp_path):
    def work(report):
        Lease(str(tmp_path)).add(IDS)
        die()

    Child(work).end()
    assert len(os.listdir(tmp_path)) == 1
    assert leased_ids(str(tmp_path)) == set()
    assert os.listdir(tmp_path) == []


def test_a_digest_half_written_does_not_count(tmp_path):
    path = tmp_path / "lease"
    path.write_bytes(IDS[0] + IDS[1][:31])
    assert read_digests(str(path)) == {IDS[0]}


def test_a_newborn_lease_that_a_collector_takes_for_dead_is_made_again(tmp_path, monkeypatch):
    from mvcd.disk import locks

    real, calls = locks.fcntl.flock, []

    def flock(file, how):
        calls.append(how)
        if len(calls) == 1:  # between its creation and its lock
            os.unlink(tmp_path / os.listdir(tmp_path)[0])
        real(file, how)

    monkeypatch.setattr(locks.fcntl, "flock", flock)
    lease = Lease(str(tmp_path))
    lease.add(IDS)
    assert leased_ids(str(tmp_path)) == set(IDS)
    lease.close()
