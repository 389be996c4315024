"""Tables that `dvc plots` draws: rows of one's own, and the curves of scikit-learn, where that is installed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mvc.api import errors
from mvc.training.values import plain

Rows = list[dict[str, Any]]
Configuration = dict[str, Any]
"""What dvc.yaml says of a plot: `x`, `y`, `template`, `title`, `x_label`, `y_label`."""


def rows_of(name: str, datapoints: Any) -> Rows:
    """A list of mappings, a DataFrame of pandas or an array of numpy as rows. Raises UsageError."""
    if callable(getattr(datapoints, "to_dict", None)):
        datapoints = datapoints.to_dict(orient="records")
    elif (names := getattr(getattr(datapoints, "dtype", None), "names", None)) is not None:
        datapoints = [dict(zip(names, row, strict=True)) for row in datapoints.tolist()]
    elif callable(getattr(datapoints, "tolist", None)):
        datapoints = [dict(enumerate(row)) for row in datapoints.tolist()]
    if not isinstance(datapoints, list) or not all(isinstance(r, Mapping) for r in datapoints):
        raise errors.UsageError(
            f"the plot {name!r} is not made of rows", kind="no-rows",
            cause=f"it is {type(datapoints).__name__}",
            help="a list of dicts, a DataFrame of pandas, or an array of numpy",
        )  # fmt: skip
    return [plain(row) for row in datapoints]


@dataclass(frozen=True, slots=True)
class _Curve:
    """`make` answers the columns of the plot, in the order of `columns`."""

    make: Callable[..., Any]
    columns: tuple[str, ...]
    x: str
    y: str
    title: str
    x_label: str
    y_label: str


def sklearn_plot(
    kind: str, labels: Any, predictions: Any, normalized: bool | None, options: Mapping[str, Any]
) -> tuple[Any, Configuration]:
    """What goes into the file, and how it is drawn. Raises UsageError."""
    if kind == "confusion_matrix":
        if options:
            raise errors.UsageError(f"confusion_matrix takes no {', '.join(sorted(options))}")
        pairs = zip(labels, predictions, strict=True)
        template = "confusion_normalized" if normalized else "confusion"
        return [{"actual": str(a), "predicted": str(p)} for a, p in pairs], {
            "template": template, "x": "actual", "y": "predicted", "title": "Confusion Matrix",
            "x_label": "True Label", "y_label": "Predicted Label",
        }  # fmt: skip
    if kind not in _CURVES:
        raise errors.UsageError(
            f"there is no plot {kind!r}", help=", ".join(sorted([*_CURVES, "confusion_matrix"]))
        )
    if normalized is not None:
        raise errors.UsageError(f"normalized is about confusion_matrix, and this is {kind}")
    curve = _CURVES[kind]
    found = [column.tolist() for column in curve.make(labels, predictions, **options)]
    # precision and recall have one point more than there are thresholds: rows end with the shortest
    rows = [dict(zip(curve.columns, row, strict=True)) for row in zip(*found, strict=False)]
    return {kind: rows}, {
        "template": "simple", "x": curve.x, "y": curve.y, "title": curve.title,
        "x_label": curve.x_label, "y_label": curve.y_label,
    }  # fmt: skip


def _metrics(function: str) -> Callable[..., Any]:
    def make(labels: Any, predictions: Any, **options: Any) -> Any:
        try:
            from sklearn import metrics  # late: an extra
        except ImportError as missing:
            raise _without(missing) from None
        return getattr(metrics, function)(labels, predictions, **options)

    return make


def _calibration(labels: Any, predictions: Any, **options: Any) -> Any:
    try:
        from sklearn.calibration import calibration_curve  # late: an extra
    except ImportError as missing:
        raise _without(missing) from None
    return calibration_curve(labels, predictions, **options)


def _without(missing: ImportError) -> errors.UsageError:
    return errors.UsageError(
        "this plot needs scikit-learn", kind="not-installed", cause=str(missing),
        help="pip install scikit-learn",
    )  # fmt: skip


_CURVES: Mapping[str, _Curve] = {
    "roc": _Curve(
        _metrics("roc_curve"), ("fpr", "tpr", "threshold"), "fpr", "tpr",
        "Receiver operating characteristic (ROC)", "False Positive Rate", "True Positive Rate",
    ),
    "precision_recall": _Curve(
        _metrics("precision_recall_curve"), ("precision", "recall", "threshold"), "recall",
        "precision", "Precision-Recall Curve", "Recall", "Precision",
    ),
    "det": _Curve(
        _metrics("det_curve"), ("fpr", "fnr", "threshold"), "fpr", "fnr",
        "Detection error tradeoff (DET)", "False Positive Rate", "False Negative Rate",
    ),
    "calibration": _Curve(
        _calibration, ("prob_true", "prob_pred"), "prob_pred", "prob_true", "Calibration Curve",
        "Mean Predicted Probability", "Fraction of Positives",
    ),
}  # fmt: skip
