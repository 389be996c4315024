"""LightGBM: metrics of each round, the settings of the booster, and a version of the model.

    callback = MvcLightgbmCallback()
    booster = lightgbm.train(params, data, valid_sets=[held_out], callbacks=[callback])
    callback.save(booster, "model.txt")

A booster that stops early tells no callback so: that is why the end is a call.
"""

from __future__ import annotations

import os
from typing import Any

from mvc.integrations.needed import missing
from mvc.integrations.trainees import Trainee

try:
    import lightgbm as _installed  # noqa: F401 - to say now that it is missing, not in the first round
except ImportError as error:
    raise missing("lightgbm", "lightgbm", error) from None


class MvcLightgbmCallback:
    """`wait` and `save_here` are those of `mvc.checkpoint`."""

    order = 20
    before_iteration = False

    def __init__(
        self,
        directory: str | os.PathLike[str] = ".",
        *,
        wait: bool = False,
        save_here: bool = True,
    ) -> None:
        self._trainee = Trainee(os.fspath(directory), wait, save_here)

    @property
    def version(self) -> str | None:
        """The id of the version, with `wait` or without a daemon."""
        return self._trainee.version

    def __call__(self, env: Any) -> None:
        if env.iteration == env.begin_iteration:
            self._trainee.settings({"lightgbm": dict(env.params)})
        rows = {f"{row[0]}.{row[1]}": row[2] for row in env.evaluation_result_list or ()}
        self._trainee.metrics(rows, env.iteration)

    def save(self, booster: Any, path: str | os.PathLike[str] | None = None) -> None:
        """Writes the model, if a path is given, and makes the version. Raises OSError."""
        if path is not None:
            place = os.path.abspath(path)
            os.makedirs(os.path.dirname(place), exist_ok=True)
            getattr(booster, "booster_", booster).save_model(place)
            self._trainee.saved(os.path.dirname(place), "Training ended")
        else:
            self._trainee.saved(message="Training ended")
