"""Calls for a training program: when a checkpoint is complete, and what it measured.

    import mvc
    mvc.log_params({"lr": 0.1})
    with mvc.checkpoint("runs/1", metrics={"val_acc": 0.93}):
        torch.save(model.state_dict(), "runs/1/model.pt")

    block       that block
    values      metrics and settings in files
    steps       metrics over the steps of training, in a file that grows
    tracking    what a training writes is put under care
    outcome     what becomes of a checkpoint
    unsaved     what is told of one that is no version

Standard library only: no gRPC, no LMDB, no threads, nothing kept between calls. So it costs a training loop
next to nothing, may be called in any thread and in DataLoader workers, and survives every fork.
"""

from mvc.training.block import checkpoint
from mvc.training.values import log_metrics, log_params

__all__ = ["checkpoint", "log_metrics", "log_params"]
