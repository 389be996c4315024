"""Training state told apart from the model: what goes on with a training, and what is of no use without one.

Optimizer, scheduler, gradient scaler, random numbers, sampler, the trainer's own counters. It lies in files of
its own (`optimizer.pt`), which their names tell, or in one file with the model, where names of tensors tell:
`optimizer_state_dict.state.0.exp_avg`. Nothing but names is looked at, so versions of any age answer alike.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache

# Patterns are compiled when they are first used, which few commands do: that takes 4 ms.

_FILES = r"""(?ix)
      (?:.*[-_.])?optim(?:izer)?s?(?:[-_]?states?)?(?:[-_]?dict)?(?:[-_.]?\d+)*(?:\..*)?   # optimizer_1.bin
    | optim(?:izer)?s?[-_.].*
    | (?:bf16_|fp16_)?zero_pp_rank_\d+_.*optim_states\.pt                # DeepSpeed
    | (?:opt|opt_state|adam|sgd)\.(?:pt|pth|bin|npz|safetensors|msgpack|pkl)
    | (?:.*[-_])?(?:lr[-_]?)?scheduler(?:[-_]?state)?(?:[-_]\d+)?\.(?:pt|pth|bin|pkl|ckpt)
    | (?:grad[-_]?)?scaler(?:[-_]?state)?(?:[-_]\d+)?\.(?:pt|pth|bin)    # scaler.pkl is scikit-learn's: a model
    | (?:rng|random)[-_]?states?(?:[-_].*)?\..* | rng(?:[-_]?\d+)?\.(?:pt|pth|bin|pkl|npz|safetensors)
    | train(?:ing|er)?[-_]?state(?:[-_].*)?\.(?:pt|pth|bin|pkl|json|msgpack|safetensors)
    | (?:dl_state_dict|dataloader(?:[-_]states?)?|sampler|sampler_state)(?:[-_]\d+)?\.(?:pt|pth|bin|pkl|json)
    | custom_checkpoint_\d+\.pkl                                          # Accelerate
    | .*\.pdopt                                                           # PaddlePaddle
"""

_DIRECTORIES = (
    r"(?i)(?:^|/)(?:optim(?:izer)?s?(?:[-_]?\d+)?|opt_state[^/]*|rng(?:_states?)?|random_states?"
    r"|lr_scheduler)/"
)
"""Parts of a checkpoint that is a directory: `optimizer_0/__0_0.distcp` of FSDP, Orbax' items."""

_SLOTS = """
    exp_avg exp_avg_sq max_exp_avg_sq exp_inf momentum_buffer square_avg acc_delta grad_avg acc_grad
    exp_avg_diff neg_grad_or_diff exp_avg_sq_row exp_avg_sq_col exp_avg_res master_param fp32_master
""".split()

_SLOT = (
    rf"(?i)(?:^|.*\.)(?:state\.\d+\.[^.]+|(?:{'|'.join(_SLOTS)})(?:\.[^.]+)?)$"  # torch.optim: state.N.slot
    r"|.*\.optimizer_slot\..*"  # TensorFlow, by objects
    r"|.*\.(?:adam|adamw|adagrad|momentum|rmsprop|ftrl|lamb)(?:_\d+)?$"  # and by names
    r"|(?:beta[12]_power|global_step|save_counter(?:\..*)?|_checkpointable_object_graph)$"
)

_ALWAYS = (
    r"(?i)(?:.*_)?(?:optim|optimizer|opt_state)s?(?:_(?:states?|state_dicts?|weights|variables|\d+))*"
    r"|_optimizer|lr_schedulers?(?:_states?|_state_dicts?)?|scheduler_(?:states?|state_dict)"
    r"|(?:grad_)?scaler_(?:states?|state_dict)|grad_scaler|(?:rng|random)_states?(?:_.*)?|rng"
    r"|train(?:ing|er)?_state|mixedprecision[a-z]*|(?:native_)?amp_scaling_state"
)
"""First parts of names that say it by themselves: of torch's usual loops, Lightning, Accelerate, Flax."""

_WHOLE = r"(?i)(?:native_)?amp_scaling_state|(?:[a-z]+_)?(?:rng|random)_states?(?:_[a-z0-9]+)*|best_[a-z0-9_]+"
"""Whole names: tensors at the top of a file, as random numbers and the best score are."""

_BESIDE_A_MODEL = frozenset(
    """opt scheduler schedulers scaler amp callbacks loops hyper_parameters datamodule sampler dataloader
       epoch step iteration iter best_score best_metric args config""".split()
)
"""First parts that say it beside a model's: alone, a module may well be called `scaler`."""

_MODELS = frozenset(
    """model state_dict model_state_dict module net network params model_state model_states
       generator discriminator weights ema model_ema""".split()
)


@lru_cache(maxsize=4096)
def is_state_file(path: str) -> bool:
    """Whether a file of the weights holds training state, by its path."""
    directory, slash, name = path.rpartition("/")
    if re.fullmatch(_FILES, name):
        return True
    return bool(re.search(_DIRECTORIES, directory + slash))


def state_names(names: Collection[str]) -> frozenset[str]:
    """Chooses the tensors of one file that are training state."""
    dotted = {name: name.replace("/", ".") for name in names}
    beside = any(d.partition(".")[0].lower() in _MODELS for d in dotted.values() if "." in d)
    return frozenset(name for name, d in dotted.items() if _is_state(d, beside))


def state_in(path: str, names: Collection[str]) -> frozenset[str]:
    """Chooses the tensors of the file at `path` that are training state: all, if the file is."""
    return frozenset(names) if is_state_file(path) else state_names(names)


def all_state(names: Collection[str]) -> bool:
    """Whether a file with these tensors has tensors, and all of them are training state."""
    return bool(names) and all(is_state_tensor(name) for name in names)


def is_state_tensor(name: str) -> bool:
    """Whether a tensor is training state for certain, whatever stands beside it."""
    return _is_state(name.replace("/", "."), False)


def _is_state(dotted: str, beside: bool) -> bool:
    top, dot, _ = dotted.partition(".")
    if dot and (_is_top(top) or (beside and top.lower() in _BESIDE_A_MODEL)):
        return True
    return bool(re.match(_SLOT, dotted) or (not dot and re.fullmatch(_WHOLE, top)))


@lru_cache(maxsize=1024)
def _is_top(part: str) -> bool:
    return bool(re.fullmatch(_ALWAYS, part))
