"""Trainings that mvc records, in the current directory: `python integrated_projects.py LIBRARY auto|explicit`.

With `auto` the program says mvc.autolog() and nothing else of mvc. Rotation is as tight as the library allows.
The last line of output is a JSON document: the checkpoints in the order in which they were saved, each with the
digest of a file of it, and what was measured.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

SAVED: list[dict[str, str]] = []
"""What was saved, and is deleted since."""


def note(path: str) -> None:
    SAVED.append({"path": path, "sha256": hashlib.sha256(Path(path).read_bytes()).hexdigest()})


def transformers(auto: bool) -> dict[str, Any]:
    if not auto:
        import mvc.integrations.transformers  # noqa: F401
    import torch
    from transformers import (
        GPT2Config,
        GPT2LMHeadModel,
        Trainer,
        TrainerCallback,
        TrainingArguments,
    )

    class Notes(TrainerCallback):
        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            note(f"out/checkpoint-{state.global_step}/model.safetensors")

    rows = [{"input_ids": torch.arange(8) + i, "labels": torch.arange(8) + i} for i in range(40)]
    model = GPT2LMHeadModel(GPT2Config(vocab_size=64, n_positions=8, n_embd=8, n_layer=1, n_head=1))
    arguments = TrainingArguments(
        output_dir="out", max_steps=8, per_device_train_batch_size=4, logging_steps=1,
        save_steps=2, save_total_limit=1, report_to="none" if auto else "mvc", disable_tqdm=True,
        use_cpu=True, learning_rate=0.01,
    )  # fmt: skip
    trainer = Trainer(model, arguments, train_dataset=rows, callbacks=[Notes()])
    trainer.train()
    losses = {row["step"]: row["loss"] for row in trainer.state.log_history if "loss" in row}
    return {"metric": "loss", "points": losses, "settings": {"learning_rate": 0.01}}


def lightning(auto: bool) -> dict[str, Any]:
    import lightning as pl
    import torch
    from lightning.pytorch.callbacks import ModelCheckpoint

    class Net(pl.LightningModule):
        def __init__(self, lr: float = 0.01) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.net = torch.nn.Linear(4, 1)
            self.points: dict[int, float] = {}

        def training_step(self, batch: Any, index: int) -> Any:
            loss = torch.nn.functional.mse_loss(self.net(batch[0]), batch[1])
            self.log("train_loss", loss)
            self.points[self.global_step] = float(loss)
            return loss

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=self.hparams.lr)

    class Notes(ModelCheckpoint):
        def _save_checkpoint(self, trainer: Any, filepath: str) -> None:
            super()._save_checkpoint(trainer, filepath)
            note(os.path.relpath(filepath))

    options: dict[str, Any] = {"logger": False}
    if not auto:
        from mvc.integrations.lightning import MvcLogger

        options["logger"] = MvcLogger()
    trainer = pl.Trainer(
        max_epochs=4, log_every_n_steps=1, accelerator="cpu", enable_progress_bar=False,
        callbacks=[Notes(save_top_k=1)], enable_model_summary=False, **options,
    )  # fmt: skip
    inputs = torch.randn(16, 4)
    rows = torch.utils.data.TensorDataset(inputs, inputs.sum(1, keepdim=True))
    net = Net()
    trainer.fit(net, torch.utils.data.DataLoader(rows, batch_size=8))
    return {"metric": "train_loss", "points": net.points, "settings": {"lr": 0.01}}


def checkpoint_io(auto: bool) -> dict[str, Any]:
    """Lightning's Trainer, whose checkpoints a thread writes, then its Fabric, without a callback or logger."""
    assert not auto
    import lightning as pl
    import torch
    from lightning.pytorch.callbacks import ModelCheckpoint
    from lightning.pytorch.plugins import AsyncCheckpointIO

    from mvc.integrations.lightning import MvcCheckpointIO

    class Noted(MvcCheckpointIO):
        def save_checkpoint(self, checkpoint: Any, path: Any, storage_options: Any = None) -> None:
            super().save_checkpoint(checkpoint, path, storage_options)
            if "://" not in path:
                note(os.path.relpath(path))

    class Net(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = torch.nn.Linear(4, 1)

        def training_step(self, batch: Any, index: int) -> Any:
            return self.net(batch[0]).square().mean()

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.01)

    trainer = pl.Trainer(
        max_epochs=3, accelerator="cpu", enable_progress_bar=False, logger=False,
        callbacks=[ModelCheckpoint("out", save_top_k=1)], enable_model_summary=False,
        plugins=[AsyncCheckpointIO(Noted())],
    )  # fmt: skip
    rows = torch.utils.data.TensorDataset(torch.randn(16, 4))
    loader = torch.utils.data.DataLoader(rows, batch_size=8)
    trainer.fit(Net(), loader)
    fabric = pl.Fabric(accelerator="cpu", plugins=[Noted()])
    for step in range(3):
        fabric.save("out/fabric.ckpt", {"step": step})
    assert fabric.load("out/fabric.ckpt") == {"step": 2}
    elsewhere = f"mvc://{os.getcwd()}@runs"
    trainer.save_checkpoint(f"{elsewhere}/trainer.ckpt")
    trainer.strategy.teardown()
    for step in range(2):
        fabric.save(f"{elsewhere}/last.ckpt", {"step": step})
    older = fabric.load(f"{elsewhere}~1/last.ckpt")
    assert (older, fabric.load(f"{elsewhere}/last.ckpt")) == ({"step": 0}, {"step": 1})
    trainer.fit(Net(), loader, ckpt_path=f"{elsewhere}/trainer.ckpt", weights_only=True)
    Path("metrics.json").write_text('{"loss": 0.5}')
    fabric.save("out/fabric.ckpt", {"step": 3})
    return {"metric": "loss", "points": {}, "settings": {}}


