"""Workspaces that leave components out: HEAD is on its branch, and what never came is not taken for deleted."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from safetensors.numpy import save

from mvcd.errors import Conflict, Failure
from mvcd.inspect.components import Component
from mvcd.objects.version import SubPart
from mvcd.repo.contents.files import VersionFiles
from mvcd.repo.core import connecting
from mvcd.repo.core.wanted import Wanted
from mvcd.repo.core.wanted import wanted as wanted_of
from mvcd.repo.joining.threeway import Choices
from mvcd.repo.workspace.left_out import is_out
from mvcd.repo.workspace.workspace import ScannedWorkspace
from tests.repo.capturing import save as save_capture
from tests.repo.capturing import take
from tests.sync.people import Pair, Person, noise

MODEL: dict[str, bytes | str] = {
    "model.bin": noise(40_000, 1),
    "params.yaml": "lr: 0.1\n",
    "metrics.json": '{"loss": 0.5}\n',
    "data/a.csv": "a,b\n1,2\n",
    "data/b.csv": "a,b\n3,4\n",
    "net.py": "layers = 3\n",
}
WEIGHTS = Wanted(frozenset([Component.WEIGHTS]))
ALONE = Wanted(frozenset([Component.WEIGHTS]), state=False)
NOTHING = Wanted(frozenset())


def on_disk(bob: Person) -> set[str]:
    return set(bob.files())


def state(bob: Person) -> tuple[list[str], list[str], list[str]]:
    """What status says is added, modified and deleted; first a commit's view must agree with it."""
    status, head = bob.repo.status(), bob.repo.head
    by_commit = bob.repo.look().differences(head.version)
    seen = {c.path for c in (*status.added, *status.modified, *status.deleted)}
    assert seen == set(by_commit)
    return tuple([c.path for c in part] for part in (status.added, status.modified, status.deleted))  # type: ignore[return-value]


def forget_cache(bob: Person) -> None:
    core = bob.repo._core
    core.store.cache_put({b"known/" + core.workspace.encode(): None})


@pytest.fixture
def pushed(pair: Pair) -> Pair:
    pair.ada.save(MODEL)
    pair.ada.push()
    return pair


@pytest.mark.parametrize("wanted", [NOTHING, WEIGHTS], ids=["records", "weights"])
def test_head_is_on_the_branch_and_nothing_is_missed(pushed: Pair, wanted: Wanted) -> None:
    bob = pushed.join(wanted=wanted)
    assert bob.repo.head == pushed.ada.repo.head
    assert on_disk(bob) == ({"model.bin"} if wanted is WEIGHTS else set())
    assert [h.id for h in bob.repo.history()] == [pushed.ada.repo.head.version]
    for forget in (False, True):
        if forget:
            forget_cache(bob)
        assert state(bob) == ([], [], [])
        with pytest.raises(Failure, match="nothing to commit"):
            bob.commit()
        assert list(bob.repo.gone(bob.repo.look().scan)) == [], "the daemon sees nothing gone"
    assert Component.DATA in bob.repo.status().left_out


@pytest.mark.parametrize("wanted", [NOTHING, WEIGHTS], ids=["records", "weights"])
def test_a_commit_keeps_what_is_left_out(pushed: Pair, wanted: Wanted) -> None:
    bob = pushed.join(wanted=wanted)
    before = bob.repo.version(bob.repo.head.version)
    bob.write({"model.bin": noise(40_000, 2), "data/c.csv": "a,b\n"})
    assert state(bob)[2] == []
    made = bob.commit()
    after = bob.repo.version(made.version)
    assert (after.hyperparameters, after.metrics) == (before.hyperparameters, before.metrics)
    assert after.components[Component.RESULTS] == before.components[Component.RESULTS]
    bob.push()
    pushed.ada.pull()
    assert pushed.ada.files().keys() == {*MODEL, "data/c.csv"}
    assert pushed.ada.files()["model.bin"] == noise(40_000, 2)
    assert pushed.ada.repo.verify().ok


