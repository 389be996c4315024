"""Versions that are made without a workspace: against a plain dict, by many at once, through deaths."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mvcd.errors import Conflict, Failure, UsageError
from mvcd.ids import VersionId
from mvcd.objects.version import Component, Trigger
from mvcd.repo.change.edits import Content, Copied
from mvcd.repo.change.outside import WriteOptions, write
from mvcd.repo.core.core import Core, open_at
from mvcd.repo.records.refs import EMPTY_ID
from mvcd.repo.records.results import CommitResult, Context
from mvcd.store.lmdb_store import LmdbStore
from tests.support.engine import Repository
from tests.support.workspace import Bench
from tests.wire.hosts import core_of

ADA = Context("Ada <ada@example.org>", time_us=1_000_000)


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Repository]:
    LmdbStore.create(tmp_path / "bare").close()
    with Repository(open_at(str(tmp_path / "bare"))) as repository:
        yield repository


def put(
    core: Core,
    files: Mapping[str, Content],
    message: str = "m",
    *,
    branch: str = "main",
    expect: VersionId | None = None,
    whole: bool = False,
    **how: object,
) -> CommitResult:
    written = WriteOptions(message, ADA, **how)  # type: ignore[arg-type]
    return write(core, branch, files, written, expect=expect, whole=whole)


def held(repository: Repository, rev: str = "main") -> dict[str, bytes]:
    return {row.path: repository.read(row.path, rev) for row in repository.ls(rev)}


# ---------------------------------------------------------------- a plain dict

NAMES = ("a", "b", "c.txt", "d.bin")
PATHS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map("/".join)
BYTES = st.one_of(
    st.binary(max_size=200),
    st.integers(0, 9).map(lambda n: random.Random(n).randbytes(150_000)),
)
EDIT = st.one_of(
    st.tuples(st.just("put"), PATHS, BYTES),
    st.tuples(st.just("remove"), PATHS, st.none()),
    st.tuples(st.just("copy"), PATHS, PATHS),
)


def below(files: Mapping[str, bytes], path: str) -> dict[str, bytes]:
    return {p: data for p, data in files.items() if p == path or p.startswith(path + "/")}


def edited(
    files: dict[str, bytes], edits: Mapping[str, tuple[str, object]], *, whole: bool
) -> dict[str, bytes] | None:
    """None for what has to be refused."""
    new: dict[str, bytes] = {}
    gone: set[str] = set()
    for path, (kind, what) in edits.items():
        if kind == "put":
            assert isinstance(what, bytes)
            new[path] = what
        elif kind == "remove":
            there = below({} if whole else files, path)
            if not there:
                return None
            gone |= there.keys()
        else:
            assert isinstance(what, str)
            found = below(files, what)
            if not found:
                return None
            new |= {path + p[len(what) :]: data for p, data in found.items()}
    kept = {p: d for p, d in files.items() if p not in gone and not whole}
    result = kept | new
    clash = any(p.startswith(q + "/") for p in result for q in result)
    return None if clash else result


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.lists(EDIT, min_size=1, max_size=5), st.booleans()), max_size=6))
def test_a_branch_is_a_dict(
    tmp_path_factory: pytest.TempPathFactory,
    history: list[tuple[list[tuple[str, str, object]], bool]],
) -> None:
    place = tmp_path_factory.mktemp("dict") / "bare"
    LmdbStore.create(place).close()
    files: dict[str, bytes] = {}
    with Repository(open_at(str(place))) as repository:
        core = core_of(repository)
        for edits, whole in history:
            chosen = {path: (kind, what) for kind, path, what in edits}
            tip = core.store.ref("heads/main")
            id = EMPTY_ID if tip is None else VersionId(tip)
            changes: dict[str, Content] = {
                path: Copied(id, what) if kind == "copy" else what  # type: ignore[misc, arg-type]
                for path, (kind, what) in chosen.items()
            }
            expected = edited(files, chosen, whole=whole)
            try:
                put(core, changes, whole=whole, allow_empty=True)
            except (Failure, UsageError):
                assert expected is None
                assert core.store.ref("heads/main") == tip
                continue
            assert expected is not None
            files = expected
            assert held(repository) == files
        assert list(core.store.check()) == []


# ---------------------------------------------------------------- what a version says

EXPERIMENT: dict[str, Content] = {
    "model/net.py": b"class Net: ...\n",
    "model/weights.bin": random.Random(1).randbytes(300_000),
    "params.yaml": b"lr: 1e-3\n",
    "data/train.csv": b"a,b\n1,2\n" * 50,
    "metrics.json": b'{"acc": 0.91}',
}


def test_it_is_the_version_that_a_workspace_makes(bare: Repository, bench: Bench) -> None:
    bench.save({path: data for path, data in EXPERIMENT.items() if isinstance(data, bytes)})
    made = bare.version(put(core_of(bare), EXPERIMENT).version)
    saved = bench.repo.version(bench.repo.resolve("main"))
    assert made.components == saved.components
    assert (made.hyperparameters, made.metrics) == (saved.hyperparameters, saved.metrics)
    assert made.tracked == saved.tracked == (".",)
    assert {c: r.files for c, r in made.components.items()} == dict.fromkeys(Component, 1)


def test_files_and_directories_on_disk(bare: Repository, tmp_path: Path) -> None:
    source = tmp_path / "run"
    (source / ".git").mkdir(parents=True)
    (source / ".git" / "config").write_text("x")
    (source / "deep" / "er").mkdir(parents=True)
    big = random.Random(2).randbytes(3 << 20)
    (source / "deep" / "er" / "big.bin").write_bytes(big)
    (source / "run.sh").write_text("true")
    (source / "run.sh").chmod(0o755)
    (source / "link").symlink_to("run.sh")
    (tmp_path / "alias").symlink_to(source / "run.sh")
    os.mkfifo(source / "pipe")
    core = core_of(bare)
    done = put(core, {"r": str(source), "one.sh": str(tmp_path / "alias")})
    assert dict(done.skipped).keys() == {"r/.git/config", "r/pipe"}
    assert held(bare) == {
        "r/deep/er/big.bin": big, "r/run.sh": b"true", "r/link": b"run.sh", "one.sh": b"true",
    }  # fmt: skip
    with pytest.raises(Failure, match="no file and no directory"):
        put(core, {"x": str(source / "pipe")})
    modes = {row.path: row.mode for row in bare.ls("main")}
    assert modes["r/link"] == "symlink"
    assert modes["r/run.sh"] == modes["one.sh"] == "executable"


def test_of_two_changes_to_a_path_the_later_one_counts(bare: Repository, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "x").write_bytes(b"on disk")
    core, disk = core_of(bare), str(tmp_path / "d")
    first = put(core, {"d": disk, "d/x": b"held"})
    assert held(bare) == {"d/x": b"held"}
    put(core, {"d/x": b"held again", "d": disk})
    assert held(bare) == {"d/x": b"on disk"}
    put(core, {"d/x": b"once more", "d": Copied(first.version, "d")})
    assert held(bare) == {"d/x": b"held"}
    put(core, {"d": Copied(first.version, "d"), "d/x": disk + "/x"})
    assert held(bare) == {"d/x": b"on disk"}


def test_a_copy_reads_nothing(bare: Repository) -> None:
    core = core_of(bare)
    first = put(core, EXPERIMENT)
    done = put(core, {"kept": Copied(first.version, "model")})
    assert done.bytes_new == 0
    assert held(bare)["kept/weights.bin"] == EXPERIMENT["model/weights.bin"]
    with pytest.raises(Failure, match="nothing/here"):
        put(core, {"x": Copied(first.version, "nothing/here")})


def test_rules_of_the_version_sort_its_files(bare: Repository) -> None:
    core = core_of(bare)
    put(core, {"x.dat": b"1", "mvc.toml": b'[components]\nweights = ["*.dat"]\n'})
    weights = {row.path for row in bare.ls("main", component=Component.WEIGHTS)}
    assert weights == {"x.dat"}
    put(core, {"y.dat": b"2"})
    assert {r.path for r in bare.ls("main", component=Component.WEIGHTS)} == {"x.dat", "y.dat"}
    put(core, {"mvc.toml": None})
    assert not list(bare.ls("main", component=Component.WEIGHTS))
    with pytest.raises(Failure) as caught:
        put(core, {"mvc.toml": b"no toml"})
    assert caught.value.kind == "bad-config"


def test_what_it_says_of_itself(bare: Repository) -> None:
    core = core_of(bare)
    made = Context("Bob <bob@example.org>", time_us=5, utc_offset_minutes=60, git_commit="ab" * 20)
    first = put(core, {"a": b"1"}, made=made, trigger=Trigger.IMPORT)
    side = put(core, {"b": b"2"}, branch="side", parents=[first.version])
    merged = put(core, {"b": b"2"}, parents=[first.version, side.version], trigger=Trigger.MERGE)
    version = bare.version(first.version)
    assert (version.author, version.time_us, version.trigger) == (made.author, 5, Trigger.IMPORT)
    assert version.provenance.git_commit == made.git_commit
    assert bare.version(merged.version).parents == (first.version, side.version)
    assert merged.number == 3
    assert [op.author for op in bare.operations()] == [ADA.author] * 3
    with pytest.raises(Conflict, match="none of the parents comes"):
        put(core, {"c": b"3"}, parents=[first.version])
    ahead = put(core, {"d": b"4"}, branch="side", parents=[merged.version])
    assert bare.version(ahead.version).parents == (merged.version,), "side moved forward"


def test_what_is_tracked_covers_what_was_written(bench: Bench) -> None:
    bench.write({"data/x.csv": "1\n", "notes.txt": "n"})
    bench.add("data")
    bench.commit()
    core = core_of(bench.repo)
    head = bench.repo.resolve("main")
    done = put(core, {"out/m.bin": b"m", "data/y.csv": b"2"}, branch="b", parents=[head])
    assert bench.repo.version(done.version).tracked == ("data", "out")


# ---------------------------------------------------------------- refusals


def test_a_branch_that_is_checked_out_is_refused(bench: Bench) -> None:
    bench.save({"a": "1"})
    core = core_of(bench.repo)
    with pytest.raises(Conflict) as caught:
        put(core, {"a": b"2"})
    assert caught.value.kind == "checked-out"
    put(core, {"a": b"2"}, branch="other")
    assert held(bench.repo, "other") == {"a": b"2"}
    assert bench.repo.status().clean


def test_only_from_the_version_that_is_expected(bare: Repository) -> None:
    core = core_of(bare)
    first = put(core, {"a": b"1"}, expect=EMPTY_ID)
    put(core, {"a": b"2"}, expect=first.version)
    for stale in (EMPTY_ID, first.version):
        with pytest.raises(Conflict) as caught:
            put(core, {"a": b"3"}, expect=stale)
        assert caught.value.kind == "ref-changed"
    with pytest.raises(Failure) as failed:
        put(core, {"a": b"2"})
    assert failed.value.kind == "nothing-to-commit"
    assert held(bare) == {"a": b"2"}


@pytest.mark.parametrize(
    "path", ["", "/a", "a/", "a//b", "../a", "a/..", ".mvc/x", "a/.git/x", "x\0"]
)
def test_paths_that_no_version_may_have(bare: Repository, path: str) -> None:
    with pytest.raises(UsageError):
        put(core_of(bare), {path: b""})
    assert core_of(bare).store.refs() == {}


def test_many_new_paths_do_not_hide_a_clash(bare: Repository) -> None:
    core = core_of(bare)
    put(core, {"taken/file": b"1"})
    with pytest.raises(UsageError, match="taken cannot be"):
        put(core, {f"n{n}": b"" for n in range(600)} | {"taken": b"2"})


# ---------------------------------------------------------------- many writers, and deaths

WRITER = """
import sys
from mvcd.repo.change.outside import WriteOptions, write
from mvcd.repo.core.core import open_at
from mvcd.repo.records.results import Context
place, who, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
with open_at(place) as core:
    for n in range(count):
        context = Context(who, time_us=n)
        write(core, "main", {f"{who}/{n}": f"{who} {n}".encode() * 40}, WriteOptions(f"{who} {n}", context))
        print(n, flush=True)
