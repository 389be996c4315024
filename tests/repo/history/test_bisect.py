"""Bisection: the right version, in few steps, over processes, and never over unsaved work."""

from __future__ import annotations

from pathlib import Path

import pytest

from mvcd.errors import Conflict, Failure
from mvcd.repo.history.bisect import Bisection
from mvcd.repo.records.pruned import Pruning, encode, name_of
from mvcd.store.api import RefUpdate
from tests.support.pruning import prune
from tests.support.workspace import Bench


@pytest.fixture
def line(bench: Bench) -> Bench:
    """v1..v12; state.txt says what was wrong from v8 on."""
    for number in range(1, 13):
        files: dict[str, bytes | str] = {
            "state.txt": "bad" if number >= 8 else "good",
            "n": str(number),
        }
        if number not in (3, 7):
            files["metrics.json"] = '{"acc": %s}' % (0.95 if number < 8 or number == 10 else 0.5)
        else:
            files["metrics.json"] = "{}"
        bench.save(files, f"run {number}")
    return bench


def answer(bench: Bench) -> str:
    return (bench.root / "state.txt").read_text()


def mark(bench: Bench, word: str, *revs: str) -> Bisection:
    return bench.repo.bisect_mark(word, revs, context=bench.context())


def test_the_first_bad_version_is_found_in_log_steps(line: Bench) -> None:
    stand = line.repo.bisect_start("HEAD", ["v1"], context=line.context())
    steps = 0
    while stand.first_bad is None:
        assert stand.testing is not None
        assert line.repo.head.version == stand.testing.id
        stand = mark(line, answer(line))
        steps += 1
    assert (stand.first_bad.version.message, steps <= 4) == ("run 8", True)
    assert line.repo.bisect_reset(context=line.context()).start == "main"
    assert (line.repo.head.branch, answer(line)) == ("main", "bad")
    with pytest.raises(Failure, match="no bisection"):
        line.repo.bisect_status()


def test_it_survives_the_process_and_skips(line: Bench) -> None:
    line.repo.bisect_start(None, [], context=line.context())
    assert line.repo.bisect_status().state.bad is None
    mark(line, "bad", "HEAD")
    stand = mark(line, "good", "v2")
    while stand.testing is not None:
        line.reopen()
        number = stand.testing.version.generation
        stand = mark(line, "skip" if number in (7, 8) else answer(line))
    assert stand.first_bad is None
    assert sorted(s.version.generation for s in stand.suspects) == [7, 8, 9]
    assert stand.state.log[0].startswith("bad ")


def test_unsaved_work_stops_it_and_nothing_is_lost(line: Bench) -> None:
    line.write({"state.txt": "mine"})
    with pytest.raises(Conflict, match="unsaved work") as caught:
        line.repo.bisect_start("HEAD", ["v1"], context=line.context())
    assert answer(line) == "mine"
    assert (caught.value.help or "").startswith("mvc restore HEAD")
    with pytest.raises(Failure, match="no bisection"):
        line.repo.bisect_status()


def test_what_contradicts_itself_is_refused(line: Bench) -> None:
    with pytest.raises(Failure, match=r"not before bad"):
        line.repo.bisect_start("v3", ["v5"], context=line.context())
    with pytest.raises(Failure, match="as bad and as good"):
        line.repo.bisect_start("HEAD", ["v12"], context=line.context())
    line.repo.bisect_start("HEAD", [], context=line.context())
    with pytest.raises(Failure, match="under way"):
        line.repo.bisect_start("HEAD", [], context=line.context())


def test_a_damaged_file_is_named(line: Bench) -> None:
    (line.root / ".mvc" / "bisect.json").write_text('{"start": "main"}')
    with pytest.raises(Failure, match=r"bisect\.json is damaged"):
        line.repo.bisect_status()


def test_a_merge_is_halved_too(line: Bench, tmp_path: Path) -> None:
    """Counting ancestors by sets gives the same as by sums, on a line; on a diamond it finds the side."""
    from mvcd.objects.glance import Glance
    from mvcd.objects.version import Version
    from mvcd.repo.history.bisect import _counts

    made: list[Glance] = []

    def version(message: str, *parents: Glance) -> Glance:
        generation = 1 + max((p.generation for p in parents), default=0)
        data = Version(
            parents=tuple(p.id for p in parents), generation=generation, message=message
        ).encode()
        made.insert(0, Glance(Version.decode(data).id, data))
        return made[0]

    root = version("root")
    left, right = version("left", root), version("right", root)
    version("both", left, right)
    assert sorted(count for _, count in _counts(made)) == [1, 2, 2, 4]


def test_where_a_metric_turned(line: Bench) -> None:
    found = line.repo.bisect_metric("acc < 0.9")
    assert found.first is not None
    assert found.before is not None
    assert (found.first.version.generation, found.before.version.generation) == (8, 6)
    assert (found.unknown, found.later, found.asked) == (1, 1, 10)
    never = line.repo.bisect_metric("acc < 0.1", good="v2")
    assert (never.first, never.asked) == (None, 9)
    late = line.repo.bisect_metric("acc < 0.9", good="v9", bad="v10")
    assert (late.before, late.first and late.first.version.generation) == (None, 9)
    with pytest.raises(Failure, match="not on the line"):
        line.repo.bisect_metric("acc < 0.9", good="v12", bad="v3")


def test_versions_that_were_pruned_are_not_tried(line: Bench) -> None:
    ids = [line.repo.resolve(f"v{number}") for number in (4, 5, 6, 7)]
    (value,) = encode(dict.fromkeys(ids, Pruning(1, 2, "keep_last 1")))
    line.repo.store.update_refs([RefUpdate(name_of(value), None, value)])
    for number in (5, 6):
        prune(line.repo, f"v{number}")
    stand = line.repo.bisect_start("HEAD", ["v1"], context=line.context())
    tried = []
    while stand.testing is not None:
        tried.append(stand.testing.version.generation)
        stand = mark(line, answer(line))
    assert stand.first_bad is not None and stand.first_bad.version.message == "run 8"
    assert not {5, 6} & set(tried)
    assert 7 in tried, "its content is here"
