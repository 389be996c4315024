"""The files of a version, one directory at a time: against a dict, and reading no more than that takes."""

from __future__ import annotations

import os
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.errors import Failure
from mvcd.ids import Digest, Kind
from mvcd.objects.version import Component
from mvcd.repo.contents.digests import DigestAlgorithm
from mvcd.repo.history import listing
from mvcd.repo.records.results import PathEntry
from tests.support.memory import in_memory
from tests.support.workspace import Bench

NAMES = st.sampled_from(["a", "a.py", "a-", "a0", "b.csv", "c.bin", "d e", "é"])
TREES = st.dictionaries(
    st.lists(NAMES, min_size=1, max_size=4).map("/".join),
    st.binary(max_size=3),
    min_size=1,
    max_size=12,
).filter(lambda tree: not any(other.startswith(f"{path}/") for path in tree for other in tree))


def directories(tree: dict[str, bytes]) -> set[str]:
    return {str(above) for path in tree for above in PurePosixPath(path).parents} - {"."} | {""}


@given(tree=TREES)
@settings(max_examples=25, deadline=None)
def test_one_directory_is_what_a_dict_says(tree: dict[str, bytes]) -> None:
    with in_memory() as scratch, Bench(scratch / "w") as bench:
        bench.save(tree)
        core = bench.repo._core
        places = directories(tree)
        for place in places:
            below = f"{place}/" if place else ""
            names = {p.removeprefix(below).split("/")[0] for p in tree if p.startswith(below)}
            found = listing.ls_directory(core, "HEAD", place)
            assert [entry.path for entry in found] == [below + name for name in sorted(names)]
            for entry in found:
                assert (entry.kind == "directory") == (entry.path in places)
                assert entry == listing.stat(core, entry.path)
                assert entry.size == len(tree.get(entry.path, b""))
            assert listing.stat(core, place) == PathEntry(place, "directory")
            assert listing.exists(core, place)
        for path in tree:
            assert [entry.path for entry in listing.ls_directory(core, "HEAD", path)] == [path]
            assert not listing.exists(core, f"{path}x")
            assert not listing.exists(core, path, "v0")
        every = {file.path: file.recipe for file in listing.ls(core)}
        assert every == {path: listing.stat(core, path).recipe for path in tree}


def test_kinds_parts_and_digests(bench: Bench) -> None:
    bench.write({"run.sh": "x", "data/a.csv": "x\n1\n", "model.bin": "12"})
    os.chmod(bench.path("run.sh"), 0o755)
    os.symlink("model.bin", bench.path("link"))
    bench.add()
    bench.commit("first")
    core = bench.repo._core
    found = {entry.path: entry for entry in listing.ls_directory(core)}
    assert {path: entry.kind for path, entry in found.items()} == {
        "data": "directory", "link": "symlink", "model.bin": "file", "run.sh": "file",
    }  # fmt: skip
    assert [path for path, entry in found.items() if entry.executable] == ["run.sh"]
    assert found["data"].component is None
    assert found["link"].size == len("model.bin")
    assert listing.stat(core, "data/a.csv").component is Component.DATA
    weights = listing.ls_directory(core, component=Component.WEIGHTS)
    assert "model.bin" in {entry.path for entry in weights}
    assert "data" not in {entry.path for entry in weights}
    summed = listing.ls_directory(core, digest=DigestAlgorithm.MD5)
    known = {file.path: file.digest for file in listing.ls(core, digest=DigestAlgorithm.MD5)}
    assert {e.path: e.digest for e in summed if e.kind != "directory"} == {
        path: digest for path, digest in known.items() if "/" not in path
    }


def test_what_is_not_there(bench: Bench) -> None:
    bench.save({"d/a": "1"})
    core = bench.repo._core
    for path in ("nothing", "d/a/b", "dx"):
        with pytest.raises(Failure, match=f"HEAD has no {path}"):
            listing.stat(core, path)
        with pytest.raises(Failure, match=f"HEAD has no {path}"):
            listing.ls_directory(core, "HEAD", path)
        assert not listing.exists(core, path)
    for rev in ("v7", "nothing"):
        with pytest.raises(Failure, match="no version is named"):
            listing.exists(core, "d/a", rev)
    assert listing.ls_directory(core, "v0") == ()
    assert listing.stat(core, ".", "v0") == PathEntry("", "directory")


def test_no_more_is_read_than_the_way_there(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """2,000 files, of which `ls` of all reads more than 20 nodes."""
    bench.save({f"data/{n % 4}/{n:05}.csv": "x" for n in range(2000)} | {"data/readme.csv": "1"})
    core = bench.repo._core
    asked: list[Digest] = []
    get = core.store.get

    def counting(id: Digest) -> bytes:
        asked.append(id)
        return get(id)

    monkeypatch.setattr(core.store, "get", counting)

    def nodes(call: Any) -> int:
        asked.clear()
        call()
        assert all(id.kind in (Kind.NODE, Kind.VERSION) for id in asked)
        return sum(id.kind is Kind.NODE for id in asked)

    assert nodes(lambda: list(listing.ls(core))) > 20
    for path in ("data", "data/2", "data/2/00002.csv", "data/readme.csv", "nothing"):
        assert nodes(lambda p=path: listing.exists(core, p)) <= 4
    assert nodes(lambda: listing.stat(core, "data/3")) <= 4
    assert nodes(lambda: listing.ls_directory(core)) <= 4
    assert nodes(lambda: listing.ls_directory(core, "HEAD", "data")) <= 10
