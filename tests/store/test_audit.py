from __future__ import annotations

import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvcd.errors import IntegrityError
from mvcd.store.api import AuditRow, RefUpdate
from mvcd.store.audit import NO_ROWS, after, problems
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.rebuild import rebuild_index
from mvcd.store.rows import SEQUENCE, seal


def chain(*data: bytes):
    head, rows = NO_ROWS, []
    for each in data:
        row, head = after(head, each)
        rows.append(row)
    return rows, head


def test_the_chain_is_pinned():
    """A digest is quoted outside of the store, so the construction can never change."""
    rows, head = chain(b"one", b"two")
    assert rows[1].previous.hex() == (
        "6ea8f2a9f0eb3fb4bd3bf9be02c4921000bcd1a2def92a42648f81db3b27e06b"
    )
    assert head.digest.hex() == ("ec936c8cdf8b5f4459a3e4ea7da543a9b9704005c684d19806f595371250cb48")


@given(st.lists(st.binary(max_size=5), min_size=1, max_size=8), st.data())
def test_every_forgery_of_one_row_is_found(data, draw):
    rows, head = chain(*data)
    assert list(problems(rows, head)) == []
    at = draw.draw(st.integers(0, len(rows) - 1))
    forgeries = [
        rows[:at] + rows[at + 1 :],
        [*rows[: at + 1], *rows[at:]],
        [*rows[:at], rows[at]._replace(data=rows[at].data + b"!"), *rows[at + 1 :]],
        [*rows[:at], rows[at]._replace(previous=bytes(31) + b"!"), *rows[at + 1 :]],
    ]
    for forged in forgeries:
        assert list(problems(forged, head))


def test_a_chain_made_anew_from_some_row_on_does_not_reach_the_head():
    _, head = chain(b"a", b"b", b"c")
    forged, _ = chain(b"a", b"B", b"c")
    assert list(problems(forged, head)) == ["row 3 is not the one that was written last"]


@pytest.fixture
def store(tmp_path):
    with LmdbStore.create(tmp_path / "store") as store:
        with store.session() as session:
            for n in range(1, 6):
                session.commit(operation=b"%d" % n, audit=b"row %d" % n)
        yield store


def rewrite(store, sequence, row):
    def work(txn):
        key = SEQUENCE.pack(sequence)
        if row is None:
            txn.delete(key, db=store.index.audit)
        else:
            txn.put(key, seal(key, row.previous + row.data), db=store.index.audit)

    store.index.write(work)


@pytest.mark.parametrize(
    ("sequence", "problem"),
    [(1, "row 1 is absent"), (3, "row 3 is absent"), (5, "row 5 is absent")],
)
def test_a_removed_row_is_found(store, sequence, problem):
    rewrite(store, sequence, None)
    found = [damage.problem for damage in store.check()]
    assert found[0] == f"audit: {problem}"


@pytest.mark.parametrize("sequence", [1, 3, 5])
def test_a_changed_row_is_found_although_its_checksum_fits(store, sequence):
    row = list(store.audit())[sequence - 1]
    rewrite(store, sequence, AuditRow(sequence, row.previous, b"nothing happened"))
    (damage,) = store.check()
    expected = (
        f"row {sequence + 1} does not follow the row before it"
        if sequence < 5
        else "row 5 is not the one that was written last"
    )
    assert damage.problem == f"audit: {expected}"


def test_a_flipped_bit_is_found(store):
    def work(txn):
        key = SEQUENCE.pack(2)
        value = bytearray(txn.get(key, db=store.index.audit))
        value[-1] ^= 1
        txn.put(key, bytes(value), db=store.index.audit)

    store.index.write(work)
    (damage,) = store.check()
    assert damage.problem.startswith("audit: row 2 of the audit log is damaged")
    with pytest.raises(IntegrityError):
        list(store.audit())


def test_stores_without_the_table_get_it_with_their_first_row(tmp_path):
    path = tmp_path / "store"
    with LmdbStore.create(path) as store:
        store.update_refs([RefUpdate("a", None, b"1")])
        store.index.write(lambda txn: txn.drop(store.index.audit))
    with LmdbStore.open(path) as store:
        assert store.index.audit is None
        assert list(store.audit()) == [] == list(store.check())
        assert store.audit_head() == NO_ROWS
        assert store.stats().index_bytes > 0
        assert store.index.audit is None
        with store.session() as session:
            session.commit(audit=b"first")
        assert [row.data for row in store.audit()] == [b"first"]


def test_rebuilding_keeps_the_log(store, tmp_path):
    copy = tmp_path / "copy"
    rows, head = list(store.audit()), store.audit_head()
    shutil.copytree(store.path, copy)
    (copy / "data.mdb").unlink()
    report = rebuild_index(copy)
    assert (report.audit_rows, report.journal_gaps) == (5, 0)
    with LmdbStore.open(copy) as rebuilt:
        assert (list(rebuilt.audit()), rebuilt.audit_head()) == (rows, head)
        assert list(rebuilt.check()) == []


def test_collection_and_lost_lines_keep_the_log_in_the_journal(store, tmp_path, monkeypatch):
    monkeypatch.setattr("mvcd.store.refs.BATCH_ROWS", 2)
    store.collect(lambda *roots: [], drop_operations_below=4)
    with store.session() as session:
        session.commit(audit=b"row 6")
    journal = tmp_path / "store" / "refs.journal"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-1]))  # what a crash between commit and journal leaves
    with store.session() as session:
        session.commit(audit=b"row 7")
    rows, head = list(store.audit()), store.audit_head()
    copy = tmp_path / "copy"
    shutil.copytree(store.path, copy)
    rebuild_index(copy)
    with LmdbStore.open(copy) as rebuilt:
        assert (list(rebuilt.audit()), rebuilt.audit_head()) == (rows, head)


def test_a_gap_in_the_journal_stays_a_gap(store, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(store.path, copy)
    journal = copy / "refs.journal"
    lines = [line for line in journal.read_bytes().splitlines() if line]
    journal.write_bytes(b"\n".join([*lines[:2], *lines[3:]]) + b"\n")
    assert rebuild_index(copy).journal_gaps == 1
    with LmdbStore.open(copy) as rebuilt:
        assert [d.problem for d in rebuilt.check() if d.problem.startswith("audit")] == [
            "audit: row 3 is absent"
        ]
