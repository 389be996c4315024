"""Accelerate: a tracker for `log_with`, and a version of each state before `total_limit` deletes it.

tracker = MvcTracker()
accelerator = Accelerator(log_with=tracker)
tracker.follow(accelerator)            # what save_state saves
accelerator.init_trackers("run", config={"lr": 0.1})
accelerator.log({"loss": 0.5}, step=100)
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from typing import Any

from mvc.integrations.needed import missing
from mvc.integrations.trainees import Trainee

try:
    from accelerate.tracking import GeneralTracker, on_main_process
except ImportError as error:
    raise missing("accelerate", "accelerate", error) from None


class MvcTracker(GeneralTracker):
    """Logs to the workspace at or above `directory`, in the main process; `wait` and `save_here` are those of
    `mvc.checkpoint`."""

    name = "mvc"
    requires_logging_directory = False
    main_process_only = True

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
    def tracker(self) -> Trainee:
        return self._trainee

    @on_main_process
    def store_init_configuration(self, values: Mapping[str, Any]) -> None:
        self._trainee.settings(values)

    @on_main_process
    def log(self, values: Mapping[str, Any], step: int | None = None, **_: Any) -> None:
        self._trainee.metrics(values, step)

    @on_main_process
    def finish(self) -> None:
        """The last metrics are a version too."""
        self._trainee.saved(message="Training ended")

    def follow(self, accelerator: Any) -> None:
        """From now on what `accelerator.save_state` saves is a version. Call it in all processes."""
        accelerator.save_state = following(accelerator.save_state, accelerator, self._trainee)


def following(save_state: Any, accelerator: Any, trainee: Trainee) -> Any:
    """`save_state`, at whose end the state is captured: all processes have written theirs then."""

    @functools.wraps(save_state)
    def save_and_capture(*arguments: Any, **options: Any) -> Any:
        place = save_state(*arguments, **options)
        accelerator.wait_for_everyone()
        if accelerator.is_main_process:
            trainee.saved(place, os.path.basename(place))
        return place

    return save_and_capture
