"""mvc.integrations with stand-ins for the libraries; test_integrated.py has the libraries themselves.

A stand-in is what the library calls, in its order, with a file where it writes a model, and nothing else.
"""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import mvc
from tests.daemon.daemons import Daemon, content, short_directory, versions
from tests.support.workspace import Bench, experiment_without_daemon

LIBRARIES = {
    "accelerate": "accelerate", "keras": "keras", "lightgbm": "lightgbm", "lightning": "lightning",
    "sklearn": "joblib", "transformers": "transformers", "xgboost": "xgboost",
}  # fmt: skip
"""By integration what has to be installed."""


@pytest.fixture(autouse=True)
def anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in a new process: no library, and no integration that found one."""
    before = set(sys.modules)
    finders = list(sys.meta_path)
    yield
    sys.meta_path[:] = finders
    for name in set(sys.modules) - before:
        if name.startswith("mvc.integrations."):
            del sys.modules[name]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with experiment_without_daemon(tmp_path, monkeypatch) as made:
        yield made


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    with short_directory() as places, Daemon(places) as running:
        monkeypatch.setenv("MVC_RUNTIME_DIR", running.environment["MVC_RUNTIME_DIR"])
        yield running


Install = Callable[..., ModuleType]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """`install("a.b", x=1)` makes `from a.b import x` work."""

    def made(name: str, **contents: Any) -> ModuleType:
        parent, _, last = name.rpartition(".")
        module = sys.modules.get(name)
        if module is None or not hasattr(module, "stands_in"):
            module = ModuleType(name)
            module.__dict__.update(stands_in=True, __path__=[])
            monkeypatch.setitem(sys.modules, name, module)
            if parent:
                setattr(made(parent), last, module)
        module.__dict__.update(contents)
        return module

    return made


def last(bench: Bench) -> Any:
    return versions(bench)[-1].version


def points(bench: Bench, metric: str) -> list[tuple[float | None, float]]:
    (found,) = bench.repo.series([metric], steps=True)
    return [(point.step, point.value) for point in found.points]


# ---------------------------------------------------------------- what is missing, and what is not loaded


@pytest.mark.parametrize("integration", LIBRARIES)
def test_what_is_missing_is_named(integration: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (LIBRARIES[integration], "pytorch_lightning"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=f"pip install {LIBRARIES[integration]}$"):
        importlib.import_module(f"mvc.integrations.{integration}")


LOADED = """
import sys, mvc
print(sorted(name for name in sys.modules if name.startswith("mvc.integrations")))
mvc.autolog()
import importlib.util
print(sorted({name.partition(".")[0] for name in sys.modules} & set(sys.argv[1:])))
"""


def test_mvc_loads_no_integration_and_autolog_no_library() -> None:
    names = [*LIBRARIES.values(), "torch", "sklearn", "blake3", "lmdb", "grpc"]
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *names], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["[]", "[]"]


# ---------------------------------------------------------------- transformers


class Trainer:
    """Saves every second of `steps` steps, keeps one checkpoint; calls as of transformers 5.24."""

    def __init__(
        self, *callbacks: Any, out: str = "out", steps: int = 6, save: str = "steps"
    ) -> None:
        self.callback_handler = SimpleNamespace(callbacks=list(callbacks))
        self.add_callback = self.callback_handler.callbacks.append
        self.out, self.steps = Path(out), steps
        self.args = SimpleNamespace(
            output_dir=out, save_strategy=SimpleNamespace(value=save),
            to_sanitized_dict=lambda: {"learning_rate": 0.1, "seed": 42},
        )  # fmt: skip

    def call(self, event: str, step: int, **more: Any) -> None:
        state = SimpleNamespace(global_step=step, is_world_process_zero=True)
        for callback in self.callback_handler.callbacks:
            getattr(callback, event)(self.args, state, object(), **more)

    def train(self) -> None:
        self.call("on_train_begin", 0)
        for step in range(1, self.steps + 1):
            self.call("on_log", step, logs={"loss": 1 / step, "epoch": step / 10, "note": "x"})
            if step % 2 == 0 and self.args.save_strategy.value != "no":
                self.save(step)
                self.call("on_save", step)
        self.call("on_train_end", self.steps)

    def save(self, step: int) -> None:
        place = self.out / f"checkpoint-{step}"
        place.mkdir(parents=True)
        (place / "model.safetensors").write_bytes(large(step))
        (place / "trainer_state.json").write_text(json.dumps({"global_step": step}))
        for older in self.out.glob("checkpoint-*"):
            if older != place:
                shutil.rmtree(older)


def large(number: int) -> bytes:
    """A whole safetensors file, of more than is copied."""
    data = number.to_bytes(8, "little") * (1 << 18)
    header = {"w": {"dtype": "U8", "shape": [len(data)], "data_offsets": [0, len(data)]}}
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


@pytest.fixture
def transformers(install: Install) -> dict[str, Any]:
    """What `report_to` chooses from."""
    install("transformers", TrainerCallback=object)
    known: dict[str, Any] = {}
    install("transformers.integrations.integration_utils", INTEGRATION_TO_CALLBACK=known)
    return known


def test_one_line_makes_trainer_report_to_mvc(transformers: dict[str, Any], bench: Bench) -> None:
    import mvc.integrations.transformers as ours

    assert transformers == {"mvc": ours.MvcCallback}
    callback = transformers["mvc"]()
    Trainer(callback).train()
    found = [version.version for version in versions(bench)][1:]
    assert [v.message.splitlines()[0] for v in found] == [
        "Step 2", "Step 4", "Step 6", "Training ended at step 6",
    ][: len(found)]  # fmt: skip
    assert [v.metrics["loss"] for v in found[:3]] == [1 / 2, 1 / 4, 1 / 6]
    for number, step in ((2, 2), (3, 4), (4, 6)):
        path = f"out/checkpoint-{step}/model.safetensors"
        assert content(bench, path, f"v{number}") == large(step)
    assert points(bench, "loss") == [(step, 1 / step) for step in range(1, 7)]
    assert callback.version == versions(bench)[-1].id.hex()
    assert "epoch" not in last(bench).metrics


@pytest.mark.thorough
def test_each_checkpoint_is_captured_before_rotation_deletes_it(
    transformers: dict[str, Any],
    bench: Bench,
    daemon: Daemon,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The daemon's reader is slow: stopped, until all but the last have been deleted."""
    from mvc.integrations.transformers import MvcCallback
    from mvc.training import block

    monkeypatch.setattr(block, "ANSWER_SECONDS", 100.0)
    bench.save({"mvc.toml": "[watch]\nsettle = 3600\n"})
    daemon.watch(bench)
    with daemon.reader_stopped(bench):
        Trainer(MvcCallback(save_here=False), steps=8).train()
        assert [path.name for path in Path("out").iterdir()] == ["checkpoint-8"]
    with mvc.checkpoint(bench.path("last"), wait=True) as after:
        bench.write({"last/a.bin": b"a"})
    assert after.version, "captures are read in order, so all others have been"
    having = {}
    for version in versions(bench):
        for step in (2, 4, 6, 8):
            path = f"out/checkpoint-{step}/model.safetensors"
            if path in {file.path for file in bench.repo.ls(version.id.hex())}:
                having.setdefault(step, content(bench, path, version.id.hex()))
    assert having == {step: large(step) for step in (2, 4, 6, 8)}


