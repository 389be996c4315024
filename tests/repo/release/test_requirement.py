from __future__ import annotations

import math

import pytest

from mvcd.errors import UsageError
from mvcd.objects.glance import Glance
from mvcd.objects.version import Value, Version
from mvcd.repo.release.requirement import CheckedRequirement, RequiredExpression
from tests.objects.test_version import FIRST


class Nameless:
    def branches(self, version: Glance) -> tuple[str, ...]:
        return ("main",)

    def tags(self, version: Glance) -> tuple[str, ...]:
        return ()

    def stages(self, version: Glance) -> tuple[str, ...]:
        return ()


def version(metrics: dict[str, Value], settings: dict[str, Value] | None = None) -> Glance:
    made = Version(
        generation=1, components=FIRST.components, author="Ada", metrics=metrics,
        hyperparameters=settings or {},
    )  # fmt: skip
    return Glance(made.id, made.encode())


VERSION = version(
    {"val.acc": 0.93, "val.loss": math.nan, "epochs": 3, "best": True},
    {"lr": 0.1, "optimizer": "adam", "epochs": 5, "none": None},
)


def check(
    expression: str, current: Glance | None = None, *, rule: bool = False
) -> CheckedRequirement:
    return RequiredExpression(expression, Nameless(), now_us=0, rule=rule).check(VERSION, current)


@pytest.mark.parametrize(
    ("expression", "met"),
    [
        ("val.acc>=0.93", True),
        ("val.acc > 0.93", False),
        ("val.acc > 0.9 and lr < 1", True),
        ("val.acc > 0.95 or lr < 1", True),
        ("absent > 0.95 or lr < 1", True),
        ("epochs==3", True),
        ("params.epochs = 5", True),
        ("optimizer in (adam, sgd)", True),
        ("optimizer!='sgd'", True),
        ("optimizer>0", False),
        ("best=true", True),
        ("author = Ada and branch = main", True),
        ("absent>0", False),
        ("absent!=0", False),
        ("val.loss<1", False),
        ("val.loss>=1", False),
        # closed where a search is open: what is not there, or is no number, speaks for nobody
        ("not (absent > 1)", False),
        ("not (val.loss > 1)", False),
        ("not (not (val.loss < 1))", False),
        ("not (lr > 1)", True),
        ("not (has absent)", True),
    ],
)
def test_what_a_requirement_says(expression: str, met: bool) -> None:
    assert check(expression).met is met


def test_a_refusal_says_what_was_found_or_what_was_meant() -> None:
    assert check("val.acc>0.95").why == "val.acc is 0.93"
    assert check("accc>0 and lr>0").why == "the version has no accc; lr is 0.1"
    assert check("acc>0").why == "the version has no acc (did you mean val.acc?)"


def test_against_who_holds_the_stage_now() -> None:
    worse, better = version({"val.acc": 0.9}), version({"val.acc": 0.95})
    assert check("val.acc>=current", worse).met
    assert not check("val.acc>=current", better).met
    assert not check("val.acc>=current and lr<1", better).met
    for nothing in (None, version({}), version({"val.acc": math.nan})):
        assert check("val.acc>=current", nothing).met
        assert not check("absent>=current", nothing).met
    found = check("val.acc>=current", worse, rule=True)
    assert found.found == {"val.acc": 0.93, "current val.acc": 0.9} and found.rule
    assert found.why == "val.acc is 0.93, the current one has 0.9"


@pytest.mark.parametrize(
    "expression", ["", "val.acc", ">=3", "a>=", "a>==3", "x" * 2000 + ">1", "(a>1"]
)
def test_what_is_no_requirement(expression: str) -> None:
    with pytest.raises(UsageError):
        check(expression)
