"""What the integrations have in common: a training that is recorded, whatever library does it.

Training never fails because of mvc: what can't be written or saved is told on stderr, as by `mvc.checkpoint`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mvc.api import errors
from mvc.training.block import checkpoint
from mvc.training.steps import AXES
from mvc.training.tracking import keep
from mvc.training.unsaved import not_saved, say
from mvc.training.values import log_metrics, log_params, plain


@dataclass
class Trainee:
    """A training whose checkpoints are below `directory`; its metrics and settings go to the files of the
    workspace there.

    With `wait`, each checkpoint is a durable version before training goes on; else it is captured. `save_here`:
    where no daemon watches, this process makes the versions, and training waits for each.
    """

    directory: str = "."
    wait: bool = False
    save_here: bool = True
    version: str | None = None
    _last: dict[str, Any] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)
    _kept: set[str] = field(default_factory=set)

    def metrics(self, values: Mapping[str, Any], step: int | None) -> None:
        """Numbers among `values`, at a step."""
        found = {str(key): plain(value) for key, value in values.items()}
        numbers = {
            key: value
            for key, value in found.items()
            if isinstance(value, (int, float)) and not isinstance(value, bool)
        }
        self._last |= {key: value for key, value in numbers.items() if key not in AXES}
        if numbers:
            self._try(lambda: log_metrics(numbers, step=step, directory=self.directory))

    def settings(self, values: Mapping[str, Any]) -> None:
        """Hyperparameters; objects among them by the names of their classes."""
        if values:
            self._try(lambda: log_params(readable(values), directory=self.directory))

    def saved(self, directory: str | None = None, message: str = "") -> None:
        """Captures a checkpoint that is whole, in `directory`: whatever deletes it after this."""
        self.save(lambda: None, directory, message)

    def save(
        self, write: Callable[[], None], directory: str | None = None, message: str = ""
    ) -> None:
        """Lets `write` write a checkpoint into `directory`, and captures it. Raises only what `write` raises;
        then nothing is captured."""
        place = directory or self.directory
        block = checkpoint(
            place, metrics=self._last, message=message, wait=self.wait, save_here=self.save_here
        )  # with the metrics, so that they are in this version whenever the daemon looks
        writes = False
        try:
            with block:
                self._keep(place)
                writes = True
                write()
                writes = False
        except OSError as problem:
            if writes:
                raise
            not_saved(str(problem))
        self.version = block.version or self.version

    def _keep(self, place: str) -> None:
        """Once for each directory: it is under care, with the files of metrics and settings."""
        place = os.path.abspath(place)
        if place in self._kept:
            return
        self._kept.add(place)
        try:
            keep(place)
        except errors.MvcError as problem:
            self._tell(str(problem))

    def _try(self, write: Any) -> None:
        try:
            write()
        except (OSError, errors.MvcError) as problem:
            self._tell(str(problem))

    def _tell(self, problem: str) -> None:
        if problem not in self._told:
            self._told.add(problem)
            say(problem)


def readable(value: Any) -> Any:
    """Scalars, lists and mappings as they are; of any other object the name of its class."""
    if isinstance(value, Mapping):
        return {str(key): readable(below) for key, below in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [readable(item) for item in value]
    if isinstance(value, type) or callable(value):
        return getattr(value, "__name__", type(value).__name__)
    found = plain(value) if _is_plain(value) else type(value).__name__
    return found if found is None or isinstance(found, (bool, int, float, str)) else str(found)


def _is_plain(value: Any) -> bool:
    if value is None or isinstance(value, (bool, int, float, str, os.PathLike)):
        return True
    return callable(getattr(value, "item", None)) and getattr(value, "size", 1) in (1, ())
