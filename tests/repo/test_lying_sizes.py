"""Versions that claim more than there is: refused before the first byte is written, by whoever meets them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mvcd.codec.encoded import Codec, Encoded
from mvcd.disk import room
from mvcd.errors import CorruptObject, Failure, MvcError
from mvcd.ids import ChunkId, Digest, NodeId, RecipeId, VersionId
from mvcd.objects.chunklist import CHUNK_LIST
from mvcd.objects.entry import PATH_MAP, Entry, Mode
from mvcd.objects.manifest import ComponentRoot
from mvcd.objects.recipe import Recipe, Segment, TreeRef
from mvcd.objects.tree import Child
from mvcd.objects.version import EMPTY, Component
from mvcd.repo.core.core import no_secret
from mvcd.repo.intake.targets import StoreTarget
from mvcd.repo.records.results import Context
from mvcd.repo.restore import early
from mvcd.repo.share.pushing import Asked
from mvcd.store.api import RefUpdate
from mvcd.store.lmdb_store import LmdbStore
from tests.support.engine import Repository
from tests.support.workspace import Bench
from tests.wire.hosts import CarefulRepository, serving

CONTEXT = Context("Ada <ada@example.org>", time_us=1)
MIB, TIB = 1 << 20, 1 << 40


def bomb(
    bench: Bench,
    size: int,
    *,
    says: int | None = None,
    mode: Mode = Mode.FILE,
    files: int = 1,
    chunk: int = MIB,
) -> VersionId:
    """A version of some hundred bytes whose files have `size` each, by lists that name each other; its list of
    files says `says`. On branch "bomb"."""
    store = bench.repo._core.store
    with store.session() as session:
        target = StoreTarget(store, session)

        def put(id: Digest, data: bytes) -> None:
            target.put_object(id, data)

        zeros = ChunkId.of(bytes(chunk))
        zero = Encoded(Codec.FILL, chunk, b"\0") if chunk > 1 else Encoded(Codec.RAW, 1, b"\0")
        session.put(zeros, zero)
        leaf = CHUNK_LIST.encode_leaf([(zeros, chunk)] * 512)
        put(NodeId.of(leaf), leaf)
        top = Child(NodeId.of(leaf), 0, 512 * chunk, 512, "")
        while top.size < size:
            times = min(512, size // top.size)
            data = CHUNK_LIST.encode_branch(top.level + 1, [top] * times)
            put(NodeId.of(data), data)
            top = Child(NodeId.of(data), top.level + 1, times * top.size, times * top.count, "")
        assert top.size == size
        recipe = Recipe(size, "", (Segment(TreeRef(top.node, top.size, top.count), None),)).encode()
        put(RecipeId.of(recipe), recipe)
        claimed = size if says is None else says
        entries = [Entry(f"f{n}", mode, claimed, RecipeId.of(recipe)) for n in range(files)]
        entries.sort()
        node = PATH_MAP.encode_leaf(entries)
        put(NodeId.of(node), node)
        root = ComponentRoot(NodeId.of(node), files, claimed * files)
        components = {**EMPTY.components, Component.DATA: root}
        version = replace(EMPTY, components=components, generation=1, author="M", tracked=(".",))
        put(version.id, version.encode())
        session.commit()
    store.update_refs([RefUpdate("heads/bomb", store.ref("heads/bomb"), bytes(version.id))])
    return version.id


@pytest.mark.parametrize("verb", ["checkout", "restore", "export"])
def test_no_room_is_found_out_before_the_first_write(
    bench: Bench, scratch: Path, verb: str
) -> None:
    id = bomb(bench, 256 * TIB).hex()
    before = room.free_bytes(str(scratch))
    with pytest.raises(Failure) as caught:
        if verb == "checkout":
            bench.checkout(id)
        elif verb == "restore":
            bench.repo.restore(id, context=bench.context())
        else:
            bench.repo.export(id, str(scratch / "deploy"))
    assert caught.value.kind == "disk-full"
    assert bench.tree() == {}
    assert not (scratch / "deploy").exists()
    after = room.free_bytes(str(scratch))
    assert before is not None and after is not None and before - after < 16 * MIB


@pytest.fixture
def server(scratch: Path) -> Iterator[tuple[LmdbStore, str]]:
    with LmdbStore.create(scratch / "server") as store:
        served, port = serving(store, CarefulRepository)
        yield store, f"grpc://127.0.0.1:{port}/r"
        served.stop(1)


@pytest.mark.parametrize(("size", "files"), [(256 * TIB, 1), (16 * TIB, 16)])
def test_a_server_takes_none(
    bench: Bench, server: tuple[LmdbStore, str], size: int, files: int
) -> None:
    store, url = server
    bomb(bench, size, files=files)
    bench.repo.add_remote("origin", url)
    with pytest.raises(Failure) as caught:
        bench.repo.push(None, Asked(("bomb",)), context=bench.context())
    assert caught.value.kind == "too-large"
    assert store.refs() == {}


@pytest.mark.parametrize(("size", "files"), [(256 * TIB, 1), (16 * TIB, 16)])
def test_a_client_takes_none(bench: Bench, scratch: Path, size: int, files: int) -> None:
    bomb(bench, size, files=files)
    with pytest.raises(Failure) as caught:
        clone(bench, scratch)
    assert caught.value.kind == "too-large"


def clone(bench: Bench, scratch: Path) -> None:
    repo, _ = Repository.clone(
        str(bench.root), str(scratch / "clone"), context=CONTEXT, secret=no_secret
    )
    repo.close()


def test_a_clone_of_what_may_be_but_does_not_fit(bench: Bench, scratch: Path) -> None:
    bomb(bench, 8 * TIB)
    with pytest.raises(Failure) as caught:
        clone(bench, scratch)
    assert caught.value.kind == "disk-full"
    assert sorted(os.listdir(scratch / "clone")) == [".mvc"]


@pytest.mark.parametrize("mode", [Mode.FILE, Mode.SYMLINK])
@pytest.mark.parametrize("says", [10, 100_000, 5 * MIB])
def test_a_list_that_says_less_than_comes(
    bench: Bench, scratch: Path, mode: Mode, says: int
) -> None:
    """Tiny files and links are read whole, and larger ones written as they come."""
    id = bomb(bench, 8 * TIB, says=says, mode=mode)
    if mode is Mode.SYMLINK and says > 4096:
        assert bench.checkout(id.hex()).skipped
        return
    with pytest.raises(CorruptObject):
        bench.checkout(id.hex())
    with pytest.raises(CorruptObject):
        bench.repo.read("f0", id.hex())
    with pytest.raises(MvcError):
        clone(bench, scratch)


def test_early_files_do_not_remember_more_than_they_write(
    bench: Bench, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """8 MiB of chunks of 16 bytes are half a million places."""
    bomb(bench, 8 * MIB, chunk=16)
    most = 0
    usual = early.EarlyFiles._expect

    def watched(self: early.EarlyFiles, *arguments: object) -> None:
        nonlocal most
        usual(self, *arguments)  # type: ignore[arg-type]
        most = max(most, sum(map(len, self._places.values())))

    monkeypatch.setattr(early.EarlyFiles, "_expect", watched)
    monkeypatch.setattr(early, "MOST_PLACES", 5000)
    clone(bench, scratch)
    assert (scratch / "clone/f0").stat().st_size == 8 * MIB
    assert most <= 5000


def test_a_push_is_refused_while_there_is_room_for_what_matters(
    bench: Bench, server: tuple[LmdbStore, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mvcd.daemon.serve.peer import OpenPeer

    store, _ = server
    peer = OpenPeer(store, store.id, "write")
    peer.check_put(1 << 20)
    monkeypatch.setattr(room, "free_bytes", lambda path: room.RESERVE_BYTES + 1000)
    peer.check_put(1000)
    with pytest.raises(Failure) as caught:
        peer.check_put(1001)
    assert caught.value.kind == "disk-full"


PEAK = 100
"""MiB; a run of equal chunks once was joined, and a clone of 5 GiB of zeros took 5.2 GiB."""


@pytest.mark.thorough
def test_runs_of_equal_chunks_take_no_memory(tmp_path: Path) -> None:
    """Every verb that reads or writes a file, on 384 MiB of zeros: as a plain file and as one tensor."""
    size = 384 * MIB
    (tmp_path / "w").mkdir()
    header = b'{"a":{"dtype":"F32","shape":[%d],"data_offsets":[0,%d]}}' % (size // 4, size)
    with open(tmp_path / "w/z.safetensors", "wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + size)
    with open(tmp_path / "w/plain", "wb") as file:
        file.truncate(size)
    store = str(tmp_path / "shared")
    for verb in (
        ["init", "--bare", store], ["init"], ["add", "."], ["commit", "-m", "1"],
        ["remote", "add", "origin", store], ["push"], ["clone", store, str(tmp_path / "c")],
        ["export", "HEAD", str(tmp_path / "e")], ["verify"], ["diff", "--tensors", "v0", "HEAD"],
        ["restore", "HEAD", "."], ["verify-deploy", str(tmp_path / "e")],
    ):  # fmt: skip
        if verb[0] == "restore":
            for name in ("plain", "z.safetensors"):
                os.unlink(tmp_path / "w" / name)
        code, peak = run(tmp_path / "w", tmp_path, *verb)
        assert code == 0, verb
        assert peak < PEAK, verb
    assert (tmp_path / "c/plain").stat().st_size == size


MEASURE = """
import resource, subprocess, sys
code = subprocess.run([sys.executable, "-m", "mvc", *sys.argv[1:]], stdout=subprocess.DEVNULL).returncode
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
"""Between, since a child begins with what its parent has: here that is a whole test run."""


def run(directory: Path, home: Path, *words: str) -> tuple[int, int]:
    """Its exit code and peak memory in MiB."""
    environment = {
        **os.environ, "HOME": str(home), "MVC_CONFIG": "", "MVC_AUTHOR": "Ada <ada@example.org>",
        "MVC_NO_DAEMON": "1",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *words], cwd=directory, env=environment,
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    code, peak = map(int, done.stdout.split())
    return code, peak // (1 << 20 if sys.platform == "darwin" else 1 << 10)
