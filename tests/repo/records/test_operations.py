"""The operation log: bytes that say everything again, and versions that stay as long as it names them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvcd.errors import CorruptObject
from mvcd.ids import VersionId
from mvcd.repo.records import operations
from mvcd.repo.records.refs import HEADS, TAGS, HeadValue
from mvcd.repo.records.results import Context
from mvcd.store.api import RefUpdate
from tests.support.workspace import Bench

IDS = st.binary(min_size=32, max_size=32).map(VersionId)
VALUES = {
    HEADS: IDS.map(bytes),
    TAGS: st.tuples(IDS, st.text()).map(lambda t: bytes(t[0]) + t[1].encode()),
    "workspaces/1/head": st.one_of(
        st.just(HeadValue("main").encode()), IDS.map(lambda i: HeadValue(None, i).encode())
    ),
    "workspaces/1/tracked": st.text("ab/\n").map(str.encode),
}
UPDATES = st.sampled_from(sorted(VALUES)).flatmap(
    lambda kind: st.builds(
        RefUpdate,
        name=st.just(kind + "x" if kind.endswith("/") else kind),
        expect=st.none() | VALUES[kind],
        target=st.none() | VALUES[kind],
    )
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(
    updates=st.lists(UPDATES, max_size=4), author=TEXT, detail=TEXT, files=st.booleans(),
    saved=st.none() | IDS, undoes=st.none() | st.integers(1, 1 << 40), time_us=st.integers(0, 1 << 60),
)  # fmt: skip
def test_what_is_written_is_read(
    updates: list[RefUpdate], author: str, detail: str, files: bool, saved: VersionId | None,
    undoes: int | None, time_us: int,
) -> None:  # fmt: skip
    context = Context(author, time_us=time_us, utc_offset_minutes=-90)
    data = operations.encode(
        context, "verb", detail, updates, files=files, saved=saved, undoes=undoes
    )
    read = operations.decode(7, data)
    assert (read.number, read.verb, read.author, read.detail) == (7, "verb", author, detail)
    assert (read.time_us, read.utc_offset_minutes) == (time_us, -90)
    assert (read.files, read.saved, read.undoes) == (files, saved, undoes)
    assert [(m.name, m.old, m.new) for m in read.moves] == [
        (u.name, u.expect, u.target) for u in updates
    ]
    back = operations.inverse(read)
    assert [(u.name, u.expect, u.target) for u in back] == [
        (u.name, u.target, u.expect) for u in updates
    ]
    named = operations.versions_named(read)
    assert (saved in named) if saved else True
    for update in updates:
        for value in (update.expect, update.target):
            if value is not None and update.name.startswith((HEADS, TAGS)):
                assert VersionId(value[:32]) in named
            if value is not None and value.startswith(b"version "):
                assert VersionId(value[8:]) in named


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"null", b"\xff", b"{}", b'{"author":1}', json.dumps({"moves": [["a", "!", None]]}).encode()],
)  # fmt: skip
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(CorruptObject):
        operations.decode(1, data)


def test_every_verb_is_logged_once_with_who_and_when(bench: Bench) -> None:
    bench.save({"a": "1"})
    bench.repo.create_tag("t", context=bench.context())
    bench.repo.undo(context=bench.context())
    log = list(bench.repo.operations())
    assert [(o.number, o.verb) for o in log] == [
        (5, "undo"), (4, "tag"), (3, "commit"), (2, "add"), (1, "init")
    ]  # fmt: skip
    assert [o.time_us for o in log] == sorted((o.time_us for o in log), reverse=True)
    assert {o.author for o in log} == {"Ada Lovelace <ada@example.org>"}
    assert log[0].detail == "undo 4 (tag t)"
    assert [o.number for o in bench.repo.operations()][:2] == [5, 4]
