"""`mvc://` as programs use it: reading, writing, transactions, processes, servers."""

from __future__ import annotations

import errno
import io
import json
import multiprocessing
import pickle
import random
import threading
from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save
from upath import UPath

import mvc
from mvc.integrations.addresses import Address
from mvc.integrations.fsspec_fs import MvcFileSystem
from mvc.integrations.upath import MvcPath
from mvcd.store.lmdb_store import LmdbStore
from tests.support.commandline import write
from tests.wire.hosts import serving

pytestmark = pytest.mark.usefixtures("work")

BIG = random.Random(3).randbytes(3_000_000)


@pytest.fixture
def repo(work: Path) -> Iterator[mvc.Repo]:
    write(work, {"model/w.bin": BIG, "params.yaml": b"lr: 0.1\n", "data/t.csv": b"a,b\n1,2\n"})
    with mvc.Repo.init(work) as made:
        made.add(".")
        made.commit("first")
    yield made
    made.close()


@pytest.fixture
def fs() -> Iterator[MvcFileSystem]:
    made = MvcFileSystem(skip_instance_cache=True, author="Ada <ada@example.org>")
    yield made
    made.close()


@pytest.fixture
def bare(tmp_path: Path) -> str:
    LmdbStore.create(tmp_path / "bare").close()
    return str(tmp_path / "bare")


# ---------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mvc:///home/ada/iris@main/model.pkl", Address("/home/ada/iris", "main", "model.pkl")),
        ("mvc:///home/ada/iris@main", Address("/home/ada/iris", "main", "")),
        ("mvc:///home/ada/iris", Address("/home/ada/iris", "HEAD", "")),
        ("mvc://@v3/a/b/", Address("", "v3", "a/b")),
        ("mvc://h:7/team/iris@origin%2Fmain/x", Address("h:7/team/iris", "origin/main", "x")),
        ("mvc:///r@main%40{2h}/x@y", Address("/r", "main@{2h}", "x@y")),
        ("mvc:///a%40b@v1~2/x%20y", Address("/a@b", "v1~2", "x%20y")),
    ],
)
def test_addresses(text: str, expected: Address) -> None:
    assert Address.parse(text) == expected
    assert Address.parse(str(expected)) == expected
    assert MvcFileSystem._strip_protocol(MvcFileSystem._strip_protocol(text)) == str(expected)


def test_where_a_repository_is() -> None:
    assert Address("", "v1", "").place() == "."
    assert Address("/r", "v1", "").place() == "/r"
    assert Address("h.example/t/r", "v1", "").place() == "grpcs://h.example/t/r"
    assert Address("127.0.0.1:7/r", "v1", "").place() == "grpc://127.0.0.1:7/r"
    assert Address("h/r", "v1", "").place("grpc") == "grpc://h/r"


# ---------------------------------------------------------------- reading


def test_fsspec_finds_it_by_its_name(repo: mvc.Repo) -> None:
    with fsspec.open(f"mvc://{repo.root}@main/params.yaml", "rt") as file:
        assert file.read() == "lr: 0.1\n"
    assert type(fsspec.filesystem("mvc")) is MvcFileSystem


def test_what_is_told(repo: mvc.Repo, fs: MvcFileSystem) -> None:
    top = f"{repo.root}@v1"
    assert fs.ls(f"mvc://{top}", detail=False) == [
        f"{top}/data",
        f"{top}/model",
        f"{top}/params.yaml",
    ]
    info = fs.info(f"{top}/model/w.bin")
    assert (info["type"], info["size"], info["component"]) == ("file", len(BIG), "weights")
    assert info["version"] == repo.resolve("v1")
    assert fs.info(f"{top}/model")["type"] == fs.info(top)["type"] == "directory"
    assert fs.find(top) == sorted(f"{top}/{row.path}" for row in repo.ls("v1"))
    assert fs.glob(f"{top}/*/*.csv") == [f"{top}/data/t.csv"]
    assert fs.created(f"{top}/params.yaml") == repo.show("v1").time
    assert fs.ukey(f"{top}/model/w.bin") == info["recipe"]
    for gone in (f"{top}/nothing", f"{repo.root}@v9/params.yaml", f"{repo.root}x@v1/params.yaml"):
        assert not fs.exists(gone)
    with pytest.raises(FileNotFoundError) as caught:
        fs.cat(f"{top}/nothing")
    assert caught.value.errno == errno.ENOENT