def test_a_pull_leaves_out_what_is_left_out_and_moves_what_lies_here(pushed: Pair) -> None:
    bob = pushed.join(wanted=WEIGHTS)
    bob.repo.restore("main", [bob.path("data/a.csv")], context=bob.context())
    assert on_disk(bob) == {"model.bin", "data/a.csv"}
    pushed.ada.save(
        {"model.bin": b"new", "data/a.csv": "new\n", "data/b.csv": "new\n", "data/z.csv": "z\n"}
    )
    pushed.ada.push()
    bob.pull()
    assert bob.repo.head == pushed.ada.repo.head
    assert bob.files() == {"model.bin": b"new", "data/a.csv": b"new\n"}
    assert state(bob) == ([], [], [])


def test_the_model_comes_without_its_training_state(pushed: Pair) -> None:
    pushed.ada.save({"optimizer.pt": noise(20_000, 2), "run/scheduler.pt": noise(3_000, 3)})
    pushed.ada.push()
    bob = pushed.join(wanted=ALONE)
    assert on_disk(bob) == {"model.bin"}
    left = bob.repo.status().left_out
    assert SubPart.STATE in left and Component.WEIGHTS not in left
    store, head = bob.repo._core.store, bob.repo.version(bob.repo.head.version)
    recipes = {
        p.entry.path: p.entry.recipe for p in VersionFiles(head, store.get).all([Component.WEIGHTS])
    }
    here = dict(zip(recipes, store.has(list(recipes.values())), strict=True))
    assert here == {"model.bin": True, "optimizer.pt": False, "run/scheduler.pt": False}
    for forget in (False, True):
        if forget:
            forget_cache(bob)
        assert state(bob) == ([], [], [])
        with pytest.raises(Failure, match="nothing to commit"):
            bob.commit()
        assert list(bob.repo.gone(bob.repo.look().scan)) == [], "the daemon sees nothing gone"
    bob.write({"model.bin": noise(40_000, 7)})
    bob.commit()
    head = bob.repo.version(bob.repo.head.version)
    assert head.components[Component.WEIGHTS].files == 3
    bob.remove("model.bin")
    forget_cache(bob)
    assert state(bob) == ([], [], ["model.bin"])
    bob.checkout("HEAD", force=True)
    assert {"optimizer.pt", "run/scheduler.pt", "model.bin"} <= on_disk(bob)
    assert bob.repo.status().left_out == ()


def test_a_pull_leaves_training_state_out_until_weights_are_asked_for(pushed: Pair) -> None:
    pushed.ada.save({"optimizer.pt": noise(20_000, 2)})
    pushed.ada.push()
    bob = pushed.join(wanted=ALONE)
    pushed.ada.save({"optimizer.pt": noise(20_000, 4), "model.bin": noise(40_000, 5)})
    pushed.ada.push()
    bob.pull()
    assert on_disk(bob) == {"model.bin"}
    assert bob.files()["model.bin"] == noise(40_000, 5)
    bob.checkout("HEAD", components=[Component.WEIGHTS])
    assert on_disk(bob) == {"model.bin", "optimizer.pt"}
    assert SubPart.STATE not in bob.repo.status().left_out
    assert Wanted(frozenset([Component.WEIGHTS]), None, False) == wanted_of(bob.repo._core.config)


def test_a_pull_of_records_alone_needs_no_list_of_files(pushed: Pair) -> None:
    bob = pushed.join(wanted=NOTHING)
    pushed.ada.save({"data/z.csv": "z\n"})
    pushed.ada.push()
    assert bob.pull().checkout is not None
    root = bob.repo.version(bob.repo.head.version).components[Component.DATA].root
    assert root is not None
    assert bob.repo._core.store.has([root]) == [False]


def test_a_checkout_brings_everything_and_undo_leaves_it_out_again(pushed: Pair) -> None:
    bob = pushed.join(wanted=WEIGHTS)
    bob.checkout("main")
    assert bob.files() == pushed.ada.files()
    assert (bob.repo.status().left_out, state(bob)) == ((), ([], [], []))
    bob.remove("data/a.csv")
    assert state(bob) == ([], [], ["data/a.csv"])
    bob.repo.undo(context=bob.context())
    assert Component.DATA in bob.repo.status().left_out
    assert state(bob) == ([], [], [])
    bob.checkout("main")
    assert bob.files() == pushed.ada.files()


