"""The rules of `[retention]`, against a plain model that asks of each version by itself; the clock is given."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvcd.errors import Failure
from mvcd.ids import VersionId
from mvcd.repo.care.retention import Best, Rules, Saved, kept, load, parse
from tests.support.workspace import Bench

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
NOW = datetime(2026, 11, 29, 12, 30, tzinfo=UTC)
NOW_US = int(NOW.timestamp()) * 1_000_000


def local(version: Saved) -> datetime:
    zone = timezone(timedelta(minutes=version.utc_offset_minutes))
    return datetime.fromtimestamp(0, zone) + timedelta(microseconds=version.time_us)


LABELS = {
    "hourly": lambda v: local(v).strftime("%Y-%m-%d %H"),
    "daily": lambda v: local(v).strftime("%Y-%m-%d"),
    "weekly": lambda v: "{0[0]:04}-{0[1]:02}".format(local(v).isocalendar()),
}


def stays(rules: Rules, version: Saved, others: list[Saved]) -> bool:
    """Whether any rule keeps it, said as people say the rules."""
    if NOW_US - version.time_us < rules.keep_all_us:
        return True
    if sum(newer(o, version) for o in others) < rules.keep_last:
        return True
    for name, label in LABELS.items():
        same = [o for o in others if label(o) == label(version)]
        if any(later(o, version) for o in same):
            continue
        if len({label(o) for o in others if label(o) > label(version)}) < getattr(rules, name):
            return True
    for best in rules.best:
        if best.metric in version.values:
            sign = 1 if best.lowest else -1
            mine = (
                sign * version.values[best.metric],
                version.generation,
                version.time_us,
                version.id,
            )
            ahead = [
                o for o in others
                if best.metric in o.values
                and (sign * o.values[best.metric], o.generation, o.time_us, o.id) < mine
            ]  # fmt: skip
            if len(ahead) < best.k:
                return True
    return False


def newer(one: Saved, other: Saved) -> bool:
    return (-one.generation, -one.time_us, one.id) < (-other.generation, -other.time_us, other.id)


def later(one: Saved, other: Saved) -> bool:
    return (-one.time_us, -one.generation, one.id) < (-other.time_us, -other.generation, other.id)


def saved(number: int, minutes_ago: int, offset: int, values: Mapping[str, float]) -> Saved:
    time_us = NOW_US - minutes_ago * 60_000_000
    return Saved(VersionId.of(b"%d" % number), time_us, offset, 1 + number, values)


VALUES = st.dictionaries(st.sampled_from(["loss", "acc"]), st.sampled_from([0.1, 0.2, 0.5, 1.0]))
AGES = st.integers(-90, 200) | st.integers(0, 60 * 24 * 40)


@st.composite
def histories(draw: st.DrawFn) -> list[Saved]:
    """Times do not always rise with numbers, as clocks do not; some are ahead of ours. One zone each."""
    offset = draw(st.sampled_from([0, 60, -480, 330]))
    rows = draw(st.lists(st.tuples(AGES, VALUES), max_size=40))
    return [saved(number, ago, offset, values) for number, (ago, values) in enumerate(rows)]


COUNTS = st.integers(0, 4)
RULES = st.builds(
    Rules,
    keep_all_us=st.sampled_from([0, 0, HOUR_US, DAY_US]),
    hourly=COUNTS, daily=COUNTS, weekly=COUNTS, keep_last=COUNTS,
    best=st.lists(
        st.builds(Best, st.sampled_from(["loss", "acc"]), st.integers(1, 3), st.booleans()), max_size=2
    ).map(tuple),
)  # fmt: skip


@given(RULES, histories())
def test_against_a_plain_model(rules: Rules, versions: list[Saved]) -> None:
    expected = {v.id for v in versions if stays(rules, v, [o for o in versions if o is not v])}
    assert kept(rules, versions, NOW_US).keys() == expected


@given(RULES, histories())
def test_applied_again_nothing_more_goes(rules: Rules, versions: list[Saved]) -> None:
    """At the same time, and with what went gone: an hourly run takes no second bite."""
    first = kept(rules, versions, NOW_US)
    assert kept(rules, [v for v in versions if v.id in first], NOW_US).keys() == first.keys()


def test_a_week_of_checkpoints() -> None:
    """One every 30 minutes: the last day whole, then by hour and by day."""
    versions = [saved(n, 30 * (336 - n), 0, {}) for n in range(336)]
    rules = Rules(keep_all_us=DAY_US, hourly=36, daily=7)
    stay = kept(rules, versions, NOW_US)
    counts = {rule: list(stay.values()).count(rule) for rule in set(stay.values())}
    assert counts == {"keep_all": 47, "hourly": 12, "daily": 5}
    assert len(stay) == 64


def lowest(metric: str) -> bool:
    return metric == "loss"


def test_a_table_becomes_rules() -> None:
    table = {
        "keep_all": "36h", "hourly": 24, "daily": 7, "weekly": 4, "keep_last": 10, "min_copies": 1,
        "grace": "3d", "best": [{"metric": "loss", "k": 3}, {"metric": "acc", "k": 1, "lowest": True}],
    }  # fmt: skip
    rules = parse(table, lowest)
    assert rules == Rules(
        36 * HOUR_US, 24, 7, 4, 10, (Best("loss", 3, True), Best("acc", 1, True)), 1, 3 * DAY_US
    )
    assert rules.text == (
        "keep_all 36h, hourly 24, daily 7, weekly 4, keep_last 10, best 3 by loss, best 1 by acc, min_copies 1"
    )
    assert parse({"best": {"metric": "acc", "k": 2}}, lowest).best == (Best("acc", 2, False),)
    assert parse({"keep_all": "90m"}, lowest).grace_us == DAY_US


@pytest.mark.parametrize(
    "table, said",
    [
        ({}, "nothing of what stays"),
        ({"grace": "1h", "min_copies": 2}, "nothing of what stays"),
        ({"keep_al": "24h"}, "did you mean keep_all"),
        ({"xyz": 1}, "there are keep_all, hourly"),
        ({"keep_all": 24}, "must be an age like"),
        ({"keep_all": "24 hours"}, "must be an age like"),
        ({"daily": "7"}, "daily must be a number"),
        ({"daily": True}, "daily must be a number"),
        ({"daily": -1}, "daily must be a number"),
        ({"best": {"metric": "loss"}}, "best must be like"),
        ({"best": "loss"}, "best must be like"),
        ({"best": {"metric": "loss", "k": 0}}, "k must be a number"),
        ({"best": {"metric": "loss", "k": 1, "lowest": "yes"}}, "best must be like"),
        ({"best": {"metric": "loss", "n": 1, "k": 1}}, "best must be like"),
    ],
    ids=str,
)
def test_tables_that_are_refused(table: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse(table, lowest)


def test_the_file_is_read_and_named_when_wrong(bench: Bench) -> None:
    assert load(bench.repo._core) is None
    bench.write(
        {"mvc.toml": '[retention]\nkeep_all = "24h"\nbest = {metric = "val_loss", k = 2}\n'}
    )
    rules = load(bench.repo._core)
    assert rules is not None and rules.best == (Best("val_loss", 2, True),)
    bench.write({"mvc.toml": "[retention]\ndayly = 3\n"})
    with pytest.raises(Failure, match=r"the \[retention\] table of mvc.toml is wrong") as caught:
        load(bench.repo._core)
    assert caught.value.cause == "'dayly' is no rule; did you mean daily?"
    bench.write({"mvc.toml": '[retention]\nbest = {metric = "foo", k = 2}\n'})
    with pytest.raises(Failure) as caught:
        load(bench.repo._core)
    assert "is more of foo better, or less?" in str(caught.value.cause)
    bench.write(
        {"mvc.toml": '[metrics]\nlower = ["foo"]\n[retention]\nbest = {metric = "foo", k = 2}\n'}
    )
    rules = load(bench.repo._core)
    assert rules is not None and rules.best == (Best("foo", 2, True),)