def test_ranges_and_seeks(repo: mvc.Repo, fs: MvcFileSystem) -> None:
    path = f"{repo.root}@main/model/w.bin"
    assert fs.cat_file(path) == BIG
    assert fs.cat_file(path, 1_000_000, 1_000_010) == BIG[1_000_000:1_000_010]
    assert fs.cat_file(path, -5) == BIG[-5:]
    assert fs.cat_file(path, 10, 5) == b""
    assert fs.cat_ranges([path] * 2, [0, 5], [3, 9]) == [BIG[:3], BIG[5:9]]
    with fs.open(path) as file:
        assert file.seek(-10, io.SEEK_END) == len(BIG) - 10
        assert file.read() == BIG[-10:]
    with pytest.raises(IsADirectoryError):
        fs.open(f"{repo.root}@main/model")


def test_a_branch_is_read_as_it_is_now(repo: mvc.Repo, fs: MvcFileSystem) -> None:
    repo.write("runs", {"a": b"1"}, "one")
    assert fs.cat(f"{repo.root}@runs/a") == b"1"
    repo.write("runs", {"a": b"2", "b": b"3"}, "two")
    assert fs.cat(f"{repo.root}@runs/a") == b"2"
    assert len(fs.ls(f"{repo.root}@runs")) == 2
    assert fs.cat(f"{repo.root}@runs~1/a") == b"1"


# ---------------------------------------------------------------- writing


def test_each_file_is_a_version(bare: str, fs: MvcFileSystem) -> None:
    with fs.open(f"mvc://{bare}@runs/a.txt", "wt") as file:
        file.write("one\n")
    with fs.open(f"{bare}@runs/a.txt", "ab") as file:
        file.write(b"two\n")
    fs.pipe({f"{bare}@runs/x/{n}": b"%d" % n for n in range(20)})
    fs.pipe(f"{bare}@runs/x/0", b"0")
    with pytest.raises(FileExistsError):
        fs.open(f"{bare}@runs/a.txt", "xb")
    with pytest.raises(ZeroDivisionError), fs.open(f"{bare}@runs/half", "wb") as file:
        file.write(b"half")
        raise ZeroDivisionError
    with mvc.Repo.open(bare) as repo:
        told = [(v.message, v.author) for v in repo.log("runs")]
        held = {row.path: repo.read(row.path, "runs") for row in repo.ls("runs")}
    repo.close()
    ada = "Ada <ada@example.org>"
    assert told == [("Write 20 files", ada), ("Write a.txt", ada), ("Write a.txt", ada)]
    assert held == {"a.txt": b"one\ntwo\n"} | {f"x/{n}": b"%d" % n for n in range(20)}


def test_a_transaction_is_one_version(bare: str, fs: MvcFileSystem) -> None:
    fs.pipe(f"{bare}@runs/old", b"old")
    with fs.transaction:
        for n in range(5):
            with fs.open(f"{bare}@runs/{n}", "wb") as file:
                file.write(b"x" * n)
        fs.rm(f"{bare}@runs/old")
        fs.cp_file(f"{bare}@runs/old", f"{bare}@runs/kept")
        assert not fs.exists(f"{bare}@runs/0")
    with pytest.raises(ZeroDivisionError), fs.transaction:
        fs.pipe(f"{bare}@runs/no", b"no")
        with fs.open(f"{bare}@runs/no2", "wb") as file:
            file.write(b"no")
        raise ZeroDivisionError
    fs.pipe(f"{bare}@runs/after", b"after")
    with mvc.Repo.open(bare) as repo:
        assert [v.number for v in repo.log("runs")] == [3, 2, 1]
        assert {row.path for row in repo.ls("runs~1")} == {"0", "1", "2", "3", "4", "kept"}
        assert {row.path for row in repo.ls("runs")} == {"0", "1", "2", "3", "4", "after", "kept"}
    repo.close()
    fs.close()
    assert not list(Path(bare).glob("written-*"))


