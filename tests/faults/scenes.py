"""Commands to be struck by faults: what lies on the disk before, and what must be there after.

A scene is one command in a small experiment. It is judged by what the command would have led to without a
fault: each ref and each file is old or new, new if the command was acknowledged, nothing is damaged, and the
same command run again gets there.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import struct
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

from mvc.cli.main import cli
from mvcd.repo.records.refs import REMOTES
from mvcd.store.lmdb_store import LmdbStore
from tests.daemon.daemons import LIMITS
from tests.support.commandline import AUTHOR, Ran
from tests.support.engine import Repository
from tests.support.workspace import Bench, files_of

DONE = {"nothing-to-commit", "tag-exists", "already-initialised", "not-empty", "nothing-to-undo"}
"""Kinds of errors by which a command says that it was done already; whether it was is looked at then."""


def tensors(seed: int, changed: int = 0) -> bytes:
    """A safetensors file of one tensor of 24,000 values, the first `changed` of them other ones."""
    source = random.Random(seed)
    values = [source.gauss(0, 1) for _ in range(24_000)]
    values[:changed] = [value * 1.001 for value in values[:changed]]
    header = b'{"w":{"dtype":"F32","shape":[24000],"data_offsets":[0,96000]}}'
    header += b" " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header + struct.pack("<24000f", *values)


FIRST: dict[str, bytes | str] = {
    "model.safetensors": tensors(1),
    "params.yaml": "lr: 0.1\n",
    "data/train.csv": "x,y\n" + "1,2\n" * 300,
    "data/deep/er/rows.bin": random.Random(2).randbytes(40_000),
    "swap": "a file that becomes a directory",
}
SECOND: dict[str, bytes | str] = {
    "model.safetensors": tensors(1, changed=3000),
    "params.yaml": "lr: 0.05\n",
    "data/more.csv": "x,y\n3,4\n",
    "swap/inner": "in a directory that was a file",
}


def version(bench: Bench, files: Mapping[str, bytes | str]) -> None:
    write(bench, files)
    bench.add()
    bench.commit()


def write(bench: Bench, files: Mapping[str, bytes | str]) -> None:
    for name in files:
        top = Path(bench.path(name.split("/", maxsplit=1)[0]))
        if "/" in name and top.is_file():
            top.unlink()
    bench.write(dict(files))


@dataclass(frozen=True)
class Scene:
    """`prepare` fills an empty workspace; `words` are the command's, `{root}` stands for what is above it."""

    name: str
    words: tuple[str, ...]
    prepare: Callable[[Bench], None]
    repository: bool = True
    """Whether one is there before the command."""
    place: str = "work"
    """Where the command leads to, a workspace."""


def _one(bench: Bench) -> None:
    version(bench, FIRST)


def _added(bench: Bench) -> None:
    bench.write(dict(FIRST))
    bench.add()


def _two(bench: Bench) -> None:
    _one(bench)
    version(bench, SECOND)


def _changed(bench: Bench) -> None:
    _one(bench)
    write(bench, SECOND)


def _unsaved(bench: Bench) -> None:
    _two(bench)
    bench.write({"params.yaml": "lr: 7\n", "data/more.csv": "unsaved"})


def _moved(bench: Bench) -> None:
    _unsaved(bench)
    bench.checkout("v1", force=True)


def _garbage(bench: Bench) -> None:
    _two(bench)
    bench.write({"data/deep/er/rows.bin": random.Random(3).randbytes(90_000)})
    bench.checkout("v1", force=True)
    bench.checkout("main", force=True)


def _remote(bench: Bench) -> None:
    _two(bench)
    LmdbStore.create(bench.root.parent / "remote").close()


def _pushed(bench: Bench) -> None:
    _remote(bench)
    bench.repo.close()
    ran = command(Path(bench.root), "push", str(bench.root.parent / "remote"), "main")
    assert ran.code == 0, ran.err
    bench.reopen()
    version(bench, {"model.safetensors": tensors(1, changed=9000)})