def test_a_whole_component_is_left_out_no_more(pushed: Pair) -> None:
    bob = pushed.join(wanted=WEIGHTS)
    bob.checkout("main", components=[Component.DATA])
    assert on_disk(bob) == {"model.bin", "data/a.csv", "data/b.csv"}
    assert state(bob) == ([], [], [])
    assert Component.DATA not in bob.repo.status().left_out
    assert Component.RESULTS in bob.repo.status().left_out
    bob.remove("data/b.csv")
    assert state(bob) == ([], [], ["data/b.csv"])


def test_an_older_component_tells_what_it_lacks(pushed: Pair) -> None:
    pushed.ada.save({"data/c.csv": "c\n", "data/a.csv": "newer\n"})
    pushed.ada.push()
    bob = pushed.join(wanted=WEIGHTS)
    bob.checkout("v1", components=[Component.DATA])
    assert state(bob) == ([], ["data/a.csv"], ["data/c.csv"])
    bob.commit()
    assert "data/c.csv" not in {f.path for f in bob.repo.ls()}
    assert "net.py" in {f.path for f in bob.repo.ls()}


def test_files_that_lie_here_count_as_ever(pushed: Pair) -> None:
    bob = pushed.join(wanted=WEIGHTS)
    bob.write({"data/b.csv": "mine\n", "data/new.csv": "mine\n"})
    assert state(bob) == (["data/new.csv"], ["data/b.csv"], [])
    pushed.ada.save({"data/b.csv": "theirs\n"})
    pushed.ada.push()
    with pytest.raises(Conflict, match="unsaved work in data"):
        bob.pull()
    bob.commit()
    bob.remove("data/b.csv")  # of what is left out no absence counts
    assert state(bob) == ([], [], [])


def test_switch_rollback_and_merge_leave_it_out(pushed: Pair) -> None:
    bob = pushed.join(wanted=WEIGHTS)
    bob.repo.switch("side", create=True, context=bob.context())
    bob.save({"model.bin": b"side", "params.yaml": "lr: 9\n"})
    bob.repo.switch("main", context=bob.context())
    assert on_disk(bob) == {"model.bin", "params.yaml"}
    assert bob.files()["params.yaml"] == b"lr: 0.1\n"
    bob.save({"note.md": "main"})
    merged = bob.repo.merge("side", Choices(), context=bob.context())
    assert merged.commit is not None
    assert bob.files()["model.bin"] == b"side"
    assert bob.repo.version(merged.commit.version).hyperparameters == {"lr": 9}
    bob.repo.rollback("v1", context=bob.context())
    assert bob.files()["model.bin"] == MODEL["model.bin"]
    assert {f.path for f in bob.repo.ls()} == set(MODEL)
    assert state(bob) == ([], [], [])
    for _ in range(4):
        bob.repo.undo(context=bob.context())
        assert state(bob) == ([], [], [])


def test_the_rules_of_the_workspace_come_along(pair: Pair) -> None:
    rules = '[components]\nweights = ["ckpt/**"]\n'
    pair.ada.save({**MODEL, "mvc.toml": rules, "ckpt/x.dat": "1", ".mvcignore": "*.tmp\n"})
    pair.ada.push()
    bob = pair.join(wanted=WEIGHTS)
    assert on_disk(bob) == {"model.bin", "ckpt/x.dat", "mvc.toml", ".mvcignore"}
    bob.write({"ckpt/x.dat": "2", "x.tmp": "no"})
    assert state(bob) == ([], ["ckpt/x.dat"], [])
    bob.commit()
    assert bob.repo.status().clean
    bob.write({"mvc.toml": '[components]\nresults = ["data/**", "ckpt/**"]\n'})
    bob.commit()
    placed = {f.path: f.component for f in bob.repo.ls()}
    assert placed["ckpt/x.dat"] is Component.RESULTS
    assert placed.keys() == {*MODEL, "mvc.toml", "ckpt/x.dat", ".mvcignore"}
    forget_cache(bob)
    assert state(bob) == ([], [], [])


