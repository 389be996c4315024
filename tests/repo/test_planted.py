"""A version that would plant a repository: refused where it arrives, and never written where it is already."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mvcd.errors import Failure, MvcError
from mvcd.ids import VersionId
from mvcd.objects.entry import Mode
from mvcd.repo.core.core import no_secret
from mvcd.repo.joining.threeway import Choices
from mvcd.repo.records.results import Context
from mvcd.store.api import RefUpdate
from mvcd.store.lmdb_store import LmdbStore
from tests.repo.crafted import store_version
from tests.support.engine import Repository
from tests.support.workspace import Bench

PLANTED = (
    "sub/.mvc/config.toml", "sub/.MVC/config.toml", "sub/.git/config", ".git/config", "sub/.mvc ./config.toml",
    "sub/MVC~1/config.toml", "sub/.m\u200dvc/config.toml", "sub/.mvc:x",
)  # fmt: skip
CONTEXT = Context("Ada <ada@example.org>", time_us=1)


def planted(bench: Bench, path: str) -> VersionId:
    """On branch main, as a version of before or of a forger."""
    id = store_version(
        bench.repo,
        [(path, Mode.FILE, b"[watch]\nhook = 'touch /tmp/owned'\n"), ("good", Mode.FILE, b"1"),
         ("sub/good", Mode.FILE, b"2")],
    )  # fmt: skip
    bench.repo._core.store.update_refs([RefUpdate("heads/forged", None, bytes(id))])
    return id


def paths(bench: Bench, rev: str = "HEAD") -> set[str]:
    return {listed.path for listed in bench.repo.ls(rev)}


@pytest.mark.parametrize("path", PLANTED, ids=ascii)
def test_checkout_leaves_it_out_and_says_so(bench: Bench, path: str) -> None:
    id = planted(bench, path)
    result = bench.checkout(id.hex())
    assert bench.tree() == {"good": "1", "sub/good": "2"}
    ((skipped, reason),) = result.skipped
    assert skipped == path
    assert "repository's own directory" in reason


@pytest.mark.parametrize("path", PLANTED, ids=ascii)
def test_it_stays_readable(bench: Bench, path: str) -> None:
    id = planted(bench, path)
    assert path in paths(bench, id.hex())
    assert bench.repo.diff("v0", id.hex()).components
    assert bench.repo.show(id.hex()).id == id


@pytest.mark.parametrize("verb", ["restore", "merge"])
def test_no_other_verb_writes_it(bench: Bench, verb: str) -> None:
    bench.save({"own": "x"})
    id = planted(bench, PLANTED[0])
    if verb == "restore":
        bench.repo.restore(id.hex(), [bench.path("sub")], context=bench.context())
    else:
        bench.repo.merge(id.hex(), Choices(), context=bench.context())
    assert bench.tree()["sub/good"] == "2"
    assert not os.path.lexists(bench.path("sub/.mvc"))
    bench.commit("goes on", allow_empty=True)
    assert paths(bench) == {"good", "own", "sub/good"} - ({"good"} if verb == "restore" else set())


def test_a_rollback_to_it_is_refused(bench: Bench) -> None:
    """It would make a new version that holds it."""
    bench.save({"own": "x"})
    id = planted(bench, PLANTED[0])
    with pytest.raises(Failure, match=r"sub/\.mvc/config\.toml"):
        bench.repo.rollback(id.hex(), context=bench.context())
    assert bench.repo.head.number == 1
    assert bench.tree() == {"own": "x"}


def test_an_export_refuses_it_by_name(bench: Bench, scratch: Path) -> None:
    id = planted(bench, PLANTED[0])
    with pytest.raises(Failure, match=r"sub/\.mvc/config\.toml"):
        bench.repo.export(id.hex(), str(scratch / "deploy"))
    assert not (scratch / "deploy").exists()


def test_a_repository_of_ones_own_that_lies_there_is_left_alone(bench: Bench) -> None:
    """The version's file would be where it is: neither overwritten, nor removed with the next checkout."""
    bench.save({"own": "x"})
    id = planted(bench, "sub/.mvc/config.toml")
    (bench.root / "sub").mkdir()
    with Repository.create(str(bench.root / "sub"), context=CONTEXT):
        pass
    before = (bench.root / "sub/.mvc/config.toml").read_bytes()
    bench.checkout(id.hex())
    bench.checkout("main")
    assert (bench.root / "sub/.mvc/config.toml").read_bytes() == before


@pytest.mark.parametrize("path", PLANTED, ids=ascii)
def test_a_push_that_holds_one_is_refused(bench: Bench, scratch: Path, path: str) -> None:
    id = planted(bench, path)
    LmdbStore.create(scratch / "shared").close()
    bench.repo.add_remote("origin", str(scratch / "shared"))
    from mvcd.repo.share.pushing import Asked

    with pytest.raises(Failure) as caught:
        bench.repo.push(None, Asked(("forged",)), context=bench.context())
    assert caught.value.kind == "reserved-path"
    assert path in str(caught.value) or ascii(path)[1:-1] in str(caught.value)
    with LmdbStore.open(scratch / "shared") as shared:
        assert shared.refs("heads/") == {}
    assert id


@pytest.mark.parametrize("path", PLANTED, ids=ascii)
def test_a_clone_that_holds_one_is_refused(bench: Bench, scratch: Path, path: str) -> None:
    """The server was bent, or is of before: nothing is written, no ref moves."""
    planted(bench, path)
    with pytest.raises(Failure) as caught:
        Repository.clone(str(bench.root), str(scratch / "clone"), context=CONTEXT, secret=no_secret)
    assert caught.value.kind == "reserved-path"
    found = [
        p for p in (scratch / "clone").rglob("*") if p.name == "config.toml" and "sub" in p.parts
    ]
    assert found == []


@pytest.mark.parametrize("name", [".MVC", ".mvc ", "MVC~1", ".Git", ".m\u200cvc"], ids=ascii)
def test_commit_leaves_out_what_would_be_taken_for_it(bench: Bench, name: str) -> None:
    bench.write({f"sub/{name}/config.toml": "x", f"file/{name}": "y", "good": "1"})
    bench.add()
    result = bench.commit()
    assert paths(bench) == {"good"}
    assert {path for path, _ in result.skipped} == {f"sub/{name}", f"file/{name}"}
    with pytest.raises(MvcError):
        bench.add(f"sub/{name}")
        bench.commit("again")
