"""Trees made to harm: whoever receives one refuses it, or takes of it what can do no harm; nothing gets out.

Every rule of paths, at every depth of names and of nodes, by every way a tree comes: received, cloned, pulled,
checked out, exported, committed from a disk where somebody made such names. At length, about 5,000 trees by six
ways: `pytest -m campaign tests/faults/test_hostile_trees.py`.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mvcd.errors import MvcError
from mvcd.ids import VersionId
from mvcd.objects.entry import check_path
from mvcd.objects.reserved import reserved
from mvcd.repo.records.results import Context
from mvcd.repo.trust.incoming import receive
from mvcd.store.api import RefUpdate
from mvcd.store.lmdb_store import LmdbStore
from tests.faults.hostile import NAMES, PREFIXES, TREES, Row, Tree, store_tree
from tests.support.engine import Repository
from tests.support.memory import in_memory
from tests.support.workspace import Bench

CONTEXT = Context("Ada", time_us=1_000_000)
QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.function_scoped_fixture]


@dataclass(frozen=True)
class Ground:
    """A directory with a secret that nothing may touch, an honest repository, and Mallory's store."""

    top: Path
    honest: str
    """The victim's own version."""

    @property
    def outside(self) -> Path:
        return self.top / "outside"

    @property
    def victim(self) -> Path:
        return self.top / "victim"

    @property
    def mallory(self) -> Path:
        return self.top / "mallory"


@pytest.fixture(scope="module")
def prepared() -> Iterator[Ground]:
    """Made once; each example gets a copy."""
    with in_memory() as top:
        (top / "outside").mkdir()
        (top / "outside" / "secret").write_text("untouched")
        LmdbStore.create(top / "mallory").close()
        with Bench(top / "victim") as bench:
            made = bench.save({"file": "honest\n", "d/file": "honest too\n"})
        yield Ground(top, made.version.hex())


def strike(prepared: Ground, act: Callable[[Ground], object]) -> bool:
    """Whether it was taken. Fails when anything but a refusal came of it."""
    with in_memory() as directory:
        shutil.copytree(prepared.top, directory, dirs_exist_ok=True)
        ground = Ground(directory, prepared.honest)
        settings_before = (ground.victim / ".mvc" / "config.toml").read_text()
        try:
            act(ground)
            taken = True
        except MvcError as error:
            assert str(error)
            taken = False
        except (
            OSError
        ) as error:  # the face tells it with the path, as any name that a disk does not take
            assert error.errno == errno.ENAMETOOLONG
            taken = False
        assert os.listdir(ground.outside) == ["secret"]
        assert (ground.outside / "secret").read_text() == "untouched"
        assert (ground.victim / ".mvc" / "config.toml").read_text().startswith(settings_before)
        allowed = {"outside", "victim", "mallory", "clone", "export"}
        assert set(os.listdir(ground.top)) <= allowed
        for place in ("victim", "clone", "export"):
            nothing_is_planted(ground.top / place)
        with Repository.open(str(ground.victim)) as repo:
            repo.status()
            assert repo.read("file", ground.honest) == b"honest\n"
        return taken


def nothing_is_planted(top: Path) -> None:
    """Nothing lies there at a path that no version may have, and no link leads into a repository's metadata.
    A link may lead out, as git makes them too: nothing is written through it, which the caller looks at."""
    for directory, names, files in os.walk(top):
        if Path(directory) == top and ".mvc" in names:
            names.remove(".mvc")
        for name in (*names, *files):
            path = os.path.join(directory, name)
            if top.name != "victim":  # where a test may have made it
                check_path(os.path.relpath(path, top))
            if os.path.islink(path):
                assert not os.path.realpath(path).startswith(f"{top}/.mvc"), path


# -------------------------------------------------------------------- ways in


def received(tree: Tree, ground: Ground) -> None:
    """As a server takes a push: the objects are there, the ref is asked for."""
    with LmdbStore.open(ground.mallory) as store:
        id = store_tree(store, tree, str(ground.outside))
        receive(store, [RefUpdate("heads/main", None, bytes(id))], frozenset(), lambda ids: [])


def offered(tree: Tree, ground: Ground, parent: VersionId | None = None) -> VersionId:
    """Mallory's remote has it on main."""
    with LmdbStore.open(ground.mallory) as store:
        id = store_tree(store, tree, str(ground.outside), parent=parent)
        store.update_refs([RefUpdate("heads/main", None, bytes(id))])
    return id


