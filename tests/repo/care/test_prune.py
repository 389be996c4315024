"""Pruning: what may go, what stays readable, and how it is taken back."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from mvcd.errors import Conflict, Failure, MissingObject
from mvcd.ids import VersionId
from mvcd.objects.version import Trigger
from mvcd.repo.care.prune import PruneResult
from mvcd.repo.records.pruned import marked_by
from mvcd.repo.records.refs import PRUNED
from mvcd.repo.records.results import CommitResult
from mvcd.store import steps
from mvcd.store.rebuild import rebuild_index
from tests.repo.dying import open_listening
from tests.support.engine import Repository
from tests.support.memory import in_memory
from tests.support.workspace import Bench

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
RULES = "[retention]\nkeep_last = 1\n"


def noise(seed: int, size: int = 30_000) -> bytes:
    return random.Random(seed).randbytes(size)


def auto(bench: Bench, files: dict[str, bytes | str]) -> CommitResult:
    """A version as the daemon saves them."""
    bench.write(files)
    bench.add()
    return bench.commit("saved by itself", trigger=Trigger.AUTO)


def prune(bench: Bench, **options: Any) -> PruneResult:
    result: PruneResult = bench.repo.prune(context=bench.context(), **options)
    return result


def collect(bench: Bench, after_us: int = 2 * DAY_US, **options: Any) -> int:
    """Bytes of records that a collection takes, so much later."""
    before = sum(info.record_size for _, info in bench.repo.store.ids())
    context = replace(bench.context(), time_us=bench.now_us() + after_us)
    bench.repo.gc(context=context, **options)
    return before - sum(info.record_size for _, info in bench.repo.store.ids())


def numbers(result: PruneResult) -> list[int]:
    return [one.number for one in result.versions]


def marked(bench: Bench) -> set[VersionId]:
    return set(marked_by(bench.repo.store.refs(PRUNED)))


@pytest.fixture
def trained(bench: Bench) -> Bench:
    """Six automatic versions, of which only the newest is kept by a rule."""
    bench.write({"mvc.toml": RULES})
    for number in range(6):
        auto(bench, {"model.pt": noise(number), "log.txt": f"{number}\n"})
    return bench


def test_what_no_rule_keeps_goes_and_the_records_stay(trained: Bench) -> None:
    told = prune(trained, dry_run=True)
    assert (numbers(told), told.operation, marked(trained)) == ([1, 2, 3, 4, 5], None, set())
    assert told.kept == {"keep_last": 1}
    done = prune(trained)
    assert replace(done, operation=None, dry_run=True, until_us=told.until_us) == told
    assert prune(trained).versions == (), "what went does not go again"
    assert collect(trained, after_us=0) == 0, "the time of grace is not over"
    assert trained.repo.read("model.pt", "v2") == noise(1)
    freed = collect(trained)
    assert freed == done.freed > 5 * 30_000
    assert [entry.version.generation for entry in trained.repo.history()] == [6, 5, 4, 3, 2, 1]
    assert trained.repo.read("model.pt", "v6") == noise(5)
    report = trained.repo.verify()
    assert report.ok and report.absent > 0
    assert collect(trained) == 0


def test_what_will_be_let_go_is_not_needed_any_more(trained: Bench) -> None:
    """The ledger counts as a collection at that moment would."""
    done = prune(trained)
    in_grace = trained.repo.disk_use(context=trained.context())
    assert [row.number for row in in_grace.versions if row.pruned] == [1, 2, 3, 4, 5]
    assert in_grace.disk.loose == 0
    later = replace(trained.context(), time_us=trained.now_us() + 2 * DAY_US)
    after = trained.repo.disk_use(context=later)
    assert after.disk.loose == done.freed
    assert collect(trained) == done.freed


def test_a_pruned_version_says_so(trained: Bench) -> None:
    prune(trained)
    collect(trained)
    entries = {e.version.generation: e.pruned for e in trained.repo.history()}
    assert entries[6] is None
    found = entries[2]
    assert found is not None and (found.rule, found.here, found.remotes) == (
        "keep_last 1",
        False,
        (),
    )
    assert trained.repo.show("v2").pruned == found
    assert next(iter(trained.repo.find("v2"))).pruned == found
    for verb in (
        lambda: trained.repo.read("model.pt", "v2"),
        lambda: list(trained.repo.ls("v2")),
        lambda: trained.checkout("v2"),
        lambda: trained.repo.restore("v2", context=trained.context()),
        lambda: trained.repo.rollback("v2", context=trained.context()),
        lambda: trained.repo.export("v2", trained.path("../out")),
        lambda: trained.repo.create_branch("x", "v2", context=trained.context()),
        lambda: trained.repo.create_tag("x", "v2", context=trained.context()),
    ):
        with pytest.raises(Failure, match=r"the content of v2 .* was pruned") as caught:
            verb()
        assert caught.value.kind == "pruned"
        assert "keep_last 1" in str(caught.value.cause)
        assert str(caught.value.help).startswith("mvc remote add")
    assert trained.repo.status().clean
    diff = trained.repo.diff("v2", "v6")
    assert [c.value for c, f in diff.components.items() if f.changed and not f.listed] == [
        "weights",
        "results",
    ]


def test_only_automatic_versions_that_no_name_holds_go(trained: Bench) -> None:
    bench = trained
    bench.repo.create_tag("best", "v2", context=bench.context())
    bench.repo.promote("v3", "production", context=bench.context(), reason="r")
    bench.repo.store.update_refs([_signature(bench, "v4")])
    bench.repo.create_branch("side", "v5", context=bench.context())
    bench.save({"model.pt": noise(60)})  # by hand
    auto(bench, {"model.pt": noise(61)})
    auto(bench, {"model.pt": noise(62)})
    assert numbers(prune(bench)) == [1, 6, 8]
    collect(bench, keep_operations_us=0)
    bench.repo.delete_tag("best", context=bench.context())
    assert numbers(prune(bench)) == [2]
    for number in (2, 3, 4, 5, 7, 9):
        assert bench.repo.read("model.pt", f"v{number}")


def _signature(bench: Bench, rev: str) -> Any:
    from mvcd.store.api import RefUpdate

    return RefUpdate(f"signatures/{bench.repo.resolve(rev).hex()}/{'a' * 64}", None, b"s")


def test_a_version_out_of_date_that_head_stands_on_stays(trained: Bench) -> None:
    trained.checkout("v2")
    assert numbers(prune(trained)) == [1, 3, 4, 5]
    prune(trained)
    collect(trained)
    assert trained.repo.read("model.pt", "v2") == noise(1)
    trained.checkout("main")
    assert numbers(prune(trained)) == [2]
    trained.checkout("v2")  # in its time of grace: HEAD holds it from now on
    collect(trained)
    assert trained.repo.read("model.pt", "v2") == noise(1)


def test_each_branch_has_its_own_newest(trained: Bench) -> None:
    trained.repo.switch("side", create=True, context=trained.context())
    auto(trained, {"model.pt": noise(70)})
    auto(trained, {"model.pt": noise(71)})
    assert numbers(prune(trained, dry_run=True)) == [1, 2, 3, 4, 5, 7]


def test_the_best_stay(bench: Bench) -> None:
    bench.write({"mvc.toml": '[retention]\nbest = {metric = "val_loss", k = 2}\n'})
    for number, loss in enumerate(("0.5", "0.2", "NaN", "0.3", '"none"', "0.9", "0.8")):
        auto(bench, {"model.pt": noise(number), "metrics.json": f'{{"val_loss": {loss}}}'})
    assert numbers(prune(bench)) == [1, 3, 5, 6], "v7 is the head"


def test_without_rules_nothing_goes(bench: Bench) -> None:
    auto(bench, {"a.pt": noise(1)})
    with pytest.raises(Failure, match=r"mvc.toml has no \[retention\] table") as caught:
        prune(bench)
    assert caught.value.kind == "no-rules"


def series(step: int) -> bytes:
    """Each a difference to the one before."""
    value = np.random.default_rng(9).normal(size=70_000).astype(np.float32)
    for n in range(step):
        value += np.random.default_rng(n).normal(size=70_000).astype(np.float32) * 1e-6
    return save({"w": value})


def test_bases_of_what_stays_stay(bench: Bench) -> None:
    bench.write({"mvc.toml": RULES})
    for number in range(4):
        auto(bench, {"m.safetensors": series(number)})
    bases = {info.base for _, info in bench.repo.store.ids()} - {None}
    assert bases, "differences are what this is about"
    done = prune(bench)
    assert collect(bench) == done.freed
    assert bench.repo.read("m.safetensors", "v4") == series(3)
    assert bench.repo.verify().ok


def test_content_that_others_have_stays(trained: Bench) -> None:
    """A version by hand has the content of a pruned one."""
    trained.repo.rollback("v2", context=trained.context())
    prune(trained)
    collect(trained)
    assert trained.repo.read("model.pt") == noise(1)
    assert trained.repo.read("model.pt", "v2") == noise(1), "its lists are those of v7"
    assert trained.repo.show("v2").pruned.here


# -------------------------------------------------------------------- undo


def test_undo_takes_it_back_in_the_time_of_grace(trained: Bench) -> None:
    prune(trained)
    trained.repo.undo(context=trained.context())
    assert marked(trained) == set()
    assert collect(trained, keep_operations_us=0) == 0
    assert trained.repo.read("model.pt", "v1") == noise(0)
    assert trained.repo.verify().absent == 0
    undone = next(trained.repo.operations()).number
    trained.repo.undo(number=undone, context=trained.context())
    assert len(marked(trained)) == 5, "an undo can be undone"


def test_undo_after_collection_is_refused_and_changes_nothing(trained: Bench) -> None:
    prune(trained)
    collect(trained)
    before = trained.repo.store.refs()
    with pytest.raises(Failure, match=r"v\d .* cannot be kept again") as caught:
        trained.repo.undo(context=trained.context())
    assert caught.value.kind == "content-gone"
    assert trained.repo.store.refs() == before


def test_forgetting_operations_lets_go_at_once(trained: Bench) -> None:
    prune(trained)
    trained.repo.create_tag("later", context=trained.context())
    assert collect(trained, after_us=0, keep_operations_us=0) > 5 * 30_000


def test_undo_beside_a_collection_keeps_content_or_says_no(trained: Bench) -> None:
    """The undo comes when the collection has marked and not yet swept."""
    prune(trained)
    done = []

    def reached(step: str) -> None:
        if step == steps.MARKED and not done:
            done.append(trained.repo.undo(context=trained.context()))

    context = replace(trained.context(), time_us=trained.now_us() + 2 * DAY_US)
    with open_listening(str(trained.root), reached) as beside:
        assert beside.gc(context=context).objects == 0
    assert done
    assert trained.repo.read("model.pt", "v1") == noise(0)
    assert trained.repo.verify().absent == 0


def test_marks_are_put_together_once_nobody_can_undo_them(trained: Bench) -> None:
    context = trained.context()
    for number in range(9):
        auto(trained, {"model.pt": noise(100 + number)})
        trained.repo.prune(context=replace(context, time_us=context.time_us + number * HOUR_US))
    before = marked(trained)
    assert len(trained.repo.store.refs(PRUNED)) == 9
    auto(trained, {"model.pt": noise(200)})
    trained.repo.prune(context=replace(context, time_us=context.time_us + 9 * DAY_US))
    assert len(trained.repo.store.refs(PRUNED)) == 2
    assert before < marked(trained)
    with pytest.raises(Conflict):
        trained.repo.undo(next(trained.repo.operations()).number - 2, context=trained.context())


def test_marks_survive_the_loss_of_the_index(trained: Bench) -> None:
    prune(trained)
    collect(trained)
    before = marked(trained)
    trained.repo.close()
    rebuild_index(str(trained.root / ".mvc/store"))
    with Repository.open(str(trained.root)) as repo:
        assert set(marked_by(repo.store.refs(PRUNED))) == before
        assert repo.verify().ok


# -------------------------------------------------------------------- beside others


def test_a_commit_beside_a_collection_reuses_nothing_that_goes(trained: Bench) -> None:
    """Content of a pruned version comes again by hand while the collection sweeps."""
    prune(trained)
    done = []

    def reached(step: str) -> None:
        if step == steps.MARKED and not done:
            done.append(trained.save({"model.pt": noise(2)}))

    context = replace(trained.context(), time_us=trained.now_us() + 2 * DAY_US)
    with open_listening(str(trained.root), reached) as beside:
        beside.gc(context=context)
    assert done
    assert trained.repo.read("model.pt") == noise(2)
    assert trained.repo.verify().ok


def test_what_a_verb_relies_on_stays_though_it_was_marked_to_go(trained: Bench) -> None:
    """A rollback, say, takes up a pruned version when the collection has marked and not yet swept."""
    prune(trained)
    held = trained.repo.store.session()

    def reached(step: str) -> None:
        if step == steps.MARKED:
            trained.repo.rely_on(held, [trained.repo.resolve("v2")])

    context = replace(trained.context(), time_us=trained.now_us() + 2 * DAY_US)
    with held, open_listening(str(trained.root), reached) as beside:
        assert beside.gc(context=context).objects > 0
    assert trained.repo.read("model.pt", "v2") == noise(1)
    with pytest.raises(Failure):
        trained.repo.read("model.pt", "v3")


Act = tuple[str, int]
ACTS = st.lists(
    st.tuples(st.sampled_from(["auto", "hand", "tag", "prune", "gc", "undo", "back"]), st.integers(0, 4)),
    min_size=2, max_size=14,
)  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(ACTS)
def test_any_history_keeps_what_the_rules_keep(acts: list[Act]) -> None:
    with in_memory() as directory, Bench(directory / "experiment") as bench:
        bench.write({"mvc.toml": "[retention]\nkeep_last = 2\n"})
        auto(bench, {"a.pt": noise(0)})
        content: dict[VersionId, bytes] = {bench.repo.head.version: noise(0)}
        for count, (act, number) in enumerate(acts, 1):
            if act in ("auto", "hand"):
                data = noise(count if number else 0)
                if bench.repo.head.branch and bench.files()["a.pt"] != data:
                    _quietly(auto if act == "auto" else Bench.save, bench, {"a.pt": data})
                    content[bench.repo.head.version] = data
            elif act == "tag" and bench.repo.head.number > number:
                name, rev = f"t{count}", f"HEAD~{number}"
                _quietly(bench.repo.create_tag, name, rev, context=bench.context())
            elif act == "prune":
                prune(bench)
            elif act == "gc":
                collect(bench, after_us=2 * DAY_US * (number > 2))
            elif act == "undo":
                _quietly(bench.repo.undo, context=bench.context())
            elif act == "back" and bench.repo.head.number > number:
                _quietly(bench.checkout, f"HEAD~{number}")
                _quietly(bench.checkout, "main")
            check(bench, content)


def check(bench: Bench, content: dict[VersionId, bytes]) -> None:
    report = bench.repo.verify()
    assert report.ok, report.errors
    gone = marked(bench)
    for entry in bench.repo.history(all_refs=True):
        if entry.id not in gone or entry.pruned.here:
            assert bench.repo.read("a.pt", entry.id.hex()) == content[entry.id]
        if entry.id in gone:
            assert entry.version.trigger is Trigger.AUTO
    tips = {tag.version for tag in bench.repo.tags()} | {b.version for b in bench.repo.branches()}
    for id in tips:
        assert bench.repo.read("a.pt", id.hex()) == content[id]


def _quietly(act: Callable[..., object], *args: Any, **options: Any) -> None:
    """What cannot be done is refused, and changes nothing."""
    with contextlib.suppress(Failure, Conflict, MissingObject):
        act(*args, **options)