def test_without_checkpoints_the_settings_are_in_params(
    transformers: dict[str, Any], bench: Bench
) -> None:
    from mvc.integrations.transformers import MvcCallback

    Trainer(MvcCallback(), save="no").train()
    assert last(bench).hyperparameters == {"learning_rate": 0.1, "seed": 42}
    assert last(bench).metrics == {"loss": 1 / 6}


def test_trials_of_a_search_have_directories_of_their_own(
    transformers: dict[str, Any], bench: Bench
) -> None:
    from mvc.integrations.transformers import MvcCallback

    trainer = Trainer(MvcCallback(), steps=2)
    trainer.out = Path("out/run-0")
    trainer.train()
    assert content(bench, "out/run-0/checkpoint-2/model.safetensors") == large(2)


def test_other_processes_than_the_first_record_nothing(
    transformers: dict[str, Any], bench: Bench
) -> None:
    from mvc.integrations.transformers import MvcCallback

    callback, args = MvcCallback(), Trainer().args
    state = SimpleNamespace(global_step=2, is_world_process_zero=False)
    for event in ("on_train_begin", "on_log", "on_save", "on_train_end"):
        getattr(callback, event)(
            args, state, None, **({"logs": {"loss": 1}} if "log" in event else {})
        )
    assert sorted(path.name for path in bench.root.iterdir()) == [".mvc", "train.py"]


