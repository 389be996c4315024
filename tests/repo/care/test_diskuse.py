"""What takes which bytes: sums equal the disk, and `unique` is what a collection frees."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from mvcd.errors import Failure
from mvcd.ids import Digest, VersionId
from mvcd.objects.version import Component
from mvcd.repo.care import owners
from mvcd.repo.care.diskuse import DiskUse, VersionUse
from mvcd.repo.care.gc import reach
from mvcd.repo.care.growth import DAY_US, growth
from mvcd.repo.history.walk import ancestors
from mvcd.store.lmdb_store import LmdbStore
from tests.support.engine import Repository
from tests.support.memory import in_memory
from tests.support.pruning import prune
from tests.support.workspace import Bench


def noise(seed: int, size: int = 50_000) -> bytes:
    return random.Random(seed).randbytes(size)


def weights(*steps: int) -> bytes:
    """A tensor after some steps of training: near to what it was one step before, so stored as a difference."""
    value = np.random.default_rng(9).normal(size=70_000).astype(np.float32)
    for step in steps:
        value += np.random.default_rng(step).normal(size=70_000).astype(np.float32) * 1e-6
    return save({"w": value})


@pytest.fixture
def grown(bench: Bench) -> Bench:
    """Three versions of main, of which the third is a difference to the second; one more on a branch."""
    for number in range(3):
        bench.save(
            {
                "runs/a/m.safetensors": weights(*range(number)),
                "same.pt": noise(9),
                f"data/{number}.bin": noise(number),
                "params.yaml": f"lr: 0.{number}\n",
            }
        )
    bench.repo.switch("try", create=True, context=bench.context())
    bench.save({"runs/b/x.pt": noise(77, 300_000)})
    bench.repo.switch("main", context=bench.context())
    return bench


def use_of(bench: Bench, below: str | None = None) -> DiskUse:
    return bench.repo.disk_use(context=bench.context(), below=below)


def bytes_on_disk(root: Path) -> int:
    files = [Path(at, name) for at, _, names in os.walk(root) for name in names]
    return sum(path.lstat().st_size for path in files)


def bytes_of_records(repo: Repository) -> int:
    return sum(info.record_size for _, info in repo.store.ids())


def test_totals_equal_the_disk(grown: Bench) -> None:
    use = use_of(grown, ".")
    disk = bytes_on_disk(grown.root / ".mvc")
    assert use.disk.total == pytest.approx(disk, rel=0.01)
    assert (use.disk.loose, use.disk.dead) == (0, 0)
    packs = bytes_on_disk(grown.root / ".mvc/store/packs")
    assert use.disk.needed == pytest.approx(packs, rel=0.001)
    for rows in (use.versions, use.components):
        assert sum(row.stored for row in rows) + use.records == use.disk.needed
    assert sum(row.stored for row in use.keepers) == use.disk.needed
    assert sum(row.stored for row in use.paths) + use.lists == use.disk.needed
    assert sum(form.stored for form in use.forms) == use.disk.needed


def test_totals_equal_the_disk_after_removals_too(grown: Bench) -> None:
    grown.repo.delete_branch("try", force=True, context=grown.context())
    before = use_of(grown)
    log = before.keepers[-1]
    assert (log.kind, log.versions) == ("operations", 1)
    assert log.unique > 300_000, "the operation log still holds what the branch held"
    assert before.log_until_us == next(grown.repo.operations()).time_us + 30 * DAY_US
    grown.repo.create_tag("later", context=grown.context())
    grown.repo.gc(context=grown.context(), keep_operations_us=0)
    after = use_of(grown)
    assert after.disk.needed == before.disk.needed - log.unique
    assert (after.keepers[-1].versions, after.log_until_us) == (0, None)
    assert after.disk.total == pytest.approx(bytes_on_disk(grown.root / ".mvc"), rel=0.01)


def test_what_nothing_reaches_is_told(grown: Bench) -> None:
    with grown.repo.store.session() as session:
        from tests.store.objects import plain

        session.put(*plain(noise(5, 60_000)))
        session.commit()
    use = use_of(grown)
    told = grown.repo.gc(context=grown.context(), dry_run=True)
    assert use.disk.loose > told.raw_bytes == 60_000
    assert use.disk.total == pytest.approx(bytes_on_disk(grown.root / ".mvc"), rel=0.01)


def test_unique_of_a_branch_is_what_a_collection_frees(grown: Bench) -> None:
    (mine,) = (row for row in use_of(grown).keepers if row.name == "try")
    before = bytes_of_records(grown.repo)
    grown.repo.delete_branch("try", force=True, context=grown.context())
    grown.repo.create_tag("later", context=grown.context())
    grown.repo.gc(context=grown.context(), keep_operations_us=0)
    assert before - bytes_of_records(grown.repo) == mine.unique > 300_000


@pytest.mark.parametrize("rev", ["v1", "v2", "v3"])
def test_unique_of_a_version_is_what_a_collection_frees(grown: Bench, rev: str) -> None:
    """A base that a later difference rests on is not the earlier version's alone."""
    grown.repo.delete_branch("try", force=True, context=grown.context())
    grown.repo.create_tag("later", context=grown.context())
    grown.repo.gc(context=grown.context(), keep_operations_us=0)
    id = grown.repo.resolve(rev)
    (row,) = (row for row in use_of(grown).versions if row.id == id)
    before = bytes_of_records(grown.repo)
    prune(grown.repo, rev)
    assert before - bytes_of_records(grown.repo) == row.unique > 0
    rest = use_of(grown)
    assert rest.absent > 0
    assert rest.disk.needed == bytes_of_records(grown.repo)


