"""What training libraries leave beside a model, by the names that they give: what a file is, and of which run.

    trainer_state.json, training_args.bin     Hugging Face Trainer
    *.tfevents.*                              TensorBoard
    mlruns/EXPERIMENT/RUN/metrics|params/KEY  MLflow, a file for each key
    wandb-summary.json, files/config.yaml     Weights & Biases
    .hydra/config.yaml, overrides.yaml        Hydra
    plots/metrics/KEY.tsv                     DVCLive, over steps; metrics.json above has the last values
    metrics.steps.jsonl                       mvc.log_metrics, over steps; metrics.json beside it likewise
    *.keras                                   Keras 3, which keeps how a model was compiled
    generation_config.json                    how a language model is asked, no setting of the training

A run that is saved again and again under names that count up (`checkpoint-500`, `version_3`, a date) is one
source, `checkpoint-*`, of which the newest member speaks.
"""

from __future__ import annotations

import re
from enum import StrEnum

from mvcd.lateclasses import dataclass


class RunFile(StrEnum):
    """How a file is read, where its suffix does not say it."""

    TRAINER_STATE = "trainer state"
    TRAINING_ARGS = "training arguments"
    EVENTS = "TensorBoard events"
    MLFLOW_METRIC = "MLflow metric"
    MLFLOW_PARAM = "MLflow parameter"
    WANDB_CONFIG = "W&B config"
    WANDB_SUMMARY = "W&B summary"
    HYDRA_CONFIG = "Hydra config"
    HYDRA_OVERRIDES = "Hydra overrides"
    DVCLIVE = "DVCLive metric"
    STEPS = "step history"
    GENERATION = "generation config"
    KERAS = "Keras archive"
    NOTHING = "nothing"


_MLFLOW = re.compile(r"(?:^|.*/)mlruns/[^/]+/[0-9a-f]{32}/(metrics|params)/(.+)")
_WANDB_CONFIG = re.compile(r"(?:^|.*/)wandb/[^/]+/files/config\.ya?ml")
_HYDRA = re.compile(r"(?:^|.*/)\.hydra/(config|overrides|hydra)\.ya?ml")
_SILENT = re.compile(
    r"""(?:^|.*/)(?: wandb-metadata\.json | mlruns/(?:[^/]+/)*meta\.ya?ml | dvclive/plots/.+
        | plots/(?:custom|sklearn)/.+\.json | [^/]+/dvc\.ya?ml
        | (?:predictions?|submission|outputs|confusion_matrix)[^/]*
        | [^/]*\.index\.json | mlruns/[^/]+/[^/]+/(?:tags|artifacts|inputs|outputs)/.+ )""",
    re.VERBOSE,
)
"""Rows and histories of which no last one counts, and what tools say of themselves."""

_DVCLIVE = re.compile(r"((?:.*/)?)plots/metrics/(.+)\.tsv", re.IGNORECASE)
_SUMMARY = re.compile(r"((?:.*/)?metrics(?:\.rank\d+)?)\.json", re.IGNORECASE)
_STEPS = re.compile(r"(?:.*/)?metrics(?:\.rank\d+)?\.steps\.jsonl")

_PATTERNS = (
    (_WANDB_CONFIG, RunFile.WANDB_CONFIG),
    (_STEPS, RunFile.STEPS),
    (_DVCLIVE, RunFile.DVCLIVE),
    (_SILENT, RunFile.NOTHING),
)

_NAMES = {
    "trainer_state.json": RunFile.TRAINER_STATE,
    "training_args.bin": RunFile.TRAINING_ARGS,
    "wandb-summary.json": RunFile.WANDB_SUMMARY,
    "generation_config.json": RunFile.GENERATION,
}


_WORDS = (
    "mlruns/", ".hydra/", "wandb", "metrics", "plots/", "dvc.y", "prediction", "submission", "outputs",
    "confusion_matrix", ".index.json",
)  # fmt: skip
"""Words without one of which no pattern matches: the patterns take 2 us to fail, and are asked of each file."""


def kind_of(path: str) -> RunFile | None:
    """None where component and suffix decide."""
    lowered = path.lower()
    name = lowered.rpartition("/")[2]
    if name in _NAMES:
        return _NAMES[name]
    if "tfevents" in name or name.endswith(".keras"):
        return RunFile.EVENTS if "tfevents" in name else RunFile.KERAS
    if not any(map(lowered.__contains__, _WORDS)):
        return None
    if found := _MLFLOW.fullmatch(lowered):
        return RunFile.MLFLOW_METRIC if found[1] == "metrics" else RunFile.MLFLOW_PARAM
    if found := _HYDRA.fullmatch(lowered):
        kinds = {"config": RunFile.HYDRA_CONFIG, "overrides": RunFile.HYDRA_OVERRIDES}
        return kinds.get(found[1], RunFile.NOTHING)
    return next((kind for pattern, kind in _PATTERNS if pattern.fullmatch(lowered)), None)