def test_training_goes_on_where_nothing_can_be_saved(
    transformers: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    from mvc.integrations.transformers import MvcCallback
    from mvc.training import unsaved

    monkeypatch.setattr(unsaved, "_count", 0)
    monkeypatch.setenv("MVC_RUNTIME_DIR", str(tmp_path / "no-daemon"))
    monkeypatch.chdir(tmp_path)
    Trainer(MvcCallback(), steps=2).train()
    assert "not saved" in capsys.readouterr().err
    assert json.loads(Path("out/metrics.json").read_text()) == {"loss": 0.5}
    Path("out/metrics.json").unlink()
    Path("out/metrics.json").mkdir()
    Trainer(MvcCallback(), out="out/again", steps=1).train()


# ---------------------------------------------------------------- Lightning


class PlainFiles:
    """Saves bytes as TorchCheckpointIO saves tensors."""

    def save_checkpoint(self, checkpoint: Any, path: str, storage_options: Any = None) -> None:
        if not isinstance(checkpoint, bytes):
            raise OSError("no space left")
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(checkpoint)

    def load_checkpoint(self, path: str, map_location: Any = None) -> bytes:
        return Path(path).read_bytes()

    def remove_checkpoint(self, path: str) -> None:
        Path(path).unlink()

    def teardown(self) -> None:
        pass


class Loop:
    """A Trainer of Lightning, as far as loggers see it."""

    def __init__(self, *loggers: Any, callbacks: tuple[Any, ...] = ()) -> None:
        self.loggers = list(loggers)
        for callback in callbacks:
            callback.setup(self, None, "fit")

    def fit(self, out: Path, epochs: int = 3) -> None:
        for logger in self.loggers:
            logger.log_hyperparams(SimpleNamespace(lr=0.1, optimizer=dict))
        out.mkdir(parents=True)
        for epoch in range(epochs):
            path = out / f"epoch={epoch}.safetensors"
            path.write_bytes(large(epoch))
            saver = SimpleNamespace(_last_checkpoint_saved=str(path))
            for logger in self.loggers:
                logger.log_metrics({"loss": 1.0 - epoch / 4, "epoch": epoch}, step=10 * epoch)
                logger.after_save_checkpoint(saver)
            for older in out.iterdir():
                if older != path:
                    older.unlink()
        for logger in self.loggers:
            logger.finalize("success")


@pytest.fixture(params=["lightning.pytorch", "pytorch_lightning"])
def lightning(request: pytest.FixtureRequest, install: Install, monkeypatch: Any) -> None:
    for absent in ("lightning", "pytorch_lightning"):
        monkeypatch.setitem(sys.modules, absent, None)
    for part in request.param.split(".")[:1]:
        monkeypatch.delitem(sys.modules, part)
    install(f"{request.param}.callbacks", Callback=object)
    install(f"{request.param}.loggers.logger", Logger=object)
    install(f"{request.param}.utilities", rank_zero_only=lambda function: function)
    install(f"{request.param}.plugins", CheckpointIO=object, TorchCheckpointIO=PlainFiles)


@pytest.mark.parametrize("adds", ["logger", "callback"])
def test_lightning(lightning: None, bench: Bench, adds: str) -> None:
    from mvc.integrations.lightning import MvcLightningCallback, MvcLogger

    if adds == "logger":
        loop = Loop(MvcLogger())
    else:
        loop = Loop(callbacks=(MvcLightningCallback(), MvcLightningCallback()))
    (logger,) = loop.loggers
    assert (logger.save_dir, logger.name, logger.version) == (".", "lightning_logs", 0)
    loop.fit(bench.root / "lightning_logs/version_0/checkpoints")
    for epoch in range(3):
        path = f"lightning_logs/version_0/checkpoints/epoch={epoch}.safetensors"
        assert content(bench, path, f"v{epoch + 2}") == large(epoch)
    assert last(bench).metrics == {"loss": 0.5}
    assert last(bench).hyperparameters == {"lr": 0.1, "optimizer": "dict"}
    assert points(bench, "loss") == [(0, 1), (10, 0.75), (20, 0.5)]
    assert logger.saved_version == versions(bench)[-1].id.hex()
    assert MvcLogger().version == 1


def test_checkpoint_io(lightning: None, bench: Bench) -> None:
    from mvc.integrations.lightning import MvcCheckpointIO

    io: Any = MvcCheckpointIO()
    for epoch in range(3):
        io.save_checkpoint(large(epoch), "out/last.safetensors")
        assert content(bench, "out/last.safetensors") == large(epoch)
        assert io.saved_version == versions(bench)[-1].id.hex()
        assert io.load_checkpoint("out/last.safetensors", None) == large(epoch)
    with pytest.raises(OSError, match="no space left"):
        io.save_checkpoint({}, "out/last.safetensors")
    io.remove_checkpoint("out/last.safetensors")
    io.teardown()
    assert len(versions(bench)) == 4


# ---------------------------------------------------------------- the others


def test_keras(install: Install, bench: Bench) -> None:
    class Callback:
        params: dict[str, Any]
        model: Any

    install("keras.callbacks", Callback=Callback)
    from mvc.integrations.keras import MvcKerasCallback

    callback = MvcKerasCallback("out")
    callback.params = {"epochs": 2, "steps": None, "verbose": 0}
    optimizer = SimpleNamespace(get_config=lambda: {"name": "sgd", "schedule": object()})
    callback.model = SimpleNamespace(optimizer=optimizer)
    callback.on_train_begin()
    for epoch in range(2):
        bench.write({"out/model.keras": large(epoch)})
        callback.on_epoch_end(epoch, {"loss": 1.0 - epoch / 2})
        assert content(bench, "out/model.keras") == large(epoch)
        assert callback.version == versions(bench)[-1].id.hex()
    assert last(bench).metrics["loss"] == 0.5
    assert points(bench, "loss") == [(0, 1), (1, 0.5)]
    found = dict(last(bench).hyperparameters)
    assert found == {"epochs": 2, "optimizer.name": "sgd", "optimizer.schedule": "object"}


class Accelerator:
    """Keeps one state, as with total_limit=1."""

    is_main_process = True
    trackers: tuple[Any, ...] = ()

    def __init__(self) -> None:
        self.saved, self.waited = 0, 0

    def wait_for_everyone(self) -> None:
        self.waited += 1

    def save_state(self, output_dir: str = "out") -> str:
        shutil.rmtree(output_dir, ignore_errors=True)
        place = Path(output_dir, f"checkpoint_{self.saved}")
        place.mkdir(parents=True)
        (place / "model.safetensors").write_bytes(large(self.saved))
        self.saved += 1
        return str(place)

    def init_trackers(self, name: str, config: dict[str, Any] | None = None) -> None:
        pass

    def log(self, values: dict[str, Any], step: int | None = None) -> None:
        pass


@pytest.fixture
def accelerate(install: Install) -> None:
    class GeneralTracker:
        pass

    install(
        "accelerate.tracking",
        GeneralTracker=GeneralTracker,
        on_main_process=lambda function: function,
    )


def test_accelerate(accelerate: None, bench: Bench) -> None:
    from mvc.integrations.accelerate import MvcTracker

    accelerator, tracker = Accelerator(), MvcTracker()
    tracker.follow(accelerator)
    tracker.store_init_configuration({"lr": 0.1})
    for step in range(3):
        tracker.log({"loss": step / 2}, step=step)
        assert accelerator.save_state() == f"out/checkpoint_{step}"
        assert content(bench, f"out/checkpoint_{step}/model.safetensors") == large(step)
    tracker.finish()
    assert accelerator.waited == 3
    assert last(bench).metrics == {"loss": 1} and last(bench).hyperparameters == {"lr": 0.1}
    assert points(bench, "loss") == [(0, 0), (1, 0.5), (2, 1)]


def test_sklearn(install: Install, bench: Bench) -> None:
    class Forest:
        def get_params(self) -> dict[str, Any]:
            return {"n_estimators": 10, "base": Forest(), "scorer": len}

    def dump(model: Any, path: str) -> None:
        Path(path).write_bytes(b"a forest")
        if model is None:
            raise TypeError("no pickle")

    install("joblib", dump=dump)
    from mvc.integrations.sklearn import log_model

    saved = log_model(Forest(), "out/model.joblib", metrics={"accuracy": 0.75}, message="first")
    assert saved.version == versions(bench)[-1].id.hex()
    assert content(bench, "out/model.joblib") == b"a forest"
    assert last(bench).metrics == {"accuracy": 0.75} and last(bench).message == "first"
    assert last(bench).hyperparameters == {
        "Forest.n_estimators": 10, "Forest.base": "Forest", "Forest.scorer": "len",
    }  # fmt: skip


CONFIGURATION = {
    "learner": {
        "learner_train_param": {"booster": "gbtree", "objective": "reg:squarederror"},
        "gradient_booster": {"tree_train_param": {"eta": "0.3", "max_depth": "6"}, "trees": "x"},
    },
    "version": [3, 2, 0],
}


def test_xgboost(install: Install, bench: Bench) -> None:
    install("xgboost.callback", TrainingCallback=object)
    from mvc.integrations.xgboost import MvcXgboostCallback

    model = SimpleNamespace(
        save_config=lambda: json.dumps(CONFIGURATION),
        save_model=lambda path: Path(path).write_bytes(b"trees"),
    )
    callback = MvcXgboostCallback("out/model.ubj")
    assert callback.before_training(model) is model
    log: dict[str, Any] = {"test": {"rmse": [], "cv": []}}
    for step in range(3):
        log["test"]["rmse"].append(1.0 - step / 4)
        log["test"]["cv"].append((step, 0.1))
        assert callback.after_iteration(model, step, log) is False
    callback.after_training(model)
    assert content(bench, "out/model.ubj") == b"trees"
    assert last(bench).metrics == {"test.rmse": 0.5, "test.cv": 2}
    assert last(bench).hyperparameters == {
        "xgboost.booster": "gbtree", "xgboost.objective": "reg:squarederror", "xgboost.eta": 0.3,
        "xgboost.max_depth": 6,
    }  # fmt: skip
    assert points(bench, "test.rmse") == [(0, 1), (1, 0.75), (2, 0.5)]
    assert callback.version == versions(bench)[-1].id.hex()


def train(callbacks: list[Any]) -> Any:
    """Three rounds of LightGBM."""
    for step in range(3):
        rows = [("valid", "l2", 1.0 - step / 4, False)]
        env = SimpleNamespace(
            iteration=step, begin_iteration=0, params={"num_leaves": 7}, evaluation_result_list=rows
        )
        for callback in callbacks:
            callback(env)
    return SimpleNamespace(save_model=lambda path: Path(path).write_bytes(b"leaves"))


def test_lightgbm(install: Install, bench: Bench) -> None:
    install("lightgbm")
    from mvc.integrations.lightgbm import MvcLightgbmCallback

    callback = MvcLightgbmCallback()
    callback.save(train([callback]), "out/model.txt")
    assert content(bench, "out/model.txt") == b"leaves"
    assert last(bench).metrics == {"valid.l2": 0.5}
    assert last(bench).hyperparameters == {"lightgbm.num_leaves": 7}
    assert points(bench, "valid.l2") == [(0, 1), (1, 0.75), (2, 0.5)]


# ---------------------------------------------------------------- autolog


def test_autolog_records_what_is_imported_already(
    transformers: dict[str, Any], install: Install, bench: Bench
) -> None:
    class Fresh(Trainer):
        def __init__(self, *callbacks: Any, **options: Any) -> None:
            super().__init__(*callbacks, **options)

    install("transformers.trainer", Trainer=Fresh)
    assert mvc.autolog() == mvc.autolog() == ("transformers",)
    from mvc.integrations.transformers import MvcCallback

    trainer = Fresh(steps=2)
    (callback,) = trainer.callback_handler.callbacks
    assert isinstance(callback, MvcCallback)
    trainer.train()
    assert content(bench, "out/checkpoint-2/model.safetensors") == large(2)
    own = MvcCallback()
    assert Fresh(own).callback_handler.callbacks == [own], "not twice"


LATER = """
def train(params, data, callbacks=None):
    from tests.training.test_integrations import train
    return train(callbacks or [])
"""


def test_autolog_records_what_is_imported_later(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "later").mkdir()
    (tmp_path / "later/lightgbm.py").write_text(LATER)
    monkeypatch.syspath_prepend(str(tmp_path / "later"))
    monkeypatch.delitem(sys.modules, "lightgbm", raising=False)
    assert "lightgbm" not in mvc.autolog()
    assert "lightgbm" not in sys.modules
    try:
        lightgbm = importlib.import_module("lightgbm")
        assert type(lightgbm.__loader__).__name__ == "SourceFileLoader"
        lightgbm.train({}, None)
    finally:
        sys.modules.pop("lightgbm", None)
    assert last(bench).metrics == {"valid.l2": 0.5}
    assert last(bench).message.startswith("Training ended")


def test_autolog_wraps_what_people_call(install: Install, accelerate: None, bench: Bench) -> None:
    seen: dict[str, Any] = {}

    class Model:
        def fit(self, data: Any, callbacks: Any = None) -> None:
            seen["keras"] = callbacks

    class Whole(Accelerator):
        def save_state(self, output_dir: str = "out") -> str:
            return super().save_state(output_dir)

        def log(self, values: dict[str, Any], step: int | None = None) -> None:
            seen["log"] = values

        def init_trackers(self, name: str, config: dict[str, Any] | None = None) -> None:
            seen["config"] = config

    def fit(params: Any, callbacks: Any = None) -> None:
        seen["xgboost"] = callbacks

    install("keras.callbacks", Callback=object)
    install("keras", Model=Model)
    install("xgboost.callback", TrainingCallback=object)
    xgboost = install("xgboost", train=fit)
    install("accelerate.accelerator", Accelerator=Whole)
    assert mvc.autolog(directory="out") == ("keras", "accelerate", "xgboost")

    Model().fit(1, callbacks=["mine"])
    assert [type(each).__name__ for each in seen["keras"]] == ["str", "MvcKerasCallback"]
    xgboost.train({})
    assert [type(each).__name__ for each in seen["xgboost"]] == ["MvcXgboostCallback"]
    accelerator = Whole()
    accelerator.init_trackers("run", {"lr": 0.1})
    accelerator.log({"loss": 2}, step=1)
    accelerator.log({"loss": 1}, step=2)
    assert accelerator.save_state() == "out/checkpoint_0"
    assert (seen["config"], seen["log"]) == ({"lr": 0.1}, {"loss": 1})
    assert content(bench, "out/checkpoint_0/model.safetensors") == large(0)
    assert last(bench).metrics == {"loss": 1} and last(bench).hyperparameters == {"lr": 0.1}


def test_autolog_tells_of_a_library_that_it_does_not_know(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install("transformers.trainer")
    mvc.autolog()
    assert "does not know this transformers.trainer" in capsys.readouterr().err
