"""When the files of a checkpoint directory are complete: one table, to read and to extend.

A rule *claims* a directory by its name and the names in it; of the files below it, `members` form one set
(patterns of fnmatch on the path from the directory: "*" is everything below, a pattern without `/` names files
of the directory itself). `check` says whether the set is complete: from names, stats, the marker file that
the writer makes last, and the single files' own formats.

The marker must not be older than what it vouches for: when a directory is overwritten in place, yesterday's
index still lies there while today's shards come in. Who writes what last, by the writers' sources:

    transformers    save_pretrained: the index last; Trainer: trainer_state.json after model and optimizer
    torch           distributed/checkpoint/filesystem.py: .metadata is renamed into place last
    orbax           a temporary directory is renamed, or commit_success.txt written
    DeepSpeed, Megatron    the pointer file moves after the tag directory is written
    TensorFlow      the .index after the data files, `checkpoint` after the .index
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from mvcd.daemon.formats import COMPLETE, PROVEN, UNKNOWN, State, Verdict, check_file, incomplete
from mvcd.repo.unreadable import SHORTAGE

Names = Collection[str]


@dataclass(frozen=True, slots=True)
class Folder:
    """A claimed directory on disk, and the members of its set, by path from it."""

    path: str
    files: Mapping[str, os.stat_result]

    def matching(self, *patterns: str) -> list[str]:
        return [f for f in self.files if any(fnmatchcase(f, p) for p in patterns)]

    def text(self, name: str, limit: int = 64 << 20) -> str:
        with open(os.path.join(self.path, name), encoding="utf-8", errors="replace") as file:
            return file.read(limit)

    def written_after(self, marker: str, others: Iterable[str]) -> str | None:
        """One of `others` that is newer than the marker."""
        mark = self.files[marker].st_mtime_ns
        return next((o for o in others if self.files[o].st_mtime_ns > mark), None)


@dataclass(frozen=True, slots=True)
class Rule:
    name: str
    claims: Callable[[str, Names], bool]
    members: tuple[str, ...]
    check: Callable[[Folder], Verdict]

    def has(self, inside: str) -> bool:
        return any(
            fnmatchcase(inside, pattern)
            for pattern in self.members
            if pattern == "*" or "/" in pattern or "/" not in inside
        )


# ---------------------------------------------------------------- shared judgements


def _each_whole(folder: Folder, files: Iterable[str]) -> Verdict:
    """INCOMPLETE as soon as one file is, by its own format; PROVEN if all are proven, else UNKNOWN."""
    state = PROVEN
    for name in files:
        try:
            verdict = check_file(os.path.join(folder.path, name), folder.files[name].st_size)
        except OSError as error:
            return incomplete(f"{name}: {error.strerror}")
        if verdict.state is State.INCOMPLETE:
            return incomplete(f"{name}: {verdict.reason}")
        if verdict.state is not State.PROVEN:
            state = UNKNOWN
    return state


def _marked(folder: Folder, marker: str, others: Sequence[str]) -> Verdict:
    """COMPLETE if the marker is there, has content, is newer than the others, and these are whole."""
    if marker not in folder.files:
        return incomplete(f"{marker} is not written yet")
    if folder.files[marker].st_size == 0:
        return incomplete(f"{marker} is empty")
    newer = folder.written_after(marker, others)
    if newer is not None:
        return incomplete(f"{newer} is newer than {marker}: it is being written again")
    verdict = _each_whole(folder, others)
    return verdict if verdict.state is State.INCOMPLETE else COMPLETE


def _first_incomplete(verdicts: Iterable[Verdict], otherwise: Verdict) -> Verdict:
    return next((v for v in verdicts if v.state is State.INCOMPLETE), otherwise)


# ---------------------------------------------------------------- shards with an index (Hugging Face)

_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<suffix>\.[A-Za-z0-9]+)")
_INDEX = "*.index.json"
_WEIGHTS = ("*.safetensors", "*.bin")


def _has_shards(_name: str, names: Names) -> bool:
    return any(n.endswith(".index.json") or _SHARD.fullmatch(n) for n in names)


def _check_shards(folder: Folder) -> Verdict:
    here = [f for f in folder.matching(_INDEX, *_WEIGHTS) if "/" not in f]
    indices = [f for f in here if f.endswith(".index.json")]
    indexed: set[str] = set()
    verdicts = []
    for index in indices:
        try:
            named = set(json.loads(folder.text(index))["weight_map"].values())
        except (ValueError, KeyError, TypeError, AttributeError):
            return incomplete(f"{index} cannot be read yet")
        absent = sorted(n for n in named if n not in folder.files)
        if absent:
            return incomplete(f"{absent[0]}, which {index} names, is not there")
        indexed |= named
        verdicts.append(_marked(folder, index, sorted(named)))
    loose = [f for f in here if f not in indexed and not f.endswith(".index.json")]
    shards = [f for f in loose if _SHARD.fullmatch(f)]
    if shards and indices:
        # Shards that no index names: of a save under way with another count, or left over from an older one.
        newest = max(indices, key=lambda i: folder.files[i].st_mtime_ns)
        newer = folder.written_after(newest, shards)
        if newer is not None:
            return incomplete(f"{newer} is newer than {newest}, which does not name it")
    elif shards:
        verdicts.append(_counted(shards))
    verdicts.append(_each_whole(folder, loose))
    done = PROVEN if indices and all(v.state is State.COMPLETE for v in verdicts[:-1]) else UNKNOWN
    return _first_incomplete(verdicts, done)


def _counted(shards: Iterable[str]) -> Verdict:
    """Without an index: are all of 1..N here? UNKNOWN if so, for the index may come yet."""
    groups: dict[tuple[str, int], set[int]] = {}
    for name in shards:
        match = _SHARD.fullmatch(name)
        if match is not None:
            key = (match["stem"] + match["suffix"], int(match["count"]))
            groups.setdefault(key, set()).add(int(match["number"]))
    for (stem, count), numbers in groups.items():
        if len(numbers) < count:
            return incomplete(f"{len(numbers)} of {count} shards of {stem} are there")
    return UNKNOWN


# ---------------------------------------------------------------- Trainer's checkpoint-N

_TRAINER = re.compile(r"checkpoint-\d+")
_TRAINER_FILES = {"trainer_state.json", "training_args.bin", "optimizer.pt", "scheduler.pt"}
_TRAINER_EARLIER = ("*.safetensors", "pytorch_model*.bin", _INDEX, "optimizer.*", "scheduler.pt")


def _check_trainer(folder: Folder) -> Verdict:
    if not _TRAINER_FILES.intersection(folder.files):
        if _beside_trainers(folder.path):
            return incomplete("trainer_state.json is not written yet")  # a save just begun
        return _check_shards(folder)  # somebody else's directory of that name
    earlier = [f for f in folder.matching(*_TRAINER_EARLIER) if "/" not in f]
    if "trainer_state.json" in folder.files:
        try:
            json.loads(folder.text("trainer_state.json"))
        except ValueError:
            return incomplete("trainer_state.json cannot be read yet")
    marked = _marked(folder, "trainer_state.json", earlier)
    return _first_incomplete((marked, _check_shards(folder)), COMPLETE)


def _beside_trainers(path: str) -> bool:
    """Whether a neighbour has the state that only the Trainer writes: then this one is the Trainer's too."""
    above, own = os.path.split(path.rstrip("/"))
    try:
        names = [n for n in os.listdir(above) if n != own and _TRAINER.fullmatch(n)]
    except OSError:
        return False
    return any(os.path.exists(os.path.join(above, n, "trainer_state.json")) for n in names)


