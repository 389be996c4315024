"""The language of --where: what it says of versions, and where it points when it does not parse."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvcd.errors import ExpressionError
from mvcd.ids import VersionId
from mvcd.objects.glance import MISSING, Glance
from mvcd.objects.version import Trigger, Value, Version
from mvcd.repo.history.query import tree
from mvcd.repo.history.query.evaluate import Evaluator
from mvcd.repo.history.query.parse import MAX_CHARACTERS, MAX_CONDITIONS, MAX_LEVELS, parse

DAY = 86400 * 1_000_000
NOW = 1_800_000_000_000_000


NOTED = {
    "acc": "0.93", "run": "007", "ok": "true", "eval/f1@5": " 1e-3 ", "description": "Line one\nTwo",
    "big": "9" * 5000, "empty": "",
}  # fmt: skip


class Refs:
    """Every version is on two branches, has a tag and the same annotations."""

    def branches(self, version: Glance) -> Iterable[str]:
        return ("main", "wide/a")

    def tags(self, version: Glance) -> Iterable[str]:
        return ("v1.0",)

    def stages(self, version: Glance) -> Iterable[str]:
        return ()

    def annotations(self, version: Glance) -> Mapping[str, str]:
        return NOTED


def glanced(**fields: object) -> Glance:
    version = Version(generation=1, **fields)  # type: ignore[arg-type]
    data = version.encode()
    return Glance(VersionId.of(data), data)


def holds(expression: str, version: Glance) -> bool:
    return Evaluator(parse(expression), expression, Refs(), now_us=NOW).matches(version)


VERSION = glanced(
    author="Ada Lovelace <ada@example.org>",
    message="Lower the rate",
    time_us=NOW - 3 * DAY,
    trigger=Trigger.AUTO,
    hyperparameters={"lr": 0.1, "model.name": "resnet50", "deep": True, "odd key": 1, "seed": None},
    metrics={"lr": 0.05, "val_acc": 0.9, "steps": 1000, "nan": math.nan},
)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("val_acc>0.8", True),
        ("note.acc > 0.9 and note.acc < 1", True),
        ("note.acc = 0.93 and note.acc = '0.93'", True),
        ("note.acc != 0.93 or note.acc != '0.93'", False),
        ("note.acc = 0.930 and not note.acc = '0.930'", True),
        ("note.run = 7 and note.run = '007' and not note.run = '7'", True),
        ("note.run in (7, 8) and note.run in (a, '007') and not note.run in ('7', 8)", True),
        ("note.ok = true and note.ok != false and not note.ok = 1", True),
        ("note.eval/f1@5 = 0.001", True),
        ("note.description ~ two and note.description ~ /^Line/", True),
        ("note.description > 5 or note.empty > 0 or note.big < 0", False),
        ("note.big = 5 or note.description = true or note.empty = null", False),
        ("note.description != 5", True),
        ("has note.empty and not has note.more and not has acc", True),
        ("note.more = 1 or note.more != 1 or note.more ~ x", False),
        ("val_acc > 9e-1", False),
        ("val_acc >= .9 and steps == 1000", True),
        ("val_acc < 0.5 or steps <= 1_000", True),
        ("not val_acc > 0.8", False),
        ("not (val_acc > 0.8 and lr > 1)", True),
        ("lr = 0.05", True),  # of a key that is both, the metric
        ("params.lr = 0.1 and metrics.lr = 0.05", True),
        ("hyperparameters.lr = 0.1", True),
        ("model.name = resnet50", True),
        ("model.name = 'resnet50'", True),
        ('model.name != "resnet18"', True),
        ("model.name ~ RES", True),
        ("model.name ~ res*0", True),
        ("model.name ~ net*", False),
        ("model.name ~ /t[0-9]+$/", True),
        ("model.name !~ /^RES/", True),
        ("model.name in (resnet18, resnet50)", True),
        ("model.name not in (resnet18, resnet50)", False),
        ("steps in (1, 1000)", True),
        ("has val_acc", True),
        ("has val_loss", False),
        ("not has val_loss", True),
        ('"odd key" = 1', True),
        ("deep = true", True),
        ("deep = 1", False),
        ("seed = null", True),
        ("nan = nan", True),
        ("nan > 0 or nan < 0", False),
        ("absent != 1", False),
        ("not absent = 1", True),
        ("steps = '1000'", False),
        ("steps > abc", False),
        ("author ~ ada and trigger = auto", True),
        ("message ~ 'the rate'", True),
        ("branch = main and branch = wide/a and branch != other", True),
        ("branch ~ wide/* and tag = v1.0 and has tag", True),
        ("not has stage and stage != production and has time", True),
        ("version = v1 and version = 1 and generation < 2", True),
        ("version in (v3, v1)", True),
        ("time > 4d and time < 2d", True),
        ("date > 2h", False),
        ("time >= 2027-01-12 and time <= 2027-01-12", True),
        ("date = 2027-01-12 and date != 2027-01-13", True),
        ("VAL_ACC > 0", False),
        ("val_acc>0.8 AND NOT steps<1", True),
        ("val_acc < inf and val_acc > -inf", True),
        ("a = 1 and b = 1 or steps = 1000", True),  # `and` binds more
        ("steps = 1000 or a = 1 and b = 1", True),
    ],
)
def test_what_holds(expression: str, expected: bool) -> None:
    assert holds(expression, VERSION) is expected


def test_an_id_is_found_by_its_beginning() -> None:
    assert holds(f'version = "{VERSION.id.hex()[:12]}"', VERSION) or VERSION.id.hex()[:12].isdigit()
    assert holds(f"id ~ {VERSION.id.hex()[:12]}*", VERSION)


@pytest.mark.parametrize(
    ("expression", "start", "words"),
    [
        ("", 0, "empty"),
        ("val_acc", 7, "compared with nothing"),
        ("val_acc >", 9, "a value is missing"),
        ("val_acc > 0.9 lr < 1", 14, "goes on"),
        ("(val_acc > 0.9", 14, "not closed"),
        ("val_acc > 0.9 and", 17, "a key is missing"),
        ("and", 0, "a key is missing"),
        ("lr in 3", 6, "wants a list"),
        ("lr in (3", 8, "not closed"),
        ("lr not 3", 7, "stands alone"),
        ("lr = 'abc", 5, "quotation"),
        ('lr = "a\\q"', 5, "escape"),
        ("lr ~ /(/", 5, "no regular expression"),
        ("time > yesterday", 0, "is no time"),
        ("x = 1 and time ~ 2h", 10, "a time is compared with"),
        ("version > abc", 0, "is no version"),
        ("(" * (MAX_LEVELS + 1) + "a = 1", MAX_LEVELS, "within each other"),
        (" and ".join(["a=1"] * (MAX_CONDITIONS + 1)), 8 * MAX_CONDITIONS, "conditions"),
    ],
)
def test_a_mistake_is_pointed_at(expression: str, start: int, words: str) -> None:
    with pytest.raises(ExpressionError, match=words) as caught:
        holds(expression, VERSION)
    assert (caught.value.expression, caught.value.start) == (expression, start)


def test_an_expression_has_a_length() -> None:
    with pytest.raises(ExpressionError, match="more than"):
        parse("a" * (MAX_CHARACTERS + 1))


def test_keys_that_no_version_has_are_known_afterwards() -> None:
    text = "val_acc > 0.95 or val_ac > 1 or has nothing"
    evaluator = Evaluator(parse(text), text, Refs(), now_us=None)
    evaluator.matches(VERSION)
    (key,) = evaluator.unknown
    assert (key.name, key.start, key.length) == ("val_ac", 18, 6)


# -------------------------------------------------------------------- properties

NAMES = ("lr", "val.loss", "a key", "größe", "in", "x:y/z", '"')
values: st.SearchStrategy[Value] = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.text(max_size=6),
    st.floats(allow_nan=False), st.sampled_from(["true", "1", "nan", "inf", "a'b"]),
)  # fmt: skip
keys = st.sampled_from(NAMES).map(tree.Key)
leaves = st.one_of(
    st.builds(tree.KeyComparison, keys, st.sampled_from("= != < <= > >=".split()), values),
    st.builds(tree.Among, keys, st.lists(values, min_size=1, max_size=3).map(tuple)),
    st.builds(tree.Has, keys),
    st.builds(tree.KeyMatch, keys, st.text(max_size=5).map(tree.Pattern)),
    st.builds(tree.KeyMatch, keys, st.sampled_from(["a+", "^x$", r"\d"]).map(lambda r: tree.Pattern(r, True))),
)  # fmt: skip
conditions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(tree.Not, inner), st.builds(tree.And, inner, inner), st.builds(tree.Or, inner, inner)
    ),
    max_leaves=12,
)  # fmt: skip


@given(conditions)
def test_a_printed_condition_parses_to_itself(condition: tree.Condition) -> None:
    assert parse(str(condition)) == condition


@given(st.text(max_size=40))
def test_any_text_parses_or_is_pointed_at(text: str) -> None:
    try:
        condition = parse(text)
    except ExpressionError as error:
        assert 0 <= error.start <= len(text)
    else:
        assert parse(str(condition)) == condition


recorded = st.dictionaries(st.sampled_from(NAMES), values | st.just(math.nan), max_size=4)


def naive(  # noqa: PLR0911 - one return a case
    condition: tree.Condition, settings: dict[str, Value], metrics: dict[str, Value]
) -> bool:
    """The same answers, in the plainest words."""
    match condition:
        case tree.Not(inner):
            return not naive(inner, settings, metrics)
        case tree.And(a, b):
            return naive(a, settings, metrics) & naive(b, settings, metrics)
        case tree.Or(a, b):
            return naive(a, settings, metrics) | naive(b, settings, metrics)
    found = {**settings, **metrics}
    name = condition.key.name
    if isinstance(condition, tree.Has) or name not in found:
        return isinstance(condition, tree.Has) and name in found
    value = found[name]
    if isinstance(condition, tree.Among):
        return any(same(value, wanted) for wanted in condition.values)
    if isinstance(condition, tree.KeyComparison):
        sign, wanted = condition.sign, condition.value
        if sign in ("=", "!="):
            return same(value, wanted) is (sign == "=")
        kinds = [
            type(v) if not isinstance(v, int) or isinstance(v, bool) else float
            for v in (value, wanted)
        ]
        if kinds not in ([float, float], [str, str]):
            return False
        order = (value > wanted) - (value < wanted)  # type: ignore[operator]
        if value != value:  # noqa: PLR0124
            return False
        return {"<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0}[sign]
    return True  # patterns have examples above


def same(value: Value, wanted: Value) -> bool:
    if isinstance(value, float) and math.isnan(value):
        return str(wanted).lower() == "nan" and isinstance(wanted, str)
    if isinstance(value, bool) != isinstance(wanted, bool):
        return False
    return value == wanted


def without_patterns(condition: tree.Condition) -> bool:
    return not any(isinstance(leaf, tree.KeyMatch) for leaf in tree.leaves(condition))


@given(conditions.filter(without_patterns), recorded, recorded)
def test_a_naive_reading_agrees(
    condition: tree.Condition, settings: dict[str, Value], metrics: dict[str, Value]
) -> None:
    version = glanced(hyperparameters=settings, metrics=metrics)
    assert holds(str(condition), version) is naive(condition, settings, metrics)


@given(recorded, recorded)
def test_a_glance_sees_what_a_version_has(
    settings: dict[str, Value], metrics: dict[str, Value]
) -> None:
    version = glanced(hyperparameters=settings, metrics=metrics)
    for name in NAMES:
        for finder, there in ((version.hyperparameter, settings), (version.metric, metrics)):
            found = finder(name)
            assert (found is MISSING) is (name not in there)
            assert found is MISSING or repr(found) == repr(there[name])
    assert list(version.keys()) == [*sorted(settings), *sorted(metrics)]
