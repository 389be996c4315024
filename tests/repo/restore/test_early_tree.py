"""Small files of a clone: made while their chunks come or checked out as ever, always the same files."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.ids import ChunkId, Digest, Kind
from mvcd.monitor import Silent
from mvcd.objects.entry import Entry, Mode
from mvcd.objects.recipe import SegmentBuilder, literal_segment
from mvcd.objects.version import Component
from mvcd.repo.contents.files import Contents
from mvcd.repo.core.wanted import Wanted
from mvcd.repo.ondisk.statcache import FileStat
from mvcd.repo.ondisk.writing import TINY_BYTES
from mvcd.repo.restore import early_tree, staging
from mvcd.repo.restore.checkout import Checkout
from mvcd.repo.restore.early import Begun, EarlyFiles
from tests.repo.restore.test_early import Objects, came, file_of, leftovers, version_of, walk
from tests.support.workspace import File, Link, Tree
from tests.sync.people import Pair, noise

SMALL: Tree = {
    "data/a/1.bin": noise(3000, 1).hex(),
    "data/a/2.bin": noise(3000, 2).hex(),
    "data/b/again.bin": noise(3000, 1).hex(),
    "data/b/run.sh": File("#!/bin/sh\n" + "echo\n" * 100, executable=True),
    "data/word.txt": "one",
    "params.yaml": "lr: 0.1\n",
}
OTHERS: Tree = {
    "data/empty": "",
    "data/link": Link("a/1.bin"),
    "data/a/long.bin": noise(TINY_BYTES, 3).hex(),
}


@pytest.fixture
def pushed(pair: Pair) -> Pair:
    share(pair, SMALL | OTHERS)
    return pair


def share(pair: Pair, tree: Tree) -> None:
    pair.ada.make(tree)
    pair.ada.add()
    pair.ada.commit()
    pair.ada.push()


@pytest.fixture
def made_late(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths that a checkout made by itself."""
    seen: list[str] = []
    real = staging._groups

    def groups(items: Sequence[staging.StagedFile]) -> Iterator[list[staging.StagedFile]]:
        seen.extend(item.entry.path for item in items)
        return real(items)

    monkeypatch.setattr(staging, "_groups", groups)
    return seen


def test_a_clone_makes_small_files_as_they_come(pushed: Pair, made_late: list[str]) -> None:
    bob = pushed.join()
    assert bob.tree() == SMALL | OTHERS
    assert set(made_late) == set(OTHERS)
    assert bob.repo.status().clean
    assert leftovers(bob.root) == []


def test_a_pull_into_old_and_new_directories(pushed: Pair, made_late: list[str]) -> None:
    bob = pushed.join()
    made_late.clear()
    changed: Tree = {
        "data/a/2.bin": noise(3000, 4).hex(),
        "data/c/new.bin": noise(3000, 5).hex(),
        "data/word.txt": "two",
    }
    share(pushed, SMALL | OTHERS | changed)
    bob.pull()
    assert bob.tree() == SMALL | OTHERS | changed
    assert made_late == []
    assert bob.repo.status().clean


def test_only_what_is_wanted_is_made(pushed: Pair) -> None:
    bob = pushed.join(wanted=Wanted(frozenset([Component.HYPERPARAMETERS])))
    assert bob.tree() == {"params.yaml": "lr: 0.1\n"}