# ---------------------------------------------------------------- other writers


def _check_distributed(folder: Folder) -> Verdict:
    return _marked(folder, ".metadata", folder.matching("*.distcp"))


def _has_tensorflow(_name: str, names: Names) -> bool:
    return any(_TF_DATA.fullmatch(n) for n in names)


_TF_DATA = re.compile(r"(?P<stem>.+)\.data-(?P<number>\d{5})-of-(?P<count>\d{5})")
_TF_LATEST = re.compile(r'^model_checkpoint_path:\s*"(?P<stem>[^"]+)"', re.MULTILINE)


def _check_tensorflow(folder: Folder) -> Verdict:
    stems: dict[str, list[str]] = {}
    for name in folder.files:
        match = _TF_DATA.fullmatch(name)
        if match is not None:
            stems.setdefault(match["stem"], []).append(name)
            count = int(match["count"])
            if any(f"{match['stem']}.data-{i:05d}-of-{count:05d}" not in folder.files
                   for i in range(count)):  # fmt: skip
                return incomplete(f"not all {count} data files of {match['stem']} are there")
    verdicts = [_marked(folder, f"{stem}.index", data) for stem, data in stems.items()]
    if "checkpoint" in folder.files:
        latest = _TF_LATEST.search(folder.text("checkpoint"))
        if latest is None:
            return incomplete("checkpoint cannot be read yet")
        index = os.path.basename(latest["stem"]) + ".index"
        verdicts.append(_marked(folder, "checkpoint", folder.matching("*.index")))
        if index not in folder.files:
            return incomplete(f"{index}, which checkpoint names, is not there")
    return _first_incomplete(verdicts, COMPLETE)


