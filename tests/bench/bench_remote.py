"""How long a model takes to reach a server, and to come back.

`mvc push` to `mvcd serve` on loopback, `mvc fetch` and `mvc clone` from there, of one version whose one BF16
safetensors file has --size. Against `rsync -a` of the same store's packs to and from an rsync daemon on
loopback: what it copies is what a push and a fetch move; a clone also writes the files. And against `dvc push`
and `dvc pull` with a remote behind sshd on loopback. Shown beside is DVC with a remote in a directory, where
nothing goes over a socket. rsync and DVC do not fsync; a push is durable when it ends.

And against a plain TCP socket whose bytes are written and synced: what the line and the disk take. Shown,
too, is what bounds them: as many bytes over gRPC with nothing read, checked or written, and rsync with a
`sync` at its end.

The memory of a fetch and of a clone is what the kernel saw at most (ru_maxrss), with 27 MiB of libraries; packs
are not mapped, so that none of their pages count.

The same for small files, one for each 16 KiB of --size, of which each weighs about 1 KiB.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import data
from measure import Cost, interleave
from peers import Dvc
from report import Bench, main
from serving import PATIENCE, free_port, serving, wait_for
from sshd import sshd

SOCKET_TIMES = {"push": 1.15, "fetch": 1.15, "clone": 1.35}
MEMORY_MIB = 200


def body(bench: Bench) -> None:
    _measure(bench, "one file", _one_file)
    _measure(bench, "small files", _small_files)


def _one_file(bench: Bench, directory: Path) -> None:
    data.make("bf16", directory / "model.safetensors", bench.size)


def _small_files(bench: Bench, directory: Path) -> None:
    data.make("small", directory / "many", max(1000, bench.size >> 14))


def _measure(bench: Bench, what: str, make) -> None:  # type: ignore[no-untyped-def]
    source = bench.scratch / "source"
    source.mkdir()
    make(bench, source)
    raw = sum(path.stat().st_size for path in source.rglob("*") if path.is_file())
    one = what == "one file"
    subjects = {
        f"mvc {what}": partial(_mvc, bench, source, what),
        f"dvc {what}": partial(_dvc, bench, source, f"dvc {what}", _over_ssh),
    }
    if one:  # many small files take DVC minutes wherever they go
        name = f"dvc-directory {what}"
        subjects[name] = partial(_dvc, bench, source, name, _in_a_directory)
    rounds = interleave(subjects, rounds=bench.rounds, scratch=bench.scratch)
    bench.keep_rounds(rounds, raw=raw)
    for verb, peer in (("push", "push"), ("fetch", "pull"), ("clone", "pull")):
        if one:
            bench.at_most(
                f"{verb}, {what}: against `rsync -a` of the packs", 1.2, "x",
                partial(rounds.ratio, f"mvc {what}: {verb}", f"mvc {what}: rsync {peer}"),
            )  # fmt: skip
            way = "put" if verb == "push" else "get"
            bench.at_most(
                f"{verb}, {what}: against a plain socket, written and synced", SOCKET_TIMES[verb], "x",
                partial(rounds.ratio, f"mvc {what}: {verb}", f"mvc {what}: plain socket {way}"),
            )  # fmt: skip
    for verb in ("fetch", "clone"):
        bench.at_most(
            f"{verb}, {what}: peak memory", MEMORY_MIB, "MiB",
            partial(rounds.peak, f"mvc {what}: {verb}", per=1 << 20),
        )  # fmt: skip
    for verb, peer in (("push", "push"), ("clone", "pull")):
        bench.at_most(
            f"{verb}, {what}: against `dvc {peer}` over SSH", 0.5 if one else 0.1, "x",
            partial(rounds.ratio, f"mvc {what}: {verb}", f"dvc {what}: {peer}"),
        )  # fmt: skip
    shutil.rmtree(source)


def _mvc(bench: Bench, source: Path, what: str, directory: Path) -> Mapping[str, Cost]:
    """One repository, pushed and cloned by mvc, and its packs by rsync: the same bytes."""
    mvc, workspace = bench.programs.mvc, directory / "work"
    shutil.copytree(source, workspace)
    mvc.init(workspace)
    mvc.save(workspace)
    with serving(mvc, directory) as server:
        url = server.url()
        mvc.run("-C", workspace, "remote", "add", "origin", url, cwd=workspace, settle=False)
        pushed = mvc.run("-C", workspace, "push", cwd=workspace)
        empty = directory / "empty"
        empty.mkdir()
        mvc.init(empty)
        mvc.run("-C", empty, "remote", "add", "origin", url, cwd=empty, settle=False)
        fetched = mvc.run("-C", empty, "fetch", cwd=empty)
        shutil.rmtree(empty)
        cloned = mvc.run("clone", url, directory / "clone", cwd=directory)
    costs = {
        f"mvc {what}: push": pushed,
        f"mvc {what}: fetch": fetched,
        f"mvc {what}: clone": cloned,
    }
    packs = workspace / ".mvc" / "store" / "packs"
    costs |= _rsync(bench, packs, what, directory)
    size = sum(path.stat().st_size for path in packs.iterdir())
    costs |= _plain(bench, what, directory, "gRPC", str(size))
    return costs | _plain(bench, what, directory, "socket", str(packs), served=[str(packs)])


def _rsync(bench: Bench, packs: Path, what: str, directory: Path) -> dict[str, Cost]:
    shell, port = bench.programs.shell, free_port()
    if shutil.which("rsync") is None:
        bench.note("rsync is not installed: apt-get install rsync")
        return {}
    target = directory / "module"
    target.mkdir()
    settings = directory / "rsyncd.conf"
    settings.write_text(
        f"use chroot = no\nport = {port}\n[m]\npath = {target}\nread only = no\n"
        f"uid = {_owner(target)}\n"
    )
    daemon = subprocess.Popen(
        ["rsync", "--daemon", "--no-detach", "--address=127.0.0.1", f"--config={settings}"],
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(port, daemon)
        there = f"rsync://127.0.0.1:{port}/m/"
        push = shell.run("-c", 'rsync -a "$1/" "$2"', "sh", packs, there, cwd=directory)
        back = directory / "back"
        pull = shell.run("-c", 'rsync -a "$1" "$2/"', "sh", there, back, cwd=directory)
        again = directory / "again"
        script = 'rsync -a "$1" "$2/" && sync -f "$2"'
        durable = shell.run("-c", script, "sh", there, again, cwd=directory)
    finally:
        daemon.terminate()
        daemon.wait(PATIENCE)
    return {
        f"mvc {what}: rsync push": push,
        f"mvc {what}: rsync pull": pull,
        f"mvc {what}: rsync pull, sync": durable,
    }


def _plain(
    bench: Bench, what: str, directory: Path, over: str, moved: str, served: Sequence[str] = ()
) -> dict[str, Cost]:
    """As many bytes as the packs have, by plain_grpc.py or plain_socket.py."""
    shell, port = bench.programs.shell, free_port()
    script = Path(__file__).with_name(f"plain_{over.lower()}.py")
    program = [sys.executable, str(script)]
    server = subprocess.Popen([*program, "serve", str(port), *served])
    try:
        wait_for(port, server)
        return {
            f"mvc {what}: plain {over} {way}": shell.run(
                "-c", 'exec "$@"', "sh", *program, way, str(port), moved, cwd=directory
            )
            for way in ("put", "get")
        }
    finally:
        server.terminate()
        server.wait(PATIENCE)


Remote = Callable[[Dvc, Path, Path], AbstractContextManager[None]]


def _dvc(
    bench: Bench, source: Path, what: str, remote: Remote, directory: Path
) -> Mapping[str, Cost]:
    dvc, workspace = bench.programs.dvc, directory / "work"
    shutil.copytree(source, workspace)
    (name,) = [path.name for path in source.iterdir()]
    dvc.init(workspace)
    dvc.add(workspace, name)
    with remote(dvc, workspace, directory):
        pushed = dvc.run("push", "--quiet", cwd=workspace)
        shutil.rmtree(workspace / ".dvc" / "cache")
        gone = workspace / name
        shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
        pulled = dvc.run("pull", "--quiet", cwd=workspace)
    return {f"{what}: push": pushed, f"{what}: pull": pulled}


@contextmanager
def _in_a_directory(dvc: Dvc, workspace: Path, directory: Path) -> Iterator[None]:
    dvc.run("remote", "add", "-d", "store", directory / "store", cwd=workspace, settle=False)
    yield


@contextmanager
def _over_ssh(dvc: Dvc, workspace: Path, directory: Path) -> Iterator[None]:
    with sshd(directory) as server:
        url = f"ssh://{server.user}@127.0.0.1:{server.port}{directory / 'store'}"
        (directory / "store").mkdir()
        dvc.run("remote", "add", "-d", "store", url, cwd=workspace, settle=False)
        dvc.run("remote", "modify", "store", "keyfile", server.key, cwd=workspace, settle=False)
        yield


def _owner(path: Path) -> str:
    return path.owner()


if __name__ == "__main__":
    sys.exit(main(body, __doc__ or "", size="2GiB", quick="64MiB", rounds=3))