def test_the_series_has_differences_and_they_are_told(grown: Bench) -> None:
    forms = {form.form: form for form in use_of(grown).forms}
    assert forms["difference"].raw > 400_000
    assert forms["difference"].stored < forms["difference"].raw / 2


def test_paths_are_those_directly_below(grown: Bench) -> None:
    rows = {row.path: row for row in use_of(grown, ".").paths}
    assert rows.keys() == {"runs/", "same.pt", "data/", "params.yaml"}
    assert rows["same.pt"].size == 4 * 50_000, "of every version anew"
    assert 50_000 < rows["same.pt"].unique == rows["same.pt"].stored < 50_500
    assert rows["data/"].size == (1 + 2 + 3 + 3) * 50_000
    below = {row.path: row for row in use_of(grown, "runs").paths}
    assert below.keys() == {"runs/a/", "runs/b/"}
    assert sum(row.stored for row in below.values()) == rows["runs/"].stored
    (file,) = use_of(grown, "same.pt").paths
    assert file == rows["same.pt"]
    with pytest.raises(Failure, match="no version has a file at or below 'nowhere'"):
        use_of(grown, "nowhere")


def test_files_with_equal_content_are_nobodys_alone(bench: Bench) -> None:
    bench.save({"a/x.pt": noise(1), "b/x.pt": noise(1)})
    rows = {row.path: row for row in use_of(bench, ".").paths}
    assert [rows["a/"].stored > 50_000, rows["b/"].stored] == [True, 0]
    assert rows["a/"].unique == rows["b/"].unique == 0
    assert rows["a/"].size == rows["b/"].size == 50_000


def test_many_files_of_many_versions_count_each_time(bench: Bench) -> None:
    """Manifests of several levels: how often a node counts is handed down."""
    for number in range(3):
        bench.save({f"d{n % 7}/{n}.txt": f"{n} {number if n < 5 else 0}\n" for n in range(700)})
    use = use_of(bench, ".")
    assert sum(row.size for row in use.paths) == use.size == sum(v.size for v in use.versions)


def test_an_empty_repository(bench: Bench) -> None:
    use = use_of(bench, ".")
    assert (use.versions, use.paths, use.disk.needed, use.growth) == ((), (), 0, None)