def keras(auto: bool) -> dict[str, Any]:
    import keras
    import numpy

    class Notes(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            note("out/model.keras")

    callbacks = [keras.callbacks.ModelCheckpoint("out/model.keras"), Notes()]
    if not auto:
        from mvc.integrations.keras import MvcKerasCallback

        callbacks.append(MvcKerasCallback("out"))
    inputs = numpy.random.default_rng(1).normal(size=(32, 4)).astype("float32")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.01), loss="mse")
    done = model.fit(inputs, inputs.sum(1), epochs=3, verbose=0, callbacks=callbacks)
    return {"metric": "loss", "points": dict(enumerate(done.history["loss"])),
            "settings": {"epochs": 3}}  # fmt: skip


def accelerate(auto: bool) -> dict[str, Any]:
    import torch
    from accelerate import Accelerator
    from accelerate.utils import ProjectConfiguration

    options: dict[str, Any] = {}
    if not auto:
        from mvc.integrations.accelerate import MvcTracker

        options["log_with"] = tracker = MvcTracker()
    accelerator = Accelerator(
        cpu=True,
        project_config=ProjectConfiguration(
            project_dir="out", automatic_checkpoint_naming=True, total_limit=1
        ),
        **options,
    )
    if not auto:
        tracker.follow(accelerator)
    accelerator.init_trackers("run", config={"lr": 0.01})
    model = torch.nn.Linear(4, 1)
    model, optimizer = accelerator.prepare(model, torch.optim.SGD(model.parameters(), lr=0.01))
    points = {}
    for step in range(3):
        loss = model(torch.ones(2, 4)).square().mean()
        accelerator.backward(loss)
        optimizer.step()
        points[step] = loss.item()
        accelerator.log({"loss": loss.item()}, step=step)
        place = accelerator.save_state()
        note(os.path.relpath(os.path.join(place, "model.safetensors")))
    accelerator.end_training()
    return {"metric": "loss", "points": points, "settings": {"lr": 0.01}}


def sklearn(auto: bool) -> dict[str, Any]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from mvc.integrations.sklearn import log_model

    for strength in (1.0, 0.5):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=strength))
        model.fit([[0.0], [1.0]], [0, 1])
        log_model(model, "out/model.joblib", metrics={"accuracy": 1.0, "C": strength})
        note("out/model.joblib")
    key = "Pipeline.logisticregression__C"
    return {"metric": "accuracy", "points": {}, "settings": {key: 0.5}}


def xgboost(auto: bool) -> dict[str, Any]:
    import numpy
    import xgboost

    inputs = numpy.random.default_rng(1).normal(size=(64, 4))
    data = xgboost.DMatrix(inputs, label=inputs.sum(1))
    callbacks = []
    if not auto:
        from mvc.integrations.xgboost import MvcXgboostCallback

        callbacks.append(MvcXgboostCallback("out/model.ubj"))
    log: dict[str, Any] = {}
    xgboost.train(
        {"max_depth": 3}, data, 4, evals=[(data, "train")], evals_result=log, verbose_eval=False,
        callbacks=callbacks,
    )  # fmt: skip
    if not auto:
        note("out/model.ubj")
    return {"metric": "train.rmse", "points": dict(enumerate(log["train"]["rmse"])),
            "settings": {"xgboost.max_depth": 3}}  # fmt: skip


def lightgbm(auto: bool) -> dict[str, Any]:
    import lightgbm
    import numpy

    inputs = numpy.random.default_rng(1).normal(size=(64, 4))
    data = lightgbm.Dataset(inputs, label=inputs.sum(1))
    log: dict[str, Any] = {}
    callbacks = [lightgbm.record_evaluation(log)]
    if not auto:
        from mvc.integrations.lightgbm import MvcLightgbmCallback

        callbacks.append(ours := MvcLightgbmCallback())
    settings = {"num_leaves": 3, "verbose": -1, "metric": "l2", "min_data_in_leaf": 2}
    booster = lightgbm.train(settings, data, 4, valid_sets=[data], callbacks=callbacks)
    if not auto:
        ours.save(booster, "out/model.txt")
        note("out/model.txt")
    return {"metric": "training.l2", "points": dict(enumerate(log["training"]["l2"])),
            "settings": {"lightgbm.num_leaves": 3}}  # fmt: skip


if __name__ == "__main__":
    library, how = sys.argv[1:]
    if how == "auto":
        import mvc

        mvc.autolog()
        assert library not in sys.modules, "autolog imports no library"
    document = globals()[library](how == "auto")
    print(json.dumps({**document, "saved": SAVED}))
