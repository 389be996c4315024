"""How long a model takes into a bucket, and back.

`mvc push` into a bucket, `mvc fetch` and `mvc clone` from there, of one version whose one BF16 safetensors file
has --size; against as many bytes put and got by the same calls with nothing read, checked or written, in the
same round. The same for 10,000 small files (fewer for a smaller --size), for which nothing is claimed but that
DVC is slower: `dvc push` and `dvc pull` with a remote in the same bucket. DVC does not fsync; a push is durable
when it ends, and so is what a fetch and a clone wrote.

Three buckets: a directory, which is memory; S3 as moto speaks it, where the extras `s3` and `tools` are
installed: one process in Python, which bounds both sides; and Ceph with three disks and two gateways, where
Debian's packages are (tests/support/cephcluster.py): it keeps three copies and shares the machine's cores with
who measures it. `MVC_BENCH_BUCKETS=ceph` takes these alone.

Plain calls write nothing to a disk. Shown beside them is the same with a file written and synced (`get,
synced`): that is what any fetch has to do; and a clone from the workspace's directory, which needs no bucket.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import data
from measure import Cost, interleave
from peers import Mvc
from report import Bench, main

PROGRAM = str(Path(__file__).with_name("plain_bucket.py"))
PUSH_SHARE, FETCH_SHARE = 0.8, 0.7
"""Of the rate of plain calls."""
FILES, FILES_SIZE = 10_000, 2 << 30
"""Small files where --size is so many bytes."""


@dataclass(frozen=True)
class Place:
    """A bucket of its own for one round: its address, and the variables that lead to it."""

    url: str
    variables: Mapping[str, str]


Opens = Callable[[Path], AbstractContextManager[Place]]


def body(bench: Bench) -> None:
    places = _places(bench)
    source = bench.scratch / "file"
    source.mkdir()
    data.make("bf16", source / "model.safetensors", bench.size)
    _measure(bench, source, places, _one_file)
    for where in places:
        for verb, plain, share in (
            ("push", "put", PUSH_SHARE), ("fetch", "get", FETCH_SHARE), ("clone", "get", FETCH_SHARE),
        ):  # fmt: skip
            bench.at_most(
                f"{verb}, {where}: time against plain `{plain}` of as many bytes", 1 / share, "x",
                partial(_ratio, bench, f"{where} file: {verb}", f"{where} file: plain {plain}"),
            )  # fmt: skip
    source = bench.scratch / "many"
    data.make("small", source / "many", max(500, bench.size * FILES // FILES_SIZE))
    _measure(bench, source, places, _against_dvc)
    for where in places:
        for what in ("file", "many"):
            for verb, other in (("push", "push"), ("clone", "pull")):
                bench.at_most(
                    f"{verb}, {where}, {what}: time against `dvc {other}` in the same bucket", 1, "x",
                    partial(_ratio, bench, f"{where} {what}: {verb}", f"{where} {what}: dvc {other}"),
                )  # fmt: skip


_rounds = {}


def _ratio(bench: Bench, name: str, other: str) -> float:
    return _rounds[name.partition(":")[0].partition(" ")[2]].ratio(name, other)


def _measure(bench: Bench, source: Path, places: Mapping[str, Opens], what: Callable) -> None:  # type: ignore[type-arg]
    subjects = {f"{w} {source.name}": partial(what, bench, source, w, p) for w, p in places.items()}
    rounds = interleave(subjects, rounds=bench.rounds, scratch=bench.scratch)
    raw = sum(path.stat().st_size for path in source.rglob("*") if path.is_file())
    bench.keep_rounds(rounds, raw=raw)
    _rounds[source.name] = rounds
    shutil.rmtree(source)


# ---------------------------------------------------------------------- one round in one bucket


def _one_file(
    bench: Bench, source: Path, where: str, opens: Opens, scratch: Path
) -> Mapping[str, Cost]:
    with opens(scratch) as place:
        mvc, workspace = _saved(bench, source, place, scratch)
        size = sum(path.stat().st_size for path in (workspace / ".mvc/store/packs").iterdir())
        costs = _plain(bench, place, size, scratch) | _pushed(mvc, workspace, place, scratch)
        path = scratch / "clone"
        costs["clone of a path"] = mvc.run("clone", workspace, path, cwd=scratch)
        costs |= _dvc(bench, source, place, scratch)
    return {f"{where} {source.name}: {name}": cost for name, cost in costs.items()}


def _against_dvc(
    bench: Bench, source: Path, where: str, opens: Opens, scratch: Path
) -> Mapping[str, Cost]:
    with opens(scratch) as place:
        mvc, workspace = _saved(bench, source, place, scratch)
        costs = _pushed(mvc, workspace, place, scratch) | _dvc(bench, source, place, scratch)
    return {f"{where} {source.name}: {name}": cost for name, cost in costs.items()}


def _saved(bench: Bench, source: Path, place: Place, scratch: Path) -> tuple[Mvc, Path]:
    """The workspace with one version, and mvc with what it needs for the bucket."""
    mvc, workspace = bench.programs.mvc, scratch / "work"
    mvc = replace(mvc, env={**mvc.env, **place.variables})
    shutil.copytree(source, workspace)
    mvc.init(workspace)
    mvc.save(workspace)
    mvc.run("remote", "add", "origin", f"{place.url}/model", cwd=workspace, settle=False)
    return mvc, workspace


def _plain(bench: Bench, place: Place, size: int, scratch: Path) -> dict[str, Cost]:
    shell = bench.programs.shell
    shell = replace(shell, env={**shell.env, **place.variables})
    if place.url.startswith("bucket+file://"):
        Path(place.url.removeprefix("bucket+file://"), "plain").mkdir()

    def run(*words: str) -> Cost:
        given = (sys.executable, PROGRAM, words[0], f"{place.url}/plain", str(size), *words[1:])
        return shell.run("-c", 'exec "$@"', "sh", *given, cwd=scratch)

    costs = {"plain put": run("put"), "plain get": run("get")}
    costs["plain get, synced"] = run("get", str(scratch / "got"))
    (scratch / "got").unlink()
    return costs


def _pushed(mvc: Mvc, workspace: Path, place: Place, scratch: Path) -> dict[str, Cost]:
    """A push, and a fetch and a clone by machines that know nothing of the bucket yet."""
    costs = {"push": mvc.run("push", cwd=workspace)}
    empty = scratch / "empty"
    empty.mkdir()
    mvc.init(empty)
    mvc.run("remote", "add", "origin", f"{place.url}/model", cwd=empty, settle=False)
    for name, words in (
        ("fetch", ("-C", empty, "fetch")),
        ("clone", ("clone", f"{place.url}/model", "c")),
    ):
        shutil.rmtree(Path(mvc.env["XDG_CACHE_HOME"]), ignore_errors=True)
        costs[name] = mvc.run(*words, cwd=scratch)
    shutil.rmtree(empty)
    shutil.rmtree(scratch / "c")
    return costs


def _dvc(bench: Bench, source: Path, place: Place, scratch: Path) -> dict[str, Cost]:
    dvc, workspace = bench.programs.dvc, scratch / "dvc"
    if dvc.command is None:
        return {}
    dvc = replace(dvc, env={**dvc.env, **place.variables})
    shutil.copytree(source, workspace)
    (name,) = (path.name for path in source.iterdir())
    dvc.init(workspace)
    dvc.add(workspace, name)
    remote = f"{place.url.removeprefix('bucket+file://')}/dvc"
    dvc.run("remote", "add", "-d", "store", remote, cwd=workspace, settle=False)
    if "AWS_ENDPOINT_URL" in place.variables:
        endpoint = place.variables["AWS_ENDPOINT_URL"]
        dvc.run("remote", "modify", "store", "endpointurl", endpoint, cwd=workspace, settle=False)
    pushed = dvc.run("push", "--quiet", cwd=workspace)
    shutil.rmtree(workspace / ".dvc" / "cache")
    gone = workspace / name
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    pulled = dvc.run("pull", "--quiet", cwd=workspace)
    shutil.rmtree(workspace)
    return {"dvc push": pushed, "dvc pull": pulled}


# ---------------------------------------------------------------------- buckets


def _places(bench: Bench) -> dict[str, Opens]:
    """Those that can be had here, of those that are asked for."""
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from tests.support import cephcluster  # late: it is no part of what is measured

    found: dict[str, Opens] = {"directory": _in_a_directory}
    if all(importlib.util.find_spec(name) for name in ("obstore", "moto")):
        found["moto"] = _in_moto
    else:
        bench.note("obstore or moto is not installed: pip install -e '.[s3,tools]'")
    if not cephcluster.absent and importlib.util.find_spec("obstore"):
        found["ceph"] = _in_ceph
    else:
        bench.note(f"Ceph is not installed: {cephcluster.INSTALL}")
    wanted = os.environ.get("MVC_BENCH_BUCKETS", " ".join(found)).split()
    return {name: opens for name, opens in found.items() if name in wanted}


@contextmanager
def _in_a_directory(scratch: Path) -> Iterator[Place]:
    (scratch / "bucket").mkdir()
    yield Place(f"bucket+file://{scratch / 'bucket'}", {})


@contextmanager
def _in_moto(scratch: Path) -> Iterator[Place]:
    from tests.support import motoserver  # late: an extra

    with motoserver.running() as endpoint:
        yield _bucket_of(endpoint)


@contextmanager
def _in_ceph(scratch: Path) -> Iterator[Place]:
    from tests.support.cephcluster import Cluster  # late: as above

    root = scratch / "ceph"
    root.mkdir()
    with Cluster.run(root) as cluster:
        yield _bucket_of(cluster.endpoints[0])
    shutil.rmtree(root)


def _bucket_of(endpoint) -> Place:  # type: ignore[no-untyped-def]
    variables = endpoint.environment()
    del variables["HOME"]
    return Place(f"s3://{endpoint.make_bucket()}", variables)


if __name__ == "__main__":
    sys.exit(main(body, __doc__ or "", size="2GiB", quick="64MiB", rounds=3))
