"""What a scan found: the order of paths, and the rows that come of it, against plain lists and dicts."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.ids import RecipeId
from mvcd.repo.workspace.found import CacheRows, paths_of, sizes_of
from mvcd.repo.workspace.scan import CandidateOutcome, CandidateState, Scan, scan
from mvcd.repo.workspace.sorting import PathsCame
from tests.support.memory import MEMORY

HOUR = 3_600_000_000_000

NAMES = st.sampled_from(["a", "a-b", "a.b", "a0", "b", "é", "é!", "A"])
"""Some come before "/" and some after: files of a directory lie between those of its subdirectories."""
TREES = st.sets(st.lists(NAMES, min_size=1, max_size=4).map("/".join), max_size=25)


def leaves(paths: set[str]) -> list[str]:
    """Those that no other needs as a directory."""
    return sorted(path for path in paths if not any(p.startswith(path + "/") for p in paths))


def make(root: Path, paths: Sequence[str]) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)


def look(root: Path, rows: dict[bytes, bytes]) -> Scan:
    return scan(
        str(root),
        tracked=["."],
        workspace=b"w",
        rows=lambda keys: [rows.get(key) for key in keys],
        now_ns=time.time_ns() + HOUR,
    )


def kept(rows: CacheRows) -> dict[bytes, bytes]:
    return {key: row for key, row in rows.items() if row is not None}


@settings(max_examples=60, deadline=None)
@given(before=TREES, after=TREES, data=st.data())
def test_candidates_come_in_the_order_of_their_paths(
    before: set[str], after: set[str], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as directory:
        root = Path(directory)
        old = leaves(before)
        make(root, old)
        found = look(root, {})
        assert [c.path for c in found.candidates] == old
        assert len(found.candidates) == len(old)
        for candidates in (found.candidates, list(found.candidates)):
            assert list(paths_of(candidates)) == old
            assert list(sizes_of(candidates)) == [len(path.encode()) for path in old]
        came = PathsCame(old)
        for above in {"", "a", *(os.path.dirname(path) for path in old)}:
            assert found.candidates.names(above) == came.names(above)  # type: ignore[attr-defined]
        rows = kept(found.new_rows(bytearray(b"\1" * len(old)), missing=()))
        assert look(root, rows).clean
        new = [path for path in leaves(before | after) if path not in before]
        make(root, [path for path in new if not any(path.startswith(o + "/") for o in old)])
        found = look(root, rows)
        paths = [c.path for c in found.candidates]
        assert paths == sorted(paths)
        assert paths == sorted(set(leaves(_files(root))) - set(old))
        clean = [data.draw(st.booleans()) for _ in paths]
        by_path: dict[str, CandidateOutcome | RecipeId] = {
            path: CandidateOutcome.CLEAN for path, one in zip(paths, clean, strict=True) if one
        }
        by_place = found.new_rows(bytearray(clean), missing=["gone"])
        assert dict(by_place) == dict(found.new_rows(by_path, missing=["gone"]))
        again = look(root, rows | kept(by_place))
        wanted = [path for path, one in zip(paths, clean, strict=True) if not one]
        assert [(c.path, c.state) for c in again.candidates] == [
            (path, CandidateState.RACY) for path in wanted
        ]
        assert list(again.vanished) == ["gone"]


def _files(root: Path) -> set[str]:
    return {str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()}


def test_rows_are_made_when_they_are_asked_for() -> None:
    asked: list[str] = []

    def row(name: str) -> bytes:
        asked.append(name)
        return name.encode()

    rows = CacheRows({b"a": None}, {b"b": lambda: row("b"), b"c": lambda: row("c")})
    rows = rows | {b"c": b"other", b"d": b"4"}
    assert sorted(rows) == [b"a", b"b", b"c", b"d"]
    assert len(rows) == 4
    assert not asked
    assert dict(rows) == {b"a": None, b"b": b"b", b"c": b"other", b"d": b"4"}
    assert asked == ["b"]
