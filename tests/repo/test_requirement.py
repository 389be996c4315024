from __future__ import annotations

import math

import pytest

from mvcd.errors import UsageError
from mvcd.objects.version import Version
from mvcd.repo.requirement import check

VERSION = Version(
    metrics={"val.acc": 0.93, "val.loss": math.nan, "epochs": 3, "best": True},
    hyperparameters={"lr": 0.1, "optimizer": "adam", "epochs": 5, "none": None},
)


@pytest.mark.parametrize(
    ("expression", "met"),
    [
        ("val.acc>=0.93", True),
        ("val.acc > 0.93", False),
        ("val.acc<=1", True),
        ("epochs==3", True),
        ("epochs=3.0", True),
        ("lr<1e-3", False),
        ("lr != 0.2", True),
        ("optimizer==adam", True),
        ("optimizer=='adam'", True),
        ("optimizer!=sgd", True),
        ("optimizer>0", False),
        ("best==true", True),
        ("best>=1", False),
        ("none==0", False),
        ("val.loss<1", False),
        ("val.loss>=1", False),
        ("val.loss!=1", False),
        ("absent>0", False),
        ("absent<0", False),
    ],
)
def test_what_a_requirement_says(expression: str, met: bool) -> None:
    assert check(expression, VERSION, None, rule=False).met is met


def test_a_refusal_says_what_was_found_or_what_was_meant() -> None:
    assert check("val.acc>0.95", VERSION, None, rule=False).why == "val.acc is 0.93"
    assert "did you mean val.acc" in check("val.accc>0", VERSION, None, rule=False).why


def test_against_who_holds_the_stage_now() -> None:
    worse = Version(metrics={"val.acc": 0.9})
    better = Version(metrics={"val.acc": 0.95})
    assert check("val.acc>=current", VERSION, worse, rule=False).met
    assert not check("val.acc>=current", VERSION, better, rule=False).met
    assert check("val.acc>=current", VERSION, None, rule=False).met
    assert check("val.acc>=current", VERSION, Version(), rule=False).met
    found = check("val.acc>=current", VERSION, worse, rule=True)
    assert found.found == {"val.acc": 0.93, "current": 0.9} and found.rule


@pytest.mark.parametrize(
    "expression", ["", "val.acc", ">=3", "a ~ 3", "a>=", "a>==3", "x" * 2000 + ">1"]
)
def test_what_is_no_requirement(expression: str) -> None:
    with pytest.raises(UsageError):
        check(expression, VERSION, None, rule=False)
