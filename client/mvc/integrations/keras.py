"""Keras: metrics of each epoch, the settings of `fit` and the optimizer, and a version of each epoch.

    model.fit(..., callbacks=[ModelCheckpoint("out/model.keras"), MvcKerasCallback("out")])

Put it last: what the callbacks before it have saved at the end of an epoch is in the version of that epoch.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from mvc.integrations.needed import missing
from mvc.integrations.trainees import Trainee

try:
    import keras
except ImportError as error:
    raise missing("keras", "keras", error) from None


class MvcKerasCallback(keras.callbacks.Callback):
    """`directory` is where models are saved; `wait` and `save_here` are those of `mvc.checkpoint`."""

    def __init__(
        self,
        directory: str | os.PathLike[str] = ".",
        *,
        wait: bool = False,
        save_here: bool = True,
    ) -> None:
        super().__init__()
        self._trainee = Trainee(os.fspath(directory), wait, save_here)

    @property
    def version(self) -> str | None:
        """The id of the newest epoch's version, with `wait` or without a daemon."""
        return self._trainee.version

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        said: dict[str, Any] = {key: self.params.get(key) for key in ("epochs", "steps")}
        optimizer = getattr(self.model, "optimizer", None)
        if optimizer is not None:
            said["optimizer"] = optimizer.get_config()
        self._trainee.settings({key: value for key, value in said.items() if value is not None})

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._trainee.metrics(logs or {}, epoch)
        self._trainee.saved(message=f"Epoch {epoch}")
