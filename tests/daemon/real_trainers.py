"""The trainers that people use, saving and rotating as they do; each line names a checkpoint that stood.

Run as `python real_trainers.py NAME DIRECTORY SAVES`. A pause is the pace of training, no means to be in step.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

STANDS = 3.3
"""Seconds that a checkpoint stands before the next is begun."""


def told(paths: list[Path]) -> None:
    for path in paths:
        print(path, flush=True)


def transformers(directory: str, saves: int) -> None:
    """A tiny GPT-2 under the stock Trainer, `save_total_limit=1`."""
    import torch
    from transformers import (
        GPT2Config,
        GPT2LMHeadModel,
        Trainer,
        TrainerCallback,
        TrainingArguments,
    )  # fmt: skip

    class Rows(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return 1000

        def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
            row = torch.arange(index, index + 16) % 50
            return {"input_ids": row, "labels": row}

    class Pace(TrainerCallback):
        def on_save(self, arguments, state, control, **more):  # type: ignore[no-untyped-def]
            time.sleep(STANDS)
            told(sorted(Path(directory).glob("checkpoint-*")))

    model = GPT2LMHeadModel(
        GPT2Config(vocab_size=50, n_positions=16, n_embd=64, n_layer=2, n_head=2)
    )
    arguments = TrainingArguments(
        output_dir=directory, save_total_limit=1, save_steps=4, max_steps=4 * saves, logging_steps=4,
        per_device_train_batch_size=4, report_to=[], disable_tqdm=True, use_cpu=True,
    )  # fmt: skip
    Trainer(model, arguments, train_dataset=Rows(), callbacks=[Pace()]).train()


def lightning(directory: str, saves: int) -> None:
    """`ModelCheckpoint(save_top_k=1)`: a file whose name changes, the one before deleted after it."""
    import lightning as pl
    import torch

    class Net(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = torch.nn.Linear(256, 256)

        def training_step(self, batch, index):  # type: ignore[no-untyped-def]
            loss = self.net(batch).pow(2).mean()
            self.log("loss", 1.0 / (1 + self.current_epoch))  # always better than before
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), lr=1e-3)

    class Pace(pl.Callback):
        def on_train_epoch_start(self, trainer, module):  # type: ignore[no-untyped-def]
            if list(Path(directory).glob("*.ckpt")):
                time.sleep(STANDS)
                told(sorted(Path(directory).glob("*.ckpt")))

    keep = pl.pytorch.callbacks.ModelCheckpoint(
        dirpath=directory, monitor="loss", save_top_k=1, filename="{epoch}-{loss:.4f}",
        save_on_train_epoch_end=True,
    )  # fmt: skip
    trainer = pl.Trainer(
        max_epochs=saves, callbacks=[keep, Pace()], logger=False, enable_progress_bar=False,
        enable_model_summary=False, accelerator="cpu",
    )  # fmt: skip
    data = torch.utils.data.DataLoader(torch.randn(64, 256), batch_size=16)
    trainer.fit(Net(), data)
    time.sleep(STANDS)
    told(sorted(Path(directory).glob("*.ckpt")))


if __name__ == "__main__":
    os.environ["HF_HUB_OFFLINE"] = "1"
    name, directory, saves = sys.argv[1:]
    {"transformers": transformers, "lightning": lightning}[name](directory, int(saves))
