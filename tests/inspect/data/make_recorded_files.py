"""Writes `recorded/`: what real libraries leave beside a model, for test_recorded.py.

    pip install torch transformers accelerate tensorboard lightning
    python make_recorded_files.py     # torch 2.13, transformers 5, tensorboard 2.20, lightning 2.6

Each library writes its own files here; tests only read what is checked in, so they need none of them.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

OUT = Path(__file__).parent / "recorded"


def tensorboard() -> None:
    from torch.utils.tensorboard import SummaryWriter

    with tempfile.TemporaryDirectory() as scratch:
        writer = SummaryWriter(scratch)
        for step in range(5):
            writer.add_scalar("train/loss", 1 / (step + 1), step * 10)
            if step % 2 == 0:
                writer.add_scalar("val/acc", 0.5 + step / 10, step * 10)
        writer.add_text("note", "hello")
        writer.add_hparams(
            {"lr": 0.1, "bs": 32, "opt": "adam", "amp": True}, {"hparam/acc": 0.9}, run_name="h"
        )
        writer.close()
        for number, file in enumerate(
            sorted(Path(scratch).rglob("*tfevents*"), key=lambda p: len(p.parts))
        ):
            shutil.copy(file, OUT / f"events.out.tfevents.{number}")


def trainer() -> None:
    import torch
    from transformers import Trainer, TrainingArguments

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(3, 1)

        def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
            found = self.layer(x)
            return {"loss": (found - labels).pow(2).mean(), "logits": found}

    torch.manual_seed(0)
    rows = [{"x": torch.randn(3), "labels": torch.randn(1)} for _ in range(16)]
    with tempfile.TemporaryDirectory() as scratch:
        arguments = TrainingArguments(
            scratch, learning_rate=0.01, num_train_epochs=2, per_device_train_batch_size=8, logging_steps=1,
            eval_strategy="epoch", save_strategy="epoch", report_to=[], use_cpu=True, disable_tqdm=True,
        )  # fmt: skip
        Trainer(Net(), arguments, train_dataset=rows, eval_dataset=rows).train()
        last = Path(scratch) / "checkpoint-4"
        for name in ("trainer_state.json", "training_args.bin"):
            shutil.copy(last / name, OUT / name)


def lightning() -> None:
    import lightning
    import torch

    class Net(lightning.LightningModule):
        def __init__(self, lr: float = 0.1, optimizer: type = torch.optim.SGD) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.layer = torch.nn.Linear(3, 1)

        def training_step(self, batch: list[torch.Tensor], _: int) -> torch.Tensor:
            loss = self.layer(batch[0]).pow(2).mean()
            self.log("train_loss", loss)
            return loss

        def validation_step(self, batch: list[torch.Tensor], _: int) -> None:
            self.log("val_loss", self.layer(batch[0]).pow(2).mean())

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return self.hparams["optimizer"](self.parameters(), self.hparams["lr"])

    torch.manual_seed(0)
    rows = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.randn(8, 3)), 4)
    with tempfile.TemporaryDirectory() as scratch:
        logger = lightning.pytorch.loggers.CSVLogger(scratch)
        run = lightning.Trainer(
            max_epochs=2,
            logger=logger,
            accelerator="cpu",
            enable_progress_bar=False,
            log_every_n_steps=1,
        )
        run.fit(Net(), rows, rows)
        for name in ("metrics.csv", "hparams.yaml"):
            shutil.copy(Path(logger.log_dir) / name, OUT / name)


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    for make in (tensorboard, trainer, lightning):
        make()
    sys.stdout.write("\n".join(sorted(p.name for p in OUT.iterdir())) + "\n")