_ORBAX_TEMPORARY = ".orbax-checkpoint-tmp"
_ORBAX_MARKS = {"_CHECKPOINT_METADATA", "commit_success.txt", "_METADATA"}


def _has_orbax(name: str, names: Names) -> bool:
    return _ORBAX_TEMPORARY in name or not _ORBAX_MARKS.isdisjoint(names)


def _check_orbax(folder: Folder) -> Verdict:
    if _ORBAX_TEMPORARY in folder.path or any(_ORBAX_TEMPORARY in f for f in folder.files):
        return incomplete("it has not got its final name yet")
    return COMPLETE


def _check_pointer(marker: str, prefix: str) -> Callable[[Folder], Verdict]:
    """A tag directory beside a pointer file that is moved to it when it is complete."""

    def check(folder: Folder) -> Verdict:
        if marker not in folder.files:
            return incomplete(f"{marker} is not written yet")
        tag = folder.text(marker, 4096).strip()
        directory = f"{prefix}{int(tag):07d}" if prefix and tag.isdigit() else tag
        if not any(f.startswith(f"{directory}/") for f in folder.files):
            return incomplete(f"{marker} names {directory}, which is not there")
        return _marked(folder, marker, [f for f in folder.files if f != marker])

    return check


def by_marker(directory: str, marker: str) -> Rule:
    """A workspace's own rule: directories by glob (from the root), complete when `marker` was written last."""

    def check(folder: Folder) -> Verdict:
        return _marked(folder, marker, [f for f in folder.files if f != marker])

    return Rule(f"{directory}, marked by {marker}", lambda *_: False, ("*",), check)


RULES: tuple[Rule, ...] = (
    Rule("Orbax", _has_orbax, ("*",), _check_orbax),
    Rule("Trainer checkpoint-N", lambda name, _: bool(_TRAINER.fullmatch(name)), ("*",), _check_trainer),
    Rule("DeepSpeed", lambda _, names: any(re.fullmatch(r"global_step\d+", n) for n in names),
         ("latest", "global_step*/*"), _check_pointer("latest", "")),
    Rule("Megatron", lambda _, names: any(re.fullmatch(r"iter_\d{7}", n) for n in names),
         ("latest_checkpointed_iteration.txt", "iter_*/*"),
         _check_pointer("latest_checkpointed_iteration.txt", "iter_")),
    Rule("PyTorch distributed checkpoint",
         lambda _, names: ".metadata" in names or any(n.endswith(".distcp") for n in names),
         (".metadata", "*.distcp"), _check_distributed),
    Rule("TensorFlow checkpoint", _has_tensorflow,
         ("checkpoint", "*.index", "*.data-?????-of-?????"), _check_tensorflow),
    Rule("shards with an index", _has_shards, (_INDEX, *_WEIGHTS), _check_shards),
)  # fmt: skip
"""The first that claims a directory has it; of nested directories the outermost is asked first."""

LOG_SUFFIXES = (".log", ".out", ".err", ".tfevents", ".jsonl", ".csv", ".tsv")
"""Results that programs hold open and append to for hours. Such a file goes along when something else is
saved, as it is then; by itself it is saved when it is closed."""

TEMPORARY = re.compile(
    r"\.tmp.*|tmp-.*|\..*\.(?:tmp|swp|part|incomplete|lock)(?:\..*)?|.*\.(?:tmp|part|incomplete)"
)
"""Names of files and directories that their writers rename when they are complete."""


def temporary(path: str) -> bool:
    return any(TEMPORARY.fullmatch(part) for part in path.split("/"))


def walk(directory: str) -> Iterator[tuple[str, os.stat_result]]:
    """All regular files below a directory, by path from it. Left out is what goes away meanwhile, and what
    cannot be read: of that the scan tells."""
    pending = [""]
    while pending:
        inside = pending.pop()
        try:
            with os.scandir(os.path.join(directory, inside)) as entries:
                for entry in entries:
                    path = f"{inside}/{entry.name}" if inside else entry.name
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(path)
                        continue
                    found = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(found.st_mode):
                        yield path, found
        except OSError as error:
            if error.errno in SHORTAGE:
                raise


def folder_of(rule: Rule, directory: str) -> Folder:
    return Folder(directory, {p: s for p, s in walk(directory) if rule.has(p) and not temporary(p)})
