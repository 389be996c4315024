from __future__ import annotations

import os
import subprocess
import sys

import pytest

from mvcd.errors import Failure
from mvcd.store import collect, marking
from mvcd.store.api import RefUpdate, Store
from mvcd.store.lmdb_store import LmdbStore
from tests.store.contract import StoreContract
from tests.store.objects import mark_values, plain


class TestLmdbStore(StoreContract):
    def make(self) -> Store:
        return LmdbStore.create(self.directory)

    def sweep_regardless_of_leases(self, store: LmdbStore, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as patch:
            for module in (collect, marking):
                patch.setattr(module, "leased_ids", lambda directory: set())
            store.collect(mark_values)


def test_create_and_open(tmp_path):
    path = tmp_path / "deep" / "store"
    with pytest.raises(Failure) as caught:
        LmdbStore.open(path)
    assert caught.value.kind == "no-store"
    with LmdbStore.create(path) as store:
        store.update_refs([RefUpdate("a", None, b"1")])
        id = store.id
    with pytest.raises(Failure) as caught:
        LmdbStore.create(path)
    assert caught.value.kind == "store-exists"
    with LmdbStore.open(path) as store:
        assert store.refs() == {"a": b"1"}
        assert (store.id, len(id)) == (id, 32)
    assert sorted(os.listdir(path)) == [
        "data.mdb",
        "format",
        "leases",
        "lock.mdb",
        "packs",
        "refs.journal",
    ]


def test_a_creation_cut_short_is_completed(tmp_path):
    LmdbStore.create(tmp_path).close()
    (tmp_path / "format").unlink()
    with pytest.raises(Failure):
        LmdbStore.open(tmp_path)
    with LmdbStore.create(tmp_path) as store:
        assert list(store.check()) == []


def test_one_process_may_open_a_store_twice(tmp_path):
    with LmdbStore.create(tmp_path) as a, LmdbStore.open(tmp_path) as b:
        a.update_refs([RefUpdate("a", None, b"1")])
        assert b.refs() == {"a": b"1"}
        a.close()
        assert b.refs() == {"a": b"1"}
    with pytest.raises(Failure, match="closed"):
        b.refs()


def test_a_store_that_may_not_be_written_can_be_read(tmp_path):
    """On media mounted read-only, as an unprivileged user sees them in a namespace of its own."""
    path = tmp_path / "store"
    id, encoded = plain(b"content")
    with LmdbStore.create(path) as store, store.session() as session:
        session.put(id, encoded)
        session.commit([RefUpdate("a", None, bytes(id))])
    script = f"""
from mvcd.errors import NotPermitted
from mvcd.ids import ChunkId
from mvcd.store.api import RefUpdate
from mvcd.store.lmdb_store import LmdbStore
with LmdbStore.open({str(path)!r}) as store:
    print(store.get(ChunkId.of(b"content")), list(store.check()), list(store.refs()))
    store.cache_put({{b"k": b"v"}})
    print(store.cache_get([b"k"]), store.collect(lambda *roots: [], dry_run=True).objects)
    for write in (
        lambda: store.update_refs([RefUpdate("b", None, b"1")]),
        lambda: store.collect(lambda *roots: []),
    ):
        try:
            write()
        except NotPermitted as refused:
            print(refused.kind)
"""
    mount = f"mount --bind {path} {path} && mount -o remount,ro,bind {path}"
    command = f'{mount} && exec "$0" -c "$1"'
    run = ["unshare", "-Urm", "sh", "-c", command, sys.executable, script]
    done = subprocess.run(run, capture_output=True, text=True, cwd=os.getcwd())
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip(f"no user namespaces here: {done.stderr.strip()}")
    assert done.stdout.splitlines() == [
        "b'content' [] ['a']",
        "[None] 1",
        "read-only",
        "read-only",
    ], done.stderr
