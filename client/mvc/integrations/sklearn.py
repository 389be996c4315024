"""scikit-learn: a fitted model in a file, with its settings and what was measured, as one version.

from mvc.integrations.sklearn import log_model
log_model(model, "model.joblib", metrics={"accuracy": model.score(X, y)})
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from mvc.integrations.needed import missing
from mvc.integrations.trainees import readable
from mvc.training.block import checkpoint
from mvc.training.tracking import keep
from mvc.training.values import Scalar, log_metrics, log_params, written_beside

try:
    import joblib
except ImportError as error:
    raise missing("sklearn", "joblib", error) from None


def log_model(
    model: Any,
    path: str | os.PathLike[str] = "model.joblib",
    *,
    metrics: Mapping[str, Scalar] | None = None,
    message: str = "",
    save_here: bool = True,
) -> checkpoint:
    """Writes a model with joblib, what `get_params` says of it to params.json under the name of its class, and
    `metrics`; answers the block, whose `version` it is.

    Steps of a pipeline and models in models are settings by the names of their classes. The file is replaced in
    one rename. Raises OSError where it can't be written, and what pickling raises.
    """
    place = os.path.abspath(path)
    directory = os.path.dirname(place)
    os.makedirs(directory, exist_ok=True)
    log_params({type(model).__name__: readable(model.get_params())}, directory=directory)
    saving = checkpoint(
        directory, metrics=metrics, message=message or f"Model {type(model).__name__}", wait=True,
        save_here=save_here,
    )  # fmt: skip
    with saving:
        with written_beside(place) as temporary:
            joblib.dump(model, temporary)
        if metrics:
            log_metrics(metrics, directory=directory)
        keep(place)
    return saving