"""


def writer(place: str, who: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, place, who, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_none_of_many_writers_is_lost(bare: Repository) -> None:
    writers = [writer(bare.root, f"w{n}", 12) for n in range(6)]
    assert [one.wait() for one in writers] == [0] * 6
    for one in writers:
        assert one.stdout is not None
        one.stdout.close()
    expected = {f"w{w}/{n}": f"w{w} {n}".encode() * 40 for w in range(6) for n in range(12)}
    assert held(bare) == expected
    assert bare.show("main").version.generation == 72


def test_what_was_acknowledged_survives_a_kill(bare: Repository) -> None:
    rng = random.Random(5)
    acknowledged: dict[str, bytes] = {}
    for round in range(6):
        with writer(bare.root, f"r{round}", 1000) as one:
            assert one.stdout is not None
            for _, line in zip(range(rng.randrange(1, 12)), one.stdout, strict=False):
                n = int(line)
                acknowledged[f"r{round}/{n}"] = f"r{round} {n}".encode() * 40
            one.send_signal(signal.SIGKILL)
            with contextlib.suppress(ValueError):
                for line in one.stdout:
                    acknowledged[f"r{round}/{int(line)}"] = f"r{round} {int(line)}".encode() * 40
    assert acknowledged.items() <= held(bare).items()
    assert list(core_of(bare).store.check()) == []
    assert bare.verify().ok
