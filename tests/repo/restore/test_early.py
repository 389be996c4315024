"""Large files of a clone: written while their chunks come or checked out as ever, always the same bytes."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.codec.encoded import Codec
from mvcd.disk import locks, writeback
from mvcd.errors import Conflict, Failure
from mvcd.ids import ChunkId, Digest, Kind, RecipeId, VersionId
from mvcd.objects.closure import named, open_object
from mvcd.objects.entry import Entry, Mode
from mvcd.objects.manifest import ManifestBuilder
from mvcd.objects.recipe import Part, Recipe, Segment, SegmentBuilder, literal_segment
from mvcd.objects.version import Component, Version
from mvcd.repo.contents.files import content_parts
from mvcd.repo.core.wanted import Wanted
from mvcd.repo.restore import early, early_home, staging
from mvcd.repo.restore.early import Begun, EarlyFiles
from mvcd.store.frames import CheckedRecord
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
    monkeypatch.setattr(early, "LEAST_BYTES", LARGE)


@pytest.fixture
def pushed(pair: Pair) -> Pair:
    pair.ada.save(MODEL)
    os.chmod(pair.ada.path("model.bin"), 0o755)
    pair.ada.save({"params.yaml": "lr: 0.2\n"})
    pair.ada.push()
    return pair


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Bytes that a checkout decoded by itself, of each large file."""
    seen: dict[str, int] = {}
    real = staging._Writing._lacking

    def lacking(self: staging._Writing, item: staging.StagedFile) -> Iterator[Part]:
        for part in real(self, item):
            seen[item.entry.path] = seen.get(item.entry.path, 0) + part.size
            yield part

    monkeypatch.setattr(staging._Writing, "_lacking", lacking)
    return seen


def expected() -> dict[str, bytes | str]:
    return {**MODEL, "params.yaml": "lr: 0.2\n"}


def content(root: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in root.iterdir() if p.is_file()}


def same(root: Path, files: Mapping[str, bytes | str]) -> bool:
    wanted = {n: d.encode() if isinstance(d, str) else d for n, d in files.items()}
    return content(root) == wanted


def leftovers(root: Path) -> list[str]:
    return [name for name in os.listdir(root / ".mvc") if name.startswith(("early", "staging"))]


SIZES = {name: len(data) for name, data in MODEL.items() if len(data) >= LARGE}


def test_a_clone_decodes_large_files_once(pushed: Pair, decoded: dict[str, int]) -> None:
    bob = pushed.join()
    assert same(bob.root, expected())
    assert decoded == {}
    assert os.access(bob.path("model.bin"), os.X_OK)
    assert not os.access(bob.path("copy.bin"), os.X_OK)
    assert bob.repo.status().clean
    assert bob.repo.verify().ok
    assert leftovers(bob.root) == []


def test_a_pull_writes_what_came_and_decodes_the_rest(
    pushed: Pair, decoded: dict[str, int]
) -> None:
    bob = pushed.join()
    before, edited = noise(20 * LARGE, 1), noise(LARGE, 8)
    changed: dict[str, bytes | str] = {
        "model.bin": before[: 10 * LARGE] + edited + before[11 * LARGE :],
        "new.bin": noise(3 * LARGE, 9),
    }
    pushed.ada.save(changed)
    pushed.ada.push()
    bob.pull()
    assert same(bob.root, {**expected(), **changed})
    assert set(decoded) == {"model.bin"}
    assert 18 * LARGE < decoded["model.bin"] < 20 * LARGE
    assert leftovers(bob.root) == []
    pushed.ada.save({"params.yaml": "lr: 0.3\n"})
    pushed.ada.push()
    bob.pull()
    assert set(decoded) == {"model.bin"}


def test_a_pull_that_moves_no_files_leaves_none(pushed: Pair) -> None:
    bob = pushed.join()
    bob.save({"params.yaml": "lr: 7\n"})
    pushed.ada.save({"new.bin": noise(3 * LARGE, 9)})
    pushed.ada.push()
    with pytest.raises(Conflict, match="diverged"):
        bob.pull()
    assert leftovers(bob.root) == []
    with pytest.raises(Failure, match="no branch"):
        bob.pull(branch="nowhere")
    assert leftovers(bob.root) == []


