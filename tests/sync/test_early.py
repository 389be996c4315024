"""Large files of a clone: written while their chunks come or checked out as ever, always the same bytes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvcd.codec.encoded import Codec
from mvcd.ids import ChunkId, Digest, Kind, NodeId, RecipeId, VersionId
from mvcd.objects.chunklist import CHUNK_LIST
from mvcd.objects.closure import children
from mvcd.objects.entry import Entry, Mode
from mvcd.objects.manifest import ManifestBuilder
from mvcd.objects.recipe import Recipe, Segment, SegmentBuilder, TreeRef, literal_segment
from mvcd.objects.version import Component, Version
from mvcd.repo import early, staging
from mvcd.repo.early import EarlyFiles
from mvcd.repo.partial import Wanted
from mvcd.store import pack
from mvcd.store.frames import Checked
from mvcd.store.record import Record
from tests.sync.people import Pair, noise

LARGE = 300_000
MODEL: dict[str, bytes | str] = {
    "model.bin": noise(20 * LARGE, 1),
    "copy.bin": noise(20 * LARGE, 1),
    "again.bin": noise(LARGE, 2) * 4,
    "head.bin": noise(LARGE, 3),
    "tiny.bin": b"tiny",
    "params.yaml": "lr: 0.1\n",
}


@pytest.fixture(autouse=True)
def small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(early, "LEAST", LARGE)
    monkeypatch.setattr(early, "LEAST_MEAN", 0)


@pytest.fixture
def pushed(pair: Pair) -> Pair:
    pair.ada.save(MODEL)
    os.chmod(pair.ada.path("model.bin"), 0o755)
    pair.ada.save({"params.yaml": "lr: 0.2\n"})
    pair.ada.push()
    return pair


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that a checkout decoded by itself."""
    seen: list[str] = []
    real = staging._Writing.large

    def large(self, item, pipeline):  # type: ignore[no-untyped-def]
        seen.append(item.entry.path)
        real(self, item, pipeline)

    monkeypatch.setattr(staging._Writing, "large", large)
    return seen


def expected() -> dict[str, bytes | str]:
    return {**MODEL, "params.yaml": "lr: 0.2\n"}


def content(root: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in root.iterdir() if p.is_file()}


def same(root: Path, files: Mapping[str, bytes | str]) -> bool:
    wanted = {n: d.encode() if isinstance(d, str) else d for n, d in files.items()}
    return content(root) == wanted


def test_a_clone_decodes_large_files_once(pushed: Pair, decoded: list[str]) -> None:
    bob = pushed.join()
    assert same(bob.root, expected())
    assert decoded == []
    assert os.access(bob.path("model.bin"), os.X_OK)
    assert not os.access(bob.path("copy.bin"), os.X_OK)
    assert bob.repo.status().clean
    assert not os.path.exists(bob.path(".mvc/staging"))
    assert bob.repo.verify().ok