def cloned(tree: Tree, ground: Ground) -> None:
    offered(tree, ground)
    clone, _ = Repository.clone(
        str(ground.mallory), str(ground.top / "clone"), context=CONTEXT, secret=lambda *_: None
    )
    with clone:
        clone.status()


def pulled(tree: Tree, ground: Ground) -> None:
    offered(tree, ground)
    with Repository.open(str(ground.victim)) as repo:
        repo.add_remote("mallory", str(ground.mallory))
        repo.fetch(["mallory"])
        repo.checkout("mallory/main", context=CONTEXT, force=True)


def checked_out(tree: Tree, ground: Ground) -> None:
    with Repository.open(str(ground.victim)) as repo:
        id = store_tree(repo._core.store, tree, str(ground.outside))
        repo.checkout(id.hex(), context=CONTEXT, force=True)


def restored(tree: Tree, ground: Ground) -> None:
    with Repository.open(str(ground.victim)) as repo:
        id = store_tree(repo._core.store, tree, str(ground.outside))
        repo.restore(id.hex(), context=CONTEXT)


def exported(tree: Tree, ground: Ground) -> None:
    with Repository.open(str(ground.victim)) as repo:
        id = store_tree(repo._core.store, tree, str(ground.outside))
        repo.export(id.hex(), str(ground.top / "export"))


WAYS = [received, cloned, pulled, checked_out, restored, exported]


@pytest.mark.parametrize("way", WAYS)
def test_nothing_gets_out(way: Callable[[Tree, Ground], None], prepared: Ground) -> None:
    @settings(max_examples=60, deadline=None, suppress_health_check=QUIET, database=None)
    @given(tree=TREES)
    def run(tree: Tree) -> None:
        strike(prepared, lambda ground: way(tree, ground))

    run()


@pytest.mark.campaign
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("way", WAYS)
def test_nothing_gets_out_at_length(way: Callable[[Tree, Ground], None], prepared: Ground) -> None:
    @settings(max_examples=5000, deadline=None, suppress_health_check=QUIET)
    @given(tree=TREES)
    def run(tree: Tree) -> None:
        strike(prepared, lambda ground: way(tree, ground))

    run()


@pytest.mark.parametrize("way", WAYS)
def test_an_honest_tree_is_taken(way: Callable[[Tree, Ground], None], prepared: Ground) -> None:
    """The control: what is refused above is refused for what is in it."""
    assert strike(prepared, lambda ground: way(Tree((Row("a"), Row("b/c", 1)), True, 0), ground))


@pytest.mark.thorough
def test_every_illegal_path_is_refused_by_all(prepared: Ground) -> None:
    """Each rule at each depth, alone in a tree: what the rule of paths refuses, no receiver takes."""
    illegal = []
    for prefix in PREFIXES:
        for name in NAMES:
            try:
                check_path(prefix + name)
            except ValueError:
                illegal.append(prefix + name)
    assert len(illegal) > 200
    for number, path in enumerate(illegal):
        way = WAYS[number % len(WAYS)]
        taken = strike(prepared, lambda g: way(Tree((Row(path),), True, number % 3 // 2), g))  # noqa: B023
        left_out = way in (checked_out, restored) and reserved(path)  # the rest is made
        assert not taken or left_out, (way, path)


@given(
    names=st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True), deep=st.booleans()
)
@settings(max_examples=30, deadline=None, suppress_health_check=QUIET, database=None)
def test_names_on_the_disk_are_committed_or_skipped(
    names: list[str], deep: bool, prepared: Ground
) -> None:
    """What a commit takes, a checkout gives back; the rest is named, and stays as it is."""

    def act(ground: Ground) -> None:
        made = []
        for name in names:
            path = os.path.join(ground.victim, "deep" if deep else "", name)
            if "\0" in name or name in ("", ".", "..") or len(name.encode()) > 255:
                continue
            if os.path.lexists(path):
                continue
            os.makedirs(os.path.dirname(path), exist_ok=True)
            Path(path).write_text("from the disk")
            made.append(path)
        with Repository.open(str(ground.victim)) as repo:
            try:
                repo.commit("hostile names", context=CONTEXT)
            except MvcError as error:
                assert error.kind in ("nothing-to-commit", "bad-config")  # of mvc.toml
            assert all(Path(path).read_text() == "from the disk" for path in made)
            rows = {row.path for row in repo.ls()}
            repo.checkout(ground.honest, context=CONTEXT, force=True)
            repo.checkout("main", context=CONTEXT, force=True)
            for path in rows:
                check_path(path)
                assert os.path.exists(ground.victim / path)
            assert repo.verify().ok

    strike(prepared, act)