def test_all_goes_on_without_the_remote(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:

    def model(seed: int) -> bytes:
        return save({"w": np.random.default_rng(seed).normal(size=(64, 64)).astype(np.float32)})

    more = {"eval.json": '{"f1": 0.7}\n', "net.safetensors": model(1)}
    pair.ada.save({**MODEL, **more})
    pair.ada.push()
    bob = pair.join(wanted=Wanted(frozenset([Component.ARCHITECTURE])))
    monkeypatch.setattr(connecting, "connect", partial(pytest.fail, "the remote was asked"))
    assert state(bob) == ([], [], [])
    bob.write({"metrics.json": '{"loss": 0.1}\n', "net.safetensors": model(2), "net.py": "x\n"})
    assert state(bob) == ([], ["metrics.json", "net.py", "net.safetensors"], [])
    made = bob.commit()
    assert bob.repo.version(made.version).metrics == {"loss": 0.1, "f1": 0.7}
    bob.write({"params.yaml": "lr: 0.2\n"})
    save_capture(bob, take(bob, "params.yaml"))
    bob.repo.switch("side", create=True, context=bob.context())
    bob.write({"metrics.json": '{"loss": 0.3}\n'})
    bob.commit()
    bob.repo.switch("main", context=bob.context())
    assert bob.files()["metrics.json"] == b'{"loss": 0.1}\n'
    assert state(bob) == ([], [], [])


def expected(bob: Person) -> tuple[list[str], list[str], list[str]]:
    """Status by brute force: every file of HEAD and of the disk, compared byte by byte."""
    core, disk = bob.repo._core, bob.files()
    version, out = bob.repo.version(bob.repo.head.version), bob.repo.left_out()
    have = {p.entry.path: p for p in VersionFiles(version, core.fetch).all()}
    added = [path for path in disk if path not in have and bob.repo.tracked()]
    modified = [path for path in disk if path in have and disk[path] != bob.repo.read(path)]
    deleted = [path for path, p in have.items() if path not in disk and not is_out(p, out)]
    return sorted(added), sorted(modified), sorted(deleted)


@pytest.mark.parametrize("seed", range(12))
def test_whatever_is_done_status_and_commit_see_what_is_there(pushed: Pair, seed: int) -> None:
    dice = random.Random(seed)
    if seed >= 6:
        pushed.ada.save({"optimizer.pt": noise(20_000, 2), "run/scheduler.pt": "x"})
        pushed.ada.push()
    bob = pushed.join(wanted=dice.choice([WEIGHTS, NOTHING]) if seed < 6 else ALONE)
    names = [*MODEL, "data/n.csv", "new.bin", "notes.md", "optimizer.pt"]

    def edit() -> None:
        bob.write({dice.choice(names): f"{dice.random()}\n"})

    def delete() -> None:
        for name in dice.sample(sorted(on_disk(bob)), min(1, len(on_disk(bob)))):
            bob.remove(name)

    def theirs() -> None:
        pushed.ada.save({dice.choice(names): f"{dice.random()}\n"})
        pushed.ada.push(force_with_lease=True)
        bob.repo.fetch()

    steps: list[Callable[[], object]] = [
        edit, edit, delete, theirs,
        bob.commit,
        lambda: forget_cache(bob),
        lambda: bob.repo.merge("origin/main", Choices(theirs=["."]), context=bob.context()),
        lambda: bob.repo.switch("main", force=True, context=bob.context()),
        lambda: bob.repo.switch(f"b{dice.random()}", create=True, context=bob.context()),
        lambda: bob.repo.rollback(f"v{dice.randint(1, 3)}", force=True, context=bob.context()),
        lambda: bob.repo.undo(context=bob.context()),
        lambda: bob.repo.restore("HEAD", [bob.path(dice.choice(names))], context=bob.context()),
        lambda: bob.checkout(dice.choice(["v1", "v2"]), components=[dice.choice(list(Component))]),
        lambda: bob.checkout("main", force=True) if dice.random() < 0.2 else None,
    ]  # fmt: skip
    for _ in range(40):
        with contextlib.suppress(Failure, Conflict):
            dice.choice(steps)()
        assert state(bob) == expected(bob)
    assert ScannedWorkspace(bob.repo._core, fresh=True).differences(
        bob.repo.head.version
    ).keys() == {path for part in expected(bob) for path in part}
