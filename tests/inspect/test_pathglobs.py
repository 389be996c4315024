"""Globs of paths, against pathspec's gitignore."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pathspec import GitIgnoreSpec

from mvcd.inspect.pathglobs import compile_glob


def test_a_negated_class_stays_within_one_part() -> None:
    names = ("aba", "aaa", "a/a", "bx", "]x", "ax")
    found = [any(compile_glob(g).fullmatch(n) for g in ("a[!a]a", "[]b]x")) for n in names]
    assert found == [True, False, False, True, True, False]


@pytest.mark.parametrize("glob", ["", "/", "!a", "[b-a]"])
def test_what_is_no_glob(glob: str) -> None:
    with pytest.raises(ValueError, match="is no glob"):
        compile_glob(glob)


part = st.lists(
    st.sampled_from(["a", "b", "c", "*", "?", "**", "[ab]", "[a-c]"]),
    min_size=1,
    max_size=3,
)
globs = st.builds(
    lambda parts, lead, trail: lead + "/".join(map("".join, parts)) + trail,
    st.lists(part, min_size=1, max_size=3),
    st.sampled_from(["", "/"]),
    st.sampled_from(["", "/"]),
)
paths = st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=4).map("/".join)


@settings(deadline=None)
@given(glob=globs, path=paths)
def test_globs_read_as_gitignore_does(glob: str, path: str) -> None:
    assume("***" not in glob)
    assume(not glob.endswith("**/"))  # git: directories only; pathspec: files too
    expected = GitIgnoreSpec.from_lines([glob]).match_file(path)
    assert (compile_glob(glob).fullmatch(path) is not None) == expected, (glob, path)
