"""What is better: the usual names, a workspace's own rules, and what has no direction."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvcd.inspect.direction import Direction, MetricRules

HIGHER = """acc val_acc val.accuracy accuracy top5_acc acc@1 eval/f1 f1_macro r2 R2Score mAP map50 mIoU bleu
BLEU4 rouge1 rougeL rouge-2 auc roc_auc precision@10 recall reward episode_return exact_match
neg_mean_squared_error train.metrics.dice valAccuracy accuracy.top1 win_rate"""
LOWER = """loss val_loss val.loss trainLoss loss.total error error_rate top1_err perplexity ppl wer CER mae MSE
rmse nll bpb fid latency_ms accuracy_error cross_entropy"""
NEITHER = "epoch step lr runtime samples maple glossary threshold confidence"


@pytest.mark.parametrize(
    ("key", "direction"),
    [(key, Direction.HIGHER) for key in HIGHER.split()]
    + [(key, Direction.LOWER) for key in LOWER.split()]
    + [(key, Direction.NEITHER) for key in NEITHER.split()],
)
def test_names_tell(key: str, direction: Direction) -> None:
    assert MetricRules.default().direction(key) is direction


def test_own_rules_come_first_and_the_most_specific_decides() -> None:
    rules = MetricRules.of(
        {"lower": ["*"], "higher": ["*margin*"], "neither": ["debug.margin*", "LR"]}
    )
    assert rules.direction("accuracy") is Direction.LOWER
    assert rules.direction("val.Margin") is Direction.HIGHER
    assert rules.direction("debug.margin") is Direction.NEITHER
    assert rules.direction("lr") is Direction.NEITHER


@pytest.mark.parametrize("table", [{"better": ["x"]}, {"lower": "x"}, {"lower": [1]}])
def test_a_bad_table_is_refused(table: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"direction|list"):
        MetricRules.of(table)


def test_better() -> None:
    better = MetricRules.default().better
    assert better("loss", 1.0, 0.5) is True
    assert better("loss", 1, 2) is False
    assert better("acc", 1, 2) is True
    assert better("acc", 1, 1.0) is None
    assert better("epoch", 1, 2) is None
    assert better("acc", True, 2) is None
    assert better("acc", "1", None) is None
    assert better("loss", 1.0, math.nan) is False
    assert better("loss", math.nan, 1.0) is True
    assert better("loss", math.nan, math.nan) is None
    assert better("loss", 1.0, math.inf) is False


@given(st.text(max_size=40), st.floats(), st.floats())
def test_any_key_has_one_answer_and_turning_round_turns_it(key: str, a: float, b: float) -> None:
    rules = MetricRules.default()
    there, back = rules.better(key, a, b), rules.better(key, b, a)
    assert (there is None) == (back is None)
    assert there is None or there is not back