def test_a_full_disk_is_met_by_the_checkout(
    pushed: Pair, made_late: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = early_tree.make_files, []

    def full(files: Iterable[tuple[str, Mode, bytes]]) -> list[FileStat]:
        calls.append(real(list(files)[:1]))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(early_tree, "make_files", full)
    bob = pushed.join()
    assert len(calls) == 1
    assert bob.tree() == SMALL | OTHERS
    assert set(made_late) == set(SMALL | OTHERS)
    assert leftovers(bob.root) == []


def test_a_defect_is_no_reason_to_lose_a_file(
    pushed: Pair, made_late: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(early_tree, "make_files", lambda files: 1 / 0)
    bob = pushed.join()
    assert bob.tree() == SMALL | OTHERS
    assert set(made_late) == set(SMALL | OTHERS)


def test_who_fetches_waits_when_many_are_to_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    going, make_files = threading.Event(), early_tree.make_files

    def slow(files: Iterable[tuple[str, Mode, bytes]]) -> list[FileStat]:
        going.wait()
        return make_files(files)

    monkeypatch.setattr(early_tree, "make_files", slow)
    tree = early_tree.EarlyTree(lambda: str(tmp_path))
    pieces = [noise(200, n) for n in range(early_tree._WAITING_FRAMES + 2)]
    objects: Objects = {}
    for n, piece in enumerate(pieces):
        entry = small_file(objects, f"{n}", piece)
        assert tree.wants(entry)
        tree._waiting[ChunkId.of(piece)] = [entry]
    done: list[int] = []

    def arrive() -> None:
        for n, piece in enumerate(pieces):
            tree.arrived([came(ChunkId.of(piece), piece)])
            done.append(n)

    fetching = threading.Thread(target=arrive)
    fetching.start()
    while len(done) < early_tree._WAITING_FRAMES:
        fetching.join(0.01)
    assert len(done) == early_tree._WAITING_FRAMES
    going.set()
    fetching.join()
    tree.end()
    assert sorted(os.listdir(tree.root)) == sorted(map(str, range(len(pieces))))


def test_what_is_not_to_be_written_does_not_come_with_its_directory(tmp_path: Path) -> None:
    root, tree = tmp_path / "root", tmp_path / "tree"
    entries = {}
    for path in ("d/kept", "d/deep/er/stray", "d/stray"):
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(path)
        entry = small_file({}, path, b"x" * 200)
        entries[entry] = FileStat.of((tree / path).stat())
    root.mkdir()
    begun = Begun(small=entries, tree=f"{tree}/")
    nothing = Contents({}.__getitem__, lambda ids: ())
    work = Checkout(str(root), str(tmp_path / "staging"), nothing, Silent(), begun)
    (kept,) = [entry for entry in entries if entry.path == "d/kept"]
    (written,) = work.apply([kept], [], expect={"d/kept": None})
    assert written.stat == FileStat.of((root / "d/kept").stat())
    assert [str(p.relative_to(root)) for p in sorted(root.rglob("*"))] == ["d", "d/kept"]


# -------------------------------------------------------------------- against a dict


def small_file(objects: Objects, path: str, data: bytes) -> Entry:
    if len(data) <= 128:
        return file_of(objects, path, [literal_segment(data)] if data else [])
    builder = SegmentBuilder(objects.__setitem__)
    objects[ChunkId.of(data)] = data
    builder.add(ChunkId.of(data), len(data))
    return file_of(objects, path, [builder.finish()])


FILES = st.dictionaries(
    st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")).map("/".join), st.integers(0, 12)
)


@settings(deadline=None)  # a disk may take a second
@given(FILES, st.data())
def test_what_came_is_made_and_nothing_else(files: dict[str, int], draw: st.DataObject) -> None:
    """Whatever comes, in any order, some of it twice; some of the files have the same content."""
    objects: Objects = {}
    contents = {path: noise(40 * n, n) for path, n in sorted(files.items())}
    entries = [small_file(objects, path, data) for path, data in contents.items()]
    chunks: list[Digest] = [id for id in objects if id.kind is Kind.CHUNK]
    arriving = draw.draw(st.lists(st.sampled_from(chunks))) if chunks else []
    with tempfile.TemporaryDirectory() as directory:
        id = version_of(objects, entries)
        with EarlyFiles(directory, id) as early:
            walk(objects, id, early)
            for chunk in arriving:
                early.arrived([came(chunk, objects[chunk])])
            begun = early.ready()
            here = {objects[chunk] for chunk in arriving}
            wanted = {p: d for p, d in contents.items() if d in here or 0 < len(d) <= 128}
            assert {entry.path for entry in begun.small} == set(wanted)
            found = {p: p.read_bytes() for p in Path(begun.tree).rglob("*") if p.is_file()}
            assert found == {Path(begun.tree, p): d for p, d in wanted.items()} or not wanted
            for entry, stat in begun.small.items():
                assert stat == FileStat.of(os.lstat(begun.tree + entry.path))
                assert entry.mode is Mode.FILE
        assert os.listdir(directory) == []
