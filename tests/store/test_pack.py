from __future__ import annotations

import os

import pytest

from mvcd.codec.encoded import Codec, Encoded
from mvcd.disk import locks
from mvcd.disk.locks import try_lock, unlock
from mvcd.ids import ChunkId
from mvcd.store import pack
from mvcd.store.pack import PackFiles, PackWriter, pack_name, pack_numbers
from mvcd.store.record import pack_header
from tests.store.children import Child, die
from tests.store.objects import plain


def start(directory, number: int = 0) -> PackWriter:
    file = try_lock(os.path.join(directory, pack_name(number)), create=True)
    assert file is not None
    return PackWriter.start(str(directory), number, file)


def test_only_one_may_write(tmp_path):
    path = tmp_path / pack_name(0)
    writer = start(tmp_path)
    assert try_lock(path) is None
    writer.close()
    file = try_lock(path)
    assert file is not None
    unlock(file)
    assert try_lock(tmp_path / pack_name(1)) is None, "there is no such file"


def test_a_lock_ends_with_its_process(tmp_path):
    def lock_and_die(report):
        assert try_lock(tmp_path / "x", create=True) is not None
        die()

    Child(lock_and_die).end()
    assert try_lock(tmp_path / "x") is not None


def test_the_lock_of_an_unlinked_file_is_worth_nothing(tmp_path, monkeypatch):
    path = tmp_path / "x"
    path.touch()
    real = locks.fcntl.flock

    def unlink_first(file, how):
        path.unlink()
        real(file, how)

    monkeypatch.setattr(locks.fcntl, "flock", unlink_first)
    assert try_lock(path) is None


def test_resuming_cuts_what_was_not_committed(tmp_path):
    writer = start(tmp_path)
    writer.append(*plain(b"committed"))
    writer.sync()
    end = writer.end
    writer.append(*plain(b"not committed"))
    writer.drain()
    path = tmp_path / pack_name(0)
    left = path.read_bytes()
    writer.close()
    assert path.stat().st_size == end, "who closes in peace leaves nothing"
    path.write_bytes(left)
    file = try_lock(path)
    again = PackWriter.resume(str(tmp_path), 0, file, end)
    assert path.stat().st_size == end == again.end
    again.close()


@pytest.mark.parametrize("damage", ["short", "header"])
def test_damaged_packs_are_not_resumed_and_not_cut(tmp_path, damage):
    path = tmp_path / pack_name(0)
    content = (pack_header(0) if damage == "short" else pack_header(1)) + bytes(50)
    path.write_bytes(content)
    file = try_lock(path)
    assert PackWriter.resume(str(tmp_path), 0, file, 100 if damage == "short" else 60) is None
    assert path.read_bytes() == content


@pytest.mark.parametrize("size", [0, 1, pack.COPY_BYTES, pack.COPY_BYTES + 1, 300_000])
@pytest.mark.parametrize("count", [1, 3, 1100])
def test_any_mix_of_sizes_arrives(tmp_path, size, count):
    count = min(count, 3_000_000 // (size + 1) + 1)
    writer = start(tmp_path)
    body = os.urandom(size)
    expected = pack_header(0)
    for n in range(count):
        id, encoded = ChunkId(n.to_bytes(32)), Encoded(Codec.RAW, size, body)
        assert writer.append(id, encoded) == size + 52
        expected += pack.record_head(id, encoded) + body
    writer.sync()
    assert writer.end == len(expected)
    assert (tmp_path / pack_name(0)).read_bytes() == expected
    writer.close()


def test_files_open_for_reading_are_few(tmp_path):
    files = PackFiles(str(tmp_path))
    for number in range(pack.OPEN_FILES + 20):
        (tmp_path / pack_name(number)).write_bytes(b"%d" % number)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(2):
        for number in range(pack.OPEN_FILES + 20):
            assert files.read([(number, 0, 100)]) == b"%d" % number
    assert len(os.listdir("/proc/self/fd")) - before == pack.OPEN_FILES
    files.close()
    assert len(os.listdir("/proc/self/fd")) == before
    with pytest.raises(FileNotFoundError):
        files.read([(999, 0, 1)])


def test_names(tmp_path):
    for name in ("00000000.pack", "0000000a.pack", "x.pack", "00000001.pack.tmp", "0000000B.pack"):
        (tmp_path / name).touch()
    assert pack_numbers(str(tmp_path)) == [0, 10]
    assert pack_name(10) == "0000000a.pack"
