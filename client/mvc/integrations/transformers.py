"""Hugging Face's Trainer: each checkpoint is a version, captured before the next one rotates it away.

    import mvc.integrations.transformers
    TrainingArguments(..., report_to="mvc")

or `Trainer(..., callbacks=[MvcCallback()])`. Metrics are logged by step. The settings are in the
`training_args.bin` of each checkpoint, which mvc reads; where nothing is saved they go to params.json.
"""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Mapping
from typing import Any

from mvc.integrations.needed import missing
from mvc.integrations.trainees import Trainee

try:
    from transformers import TrainerCallback
    from transformers.integrations import integration_utils
except ImportError as error:
    raise missing("transformers", "transformers", error) from None


class MvcCallback(TrainerCallback):
    """For `Trainer(callbacks=[...])`; `wait` and `save_here` are those of `mvc.checkpoint`. Give it to all
    processes of a distributed training: the first records, and waits for the others' files."""

    def __init__(self, *, wait: bool = False, save_here: bool = True) -> None:
        self._wait, self._save_here = wait, save_here
        self._trainee: Trainee | None = None

    @property
    def version(self) -> str | None:
        """The id of the version that holds the newest checkpoint, with `wait` or without a daemon."""
        return None if self._trainee is None else self._trainee.version

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if not state.is_world_process_zero:
            return
        self._trainee = Trainee(args.output_dir, self._wait, self._save_here)
        if getattr(args.save_strategy, "value", args.save_strategy) == "no":
            self._trainee.settings(args.to_sanitized_dict())

    def on_log(
        self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **_: Any
    ) -> None:
        if state.is_world_process_zero and logs:
            if self._trainee is None:  # evaluated without training
                self._trainee = Trainee(args.output_dir, self._wait, self._save_here)
            self._trainee.metrics(logs, state.global_step)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        _wait_for_all()
        if self._trainee is not None and state.is_world_process_zero:
            self._trainee.saved(_checkpoint(args, state), f"Step {state.global_step}")

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self._trainee is not None and state.is_world_process_zero:
            os.makedirs(args.output_dir, exist_ok=True)
            self._trainee.saved(args.output_dir, f"Training ended at step {state.global_step}")


def _checkpoint(args: Any, state: Any) -> str:
    """Where the Trainer has just saved; in a search of hyperparameters each trial has a directory."""
    name = f"checkpoint-{state.global_step}"
    place = os.path.join(args.output_dir, name)
    trials = glob.glob(os.path.join(glob.escape(args.output_dir), "*", name))
    found = [path for path in (place, *trials) if os.path.isdir(path)]
    return str(max(found, key=os.path.getmtime, default=args.output_dir))


def _wait_for_all() -> None:
    """Other processes may still be writing their random states."""
    torch = sys.modules.get("torch")
    distributed = getattr(torch, "distributed", None)
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        distributed.barrier()


integration_utils.INTEGRATION_TO_CALLBACK["mvc"] = MvcCallback
