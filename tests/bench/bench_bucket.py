"""How long a model takes into a bucket, and back.

`mvc push` into a bucket in a directory, `mvc fetch` and `mvc clone` from there, of one version whose one BF16
safetensors file has --size; against as many bytes put and got by the same calls with nothing read, checked or
written, in the same round. The same in an S3 bucket of moto, where the extras `s3` and `tools` are installed: a
process that is written in Python and bounds both. Shown beside is `dvc push` and `dvc pull` with a remote in a
directory. DVC does not fsync; a push is durable when it ends.

A clone also writes the files and its own packs, and makes both durable: what that takes without any bucket is
shown by `mvc clone` from the workspace's directory. Getting from a directory is reading from memory.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import data
from measure import Cost, interleave
from report import Bench, main

PROGRAM = str(Path(__file__).with_name("plain_bucket.py"))
PUSH_SHARE, CLONE_SHARE = 0.8, 0.7
"""Of the rate of plain calls."""


def body(bench: Bench) -> None:
    source = bench.scratch / "source"
    source.mkdir()
    data.make("bf16", source / "model.safetensors", bench.size)
    raw = sum(path.stat().st_size for path in source.rglob("*") if path.is_file())
    subjects = {"directory": partial(_mvc, bench, source, "directory", _in_a_directory)}
    if all(importlib.util.find_spec(name) for name in ("obstore", "moto")):
        subjects["s3"] = partial(_mvc, bench, source, "s3", _in_s3)
    else:
        bench.note("obstore or moto is not installed: pip install -e '.[s3,tools]'")
    names = list(subjects)
    subjects["dvc"] = partial(_dvc, bench, source)
    rounds = interleave(subjects, rounds=bench.rounds, scratch=bench.scratch)
    bench.keep_rounds(rounds, raw=raw)
    for where in names:
        bench.at_most(
            f"push, {where}: time against plain `put` of as many bytes", 1 / PUSH_SHARE, "x",
            partial(rounds.ratio, f"{where}: push", f"{where}: plain put"),
        )  # fmt: skip
        other = f"{where}: clone of a path" if where == "directory" else f"{where}: plain get"
        bench.at_most(
            f"clone, {where}: time against {other.partition(': ')[2]}", 1 / CLONE_SHARE, "x",
            partial(rounds.ratio, f"{where}: clone", other),
        )  # fmt: skip
    shutil.rmtree(source)


def _mvc(bench: Bench, source: Path, where: str, place, directory: Path) -> Mapping[str, Cost]:  # type: ignore[no-untyped-def]
    workspace = directory / "work"
    shutil.copytree(source, workspace)
    with place(directory) as (url, more):
        mvc, shell = (
            replace(program, env={**program.env, **more})
            for program in (bench.programs.mvc, bench.programs.shell)
        )
        mvc.init(workspace)
        mvc.save(workspace)
        size = sum(p.stat().st_size for p in (workspace / ".mvc/store/packs").iterdir())
        mvc.run("-C", workspace, "remote", "add", "origin", url, cwd=workspace, settle=False)
        costs = {}
        for way in ("put", "get"):
            words = (sys.executable, PROGRAM, way, f"{url}-plain", str(size))
            costs[f"{where}: plain {way}"] = shell.run(
                "-c", 'exec "$@"', "sh", *words, cwd=directory
            )
        costs[f"{where}: push"] = mvc.run("-C", workspace, "push", cwd=workspace)
        costs[f"{where}: clone"] = mvc.run("clone", url, directory / "clone", cwd=directory)
        shutil.rmtree(directory / "clone")
        costs[f"{where}: clone of a path"] = mvc.run(
            "clone", workspace, directory / "clone", cwd=directory
        )
    return costs


@contextmanager
def _in_a_directory(directory: Path) -> Iterator[tuple[str, Mapping[str, str]]]:
    (directory / "bucket").mkdir()
    (directory / "bucket-plain").mkdir()
    yield f"bucket+file://{directory / 'bucket'}", {}


@contextmanager
def _in_s3(directory: Path) -> Iterator[tuple[str, Mapping[str, str]]]:
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from tests.support import motoserver  # late: an extra

    with motoserver.running() as endpoint:
        environment = endpoint.environment()
        del environment["HOME"]
        yield f"s3://{endpoint.make_bucket()}/model", environment


def _dvc(bench: Bench, source: Path, directory: Path) -> Mapping[str, Cost]:
    dvc, workspace = bench.programs.dvc, directory / "work"
    shutil.copytree(source, workspace)
    dvc.init(workspace)
    dvc.add(workspace, "model.safetensors")
    dvc.run("remote", "add", "-d", "store", directory / "store", cwd=workspace, settle=False)
    pushed = dvc.run("push", "--quiet", cwd=workspace)
    shutil.rmtree(workspace / ".dvc" / "cache")
    (workspace / "model.safetensors").unlink()
    return {"dvc: push": pushed, "dvc: pull": dvc.run("pull", "--quiet", cwd=workspace)}


if __name__ == "__main__":
    sys.exit(main(body, __doc__ or "", size="2GiB", quick="64MiB", rounds=3))
