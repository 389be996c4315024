"""The newest, the least, the greatest and the best value of keys, against a plain walk over made versions."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import pytest

from mvcd.errors import ExpressionError
from mvcd.repo.history.series import Extent
from tests.support.workspace import Bench

LOSSES: Sequence[float | None] = (2.0, 0.4, None, math.nan, 0.4, 3.5, 0.9)


@pytest.fixture
def runs(bench: Bench) -> Bench:
    for number, loss in enumerate(LOSSES, 1):
        metrics = (
            {"val_acc": number / 10} if loss is None else {"val_loss": loss, "val_acc": number / 10}
        )
        settings = f"lr: {0.1 if number < 4 else 0.05}\nname: net\nflag: {number % 2 == 0}\n"
        bench.save({"metrics.json": json.dumps(metrics), "params.yaml": settings}, f"run {number}")
    return bench


def told(extent: Extent) -> dict[str, tuple[int, object]]:
    found = {name: getattr(extent, name) for name in ("last", "low", "high", "best")}
    return {name: (point.number, point.value) for name, point in found.items() if point is not None}


def test_of_metrics_and_settings(runs: Bench) -> None:
    repo = runs.repo
    loss, acc, lr, name, flag, none = repo.extents(
        ["val_loss", "val_acc", "lr", "name", "flag", "none"]
    )
    assert told(loss) == {"last": (7, 0.9), "low": (2, 0.4), "high": (6, 3.5), "best": (2, 0.4)}
    assert (loss.versions, loss.differs) == (6, True)
    assert told(acc)["best"] == told(acc)["high"] == told(acc)["last"] == (7, 0.7)
    assert told(lr) == {"last": (7, 0.05), "low": (4, 0.05), "high": (1, 0.1)}
    assert told(name) == {"last": (7, "net")} and not name.differs
    assert told(flag) == {"last": (7, False)} and flag.differs
    assert (none.versions, none.last, none.differs) == (0, None, False)


def test_over_what_a_condition_finds_and_over_all_refs(runs: Bench) -> None:
    repo = runs.repo
    (loss,) = repo.extents(["val_loss"], where="val_acc<=0.5")
    assert told(loss) == {"last": (5, 0.4), "low": (2, 0.4), "high": (1, 2.0), "best": (2, 0.4)}
    runs.repo.create_branch("side", "v1", context=runs.context())
    runs.checkout("v1")
    runs.checkout("side")
    runs.save({"metrics.json": '{"val_loss": 0.1}'}, "aside")
    runs.checkout("main")
    assert told(repo.extents(["val_loss"])[0])["low"] == (2, 0.4)
    assert told(repo.extents(["val_loss"], all_refs=True)[0])["low"] == (2, 0.1)
    with pytest.raises(ExpressionError):
        repo.extents(["val_loss"], where="val_loss >")