def test_moving_and_removing(bare: str, fs: MvcFileSystem) -> None:
    top = f"{bare}@runs"
    fs.pipe({f"{top}/d/a": b"a", f"{top}/d/e/b": b"b", f"{top}/c": b"c"})
    fs.mv(f"{top}/d", f"{top}/moved", recursive=True)
    assert fs.find(top) == [f"{top}/c", f"{top}/moved/a", f"{top}/moved/e/b"]
    with pytest.raises(IsADirectoryError):
        fs.rm(f"{top}/moved")
    fs.rm(f"{top}/moved", recursive=True)
    assert fs.find(top) == [f"{top}/c"]
    with pytest.raises(FileNotFoundError):
        fs.rm(f"{top}/nothing")
    fs.mkdir(f"{top}/new")
    fs.rmdir(f"{top}/new")


def test_what_cannot_be_written(repo: mvc.Repo, fs: MvcFileSystem) -> None:
    repo.tag("released")
    for rev, kind in (
        ("main", "checked-out"),
        ("released", "not-a-branch"),
        ("v1", "not-a-branch"),
    ):
        with pytest.raises(mvc.MvcError) as caught:
            fs.pipe(f"{repo.root}@{rev}/x", b"x")
        assert caught.value.kind == kind
    with pytest.raises(IsADirectoryError):
        fs.open(f"{repo.root}@runs", "wb")
    assert [b.name for b in repo.branches()] == ["main"]


@pytest.mark.thorough
def test_writers_in_threads_and_processes(bare: str, fs: MvcFileSystem) -> None:
    def work(n: int) -> None:
        for k in range(5):
            fs.pipe(f"{bare}@runs/t{n}/{k}", b"%d" % k)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.starmap(_pipe_there, [(fs, f"{bare}@runs/p{n}") for n in range(4)])
        pool.close()
        pool.join()
    assert len(fs.find(f"{bare}@runs")) == 24


def _pipe_there(fs: MvcFileSystem, path: str) -> None:
    fs.pipe(path, b"p")
    fs.close()


def test_a_copy_that_was_pickled(repo: mvc.Repo, fs: MvcFileSystem) -> None:
    again = pickle.loads(pickle.dumps(fs))
    assert again.cat(f"{repo.root}@main/params.yaml") == b"lr: 0.1\n"
    again.close()


# ---------------------------------------------------------------- libraries


def test_pyarrow(bare: str, fs: MvcFileSystem) -> None:
    table = pa.table({"a": list(range(1000)), "b": [str(n) for n in range(1000)]})
    pq.write_to_dataset(table, f"{bare}@runs/table", filesystem=fs, partition_cols=None)
    found = ds.dataset(f"{bare}@runs/table", filesystem=fs, format="parquet").to_table()
    assert found.sort_by("a").equals(table)


