"""Saving: what a commit stores, counts, and refuses."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from mvcd.errors import Failure, UsageError
from mvcd.objects.version import Component, Trigger
from tests.support.workspace import Bench

EXPERIMENT: dict[str, bytes | str] = {
    "model.py": "class Net: ...\n",
    "model.pkl": bytes(range(256)) * 400,
    "params.yaml": "lr: 1e-3\nlayers: [64, 32]\n",
    "data/train.csv": "a,b\n1,2\n" * 50,
    "metrics.json": '{"val": {"acc": 0.91}}',
}


def test_a_version_has_five_parts_and_their_values(bench: Bench) -> None:
    result = bench.save(EXPERIMENT, "first")
    version = bench.repo.version(result.version)
    assert (result.number, result.branch, result.files) == (1, "main", 5)
    assert {c: r.files for c, r in version.components.items()} == dict.fromkeys(Component, 1)
    assert version.hyperparameters == {"lr": 1e-3, "layers.0": 64, "layers.1": 32}
    assert version.metrics == {"val.acc": 0.91}
    assert version.trigger is Trigger.MANUAL
    assert version.parents == ()
    assert version.tracked == (".",)


def test_counts_tell_new_from_reused_bytes(bench: Bench) -> None:
    first = bench.save(EXPERIMENT)
    total = sum(len(c if isinstance(c, bytes) else c.encode()) for c in EXPERIMENT.values())
    assert first.bytes_total == first.bytes_changed == total
    small = sum(len(c) for c in EXPERIMENT.values() if len(c) <= 128)
    assert first.bytes_new == total - small  # up to 128 bytes rest in the recipe, not in a chunk
    copy = bench.save({"copy.pkl": EXPERIMENT["model.pkl"]})
    assert copy.bytes_changed == len(EXPERIMENT["model.pkl"])
    assert copy.bytes_new == 0
    assert {c for c, part in copy.components.items() if part.changed} == {Component.WEIGHTS}


def test_nothing_to_commit_is_a_failure_that_leaves_no_trace(bench: Bench) -> None:
    bench.save(EXPERIMENT)
    before = list(bench.repo.operations())
    with pytest.raises(Failure) as caught:
        bench.commit()
    assert caught.value.kind == "nothing-to-commit"
    assert list(bench.repo.operations()) == before
    assert bench.commit(allow_empty=True).number == 2


def test_nothing_tracked_says_how_to_track(bench: Bench) -> None:
    bench.write(EXPERIMENT)
    with pytest.raises(Failure) as caught:
        bench.commit()
    assert caught.value.kind == "nothing-tracked"
    assert "mvc add" in (caught.value.help or "")


def test_only_tracked_paths_are_saved(bench: Bench) -> None:
    bench.write(EXPERIMENT)
    assert bench.add("model.pkl", "data") == ("data", "model.pkl")
    bench.commit()
    assert {row.path for row in bench.repo.ls()} == {"model.pkl", "data/train.csv"}
    assert bench.repo.status().untracked == ("metrics.json", "model.py", "params.yaml")


def test_untracking_drops_from_the_next_version_and_keeps_the_file(bench: Bench) -> None:
    bench.write(EXPERIMENT)
    bench.add("model.pkl", "data")
    bench.commit()
    bench.repo.untrack([bench.path("data")], context=bench.context())
    assert [c.path for c in bench.repo.status().deleted] == ["data/train.csv"]
    bench.commit()
    assert {row.path for row in bench.repo.ls()} == {"model.pkl"}
    assert "data/train.csv" in bench.files()
    assert bench.repo.read("data/train.csv", "v1") == EXPERIMENT["data/train.csv"].encode()  # type: ignore[union-attr]


@pytest.mark.parametrize("path", ["../elsewhere", "/etc/passwd"])
def test_paths_outside_are_refused(bench: Bench, path: str) -> None:
    with pytest.raises(UsageError):
        bench.repo.add(
            [path if path.startswith("/") else bench.path(path)], context=bench.context()
        )


def test_symlinks_and_modes_are_recorded(bench: Bench) -> None:
    bench.write({"run.sh": "#!/bin/sh\n", "a/target": "x"})
    os.chmod(bench.path("run.sh"), 0o755)
    os.symlink("a/target", bench.path("link"))
    bench.add()
    bench.commit()
    assert {row.path: row.mode for row in bench.repo.ls()} == {
        "run.sh": "executable", "a/target": "file", "link": "symlink",
    }  # fmt: skip


def test_what_cannot_be_stored_is_skipped_with_a_reason(bench: Bench) -> None:
    bench.write({"good": "x"})
    os.symlink("/etc/passwd", bench.path("absolute"))
    os.symlink("../outside", bench.path("escaping"))
    os.mkfifo(bench.path("pipe"))
    with open(os.fsencode(bench.path("bad-")) + b"\xff", "wb"):
        pass
    bench.add()
    result = bench.commit()
    assert result.files == 3
    assert {path for path, _ in result.skipped} == {"pipe", "bad-\\xff"}
    assert all(reason for _, reason in result.skipped)
    assert result.leading_out == (("absolute", "/etc/passwd"), ("escaping", "../outside"))


def test_a_file_that_never_holds_still_is_reported_not_stored_torn(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.save({"big": b"\0" * (3 << 20)})
    real = os.readv

    def read_and_disturb(fd: int, views: list[memoryview]) -> int:
        with open(bench.path("big"), "ab") as file:
            file.write(b"x")
        return real(fd, views)

    monkeypatch.setattr(os, "readv", read_and_disturb)
    bench.write({"big": b"\1" * (3 << 20)})
    with pytest.raises(Failure) as caught:
        bench.commit()
    assert caught.value.kind == "unstable-file"
    monkeypatch.undo()
    assert bench.repo.read("big") == b"\0" * (3 << 20)


def test_saving_from_an_old_version_starts_a_branch(bench: Bench) -> None:
    bench.save({"a": "1"})
    bench.save({"a": "2"})
    bench.checkout("v1")
    for expected in ("from-v1", "from-v1-2"):
        bench.checkout("v1") if expected != "from-v1" else None
        result = bench.save({"a": expected})
        assert (result.branch, result.started_branch, result.number) == (expected, True, 2)
        bench.checkout("main~1")
    assert bench.repo.read("a", "main") == b"2"


def test_component_rules_of_the_workspace_move_files(bench: Bench) -> None:
    bench.save({"shots/a.dat": "x" * 200})
    assert [row.component for row in bench.repo.ls()] == [Component.DATA]
    bench.save({"mvc.toml": '[components]\nweights = ["shots/**"]\n'})
    by_path = {row.path: row.component for row in bench.repo.ls()}
    assert by_path["shots/a.dat"] is Component.WEIGHTS
    assert bench.repo.status().clean


def test_two_writers_of_one_workspace_take_turns(bench: Bench, tmp_path: Path) -> None:
    bench.save({"a": "0"})
    errors: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for number in range(5):
                with bench.repo.lock.hold():
                    bench.write({name: f"{number}"})
                    bench.commit(f"{name} {number}")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(f"file-{n}",)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert [h.version.generation for h in bench.repo.history()] == list(range(16, 0, -1))


def test_it_is_told_at_the_commit_that_brings_it_and_saved(bench: Bench) -> None:
    made = bench.save({".env": "TOKEN=1", "mlruns/0/meta.yaml": "x: 1\n", "a": "1"})
    assert [path for path, _ in made.dubious] == [".env", "mlruns/"]
    assert made.files == 3
    bench.write({".env": "TOKEN=2", "mlruns/0/more.yaml": "x: 1\n"})
    assert bench.commit().dubious == ()
