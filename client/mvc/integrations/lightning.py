"""Lightning: metrics by step, hyperparameters, a version of each checkpoint before a better one replaces it.

    Trainer(logger=MvcLogger())                        in place of another logger, or in a list of several
    Trainer(callbacks=[MvcLightningCallback()])        beside whatever logs now
    Trainer(plugins=[MvcCheckpointIO()])               each file that is saved, whoever saves it
    Fabric(plugins=[MvcCheckpointIO()])

For `lightning` as for `pytorch_lightning`: of the two the one that the program has imported.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

from mvc.integrations.needed import missing
from mvc.integrations.trainees import Trainee

try:
    if "pytorch_lightning" in sys.modules and "lightning" not in sys.modules:
        raise ImportError("both are installed, with classes of their own")
    from lightning.pytorch.callbacks import Callback
    from lightning.pytorch.loggers.logger import Logger
    from lightning.pytorch.plugins import CheckpointIO, TorchCheckpointIO
    from lightning.pytorch.utilities import rank_zero_only
except ImportError as error:
    try:
        from pytorch_lightning.callbacks import Callback
        from pytorch_lightning.loggers.logger import Logger
        from pytorch_lightning.plugins import CheckpointIO, TorchCheckpointIO
        from pytorch_lightning.utilities import rank_zero_only
    except ImportError:
        raise missing("lightning", "lightning", error) from None


class MvcLogger(Logger):
    """Logs to the workspace at or above `directory`. Where it is the first logger, checkpoints go to
    `DIRECTORY/NAME/version_N`, as with Lightning's own loggers.

    `wait` and `save_here` are those of `mvc.checkpoint`.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str] = ".",
        *,
        name: str = "lightning_logs",
        wait: bool = False,
        save_here: bool = True,
    ) -> None:
        super().__init__()
        self._trainee = Trainee(os.fspath(directory), wait, save_here)
        self._name = name
        self._number: int | None = None
        self._newest = ""

    @property
    def name(self) -> str:
        """The directory of the runs."""
        return self._name

    @property
    def version(self) -> int:
        """The number of this run, which none there has."""
        if self._number is None:
            place = os.path.join(self._trainee.directory, self._name)
            there = os.listdir(place) if os.path.isdir(place) else []
            numbers = [int(n[8:]) for n in there if n.startswith("version_") and n[8:].isdigit()]
            self._number = max(numbers, default=-1) + 1
        return self._number

    @property
    def save_dir(self) -> str:
        """Where the runs are."""
        return self._trainee.directory

    @property
    def saved_version(self) -> str | None:
        """The id of the version that holds the newest checkpoint, with `wait` or without a daemon."""
        return self._trainee.version

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        self._trainee.metrics(metrics, step)

    @rank_zero_only
    def log_hyperparams(self, params: Any, *_: Any, **__: Any) -> None:
        self._trainee.settings(params if isinstance(params, Mapping) else vars(params))

    def after_save_checkpoint(self, checkpoint_callback: Any) -> None:
        """The file is there; those that it replaces are removed only after this."""
        path = getattr(checkpoint_callback, "_last_checkpoint_saved", "")
        path = path or checkpoint_callback.best_model_path or checkpoint_callback.last_model_path
        if path and os.path.exists(path):
            self._newest = os.path.dirname(path)
            self._trainee.saved(self._newest, os.path.basename(path))

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """The last metrics are a version too."""
        if status == "success":
            self._trainee.saved(self._newest or None, "Training ended")


class MvcLightningCallback(Callback):
    """Adds an MvcLogger to the loggers of a Trainer that has none; the parameters are its."""

    def __init__(self, directory: str | os.PathLike[str] = ".", **options: Any) -> None:
        self.logger = MvcLogger(directory, **options)

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        if not any(isinstance(logger, MvcLogger) for logger in trainer.loggers):
            trainer.loggers = [*trainer.loggers, self.logger]


class MvcCheckpointIO(CheckpointIO):
    """Saves and loads checkpoints by `checkpoint_io`, by default Lightning's own; each save is a block of
    `mvc.checkpoint`, so that no version has half of a file and none is missed when the next one replaces it.

    Unlike the logger it sees what `trainer.save_checkpoint` and `fabric.save` save, and below
    `AsyncCheckpointIO(MvcCheckpointIO())` what a thread writes. Files at `mvc://REPO@BRANCH/PATH`, as with
    `ModelCheckpoint(dirpath="mvc://...")`, are versions of that branch when they are written, by fsspec.
    `wait` and `save_here` are those of `mvc.checkpoint`.
    """

    def __init__(
        self,
        checkpoint_io: CheckpointIO | None = None,
        *,
        wait: bool = False,
        save_here: bool = True,
    ) -> None:
        self.checkpoint_io = TorchCheckpointIO() if checkpoint_io is None else checkpoint_io
        self._trainee = Trainee(wait=wait, save_here=save_here)

    @property
    def saved_version(self) -> str | None:
        """The id of the version that holds the newest checkpoint, with `wait` or without a daemon."""
        return self._trainee.version

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        """Saves a checkpoint. Raises what `checkpoint_io` raises."""

        def write() -> None:
            self.checkpoint_io.save_checkpoint(checkpoint, path, storage_options=storage_options)

        place = os.fspath(path)
        if "://" in place:
            write()
        else:
            self._trainee.save(write, os.path.dirname(place), os.path.basename(place))

    def load_checkpoint(self, path: Any, *arguments: Any, **options: Any) -> dict[str, Any]:
        """Loads a checkpoint from a file, or from any version: `mvc://REPO@v12/last.ckpt`."""
        loaded: dict[str, Any] = self.checkpoint_io.load_checkpoint(path, *arguments, **options)
        return loaded

    def remove_checkpoint(self, path: Any) -> None:
        """Removes a file; versions that have it keep it."""
        self.checkpoint_io.remove_checkpoint(path)

    def teardown(self) -> None:
        self.checkpoint_io.teardown()