def test_pyarrow_copies_directories_as_ray_does(
    bare: str, fs: MvcFileSystem, tmp_path: Path
) -> None:
    storage = pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(fs))
    write(tmp_path / "here", {"w.bin": b"w" * 1000, "d/x": b"x"})
    runs = f"{bare}@runs/exp"
    storage.create_dir(f"{runs}/1", recursive=True)
    for place in (f"{runs}/1", f"{runs}/2"):
        pyarrow.fs.copy_files(str(tmp_path / "here"), place, destination_filesystem=storage)
    storage.delete_dir(f"{runs}/1")
    listed = storage.get_file_info(pyarrow.fs.FileSelector(runs, recursive=True))
    names = {info.path.removeprefix(runs): info.type.name for info in listed}
    assert names == {"/2": "Directory", "/2/d": "Directory", "/2/d/x": "File", "/2/w.bin": "File"}
    back = tmp_path / "back"
    back.mkdir()
    pyarrow.fs.copy_files(f"{runs}/2", str(back), source_filesystem=storage)
    assert (back / "d" / "x").read_bytes() == b"x"
    with mvc.Repo.open(bare) as repo:
        assert next(iter(repo.log("runs"))).message == "Remove 2 files"
    repo.close()


def test_one_tensor_of_a_file(bare: str, fs: MvcFileSystem) -> None:
    tensors = {
        f"layer{n}": np.random.default_rng(n).normal(size=50_000).astype("f4") for n in range(8)
    }
    fs.pipe(f"{bare}@runs/m.safetensors", save(tensors))
    with fs.open(f"{bare}@runs/m.safetensors") as file:
        size = int.from_bytes(file.read(8), "little")
        where = json.loads(file.read(size))["layer5"]["data_offsets"]
        file.seek(8 + size + where[0])
        data = file.read(where[1] - where[0])
    assert np.array_equal(np.frombuffer(data, "f4"), tensors["layer5"])


def test_upath(bare: str) -> None:
    top = UPath(f"mvc://{bare}@runs")
    assert type(top) is MvcPath
    path = top / "d" / "x.txt"
    path.write_text("hello")
    assert path.read_text() == "hello"
    assert path.name == "x.txt"
    assert path.parent == top / "d"
    assert [p.name for p in (top / "d").iterdir()] == ["x.txt"]
    assert (top / "d").is_dir()
    assert str(path) == f"mvc://{bare}@runs/d/x.txt"
    assert [p.path for p in top.rglob("*.txt")] == [f"{bare}@runs/d/x.txt"]
    path.unlink()
    assert not path.exists()
    fsspec.filesystem("mvc").close()


# ---------------------------------------------------------------- a server


def test_a_server(
    bare: str, fs: MvcFileSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    fs.pipe({f"{bare}@main/model/w.bin": BIG, f"{bare}@main/params.yaml": b"lr: 1\n"})
    fs.close()
    with LmdbStore.open(bare) as store:
        served, port = serving(store)
        try:
            top = f"127.0.0.1:{port}/r@main"
            assert fs.find(f"mvc://{top}") == [f"{top}/model/w.bin", f"{top}/params.yaml"]
            assert fs.cat_file(f"{top}/model/w.bin", 500_000, 500_100) == BIG[500_000:500_100]
            fs.pipe(f"{top}/new.txt", b"new")
            other = MvcFileSystem(skip_instance_cache=True)
            other.pipe(f"{top}/other.txt", b"other")
            fs.pipe(f"{top}/third.txt", b"third")
            other.refresh(top)
            assert len(other.find(top)) == 5
            other.close()
            fs.pipe(f"127.0.0.1:{port}/r@fresh/x", b"x")
            many = f"127.0.0.1:{port}/r@many"
            jobs = [threading.Thread(target=fs.pipe, args=(f"{many}/{n}", b"x")) for n in range(6)]
            for job in jobs:
                job.start()
            for job in jobs:
                job.join()
            assert fs.find(many) == [f"{many}/{n}" for n in range(6)]
            assert store.ref("heads/fresh") is not None
        finally:
            fs.close()
            served.stop(1)
    with mvc.Repo.open(bare) as repo:
        messages = [v.message for v in repo.log("main")]
    repo.close()
    assert messages == ["Write third.txt", "Write other.txt", "Write new.txt", "Write 2 files"]
    size = sum(f.stat().st_size for f in (tmp_path / "cache").rglob("packs/**/*") if f.is_file())
    assert size < len(BIG) / 3, "only what was read came"