def test_what_was_there_already_is_read_there(
    pushed: Pair, decoded: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clone that was cut short: no chunk comes a second time."""
    with monkeypatch.context() as broken:
        broken.setattr(EarlyFiles, "ready", lambda self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            pushed.join()
    bob = pushed.join()
    assert same(bob.root, expected())
    assert decoded == SIZES
    assert leftovers(bob.root) == []


def test_what_the_dead_left_is_removed_and_what_the_living_use_is_not(
    pushed: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = pushed.join()
    dead, living = bob.root / ".mvc/early-dead", bob.root / ".mvc/early-living"
    for directory in (dead, living):
        directory.mkdir()
        (directory / "0").write_bytes(b"x")
    lock = locks.try_lock(str(living / "lock"), create=True)
    assert lock is not None
    (told,) = [check for check in bob.repo.doctor() if not check.ok]
    assert told.help == f"rm -r {dead}"
    pushed.ada.save({"new.bin": noise(3 * LARGE, 9)})
    pushed.ada.push()
    bob.pull()
    assert leftovers(bob.root) == ["early-living"]
    assert all(check.ok for check in bob.repo.doctor())
    locks.unlock(lock)


def test_a_home_that_is_taken_for_a_dead_ones_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another fetch looks between the making of a directory and its lock."""
    real, made = tempfile.mkdtemp, []

    def mkdtemp(**options: str) -> str:
        made.append(real(**options))
        if len(made) == 1:
            for path in early_home.abandoned(str(tmp_path)):
                shutil.rmtree(path)
        return made[-1]

    monkeypatch.setattr(tempfile, "mkdtemp", mkdtemp)
    home = early_home.Home(str(tmp_path))
    assert home.path == made[1]
    assert os.listdir(tmp_path) == [os.path.basename(made[1])]
    home.remove()
    assert os.listdir(tmp_path) == []


def test_files_that_vanish_before_the_checkout_are_made_again(
    pushed: Pair, decoded: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = EarlyFiles.ready

    def ready(self: EarlyFiles) -> Begun:
        found = real(self)
        for one in found.large.values():
            os.unlink(one.path)
        return found

    monkeypatch.setattr(EarlyFiles, "ready", ready)
    bob = pushed.join()
    assert same(bob.root, expected())
    assert decoded == SIZES


def test_only_what_is_wanted_is_written(pushed: Pair, decoded: dict[str, int]) -> None:
    bob = pushed.join(wanted=Wanted(frozenset([Component.HYPERPARAMETERS])))
    assert same(bob.root, {"params.yaml": "lr: 0.2\n"})
    assert decoded == {}


@pytest.mark.parametrize("what", ["create", "write_pieces"])
def test_a_full_disk_is_met_by_the_checkout(
    pushed: Pair, decoded: dict[str, int], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(early, what, full)
    bob = pushed.join()
    assert same(bob.root, expected())
    assert decoded == SIZES
    assert leftovers(bob.root) == []


def test_a_failed_write_back_is_not_forgotten(
    pushed: Pair, decoded: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(writeback.WriteBack):
        def start(self, file: int) -> bool:
            self._running = Future()
            self._running.set_exception(writeback.SyncFailed("input/output error"))
            return True

    monkeypatch.setattr(writeback, "WRITE_BACK_STEP_BYTES", LARGE)
    monkeypatch.setattr(early, "WriteBack", Failing)
    bob = pushed.join()
    assert same(bob.root, expected())
    assert decoded == SIZES


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
        below: dict[Digest, None] = {}
        for id in level:
            opened = open_object(id.kind, objects[id])
            files.opened(id, opened)
            below.update(dict.fromkeys(named(opened)))
        level = [id for id in below if id not in done and id.kind is not Kind.CHUNK]
        done.update(level)


def came(id: Digest, data: bytes) -> CheckedRecord:
    return CheckedRecord(
        Record(id, Codec.RAW, len(data), None, memoryview(data)), memoryview(data), data
    )


@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 40), min_size=1, max_size=40), min_size=1, max_size=4),
    st.data(),
)
def test_every_chunk_that_came_is_where_it_belongs(
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
        patch.setattr(early, "LEAST_BYTES", 1)
        id = version_of(objects, entries)
        with EarlyFiles(directory, id) as files:
            walk(objects, id, files)
            for chunk in arriving:
                files.arrived([came(chunk, objects[chunk])])
            ready = files.ready().large
            here = set(arriving)
            for entry in entries:
                wanted = {p.offset: p.chunk for p in content_parts(entry, objects.__getitem__)}
                wanted = {offset: chunk for offset, chunk in wanted.items() if chunk in here}
                assert (ready[entry].written if entry in ready else {}) == wanted
                data = Path(ready[entry].path).read_bytes() if wanted else b""
                for offset, chunk in wanted.items():
                    piece = objects[chunk]
                    assert data[offset : offset + len(piece)] == piece
        assert os.listdir(directory) == []
