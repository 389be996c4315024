from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mvcd.repo.records.moments import parse

NOW = 1_000_000_000_000
HOUR = 3_600_000_000


def us(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp()) * 1_000_000  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("2h", 7200), ("3 d ago", 259200), ("1w", 604800), ("5min", 300)],
)
def test_ages_count_back_from_now(text: str, seconds: int) -> None:
    moment = parse(text, NOW)
    assert moment is not None
    assert moment.first_us == moment.last_us == NOW - seconds * 1_000_000
    assert parse(text, None) is None


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-13-01", "2h3m", "-2h", "9999999999h", "v3"]
)
def test_everything_else_is_no_moment(text: str) -> None:
    assert parse(text, NOW) is None


def test_a_day_lasts_until_its_end_on_the_clock_of_the_record() -> None:
    day = parse("2026-11-01", NOW)
    assert day is not None
    assert day.begun(us(2026, 11, 1, 23, 59), 0)
    assert not day.begun(us(2026, 11, 2), 0)
    assert not day.begun(us(2026, 11, 1, 23, 30), 60), "it was past midnight there"
    assert day.over(us(2026, 10, 31, 23), 60) and not day.over(us(2026, 10, 31, 23, 1), 60)


def test_a_zone_makes_a_time_exact() -> None:
    moment = parse("2026-11-01T12:00+01:00", NOW)
    assert moment is not None
    for offset in (-300, 0, 60):
        assert moment.begun(us(2026, 11, 1, 11), offset)
        assert not moment.begun(us(2026, 11, 1, 11) + 1, offset)
