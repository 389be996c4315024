"""Unified diffs, with `patch` as the judge: what it makes of the old file and the diff is the new file."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mvcd.inspect.textdiff import MAX_LINES, is_text, line_counts, unified_diff


def diff(old: bytes, new: bytes) -> list[str]:
    return list(unified_diff(old, new, "a/f", "b/f"))


def test_is_text_looks_at_the_first_8000_bytes() -> None:
    assert is_text(b"") and is_text("ä\n".encode()) and is_text(b"\xff\xfe")
    assert not is_text(b"a\0")
    assert not is_text(b"a" * 7999 + b"\0")
    assert is_text(b"a" * 8000 + b"\0")


def test_a_small_change() -> None:
    old = b"1\n2\n3\n4\n5\n6\n7\n8\n9\n"
    assert diff(old, old.replace(b"5\n", b"five\n")) == [
        "--- a/f", "+++ b/f", "@@ -2,7 +2,7 @@",
        " 2", " 3", " 4", "-5", "+five", " 6", " 7", " 8",
    ]  # fmt: skip


def test_equal_files_have_no_diff() -> None:
    assert diff(b"a\n", b"a\n") == diff(b"", b"") == []


def test_a_missing_last_newline_is_marked() -> None:
    assert diff(b"--x", b"--x\n")[2:] == [
        "@@ -1 +1 @@",
        "---x",
        "\\ No newline at end of file",
        "+--x",
    ]


def test_new_and_emptied_files() -> None:
    assert diff(b"", b"a\nb\n")[2:] == ["@@ -0,0 +1,2 @@", "+a", "+b"]
    assert diff(b"a\n", b"")[2:] == ["@@ -1 +0,0 @@", "-a"]


def test_lines_end_at_newlines_only() -> None:
    assert diff(b"a\x0cb\rc\n", b"a\x0cb\rd\n")[3:] == ["-a\x0cb\rc", "+a\x0cb\rd"]


def test_bytes_that_are_not_utf8_are_shown() -> None:
    assert diff(b"\xff\n", b"x\n")[3:] == ["-\N{REPLACEMENT CHARACTER}", "+x"]


def test_one_change_in_a_long_file_is_shown_and_many_are_counted() -> None:
    lines = [b"%d\n" % i for i in range(3 * MAX_LINES)]
    one = [*lines[: MAX_LINES * 2], b"new\n", *lines[MAX_LINES * 2 :]]
    assert (
        diff(b"".join(lines), b"".join(one))[2]
        == f"@@ -{2 * MAX_LINES - 2},6 +{2 * MAX_LINES - 2},7 @@"
    )
    assert diff(b"".join(lines), b"".join(reversed(lines)))[2:] == [
        f"{3 * MAX_LINES:,} lines became {3 * MAX_LINES:,}: too many to show"
    ]


texts = st.lists(st.sampled_from([b"a", b"b", b"c", b"", b"--", b"++ x"]), max_size=30).map(
    b"\n".join
)


@pytest.mark.skipif(shutil.which("patch") is None, reason="needs patch(1) as judge")
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(old=texts, new=texts)
def test_patch_turns_old_into_new(tmp_path: Path, old: bytes, new: bytes) -> None:
    target = tmp_path / "f"
    target.write_bytes(old)
    lines = diff(old, new)
    if not lines:
        assert old == new
        return
    subprocess.run(
        ["patch", "-s", str(target)], input=("\n".join(lines) + "\n").encode(), check=True
    )
    assert (target.read_bytes() if target.exists() else b"") == new


COUNTED = st.lists(st.sampled_from(["a\n", "b\n", "c\n"]), max_size=12)


@given(old=COUNTED, new=COUNTED)
def test_counted_are_the_lines_shown(old: list[str], new: list[str]) -> None:
    a, b = "".join(old).encode(), "".join(new).encode()
    shown = list(unified_diff(a, b, "a", "b"))[2:]
    signs = [line[0] for line in shown]
    assert line_counts(a, b) == (signs.count("+"), signs.count("-"))


def test_many_lines_are_counted_as_a_set() -> None:
    old = b"".join(b"%d\n" % n for n in range(5000))
    assert line_counts(old, old[::-1] + b"more\n")[0] > 0
    assert line_counts(b"x\n" + old + b"y\n", b"z\n" + old + b"w\nv\n") == (3, 2)
