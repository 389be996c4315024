"""What the system refuses is not damage: no descriptors, no memory, no permission each say what they are."""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path

import lmdb
import pytest

from mvc.cli.errors import report as said
from mvcd.codec import decode as codec
from mvcd.codec.encode import Encoder
from mvcd.errors import Failure, MvcError, NotPermitted
from mvcd.ids import ChunkId
from mvcd.store.lmdb_store import LmdbStore
from tests.store.children import Child
from tests.support.privileges import give_up


@pytest.fixture
def path(tmp_path):
    with LmdbStore.create(tmp_path / "s") as store, store.session() as session:
        data = b"".join(b"%d text, " % n for n in range(5000))
        session.put(ChunkId.of(data), Encoder().encode(data))
        session.commit()
    return tmp_path / "s"


def told(work) -> str:
    """The kind that a child's failure has for a person, and its exit code."""

    def run(report):
        try:
            work()
            report("nothing")
        except BaseException as error:
            what = said(error)
            report(f"{what.kind} {what.code}")

    _, lines = Child(run).end()
    return lines[-1]


def test_no_descriptors(path):
    def work():
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
        held = []
        with pytest.raises(OSError, match="Too many"):
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        for _ in range(3):  # enough for one file and another, never for the whole store
            os.close(held.pop())
            LmdbStore.open(path)

    assert told(work) == "too-many-files 1"


def test_no_address_space(path):
    def work():
        pages = Path("/proc/self/statm").read_text().split()[0]
        used = int(pages) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), used + (64 << 20)))
        LmdbStore.open(path)

    assert told(work) == "out-of-memory 1"


@pytest.mark.parametrize("name", ["data.mdb", "format", "packs/00000000.pack"])
def test_no_permission(path, name):
    def work():
        give_up()
        with LmdbStore.open(path) as store:
            for id, _ in store.ids():
                store.get(id)

    os.chmod(path / name, 0)
    assert told(work) == "permission 12"


def test_a_full_memory_while_decoding_is_no_damage(monkeypatch, path):
    import zstandard

    class Full:
        def decompress(self, *_, **__):
            raise zstandard.ZstdError("decompression error: Allocation error : not enough memory")

    with LmdbStore.open(path) as store:
        ((id, _),) = store.ids()
        monkeypatch.setattr(codec._thread, "zstd", Full(), raising=False)
        with pytest.raises(MemoryError):
            store.get(id)
        monkeypatch.undo()
        assert store.damaged() == []
        assert store.get(id)


@pytest.mark.parametrize(
    ("code", "kind"),
    [(errno.ENOMEM, "out-of-memory"), (errno.EMFILE, "too-many-files"), (errno.EROFS, "read-only")],
)
def test_lmdb_refused(path, monkeypatch, code, kind):
    def refuse(*_, **__):
        error = lmdb.Error(os.strerror(code))
        error.code = code
        raise error

    monkeypatch.setattr(lmdb, "open", refuse)
    with pytest.raises(MvcError) as caught:
        LmdbStore.open(path)
    assert isinstance(caught.value, NotPermitted if kind == "read-only" else Failure)
    assert caught.value.kind == kind
    assert "damaged" not in str(caught.value)


def test_a_sector_that_cannot_be_read_is_damage(path, monkeypatch):
    with LmdbStore.open(path) as store:
        ((id, _),) = store.ids()

        def fail(*_, **__):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        monkeypatch.setattr("mvcd.disk.uncached.read", fail)
        with pytest.raises(MvcError) as caught:
            store.get(id)
        assert caught.value.kind == "corrupt-object"
        assert store.damaged() == [id]

        def refuse(*_, **__):
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

        monkeypatch.setattr("mvcd.disk.uncached.read", refuse)
        with pytest.raises(OSError, match="Too many"):
            store.get(id)
