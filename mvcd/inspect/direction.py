"""Whether more of a metric is better: rules over its key.

The built-in ones know the usual words: in `val.top5_acc` the word `acc` means that higher is better. The end
of a key says most (`accuracy_error`, `loss.total`), so the last known word of the last part that has one
decides; `neg` before it (scikit-learn's `neg_mean_squared_error`) turns it round. A workspace's own globs, the
`[metrics]` table of `mvc.toml`, come first:

    [metrics]
    higher = ["*margin*"]
    lower = ["val.*distance"]
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Self

from mvcd.objects.version import Value

LOWER = frozenset(
    """loss losses error errors err perplexity ppl wer cer mae mse rmse mape smape msle nll bpc bpb bpd fid kid
    ece brier latency fpr fnr eer misclassified deviation rmsle crossentropy entropy xent edit ter
    divergence regret lpips""".split()
)
HIGHER = frozenset(
    """accuracy acc accu f f1 fscore auc auroc auprc roc bleu sacrebleu rouge rougel rougelsum meteor chrf
    precision recall map ap miou iou dice jaccard r2 reward return ndcg mrr hits psnr ssim mcc kappa spearman
    pearson specificity sensitivity tpr tnr throughput top score winrate exactmatch em""".split()
)

_PARTS = re.compile(r"[./:]")
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[a-z]+|[0-9]+")


class Direction(StrEnum):
    HIGHER = "higher"
    LOWER = "lower"
    NEITHER = "neither"


class MetricRules:
    """Decides directions. Immutable."""

    def __init__(self, overrides: tuple[tuple[str, Direction], ...] = ()) -> None:
        self._overrides = overrides

    @classmethod
    def default(cls) -> Self:
        return cls()

    @classmethod
    def of(cls, table: Mapping[str, object]) -> Self:
        """The `[metrics]` table, but for its `main`, which says whose names are short. Globs read as in the
        shell, `*` spanning dots, letter case ignored; of several that match, the one with the most plain
        characters decides. Raises ValueError for a key that names no direction, and for a value that is no list
        of strings."""
        found: list[tuple[str, Direction]] = []
        for name, globs in table.items():
            if name == "main":
                continue
            if name not in Direction.__members__.values():
                raise ValueError(f"{name!r} is no direction; there are {', '.join(Direction)}")
            if not isinstance(globs, list) or not all(isinstance(g, str) for g in globs):
                raise ValueError(f"{name} must be a list of globs")
            found += [(glob.lower(), Direction(name)) for glob in globs]
        return cls(tuple(sorted(found, key=lambda rule: -len(re.sub(r"[*?\[\]]", "", rule[0])))))

    def direction(self, key: str) -> Direction:
        lowered = key.lower()
        for glob, direction in self._overrides:
            if fnmatchcase(lowered, glob):
                return direction
        for part in reversed(_PARTS.split(key)):
            if (found := _by_words(part)) is not None:
                return found
        return Direction.NEITHER

    def better(self, key: str, old: Value, new: Value) -> bool | None:
        """Whether `new` improves on `old`; None without a direction, for equal values and for non-numbers.

        A number that became NaN is worse, one that NaN became is better.
        """
        direction = self.direction(key)
        if direction is Direction.NEITHER or not (_is_number(old) and _is_number(new)):
            return None
        old_nan, new_nan = old != old, new != new  # noqa: PLR0124 - only NaN differs from itself
        if old_nan or new_nan:
            return None if old_nan and new_nan else old_nan
        if old == new:
            return None
        return (new > old) == (direction is Direction.HIGHER)  # type: ignore[operator]


def _is_number(value: Value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _by_words(part: str) -> Direction | None:
    words = [word.lower() for word in _WORDS.findall(part)]
    turned = bool({"neg", "negative"} & set(words))
    for index in range(len(words) - 1, -1, -1):
        for candidate in ("".join(words[index : index + 2]), words[index]):  # "f1" are two words
            if candidate in LOWER or candidate in HIGHER:
                lower = (candidate in LOWER) != turned
                return Direction.LOWER if lower else Direction.HIGHER
    return None
