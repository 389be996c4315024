"""Repair of a store: whatever is lost or damaged, what the packs hold comes back, and a kill leaves no less."""

from __future__ import annotations

import os
import random
import shutil

import pytest

from mvcd.errors import Busy, Failure
from mvcd.store.api import RefUpdate
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.repair import repair_store, survey
from tests.repo.dying import Moments
from tests.store.children import Child
from tests.store.history import History
from tests.store.test_rebuild import everything


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    """A store of several packs, and what is in it."""
    path = tmp_path_factory.mktemp("healthy") / "store"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mvcd.store.session.SEAL_BYTES", 20_000)
        with LmdbStore.create(path) as store:
            history = History(3)
            for number in range(1, 8):
                with store.session() as session:
                    history.save(session, number)
            with store.session() as session:
                session.commit([RefUpdate("tags/é", None, b"value")], audit=b"a row")
            content = everything(store), store.id
    return path, content


@pytest.fixture
def store(healthy, tmp_path):
    shutil.copytree(healthy[0], tmp_path / "store")
    return tmp_path / "store"


def overwrite(path, offset: int, data: bytes) -> None:
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


DAMAGES = {
    "index gone": lambda s: os.unlink(s / "data.mdb"),
    "index empty": lambda s: os.truncate(s / "data.mdb", 0),
    "index cut": lambda s: os.truncate(s / "data.mdb", 3 * 4096),
    "index garbage": lambda s: (s / "data.mdb").write_bytes(random.Random(1).randbytes(100_000)),
    "index page zeroed": lambda s: overwrite(s / "data.mdb", 4 * 4096, bytes(8 * 4096)),
    "format gone": lambda s: os.unlink(s / "format"),
    "format empty": lambda s: os.truncate(s / "format", 0),
    "format damaged": lambda s: overwrite(s / "format", 0, b"X"),
    "journal gone": lambda s: os.unlink(s / "refs.journal"),
    "journal flipped": lambda s: overwrite(s / "refs.journal", 40, b"#"),
    "leases gone": lambda s: shutil.rmtree(s / "leases"),
    "header damaged": lambda s: overwrite(s / "packs/00000000.pack", 2, b"?"),
    "all at once": lambda s: (
        os.unlink(s / "data.mdb"), os.truncate(s / "format", 0), shutil.rmtree(s / "leases"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_was_lost_comes_back(healthy, store, damage):
    DAMAGES[damage](store)
    found = survey(store)
    assert found.findings, "it must be noticed"
    assert survey(store).findings == found.findings, "looking changes nothing"
    report = repair_store(found, id=healthy[1][1])
    assert report.done
    assert survey(store).findings == []
    with LmdbStore.open(store) as opened:
        assert (everything(opened), opened.id) == healthy[1]
        assert list(opened.check()) == []
        assert [row.data for row in opened.audit()] == [b"a row"]
    assert repair_store(survey(store)).done == [], "a second repair has nothing to do"


def test_a_damaged_index_is_kept_under_another_name(store):
    garbage = random.Random(1).randbytes(100_000)
    (store / "data.mdb").write_bytes(garbage)
    assert repair_store(survey(store)).kept == [str(store / "data.mdb.damaged-1")]
    (store / "data.mdb").write_bytes(garbage[::-1])
    assert repair_store(survey(store)).kept == [str(store / "data.mdb.damaged-2")]
    assert (store / "data.mdb.damaged-1").read_bytes() == garbage
    assert (store / "data.mdb.damaged-2").read_bytes() == garbage[::-1]


def test_a_healthy_store_needs_nothing(store):
    with LmdbStore.open(store):
        assert survey(store).findings == []
        assert repair_store(survey(store)).done == []


def test_refs_come_from_a_damaged_index_where_the_journal_is_older(healthy, store):
    """The journal is not synced: the index may know more, and tells what it can."""
    journal = store / "refs.journal"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:3]))
    with LmdbStore.open(store) as opened:
        gone = next(iter(opened.ids()))[0]
        opened.index.write(lambda txn: txn.put(gone, b"short", db=opened.index.objects))
        opened.index.write(lambda txn: txn.delete(b"next_pack", db=opened.index.meta))
    found = survey(store)
    assert found.index
    repair_store(found)
    with LmdbStore.open(store) as opened:
        assert everything(opened) == healthy[1][0]


def test_a_lost_pack_is_no_reason_not_to_open(store, healthy):
    (store / "packs/00000001.pack").unlink()
    found = survey(store)
    assert [f.part for f in found.findings] == ["packs"]
    repair_store(found)
    assert survey(store).findings == []
    with LmdbStore.open(store) as opened:
        assert opened.refs() == healthy[1][0][1]
        assert list(opened.check()) == []


def test_it_needs_the_store_for_itself_where_the_index_is_replaced(store):
    with LmdbStore.open(store):
        found = survey(store)
        found.index = True
        with pytest.raises(Busy) as caught:
            repair_store(found)
    assert "mvcd stop" in caught.value.help
    assert not (store / "data.mdb.damaged-1").exists()


def test_a_newer_format_is_not_repaired(store):
    (store / "format").write_text(f"mvc-store 2\nid {'0' * 32}\n")
    with pytest.raises(Failure) as caught:
        survey(store)
    assert caught.value.kind == "newer-format"


@pytest.mark.parametrize("damage", ["all at once", "journal flipped"])
@pytest.mark.thorough
def test_a_kill_anywhere_leaves_what_another_repair_ends(healthy, tmp_path, damage):
    """kill -9 before each change of the disk in turn, until one repair goes through."""
    original = tmp_path / "original"
    shutil.copytree(healthy[0], original)
    DAMAGES[damage](original)
    found = survey(original)
    for fatal in range(1, 200):
        work = tmp_path / "store"
        shutil.copytree(original, work)
        found.path = str(work)

        def work_and_die(report, fatal=fatal):
            Moments(fatal, report)
            repair_store(found, id=healthy[1][1])
            report("through")

        _, lines = Child(work_and_die).end()
        repair_store(survey(work), id=healthy[1][1])
        with LmdbStore.open(work) as opened:
            assert everything(opened) == healthy[1][0]
            assert list(opened.check(read_data=False)) == []
        shutil.rmtree(work)
        if lines == ["through"]:
            break
    assert fatal > 3
    assert lines == ["through"]


def test_an_interrupted_creation_is_no_damage(tmp_path):
    with LmdbStore.create(tmp_path / "s") as made:
        made.update_refs([RefUpdate("a", None, b"1")])
    lines = (tmp_path / "s/refs.journal").read_bytes()
    (tmp_path / "s/refs.journal").write_bytes(lines[:-9])  # cut by a power failure
    with LmdbStore.open(tmp_path / "s") as made:
        assert list(made.check()) == []
        made.update_refs([RefUpdate("b", None, b"1")])
        assert list(made.check()) == []
        assert made.journal.read().refs == made.refs()


@pytest.mark.parametrize("line", [0, 2, -1])
def test_a_flipped_bit_in_the_journal_is_reported_by_check(store, line):
    journal = store / "refs.journal"
    lines = journal.read_bytes().splitlines(keepends=True)
    text = bytearray(lines[line])
    text[len(text) // 2] ^= 4
    lines[line] = bytes(text)
    journal.write_bytes(b"".join(lines))
    with LmdbStore.open(store) as opened:
        (damage,) = opened.check()
    assert damage.where == "refs.journal"
    assert damage.problem.startswith("journal: ")
