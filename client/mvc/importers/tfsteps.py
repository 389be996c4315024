"""Checkpoints of TensorFlow and Keras as versions: one for each step, in order, of one branch, with a tag.

A version has the checkpoints of its step, and what all have in common, as it is now: settings, events,
vocabularies. The file `checkpoint` beside a checkpoint names just that one, so that
`tf.train.latest_checkpoint` finds it.
"""

from __future__ import annotations

import os
import posixpath

from mvc.api.results import Monitor
from mvc.api.write_verbs import Source, Symlink
from mvc.importers.lines import ImportRecord
from mvc.importers.results import ImportResult
from mvc.importers.target import ImportTarget, Names, Progress, store_bytes, target_at
from mvc.importers.tfcheckpoints import TfDirectory, TfStep, read_checkpoints

BRANCH = "main"


def import_tf(
    source: str,
    directory: str | None = None,
    *,
    into: str | None = None,
    bare: bool = False,
    monitor: Monitor | None = None,
) -> ImportResult:
    """Imports the checkpoints in a directory as versions of one branch, in order of step, with tags `step-N`.

    `directory` (by default named like the source, with `-history`) and `into` as for `import_git`. Run again,
    it brings checkpoints that are new; those that the training has removed since stay here.

    Raises Failure: kind "no-checkpoints", "not-empty", "unreadable-file".
    """
    found = read_checkpoints(source)
    name = (os.path.basename(found.top) or "checkpoints") + "-history"
    with target_at(directory or name, into, bare=bare) as target:
        target.require_same("tf", [])
        return _import(found, source, target, monitor)


def _import(
    found: TfDirectory, source: str, target: ImportTarget, monitor: Monitor | None
) -> ImportResult:
    repo, lines, known = target.repo, target.lines, target.known_messages()
    versions = dict(known)
    start, tip = store_bytes(repo), target.newest(known.values())
    fresh = [step for step in found.steps if _message(step) not in known]
    left_out, size = dict(found.left_out), _bytes(found, found.common) if fresh else 0
    progress, now = Progress(monitor, len(fresh)), dict[str, Source]()
    for step in fresh:
        files = {path: _source(found, path) for path in step.paths}
        common = now or {path: _source(found, path) for path in found.common}
        record = ImportRecord(target.repo.author, step.time, _message(step))
        states = _states(found, step)
        done = lines.write([tip] if tip else [], {**common, **files, **states}, record, whole=True)
        tip = versions[_message(step)] = done.version
        skipped = dict(done.skipped)
        now = {path: (tip, path) for path in found.common if path not in skipped}
        left_out |= skipped
        size += (new := _bytes(found, step.paths))
        progress.advance(new)
    progress.finish()
    assert tip is not None
    tags = {f"step-{step.step}": (versions[_message(step)], "") for step in found.steps}
    named = target.name(Names({BRANCH: tip}, tags, BRANCH), lines.names, f"import tf {source}")
    return ImportResult(
        "tf", source, repo.root, len(fresh), len(known), tuple(named.branches),
        tuple(named.tags), {"the directory": size}, max(0, store_bytes(repo) - start),
        tuple(named.renamed), tuple(named.left.items()), (), tuple(sorted(left_out.items())),
        _notes(found) if fresh else (), named.checkout,
    )  # fmt: skip


def _notes(found: TfDirectory) -> tuple[str, ...]:
    if len(found.steps) > 1 and any(".tfevents." in path for path in found.common):
        return (
            "each version has the events of all steps: its metrics are the last of the training",
        )
    return ()


def _message(step: TfStep) -> str:
    return f"Step {step.step}\n\nA checkpoint as it was on {step.time.isoformat(sep=' ')}"


def _states(found: TfDirectory, step: TfStep) -> dict[str, Source]:
    """The state files of directories with a checkpoint of this step, which name that one."""
    made: dict[str, Source] = {}
    for path in found.states:
        stem = step.stems.get(posixpath.dirname(path))
        if stem is not None:
            text = f'model_checkpoint_path: "{stem}"\nall_model_checkpoint_paths: "{stem}"\n'
            made[path] = text.encode()
    return made


def _source(found: TfDirectory, path: str) -> Source:
    place = os.path.join(found.top, path)
    return Symlink(os.readlink(place)) if os.path.islink(place) else place


def _bytes(found: TfDirectory, paths: list[str]) -> int:
    return sum(os.lstat(os.path.join(found.top, path)).st_size for path in paths)
