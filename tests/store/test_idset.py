"""Sets of ids against Python's own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mvcd.store import idset
from mvcd.store.idset import Ascending, Prefixes, Sieve, prefix_of

ids = st.one_of(
    st.binary(min_size=32, max_size=32),
    st.integers(0, 300).map(lambda n: n.to_bytes(2, "big") * 4 + bytes(24)),
)


@given(st.lists(ids), st.sets(ids))
def test_prefixes_have_what_was_added_and_no_others(added: list[bytes], asked: set[bytes]) -> None:
    found = Prefixes(added[::2])
    found.update(added[1::2])
    prefixes = {prefix_of(id) for id in added}
    for id in [*sorted(asked), *added]:
        assert (id in found) == (prefix_of(id) in prefixes)


def test_repeated_prefixes_take_no_room(monkeypatch: object) -> None:
    found = Prefixes()
    repeated = [n.to_bytes(8, "big") + bytes(24) for n in range(100)]
    for _ in range(2 * idset._FIRST_FOLD_IDS // 100):
        found.update(repeated)
    assert len(found._parts[0]) < idset._FIRST_FOLD_IDS
    assert all(id in found for id in repeated)


@given(st.sets(ids), st.sets(ids))
def test_a_sieve_tells_what_was_asked_and_what_was_missed(
    added: set[bytes], rows: set[bytes]
) -> None:
    sieve = Sieve(Prefixes(added))
    prefixes = {prefix_of(id) for id in added}
    assert [sieve.passes(id) for id in sorted(rows)] == [
        prefix_of(id) in prefixes for id in sorted(rows)
    ]
    assert list(sieve.absent()) == sorted(prefixes - {prefix_of(id) for id in rows})


@given(st.sets(ids), st.sets(ids))
def test_ascending_ids(added: set[bytes], others: set[bytes]) -> None:
    found = Ascending()
    for id in sorted(added):
        found.append(id)
    assert (len(found), list(found)) == (len(added), sorted(added))
    assert all((id in found) == (id in added) for id in added | others)
    assert list(found.without(others)) == sorted(added - others)
