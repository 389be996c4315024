"""A rename is one in status: by inode, size and time of what is gone, and never a guess among several."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from mvc import Repo
from mvcd.repo.intake.ingest import Ingest
from mvcd.repo.intake.loading import Source
from mvcd.repo.records.results import PathRename, Status
from tests.support.commandline import AUTHOR
from tests.support.workspace import Bench

FILES = {
    "data/a.csv": "x\n1\n",
    "data/b.csv": "x\n22\n",
    "model.bin": "weights",
    "lr.yaml": "lr: 1\n",
}


@pytest.fixture
def files(bench: Bench) -> Bench:
    bench.save(FILES)
    return bench


def told(status: Status) -> dict[str, list[str]]:
    found = {
        kind: [change.path for change in getattr(status, kind)]
        for kind in ("added", "modified", "deleted")
    }
    found["renamed"] = [f"{one.old} -> {one.new}" for one in status.renamed]
    return {kind: paths for kind, paths in found.items() if paths}


def test_a_file_and_a_directory_under_another_name(files: Bench) -> None:
    root = Path(files.repo.root)
    (root / "model.bin").rename(root / "best.bin")
    (root / "data").rename(root / "tables")
    for _ in range(2):  # it stays so
        status = files.repo.status()
        assert told(status) == {
            "renamed": [
                "data/a.csv -> tables/a.csv", "data/b.csv -> tables/b.csv", "model.bin -> best.bin",
            ]
        }  # fmt: skip
        assert not status.clean
    assert {type(one) for one in status.renamed} == {PathRename}


def test_it_stays_so_beside_files_that_are_read(files: Bench) -> None:
    """A file of equal size and another time is read, and found to be as it was; that is not written down, since
    the row would say no more how the renamed file was."""
    root = Path(files.repo.root)
    (root / "model.bin").rename(root / "best.bin")
    os.utime(root / "lr.yaml", ns=(1, 1))
    for _ in range(3):
        assert told(files.repo.status()) == {"renamed": ["model.bin -> best.bin"]}


def test_the_renamed_file_is_not_read(files: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(files.repo.root)
    (root / "lr.yaml").rename(root / "rate.yaml")
    os.utime(root / "model.bin", ns=(1, 1))
    read: set[str] = set()

    class Noting(Ingest):
        def run(self, sources: Iterable[Source], *rest: Any, **more: Any) -> Any:
            known = list(sources)
            read.update(source.path for source in known)
            return super().run(known, *rest, **more)

    monkeypatch.setattr("mvcd.repo.intake.ingest.Ingest", Noting)
    assert told(files.repo.status()) == {"renamed": ["lr.yaml -> rate.yaml"]}
    assert "model.bin" in read
    assert "rate.yaml" not in read


def test_what_was_changed_too_is_no_rename(files: Bench) -> None:
    root = Path(files.repo.root)
    (root / "model.bin").rename(root / "best.bin")
    (root / "best.bin").write_text("WEIGHTS")
    os.utime(root / "best.bin", ns=(1, 1))
    assert told(files.repo.status()) == {"added": ["best.bin"], "deleted": ["model.bin"]}


def test_a_copy_is_no_rename(files: Bench) -> None:
    root = Path(files.repo.root)
    (root / "copy.bin").write_bytes((root / "model.bin").read_bytes())
    assert told(files.repo.status()) == {"added": ["copy.bin"]}
    stat = (root / "model.bin").stat()
    os.utime(root / "copy.bin", ns=(stat.st_atime_ns, stat.st_mtime_ns))  # cp -p
    (root / "model.bin").unlink()
    assert told(files.repo.status()) == {"added": ["copy.bin"], "deleted": ["model.bin"]}


def test_hard_links_are_no_renames(files: Bench) -> None:
    root = Path(files.repo.root)
    os.link(root / "model.bin", root / "one.bin")
    os.link(root / "model.bin", root / "two.bin")
    (root / "model.bin").unlink()
    assert told(files.repo.status()) == {"added": ["one.bin", "two.bin"], "deleted": ["model.bin"]}
    files.save({})  # now one.bin and two.bin are one file
    (root / "one.bin").rename(root / "three.bin")
    assert told(files.repo.status()) == {"added": ["three.bin"], "deleted": ["one.bin"]}


def test_back_again_is_clean(files: Bench) -> None:
    root = Path(files.repo.root)
    (root / "model.bin").rename(root / "best.bin")
    files.repo.status()
    (root / "best.bin").rename(root / "model.bin")
    assert told(files.repo.status()) == {}


def test_names_that_were_swapped_are_changes(files: Bench) -> None:
    root = Path(files.repo.root)
    (root / "data" / "a.csv").rename(root / "spare")
    (root / "data" / "b.csv").rename(root / "data" / "a.csv")
    (root / "spare").rename(root / "data" / "b.csv")
    assert told(files.repo.status()) == {"modified": ["data/a.csv", "data/b.csv"]}


def test_the_public_result(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text\n")
    repo = Repo.init(tmp_path, author=AUTHOR)
    repo.add(".")
    repo.commit("first")
    (tmp_path / "a.txt").rename(tmp_path / "b.txt")
    status = repo.status()
    assert [(one.old, one.new) for one in status.renamed] == [("a.txt", "b.txt")]
    assert not (status.added or status.deleted or status.clean)
    repo.close()