def _unseen(bench: Bench) -> None:
    version(bench, {"mvc.toml": LIMITS, **FIRST})
    write(bench, SECOND)


SCENES = {
    scene.name: scene
    for scene in (
        Scene("init", ("init",), lambda bench: bench.write(dict(FIRST)), repository=False),
        Scene("commit", ("commit", "-m", "second"), _changed),
        Scene("first-commit", ("commit", "-m", "first"), _added),
        Scene("tag", ("tag", "best", "HEAD"), _two),
        Scene("config", ("config", "set", "watch.push", "origin"), _one),
        Scene("gc", ("gc", "--expire-operations", "0s"), _garbage),
        Scene("checkout", ("checkout", "v1", "--force"), _unsaved),
        Scene("rollback", ("rollback", "v1", "--force", "-m", "back"), _unsaved),
        Scene("undo", ("undo",), _moved),
        Scene("first-push", ("push", "{root}/remote", "main"), _remote),
        Scene("push", ("push", "{root}/remote", "main"), _pushed),
        Scene("clone", ("clone", "{root}/work", "{root}/copy"), _two, repository=False, place="copy"),
    )
}  # fmt: skip


BY_ITSELF = Scene("daemon", ("commit", "-m", "again"), _unseen)
"""A save by the daemon, which is recorded in another way; a commit makes up for what it did not get to."""


def words(scene: Scene, root: Path) -> list[str]:
    return [word.replace("{root}", str(root)) for word in scene.words]


def build(scene: Scene, root: Path) -> None:
    """The disk before the command: `root/work`, and for pushes `root/remote`."""
    work = root / "work"
    if scene.name == "init":
        work.mkdir(parents=True)
        for name, data in FIRST.items():
            path = work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data.encode() if isinstance(data, str) else data)
        return
    with Bench(work) as bench:
        scene.prepare(bench)


def command(directory: Path, *line: str) -> Ran:
    """`mvc LINE...` in this process."""
    before = os.getcwd()
    os.chdir(directory)
    try:
        result = CliRunner().invoke(cli, line, env={"MVC_AUTHOR": AUTHOR, "MVC_CONFIG": ""})
    finally:
        os.chdir(before)
    return Ran(result.exit_code, result.stdout, result.stderr)


# -------------------------------------------------------------------- judging


@dataclass(frozen=True)
class State:
    """What matters of a disk: files of the workspace, refs and operations of each repository by its place."""

    files: dict[str, bytes]
    refs: dict[str, bytes]
    operations: dict[str, int]
    heads: dict[str, dict[str, bytes]]
    """Of each repository the files by branch, tag, and at HEAD."""
    contents: set[tuple[str, bytes]]
    """Each file of each version that can be reached, and of the workspace."""


def state(scene: Scene, root: Path, *, verify: bool = True) -> State:
    """Raises what opening raises. Fails when a repository does not verify."""
    refs: dict[str, bytes] = {}
    operations: dict[str, int] = {}
    heads: dict[str, dict[str, bytes]] = {}
    contents: set[tuple[str, bytes]] = set()
    if (root / "remote" / "format").exists():
        with LmdbStore.open(root / "remote") as store:
            assert not verify or list(store.check()) == []
            refs |= {f"remote:{name}": value for name, value in store.refs().items()}
            operations["remote"] = sum(1 for _ in store.operations())
    for place in ("work", "copy"):
        if not (root / place / ".mvc" / "config.toml").exists():
            continue
        with Repository.open(str(root / place), lock_timeout=0.0) as repo:
            assert not verify or repo.verify().errors == ()
            found = repo._core.store.refs()
            refs |= {f"{place}:{name}": value for name, value in found.items()}
            numbers = [operation.number for operation in repo.operations()]
            operations[place] = max(numbers, default=0)
            tips = [branch.name for branch in repo.branches()] + [tag.name for tag in repo.tags()]
            for rev in [*tips, "HEAD"] if tips else ():
                paths = [row.path for row in repo.ls(rev)]
                heads[f"{place}:{rev}"] = {path: repo.read(path, rev) for path in paths}
            for entry in repo.history("HEAD") if tips else ():
                rev = entry.id.hex()
                contents |= {(row.path, repo.read(row.path, rev)) for row in repo.ls(rev)}
    found_files = files_of(root / scene.place)
    contents |= set(found_files.items())
    if scene.name == "config":
        found_files[".mvc/config.toml"] = (root / "work" / ".mvc" / "config.toml").read_bytes()
    return State(found_files, refs, operations, heads, contents)


