"""mvc.autolog(): each training of a library that the program imports, or has imported, is recorded.

    import mvc
    mvc.autolog()

A library is watched for by the module that trains; when that has been imported, what people call is wrapped, so
that the callback, logger or tracker of mvc.integrations is in it where the program put none itself.
scikit-learn tells nobody that it trains: there it is `mvc.integrations.sklearn.log_model`.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from mvc.integrations.trainees import Trainee
from mvc.training.unsaved import say

Options = Mapping[str, Any]


def autolog(*, directory: str = ".", wait: bool = False, save_here: bool = True) -> tuple[str, ...]:
    """Records trainings of transformers, Lightning, Keras, Accelerate, XGBoost and LightGBM from now on;
    answers which of them are imported already. The others are registered when they are imported.

    `directory` is where models are saved, for libraries that do not tell; `wait` and `save_here` are those of
    `mvc.checkpoint`. Another call changes the options and wraps nothing twice.
    """
    _options.clear()
    _options.update(directory=directory, wait=wait, save_here=save_here)
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
    done = [_WATCHED[name] for name in _WATCHED if name in sys.modules]
    for name in _WATCHED:
        if name in sys.modules:
            _register(sys.modules[name])
    return tuple(dict.fromkeys(function.__name__.strip("_") for function in done))


_options: dict[str, Any] = {}
_MARK = "__mvc_autolog__"


def _wrap(owner: Any, name: str, around: Callable[..., Any]) -> None:
    """Replaces `owner.name` by `around(original, ...)`, once."""
    original = getattr(owner, name)
    if hasattr(original, _MARK):
        return

    @functools.wraps(original)
    def wrapped(*arguments: Any, **options: Any) -> Any:
        return around(original, *arguments, **options)

    setattr(wrapped, _MARK, True)
    setattr(owner, name, wrapped)


def _ours(name: str) -> Any:
    return importlib.import_module(f"mvc.integrations.{name}")


# ---------------------------------------------------------------- the libraries


def _transformers(module: ModuleType) -> None:
    def around(init: Any, trainer: Any, *arguments: Any, **options: Any) -> None:
        init(trainer, *arguments, **options)
        kind = _ours("transformers").MvcCallback
        if not any(isinstance(each, kind) for each in trainer.callback_handler.callbacks):
            trainer.add_callback(kind(wait=_options["wait"], save_here=_options["save_here"]))

    _wrap(module.Trainer, "__init__", around)


def _lightning(module: ModuleType) -> None:
    def around(init: Any, trainer: Any, *arguments: Any, **options: Any) -> None:
        init(trainer, *arguments, **options)
        kind = _ours("lightning").MvcLogger
        if not any(isinstance(logger, kind) for logger in trainer.loggers):
            trainer.loggers = [*trainer.loggers, kind(**_options)]

    _wrap(module.Trainer, "__init__", around)


def _keras(module: ModuleType) -> None:
    def around(fit: Any, model: Any, *arguments: Any, **options: Any) -> Any:
        ours = _ours("keras").MvcKerasCallback
        given = options.get("callbacks")
        if len(arguments) <= _FIT_ITEMS and not hasattr(given, "callbacks"):
            given = list(given) if isinstance(given, (list, tuple)) else [given] if given else []
            if not any(isinstance(each, ours) for each in given):
                options["callbacks"] = [*given, ours(**_options)]
        return fit(model, *arguments, **options)

    _wrap(module.Model, "fit", around)


_FIT_ITEMS = 5
"""Arguments of `fit` before `callbacks`, which nobody gives by position; x, y, batch_size, epochs, verbose."""


def _accelerate(module: ModuleType) -> None:
    @functools.cache
    def trainee() -> Trainee:
        return Trainee(**_options)

    def save_state(original: Any, accelerator: Any, *arguments: Any, **options: Any) -> Any:
        bound = functools.partial(original, accelerator)
        followed = _ours("accelerate").following(
            functools.update_wrapper(bound, original), accelerator, trainee()
        )
        return followed(*arguments, **options)

    def log(original: Any, accelerator: Any, values: Any, *arguments: Any, **options: Any) -> Any:
        step = arguments[0] if arguments else options.get("step")
        if accelerator.is_main_process and not _tracked(accelerator):
            trainee().metrics(values, step)
        return original(accelerator, values, *arguments, **options)

    def init_trackers(original: Any, accelerator: Any, *arguments: Any, **options: Any) -> Any:
        config = arguments[1] if len(arguments) > 1 else options.get("config")
        done = original(accelerator, *arguments, **options)
        if config and accelerator.is_main_process and not _tracked(accelerator):
            trainee().settings(config)
        return done

    for around in (save_state, log, init_trackers):
        _wrap(module.Accelerator, around.__name__, around)


def _tracked(accelerator: Any) -> bool:
    return any(getattr(tracker, "name", "") == "mvc" for tracker in accelerator.trackers)


def _xgboost(module: ModuleType) -> None:
    def around(train: Any, *arguments: Any, **options: Any) -> Any:
        ours = _ours("xgboost").MvcXgboostCallback
        given = list(options.get("callbacks") or ())
        if not any(isinstance(each, ours) for each in given):
            options["callbacks"] = [*given, ours(**_options)]
        return train(*arguments, **options)

    for name in (module.__name__, "xgboost.training", "xgboost.sklearn"):
        if name in sys.modules and hasattr(sys.modules[name], "train"):
            _wrap(sys.modules[name], "train", around)


def _lightgbm(module: ModuleType) -> None:
    def around(train: Any, *arguments: Any, **options: Any) -> Any:
        ours = _ours("lightgbm").MvcLightgbmCallback
        given = list(options.get("callbacks") or ())
        if any(isinstance(each, ours) for each in given):
            return train(*arguments, **options)
        callback = ours(**_options)
        booster = train(*arguments, **{**options, "callbacks": [*given, callback]})
        callback.save(booster)
        return booster

    for name in (module.__name__, "lightgbm.engine", "lightgbm.sklearn"):
        if name in sys.modules and hasattr(sys.modules[name], "train"):
            _wrap(sys.modules[name], "train", around)


_WATCHED: Mapping[str, Callable[[ModuleType], None]] = {
    "transformers.trainer": _transformers,
    "lightning.pytorch.trainer.trainer": _lightning,
    "pytorch_lightning.trainer.trainer": _lightning,
    "keras": _keras,
    "accelerate.accelerator": _accelerate,
    "xgboost": _xgboost,
    "lightgbm": _lightgbm,
}
"""The module that trains, and what is done when it has been imported."""


def _register(module: ModuleType) -> None:
    """Never fails: a library of another age is told, and trains as it did."""
    try:
        _WATCHED[module.__name__](module)
    except (AttributeError, ImportError, TypeError) as problem:
        say(f"mvc.autolog() does not know this {module.__name__}: {problem}")


# ---------------------------------------------------------------- what is imported later


class _Watch(MetaPathFinder):
    """Finds nothing itself: what others find is registered after it has run."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in _WATCHED:
            return None
        for finder in sys.meta_path:
            if finder is not self and (spec := finder.find_spec(name, path, target)) is not None:
                if spec.loader is not None:
                    spec.loader = _Registering(spec.loader)
                return spec
        return None


class _Registering(Loader):
    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None
        module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        _register(module)


_finder = _Watch()