def test_a_sample_stands_for_all(grown: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = use_of(grown)
    monkeypatch.setattr(owners, "SAMPLE_OBJECTS", 20)
    part = use_of(grown)
    assert (whole.sampled, part.sampled) == (False, True)
    by_form = {form.form: form for form in whole.forms}
    assert [f for f in part.forms if f.form == "difference"] == [by_form["difference"]]
    assert sum(f.stored for f in part.forms) == pytest.approx(whole.disk.needed, abs=10)


def test_each_list_is_opened_a_few_times_however_many_versions_have_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.save({f"data/{n:04}.txt": f"{n}\n" for n in range(400)})
    for number in range(20):
        bench.save({"data/0000.txt": f"again {number}\n"})
    objects = bench.repo.store.stats().objects
    opened = 0
    real = LmdbStore.get

    def get(store: LmdbStore, id: Digest) -> bytes:
        nonlocal opened
        opened += 1
        return real(store, id)

    monkeypatch.setattr(LmdbStore, "get", get)
    use_of(bench)
    assert opened < 4 * objects, "20 versions of 400 files each are 8,000 visits"


def test_memory_is_some_bytes_an_object(bench: Bench) -> None:
    bench.save({f"{n}.txt": f"{n}\n" for n in range(2000)})
    objects = owners.Objects(bench.repo.store)
    walk = owners.OwnerWalk(bench.repo.store, objects, 4)
    held = [v for v in vars(objects).values() if hasattr(v, "itemsize") or isinstance(v, bytearray)]
    held += [part for r in walk.rankings for part in (r.first, r.several)]
    assert len(objects) > 2000
    assert sum(map(sys.getsizeof, held)) < 80 * len(objects)


# -------------------------------------------------------------------- against a plain model


def closure(repo: Repository, id: VersionId) -> set[Digest]:
    """All content of a version, bases of differences included."""
    version = repo.version(id)
    found = set(reach([p.root for p in version.components.values() if p.root], repo.store.get_many))
    todo = list(found)
    while todo:
        base = repo.store.info(todo.pop()).base
        if base is not None and base not in found:
            found.add(base)
            todo.append(base)
    return found


Act = tuple[str, int]
ACTS = st.lists(
    st.tuples(st.sampled_from(["train", "data", "branch", "main", "back"]), st.integers(0, 3)),
    min_size=1,
    max_size=8,
)


@settings(max_examples=25, deadline=None)
@given(ACTS)
def test_against_sets_of_objects(acts: list[Act]) -> None:
    with in_memory() as directory, Bench(directory / "experiment") as bench:
        bench.save({"m.safetensors": weights(), "x.pt": noise(0, 9000)})
        steps: list[int] = []
        for count, (act, number) in enumerate(acts):
            match act:
                case "train":
                    steps.append(number)
                    bench.write({"m.safetensors": weights(*steps)})
                case "data":
                    bench.write(
                        {f"d/{number}.pt": noise(number, 9000), "x.pt": noise(number, 9000)}
                    )
                case "branch":
                    name = f"b{count}"
                    bench.repo.switch(name, create=True, context=bench.context())
                case "main":
                    bench.repo.switch("main", context=bench.context(), force=True)
                case "back":
                    bench.checkout(
                        f"HEAD~{number}" if number < bench.repo.head.number else "v1", force=True
                    )
            if bench.repo.head.branch and not bench.repo.status().clean:
                bench.commit()
        compare(bench)


def compare(bench: Bench) -> None:
    repo, use = bench.repo, use_of(bench)
    closures = {row.id: closure(repo, row.id) for row in use.versions}
    size = {id: info.record_size for id, info in repo.store.ids()}
    seen: set[Digest] = set()
    for row in use.versions:
        mine = closures[row.id]
        others = set().union(*(c for id, c in closures.items() if id != row.id))
        assert row.stored == sum(size[id] for id in mine - seen)
        assert row.unique == sum(size[id] for id in mine - others)
        assert row.size == sum(f.size for f in repo.ls(row.id.hex()))
        seen |= mine
    needed = seen | closures.keys()
    assert use.disk.needed == sum(size[id] for id in needed)
    assert use.disk.loose == sum(size.values()) - use.disk.needed
    starts: dict[str, set[Digest]] = {}
    for branch in repo.branches():
        starts[branch.name] = set()
        for version in ancestors(repo._core, [branch.version]):
            if version.generation:
                starts[branch.name] |= {version.id, *closures[version.id]}
    log = {row.id for row in use.versions} - set().union(*starts.values())
    starts[""] = set().union(log, *(closures[VersionId(id)] for id in log))
    for keeper in use.keepers:
        if keeper.kind in ("branch", "operations") and bench.repo.head.branch:
            others = set().union(*(c for name, c in starts.items() if name != keeper.name))
            assert keeper.unique == sum(size[id] for id in starts[keeper.name] - others), keeper
    assert sum(row.stored for row in use.keepers) == use.disk.needed
    parts = {
        part.component: set().union(
            *(
                closure_of_root(repo, root)
                for id in closures
                if (root := repo.version(id).components[part.component].root) is not None
            )
        )
        for part in use.components
    }
    for part in use.components:
        others = set().union(*(c for name, c in parts.items() if name != part.component))
        assert part.unique == sum(size[id] for id in parts[part.component] - others)


def closure_of_root(repo: Repository, root: Digest) -> set[Digest]:
    found = set(reach([root], repo.store.get_many))
    for id in list(found):
        base = repo.store.info(id).base
        while base is not None and base not in found:
            found.add(base)
            base = repo.store.info(base).base
    return found


# -------------------------------------------------------------------- growth


def version(day: float, stored: int) -> VersionUse:
    return VersionUse(VersionId(bytes(32)), 1, round(day * DAY_US), 0, "", "main", 1, 0, stored, 0)


def test_growth_is_that_of_the_last_week() -> None:
    old = [version(day, 1_000_000) for day in range(90)]
    new = [version(93 + day, 70) for day in range(7)]
    found = growth([*new, *old], now_us=100 * DAY_US, free=7000)
    assert found is not None
    assert (found.versions, found.days, found.stored) == (6, 7, 420), (
        "of more than a week ago: none"
    )
    assert found.per_day == pytest.approx(60)
    assert found.days_left == pytest.approx(7000 / 60)


def test_the_first_version_is_no_growth() -> None:
    found = growth(
        [version(0, 10**9), *(version(d / 4, 10) for d in (1, 2, 3))], now_us=DAY_US, free=60
    )
    assert found is not None
    assert (found.versions, found.stored, found.days, found.days_left) == (3, 30, 1, 2)


def test_too_little_history_tells_nothing() -> None:
    some = [version(d, 10) for d in (0, 1, 2, 3)]
    assert growth(some, now_us=3 * DAY_US, free=1) is not None
    assert growth(some[:3], now_us=3 * DAY_US, free=1) is None, "two came after the first"
    hour = [version(d / 100, 10) for d in (0, 1, 2, 3)]
    assert growth(hour, now_us=DAY_US // 30, free=1) is None
    assert growth(some, now_us=9 * DAY_US + 1, free=1) is None, "all but one are older than a week"
    assert growth([], now_us=0, free=1) is None
    late = [version(d, 10) for d in (0, 8, 9, 10)]
    assert growth(late, now_us=DAY_US, free=1) is None, "clocks of others may be ahead"


def test_what_grows_by_nothing_never_fills_the_disk() -> None:
    found = growth([version(d, 0) for d in (0, 1, 2, 3)], now_us=3 * DAY_US, free=1)
    assert found is not None and found.days_left is None


def test_components_have_their_own(grown: Bench) -> None:
    rows = {row.component: row for row in use_of(grown).components}
    assert rows[Component.ARCHITECTURE].stored == 0
    assert rows[Component.HYPERPARAMETERS].size == 4 * len("lr: 0.0\n")
    assert rows[Component.WEIGHTS].unique > 300_000
