"""XGBoost: metrics of each round, the settings of the booster, and a version at the end.

xgboost.train(..., callbacks=[MvcXgboostCallback("model.ubj")])
XGBClassifier(callbacks=[MvcXgboostCallback()])
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from mvc.integrations.needed import missing
from mvc.integrations.trainees import Trainee

try:
    from xgboost.callback import TrainingCallback
except ImportError as error:
    raise missing("xgboost", "xgboost", error) from None

_CONFIGURATION = ("learner_train_param", "learner_model_param", "objective", "tree_train_param")
"""Tables of XGBoost's own configuration that say how it trains."""


class MvcXgboostCallback(TrainingCallback):
    """With `path` the model is saved there at the end; `wait` and `save_here` are those of `mvc.checkpoint`."""

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        directory: str | os.PathLike[str] = ".",
        wait: bool = False,
        save_here: bool = True,
    ) -> None:
        super().__init__()
        self._path = None if path is None else os.path.abspath(path)
        place = os.fspath(directory) if self._path is None else os.path.dirname(self._path)
        self._trainee = Trainee(place, wait, save_here)

    @property
    def version(self) -> str | None:
        """The id of the version, with `wait` or without a daemon."""
        return self._trainee.version

    def before_training(self, model: Any) -> Any:
        if hasattr(
            model, "save_config"
        ):  # cross-validation has several boosters, and no one configuration
            self._trainee.settings({"xgboost": settings_of(model)})
        return model

    def after_iteration(self, model: Any, epoch: int, evals_log: Mapping[str, Any]) -> bool:
        rows = {
            f"{data}.{metric}": _last(values)
            for data, metrics in evals_log.items()
            for metric, values in metrics.items()
        }
        self._trainee.metrics(rows, epoch)
        return False

    def after_training(self, model: Any) -> Any:
        if self._path is not None:
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
            model.save_model(self._path)
        self._trainee.saved(message="Training ended")
        return model


def _last(values: Any) -> Any:
    """Of cross-validation the mean: its values are pairs of mean and deviation."""
    last = values[-1]
    return last[0] if isinstance(last, tuple) else last


def settings_of(model: Any) -> dict[str, Any]:
    """What a booster says of how it trains, numbers as numbers."""
    found: dict[str, Any] = {}
    tables = [json.loads(model.save_config())]
    while tables:
        table = tables.pop()
        for key, value in table.items():
            if key in _CONFIGURATION:
                found |= {name: _number(text) for name, text in value.items()}
            elif isinstance(value, dict):
                tables.append(value)
    return found


def _number(text: Any) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except (TypeError, ValueError):
            continue
    return text
