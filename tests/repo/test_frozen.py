"""Repositories that earlier versions wrote (tests/vectors/repos), opened, read and worked in by this one."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mvcd.errors import MvcError
from mvcd.objects.version import Component
from mvcd.repo.records.results import Context
from mvcd.repo.share.pushing import Asked
from mvcd.repo.trust.judging import signature_status, tag_signature_status
from mvcd.repo.trust.signatures import SignatureState
from mvcd.store.lmdb_store import LmdbStore
from tests.repo.keys import trust
from tests.support.engine import Repository
from tests.vectors.repos.make import codecs, described

FROZEN = Path(__file__).parents[1] / "vectors" / "repos"
NAMES = sorted(path.stem for path in FROZEN.glob("*.json"))
CONTEXT = Context("Grace", time_us=2_000_000_000_000_000)

Thaw = Callable[[str], Path]


@pytest.fixture
def thaw(scratch: Path) -> Thaw:
    """Unpacks an archive and answers where."""

    def unpack(name: str) -> Path:
        with tarfile.open(FROZEN / f"{name}.tar.xz") as archive:
            archive.extractall(scratch, filter="data")
        return scratch

    return unpack


def written(name: str) -> dict[str, Any]:
    return dict(json.loads((FROZEN / f"{name}.json").read_text()))


def test_there_is_one_of_each_format() -> None:
    assert NAMES == ["v1"]


@pytest.mark.parametrize("name", NAMES)
def test_all_that_was_written_is_read(name: str, thaw: Thaw) -> None:
    """History, content of every version, tags, stages, the log of operations."""
    work, told = thaw(name) / "work", written(name)
    signer = told.pop("signer")
    assert codecs(work) == told.pop("codecs")
    assert described(work) == told
    with Repository.open(str(work)) as repo:
        report = repo.verify()
        assert report.ok
        assert report.versions == len(told["versions"])
        assert repo.stage_check("production").problems == ()
        (status,) = signature_status(repo.store, repo.resolve("signed"), trust(signer))
        assert (status.state, status.principal) == (SignatureState.GOOD, "ada@example.org")
        (status,) = tag_signature_status(repo._core.store, "signed", trust(signer))
        assert status.state is SignatureState.GOOD
        assert [change.path for change in repo.status().added] == ["notes.txt"]


@pytest.mark.parametrize("name", NAMES)
def test_it_is_worked_in(name: str, thaw: Thaw, scratch: Path) -> None:
    """Each version is checked out; a commit, an undo, a collection and a push go on from what is there."""
    work, told = thaw(name) / "work", written(name)
    with Repository.open(str(work)) as repo:
        for id, version in told["versions"].items():
            repo.checkout(id, context=CONTEXT, force=True)
            for path, (mode, _) in version["files"].items():
                place = work / path
                assert place.is_symlink() == (mode == "symlink")
                assert mode == "symlink" or bool(os.stat(place).st_mode & 0o100) == (
                    mode == "executable"
                )
                assert place.is_symlink() or place.read_bytes() == repo.read(path, id)
        repo.switch("main", context=CONTEXT, force=True)
        (work / "params.yaml").write_text("lr: 7\n")
        made = repo.commit("by a later version", context=CONTEXT)
        assert made.number == told["versions"][told["head"]]["number"] + 1
        assert repo.read("params.yaml") == b"lr: 7\n"
        repo.undo(context=CONTEXT)
        assert repo.head.version.hex() == told["head"]
        repo.gc(context=CONTEXT, keep_operations_us=0)
        LmdbStore.create(scratch / "shared").close()
        repo.push(str(scratch / "shared"), Asked(("main", "wide", "v1.0")), context=CONTEXT)
        assert repo.verify().ok
    with LmdbStore.open(scratch / "shared") as store:
        assert store.refs()["heads/main"].hex() == told["head"]
        assert list(store.check()) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_clone_that_left_content_out_still_knows_it(name: str, thaw: Thaw) -> None:
    place, told = thaw(name), written(name)
    files = told["versions"][told["head"]]["files"]
    with Repository.open(str(place / "part")) as repo:
        assert repo.head.version.hex() == told["head"]
        assert {e.id.hex() for e in repo.history("HEAD")} <= told["versions"].keys()
        assert repo.left_out() == set(Component) - {Component.WEIGHTS}
        assert repo.status().clean
        assert repo.read("model.safetensors") == (place / "work/model.safetensors").read_bytes()
        assert repo.verify().ok
        assert repo.verify().absent > 0
        repo.set_remote_url("origin", str(place / "nowhere"))
        with pytest.raises(MvcError, match=r"nowhere|not here"):
            repo.read("params.yaml")
        repo.set_remote_url("origin", str(place / "work"))
    with Repository.open(str(place / "part")) as repo:
        repo.checkout("main", context=CONTEXT)
        assert {row.path for row in repo.ls()} == files.keys()
        assert repo.read("params.yaml") == b"lr: 0.1\n"
        assert repo.verify().ok