def judge(
    scene: Scene,
    root: Path,
    old: State,
    new: State,
    *,
    acknowledged: bool,
    same_run: bool = True,
    skipped: Collection[str] = (),
) -> None:
    """Fails when the disk is not what the fault may leave. `same_run`: what was struck is the very run that
    made `new`, so versions have the same times and names. `skipped`: paths that the command told it left out.
    """
    now = state(scene, root)
    _old_or_new("file", now.files, old.files, new.files, acknowledged=acknowledged)
    if same_run:
        _old_or_new("ref", _lasting(now), _lasting(old), _lasting(new), acknowledged=acknowledged)
    tips = [_without(skipped, found.heads) for found in (now, old, new)]
    _old_or_new("tip", *tips, acknowledged=acknowledged)
    for place, number in now.operations.items():
        least = new.operations[place] if acknowledged else old.operations.get(place, 0)
        assert number >= least or scene.name == "gc", f"{place}: operations {number}, not {least}"
    again(scene, root, old, new, done=acknowledged and not skipped)


def _without(
    skipped: Collection[str], heads: Mapping[str, dict[str, bytes]]
) -> dict[str, dict[str, bytes]]:
    def left(path: str) -> bool:
        return not any(f"{path}/".startswith(f"{name}/") for name in skipped)

    return {tip: {p: data for p, data in read.items() if left(p)} for tip, read in heads.items()}


def _lasting(found: State) -> dict[str, bytes]:
    """Refs less those that only repeat what is elsewhere, and a dead verb's note, which the next verb takes."""
    passing = (REMOTES, "saved/")
    return {
        name: value
        for name, value in found.refs.items()
        if not name.partition(":")[2].startswith(passing)
    }


def _old_or_new(
    what: str,
    now: Mapping[str, object],
    old: Mapping[str, object],
    new: Mapping[str, object],
    *,
    acknowledged: bool,
) -> None:
    for name in {*now, *old, *new}:
        found, after = now.get(name), new.get(name)
        if acknowledged:
            assert found == after, f"{what} {name} is not what was acknowledged"
        elif what == "file" or name in old or found is None:
            assert found in (old.get(name), after), f"{what} {name} is neither old nor new"
        else:  # made, and perhaps not yet what it is in the end, as the branch of a repository being made
            assert after is not None, f"{what} {name} is neither old nor new"


def again(scene: Scene, root: Path, old: State, new: State, *, done: bool) -> None:
    """The same command leads where it would have led."""
    if scene.name == "undo" and _undone(scene, root, new):
        return
    cleared = False
    if not done:
        ran = command(root / "work", *words(scene, root), "--json")
        said = ran.err.splitlines()[-1] if ran.code else "{}"
        assert ran.code == 0 or json.loads(said)["kind"] in DONE, ran.err
        cleared = ran.code == 0
    then = state(scene, root, verify=False)
    assert then.files == new.files, sorted(
        name for name in {*then.files, *new.files} if then.files.get(name) != new.files.get(name)
    )
    assert then.heads == new.heads
    never = {path for path, _ in then.contents - old.contents - new.contents}
    assert not never, f"versions have states of these that never were: {never}"
    assert not cleared or not (root / scene.place / ".mvc" / "staging").exists()


def _undone(scene: Scene, root: Path, new: State) -> bool:
    with Repository.open(str(root / scene.place)) as repo:
        undone = next(repo.operations()).undoes is not None
        return undone and files_of(root / scene.place) == new.files


def copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target, symlinks=True)
