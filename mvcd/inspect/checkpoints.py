"""Which files are one model at several moments: checkpoints of a run, the best and the last, the final model.

    out/model.safetensors, out/checkpoint-500/model.safetensors           Trainer: the final one, and on the way
    logs/version_0/checkpoints/epoch=3-step=32.ckpt, .../last.ckpt        Lightning
    models/best.keras, models/last.weights.h5, weights.05-0.12.h5         Keras
    step_1000.pt, model_best.pth.tar                                      loops of one's own

Nothing but paths is looked at. Only words that count training or judge it make a checkpoint: `resnet18.pt` and
`resnet50.pt` are two models, and so are the folds of a cross-validation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from mvcd.inspect.runfiles import run_of

_COUNTING = r"(?:checkpoint|ckpt|epoch|ep|global_step|step|iteration|iter)s?"
_LAST = r"(?:last|latest|final)"
_JUDGED = rf"(?:best|{_LAST})"

_DIRECTORY = re.compile(
    rf"{_COUNTING}[-_=.]?\d+|(?:model|checkpoint|ckpt)?[-_.]?{_JUDGED}[-_.]?(?:model|checkpoint|ckpt)?",
    re.I,
)
"""A directory that is one checkpoint, `checkpoint-500` or `best_model`; those of runs are `run_of`'s."""

_WEIGHTS = re.compile(
    r"(?:\.weights)?\.(?:safetensors|pt|pth|bin|ckpt|keras|h5|hdf5|npz|msgpack|onnx|gguf|tar|pkl|joblib)$",
    re.I,
)
_NUMBER = r"\d+(?:\.\d+)?(?:e[-+]?\d+)?"
_MOMENT = re.compile(
    rf"""(?:^|(?<=[-_.=]))(?:
        {_COUNTING}[-_=.]?{_NUMBER}           # step_1000, epoch=3
      | [A-Za-z]\w*?=-?{_NUMBER}              # val_loss=0.12, which Lightning puts there
      | {_JUDGED}
      | \d+[-_]\d+\.\d+                       # weights.05-0.12, of the documentation of Keras
    )(?:-v\d+)?(?=[-_.]|$)""",
    re.I | re.VERBOSE,
)
_FILLERS = re.compile(r"(?:checkpoint|ckpt|model|weights)s?", re.I)
"""What is left of a name that says nothing of which model it is."""

_DIGITS = re.compile(r"\d+")

Rank = tuple[tuple[float, ...], bool, bool, bool, tuple[int, ...], str]


@lru_cache(maxsize=8192)
def family_of(path: str) -> str:
    """Names the model, or the file beside it, that the file at `path` is at some moment: equal for all its
    checkpoints, in whichever run of those that are counted."""
    directory, _, name = path.rpartition("/")
    run, order = run_of(path)
    parts = directory.split("/") if directory else []
    if order:  # a run's checkpoints are those of the runs before it
        parts[: run.count("/") + 1] = run.split("/")
    kept = [part for part in parts if not _DIRECTORY.fullmatch(part.replace("*", "0"))]
    found = _WEIGHTS.search(name)
    if found is not None:
        stem = re.sub(r"[-_.]{2,}", "-", _MOMENT.sub("", _WEIGHTS.sub("", name[: found.start()])))
        stem = stem.strip("-_. ")
        name = f"{'' if _FILLERS.fullmatch(stem) else stem}.*"
    return "/".join([*kept, name])


def directory_of(path: str) -> str | None:
    """The outermost directory above a file that is one checkpoint, as `out/checkpoint-500`; None where none
    is."""
    parts = path.split("/")
    for depth, part in enumerate(parts[:-1], 1):
        if _DIRECTORY.fullmatch(part):
            return "/".join(parts[:depth])
    return None


@lru_cache(maxsize=8192)
def rank_of(path: str) -> Rank:
    """Which of a family speaks for it, the largest: of the newest run the final model, then the last
    checkpoint, then that of the highest count, then the best."""
    directory, _, name = path.rpartition("/")
    found = _WEIGHTS.search(name)
    stem = name[: found.start()] if found is not None else ""
    moments = [part for part in directory.split("/") if _DIRECTORY.fullmatch(part)]
    moments += [match[0] for match in _MOMENT.finditer(stem)]
    counts = tuple(int(digits) for moment in moments for digits in _DIGITS.findall(moment)[:1])
    said = " ".join(moments).lower()
    last = bool(re.search(_LAST, said))
    return _run_order(path), not moments, last, last or "best" not in said, counts, path


def _run_order(path: str) -> tuple[float, ...]:
    """Counts of the outermost run, without those of checkpoints, which `rank_of` has apart."""
    run, order = run_of(path)
    last = run.rpartition("/")[2]
    return () if _DIRECTORY.fullmatch(last.replace("*", "0")) else order


def leading(paths: Iterable[str]) -> dict[str, list[str]]:
    """The paths that speak for their families, in the order of `paths`, and for whom they speak: the others,
    newest first. Two final models in one directory, as of two formats, speak for themselves."""
    families: dict[str, list[str]] = {}
    for path in paths:
        families.setdefault(family_of(path), []).append(path)
    found: dict[str, list[str]] = {}
    for members in families.values():
        first, *others = sorted(members, key=rank_of, reverse=True)
        run, final, *_ = rank_of(first)
        equals = [path for path in others if final and rank_of(path)[:2] == (run, final)]
        found[first] = [path for path in others if path not in equals]
        found |= {path: [] for path in equals}
    return found
