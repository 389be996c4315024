"""Projects as their libraries' own tutorials make them, in the current directory; nothing in them knows of mvc.

Run as `python stock_projects.py LIBRARY LEARNING-RATE WIDTH`. The last line of output is a JSON document of
what the library itself says: parameters, and its metrics by name.
"""

from __future__ import annotations

import json
import os
import sys

STEPS = 40
"""Training steps of a run; a tenth of them between two evaluations, a quarter between two checkpoints."""


def transformers(rate: float, width: int) -> dict[str, object]:
    """A GPT-2 of two layers under the stock Trainer, as run_clm.py drives it."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments, set_seed

    class Rows(torch.utils.data.Dataset):
        def __init__(self, first: int, count: int) -> None:
            self.first, self.count = first, count

        def __len__(self) -> int:
            return self.count

        def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
            row = torch.arange(self.first + index, self.first + index + 16) % 50
            return {"input_ids": row, "labels": row}

    set_seed(1)
    model = GPT2LMHeadModel(
        GPT2Config(vocab_size=50, n_positions=16, n_embd=width, n_layer=2, n_head=2)
    )
    arguments = TrainingArguments(
        output_dir="out", learning_rate=rate, max_steps=STEPS, per_device_train_batch_size=4,
        eval_strategy="steps", eval_steps=STEPS // 10, logging_steps=STEPS // 10,
        save_steps=STEPS // 4, save_total_limit=2, report_to="tensorboard", disable_tqdm=True,
        use_cpu=True,
    )  # fmt: skip
    trainer = Trainer(model, arguments, train_dataset=Rows(0, 400), eval_dataset=Rows(7, 20))
    trained = trainer.train()
    trainer.save_model()
    trainer.log_metrics("train", trained.metrics)
    trainer.save_metrics("train", trained.metrics)
    trainer.save_state()
    metrics = trainer.evaluate()
    trainer.save_metrics("eval", metrics)
    return {"parameters": model.num_parameters(), "metrics": metrics | trained.metrics}


def lightning(rate: float, width: int) -> dict[str, object]:
    """A small network under Lightning, two loggers, hyperparameters with a class among them."""
    import lightning as pl
    import torch
    from lightning.pytorch.callbacks import ModelCheckpoint
    from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

    class Net(pl.LightningModule):
        def __init__(self, lr: float, width: int, optimizer: type = torch.optim.Adam) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.net = torch.nn.Sequential(
                torch.nn.Linear(8, width), torch.nn.ReLU(), torch.nn.Linear(width, 1)
            )

        def training_step(self, batch, index):  # type: ignore[no-untyped-def]
            loss = torch.nn.functional.mse_loss(self.net(batch[0]), batch[1])
            self.log("train_loss", loss)
            return loss

        def validation_step(self, batch, index):  # type: ignore[no-untyped-def]
            self.log("val_loss", torch.nn.functional.mse_loss(self.net(batch[0]), batch[1]))

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return self.hparams.optimizer(self.parameters(), lr=self.hparams.lr)

    pl.seed_everything(1)
    inputs = torch.randn(80, 8)
    rows = torch.utils.data.TensorDataset(inputs, inputs.sum(1, keepdim=True))
    train, check = torch.utils.data.random_split(rows, [64, 16])
    model = Net(rate, width)
    trainer = pl.Trainer(
        max_epochs=STEPS // 8, log_every_n_steps=2, accelerator="cpu",
        logger=[CSVLogger("."), TensorBoardLogger(".")], enable_progress_bar=False,
        callbacks=[ModelCheckpoint(monitor="val_loss", save_top_k=2, save_last=True)],
    )  # fmt: skip
    trainer.fit(
        model,
        torch.utils.data.DataLoader(train, batch_size=8, shuffle=True),
        torch.utils.data.DataLoader(check, batch_size=8),
    )
    metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
    return {"parameters": sum(p.numel() for p in model.parameters()), "metrics": metrics}


def keras(rate: float, width: int) -> dict[str, object]:
    """A small network of Keras 3, with the callbacks of its guide."""
    import keras
    import numpy

    keras.utils.set_random_seed(1)
    inputs = numpy.random.default_rng(1).normal(size=(80, 8)).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(width, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.Adam(rate), loss="mse", metrics=["mae"])
    os.makedirs("models", exist_ok=True)
    model.fit(
        inputs, inputs.sum(1), batch_size=8, epochs=STEPS // 8, validation_split=0.2, verbose=0,
        callbacks=[
            keras.callbacks.CSVLogger("training.log"),
            keras.callbacks.ModelCheckpoint("models/best.keras", save_best_only=True),
            keras.callbacks.ModelCheckpoint("models/last.weights.h5", save_weights_only=True),
        ],
    )  # fmt: skip
    metrics = {name: values[-1] for name, values in model.history.history.items()}
    return {"parameters": model.count_params(), "metrics": metrics}


if __name__ == "__main__":
    os.environ |= {"HF_HUB_OFFLINE": "1", "KERAS_BACKEND": "torch"}
    library, rate, width = sys.argv[1:]
    projects = {"transformers": transformers, "lightning": lightning, "keras": keras}
    print(json.dumps(projects[library](float(rate), int(width)), default=float))