def mlflow_key(path: str) -> str:
    """The key that a file of MLflow holds; it may have slashes."""
    found = _MLFLOW.fullmatch(path) or _MLFLOW.fullmatch(path.lower())
    return found[2] if found else path


def dvclive_metric(path: str) -> tuple[str, str]:
    """The metrics.json that has the last value of a file of DVCLive's, and under which key."""
    found = _DVCLIVE.fullmatch(path)
    assert found is not None
    return f"{found[1]}metrics.json", found[2].replace("/", ".")


def steps_beside(path: str) -> tuple[str, str] | None:
    """The history that mvc.log_metrics keeps beside a metrics.json, and the directory in which DVCLive keeps
    its own; None beside any other file."""
    found = _SUMMARY.fullmatch(path)
    if found is None:
        return None
    return f"{found[1]}.steps.jsonl", f"{path.rpartition('/')[0]}/plots/metrics".lstrip("/")


# ---------------------------------------------------------------- runs

_COUNTED = re.compile(
    r"(?P<stem>(?:checkpoint|ckpt|version|epoch|step|global_step|iter|iteration)[-_=]?)\d+", re.I
)
_DATED = (
    re.compile(r"\d{4}-\d\d-\d\d(?:[T_-]\d\d[-:]?\d\d[-:]?\d\d)?"),  # Hydra's outputs/DATE/TIME
    re.compile(r"\d\d-\d\d-\d\d"),
    re.compile(r"(?P<stem>(?:offline-)?run-)\d{8}_\d{6}-\w+"),  # W&B
    re.compile(r"\d{10}(?:\.\d+)?"),  # TensorBoard's runs of add_hparams
    re.compile(r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\d\d_\d\d-\d\d-\d\d_.+"),
)
_EVENT_TIME = re.compile(r"tfevents\.(\d{1,20})")
_MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"
_DIGITS = re.compile(r"\d{1,18}")

Order = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """`source` is what values are told apart by: the path, `*` for what counts up. `member` is the run or
    directory among the source's that the file belongs to, and `order` says which of them is newer."""

    source: str
    member: str
    order: Order


def place_of(path: str) -> Place:
    """Where in the runs of a project a file stands."""
    lowered = path.lower()
    if _MLFLOW.fullmatch(lowered):
        at = lowered.rindex("/mlruns/") + 1 if "/mlruns/" in lowered else 0
        run = "/".join(path[at:].split("/")[:3])
        member = path[:at] + run
        return Place(f"{member.rpartition('/')[0]}/*", member, ())
    directory, _, name = path.rpartition("/")
    parts, order = [], list[float]()
    for part in directory.split("/") if directory else []:
        star = _starred(part)
        parts.append(star or part)
        if star:
            order += _numbers(part)
    starred = "/".join(parts)
    if "tfevents" in name.lower():
        found = _EVENT_TIME.search(name)
        written = (float(found[1]),) if found else ()
        events = "events.out.tfevents"
        member = f"{directory}/{events}" if directory else events
        return Place(f"{starred}/{events}" if starred else events, member, written)
    return Place(f"{starred}/{name}" if starred else name, path, tuple(order))


def run_of(path: str) -> tuple[str, Order]:
    """The outermost run that a file belongs to, as `logs/version_*`, and which of them it is; ("", ()) for
    none."""
    parts, order = [], list[float]()
    for part in path.split("/")[:-1]:
        star = _starred(part)
        if star is None and order:
            break
        parts.append(star or part)
        if star:
            order += _numbers(part)
    return ("/".join(parts), tuple(order)) if order else ("", ())


def _numbers(part: str) -> list[float]:
    """What a part counts, months as their numbers: `Nov28_...` is before `Dec01_...`."""
    month = _MONTHS.find(part[:3]) if part[3:4].isdigit() and part[:3].istitle() else -1
    first = [float(month // 3)] if month >= 0 else []
    return first + [float(digits) for digits in _DIGITS.findall(part)]


def _starred(part: str) -> str | None:
    for pattern in (_COUNTED, *_DATED):
        if found := pattern.fullmatch(part):
            return (found.groupdict().get("stem") or "") + "*"
    return None
