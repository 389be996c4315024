"""Sizes, times, names and tables as people read them."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvc.cli import text

NOW = datetime(2026, 11, 23, 14, 30, tzinfo=timezone(timedelta(hours=1)))


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"), (1, "1 B"), (999, "999 B"), (1000, "1.0 KiB"), (1024, "1.0 KiB"),
        (1536, "1.5 KiB"), (102348, "99.9 KiB"), (102400, "100 KiB"), (1 << 20, "1.0 MiB"),
        (1 << 30, "1.0 GiB"), (1 << 60, "1024 PiB"),
    ],
)  # fmt: skip
def test_size(count: int, shown: str) -> None:
    assert text.size(count) == shown


@given(st.integers(0, 1 << 60))
def test_a_size_is_never_wide(count: int) -> None:
    assert len(text.size(count)) <= 8


@pytest.mark.parametrize(
    ("age", "shown"),
    [
        (timedelta(seconds=3), "just now"),
        (timedelta(seconds=50), "1 min ago"),
        (timedelta(minutes=59), "59 min ago"),
        (timedelta(minutes=59, seconds=50), "59 min ago"),
        (timedelta(hours=1), "1 h ago"),
        (timedelta(hours=14, minutes=29), "14 h ago"),
        (timedelta(hours=14, minutes=31), "yesterday 23:59"),
        (timedelta(days=1, hours=14), "yesterday 00:30"),
        (timedelta(days=1, hours=15), "2026-11-21 23:30"),
        (timedelta(seconds=-30), "just now"),
        (timedelta(hours=3), "3 h ago"),
        (timedelta(hours=20), "yesterday 18:30"),
        (timedelta(days=3), "2026-11-20 14:30"),
        (timedelta(minutes=-5), "2026-11-23 14:35"),
    ],
)
def test_when(age: timedelta, shown: str) -> None:
    there = timezone(timedelta(hours=-8))
    assert text.when((NOW - age).astimezone(there), NOW) == shown


def test_times_are_those_that_clocks_here_showed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        winter, summer = (
            datetime(2026, 11, 23, 12, tzinfo=UTC),
            datetime(2026, 7, 1, 12, tzinfo=UTC),
        )
        assert text.when(summer, winter.astimezone()) == "2026-07-01 14:00"
        assert text.when(summer, winter) == "2026-07-01 12:00"
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("said", "columns"),
    [
        ("model", 5), ("模型", 4), ("naïve", 5), ("nai\u0308ve", 5), ("🎉", 2),
        ("👩\u200d🔬", 2), ("👍\U0001f3fd", 2),
        ("❤\ufe0f", 2), ("❤", 1), ("🇩🇪", 2), ("\x1b[31mred\x1b[0m", 3), ("ｱ", 1), ("\u200b", 0),
    ],
)  # fmt: skip
def test_widths(said: str, columns: int) -> None:
    assert text.width(said) == columns


@given(st.text("ab模🎉\u0308\u200d\ufe0f👩", max_size=20), st.integers(2, 20))
def test_what_is_cut_fits_and_is_not_torn(line: str, columns: int) -> None:
    for short in (text.cut(line, columns), text.middle(line, columns)):
        assert text.width(short) <= columns
        assert (short == line) == (text.width(line) <= columns) or short == line
    if text.width(line) > columns:
        head = text.cut(line, columns)[:-1]
        assert line.startswith(head)
        assert line[len(head)] not in "\u0308\u200d\ufe0f"


def test_a_moment_keeps_its_zone() -> None:
    assert text.moment(NOW) == "Mon 2026-11-23 14:30:00 +0100"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (True, "true"), (None, "-"), (3, "3"), (0.1, "0.1"), (1e-3, "0.001"), (0.123456789, "0.123457"),
        (float("nan"), "nan"), (float("-inf"), "-inf"), ("adam\x1b[31m", "adam\\x1b[31m"),
    ],
)  # fmt: skip
def test_number(value: object, shown: str) -> None:
    assert text.number(value) == shown


@given(st.text(st.characters(codec=None)))
def test_safe_text_cannot_steer_a_terminal(name: str) -> None:
    shown = text.safe(name)
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in shown)
    shown.encode("utf-8")


def test_safe_keeps_what_people_write() -> None:
    assert text.safe("naïve-模型 ü.pt") == "naïve-模型 ü.pt"
    assert text.safe("a\nb", lines=True) == "a\nb"
    assert text.safe("a\nb") == "a\\x0ab"
    assert text.safe("\udcff.bin") == "\\xff.bin"
    assert text.safe("evil\u202ecod.exe") == "evil\\u202ecod.exe"


def test_table_aligns_what_is_seen() -> None:
    red = click.style("abc", fg="red")
    lines = text.table([(red, "1"), ("模", "22"), ("x", "333")], right=(1,))
    assert [click.unstyle(line) for line in lines] == ["abc    1", "模    22", "x    333"]
    assert len({text.width(line) for line in lines}) == 1
    assert text.table([]) == []


def test_lines_of_a_table_do_not_end_in_spaces() -> None:
    assert text.table([("a", ""), ("bbb", "c")]) == ["a", "bbb  c"]


def test_first_line() -> None:
    assert text.first_line("\n one \ntwo") == "one"
    assert text.first_line(" ") == "(no message)"