def test_what_was_there_already_is_read_there(
    pushed: Pair, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clone that was cut short: some chunks do not come a second time."""
    with monkeypatch.context() as broken:
        broken.setattr(early.EarlyFiles, "whole", lambda self: self.close() or 1 / 0)
        with pytest.raises(ZeroDivisionError):
            pushed.join()
    bob = pushed.join()
    assert same(bob.root, expected())
    assert sorted(decoded) == ["again.bin", "copy.bin", "head.bin", "model.bin"]


def test_only_what_is_wanted_is_written(pushed: Pair, decoded: list[str]) -> None:
    bob = pushed.join(wanted=Wanted(frozenset([Component.HYPERPARAMETERS])))
    assert same(bob.root, {"params.yaml": "lr: 0.2\n"})
    assert decoded == []


@pytest.mark.parametrize("what", ["create", "write_all"])
def test_a_full_disk_is_met_by_the_checkout(
    pushed: Pair, decoded: list[str], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(early, what, full)
        bob = pushed.join()
    assert same(bob.root, expected())
    assert len(decoded) == 4


def test_a_failed_write_back_is_not_forgotten(
    pushed: Pair, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(file: int) -> None:
        raise pack.SyncFailed("input/output error")

    monkeypatch.setattr(early, "WRITE_BACK_STEP", LARGE)
    real = early.WriteBack.start

    def start(self: early.WriteBack, file: int) -> bool:
        with monkeypatch.context() as broken:
            broken.setattr(pack, "sync_file", failing)
            return real(self, file)

    monkeypatch.setattr(early.WriteBack, "start", start)
    bob = pushed.join()
    assert same(bob.root, expected())
    assert len(decoded) == 4


# -------------------------------------------------------------------- against a dict

Objects = dict[Digest, bytes]


def stored_file(objects: Objects, path: str, pieces: Sequence[bytes]) -> Entry:
    """A file of a long list of chunks, then one that the recipe lists, then a literal."""
    segments = []
    for some in (pieces[:-1], pieces[-1:]):
        builder = SegmentBuilder(objects.__setitem__)
        for piece in some:
            objects[ChunkId.of(piece)] = piece
            builder.add(ChunkId.of(piece), len(piece))
        if some:
            segments.append(builder.finish())
    segments.append(literal_segment(b"the end"))
    return file_of(objects, path, segments)


def file_of(objects: Objects, path: str, segments: Sequence[Segment]) -> Entry:
    size = sum(segment.size for segment in segments)
    recipe = Recipe(size, "", tuple(segments)).encode()
    objects[RecipeId.of(recipe)] = recipe
    return Entry(path, Mode.FILE, size, RecipeId.of(recipe))


def version_of(objects: Objects, files: Sequence[Entry]) -> VersionId:
    builder = ManifestBuilder(objects.__setitem__)
    for entry in files:
        builder.add(entry)
    data = Version(generation=1, components={Component.WEIGHTS: builder.finish()}).encode()
    objects[VersionId.of(data)] = data
    return VersionId.of(data)


def walk(objects: Objects, root: Digest, files: EarlyFiles) -> None:
    """Shows what names others, level by level, each once."""
    level, done = [root], {root}
    while level:
        for id in level:
            files.opened(id, objects[id])
        below = dict.fromkeys(c for id in level for c in children(id.kind, objects[id]))
        level = [id for id in below if id not in done and id.kind is not Kind.CHUNK]
        done.update(level)


def came(id: Digest, data: bytes) -> Checked:
    return Checked(Record(id, Codec.RAW, len(data), None, memoryview(data)), memoryview(data), data)


@given(
    st.lists(st.lists(st.integers(0, 40), min_size=1, max_size=40), min_size=1, max_size=4),
    st.data(),
)
def test_a_file_that_is_whole_has_the_right_bytes(
    lists: list[list[int]], draw: st.DataObject
) -> None:
    """Whatever comes, in any order, some of it twice."""
    objects: Objects = {}
    pieces = [noise(129 + 7 * n, n) for n in range(41)]
    contents = {f"{k}.bin": [pieces[n] for n in list] for k, list in enumerate(lists)}
    entries = [stored_file(objects, path, some) for path, some in contents.items()]
    chunks = [id for id in objects if id.kind is Kind.CHUNK]
    arriving = draw.draw(
        st.permutations(chunks).flatmap(lambda p: st.just(p) | st.lists(st.sampled_from(p)))
    )
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr(early, "LEAST", 1)
        patch.setattr(early, "LEAST_MEAN", 0)
        id = version_of(objects, entries)
        files = EarlyFiles(f"{directory}/early", id)
        walk(objects, id, files)
        for chunk in arriving:
            files.arrived([came(chunk, objects[chunk])])
        whole = files.whole()
        here = set(arriving)
        for entry in entries:
            wanted = contents[entry.path]
            assert (entry in whole) == all(ChunkId.of(piece) in here for piece in wanted)
            if entry in whole:
                assert Path(whole[entry]).read_bytes() == b"".join(wanted) + b"the end"


def test_a_list_that_lies_about_its_totals_makes_no_file(tmp_path: Path) -> None:
    """Two lists of 20 chunks of 200 and 300 bytes, of which a recipe says the reverse: together they fit."""
    objects: Objects = {}
    roots = []
    for size in (200, 300):
        chunks = []
        for n in range(20):
            piece = noise(size, n)
            objects[ChunkId.of(piece)] = piece
            chunks.append((ChunkId.of(piece), size))
        data = CHUNK_LIST.encode_leaf(chunks)
        objects[NodeId.of(data)] = data
        roots.append((NodeId.of(data), 20 * size))
    (a, small), (b, large) = roots
    honest = file_of(objects, "a", [Segment(TreeRef(a, small, 20)), Segment(TreeRef(b, large, 20))])
    lying = file_of(objects, "b", [Segment(TreeRef(a, large, 20)), Segment(TreeRef(b, small, 20))])
    assert honest.size == lying.size
    id = version_of(objects, [honest, lying])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(early, "LEAST", 1)
        patch.setattr(early, "LEAST_MEAN", 0)
        files = EarlyFiles(str(tmp_path / "early"), id)
        walk(objects, id, files)
        files.arrived([came(i, data) for i, data in objects.items() if i.kind is Kind.CHUNK])
        assert set(files.whole()) == {honest}
