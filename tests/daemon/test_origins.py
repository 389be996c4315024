"""Who wrote a file, told of real processes: trainers, workers, shells, launchers, and what has ended."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mvcd.daemon import origins as module
from mvcd.daemon import surroundings
from mvcd.daemon.origins import Origins
from tests.support.workspace import Bench

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="a system without /proc")

BYTES = 200_000
"""Of a checkpoint: more than a program that does nothing writes."""

SAVE = f"""
def save(name, size={BYTES}):
    with open(name, "wb") as file:
        file.write(bytes(size))
"""
WAIT = """
import sys
print("ready", flush=True)
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
"""


class Program:
    """A process with a standing order: what it is told to do it does, until its input ends."""

    def __init__(self, argv: list[str], cwd: Path) -> None:
        self._process = subprocess.Popen(
            argv, cwd=cwd, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.pid = self._process.pid
        assert self._said() == "ready"

    def do(self, code: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(code + "\n")
        self._process.stdin.flush()
        assert self._said() == "done"

    def end(self) -> None:
        if self._process.returncode is None:
            self._process.communicate(timeout=60)

    def _said(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


Start = Callable[..., Program]


@pytest.fixture(autouse=True)
def time_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests may run beside thousands of processes."""
    for budget in ("_CPU_SECONDS", "_CPU_OF_ANSWER_SECONDS"):
        monkeypatch.setattr(module, budget, 10.0)
    monkeypatch.setattr(module, "_MAX_PROCESSES", 100_000)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "w" / "code").mkdir(parents=True)
    return tmp_path / "w"


@pytest.fixture
def start(root: Path, tmp_path: Path) -> Iterator[Start]:
    """`start("train.py", "--lr", "1")`: a Python program of that name, standing in the workspace."""
    running: list[Program] = []

    def begin(
        name: str,
        *words: str,
        python: str = sys.executable,
        cwd: Path = root,
        code: str = WAIT,
        **before: list[str],
    ) -> Program:
        script = tmp_path / "scripts" / name
        script.parent.mkdir(exist_ok=True)
        script.write_text(SAVE + code)
        running.append(Program([*before.get("before", []), python, str(script), *words], cwd))
        return running[-1]

    yield begin
    for program in running:
        program.end()


def _wait_past_the_tick(path: Path) -> None:
    """Until a process that starts is surely younger than the file: the kernel tells its start to 10 ms."""
    while time.time() < path.stat().st_mtime + 0.05:
        os.sched_yield()


VERSION = ".".join(map(str, sys.version_info[:3]))


def test_who_holds_the_file_wrote_it_among_several(
    root: Path, start: Start, tmp_path: Path
) -> None:
    train = start("train.py", "--lr", "0.1", cwd=tmp_path)
    start("other.py")
    train.do(f"file = open({str(root / 'm.bin')!r}, 'wb', buffering=0)")
    seen = Origins(str(root))
    seen.see([str(root / "m.bin")])
    train.do("file.write(b'w'); file.close()")
    found = seen.of([str(root / "m.bin")])
    assert found is not None
    assert (found.pid, found.command) == (train.pid, ("train.py", "--lr", "0.1"))
    assert (found.python, found.directory) == (VERSION, str(tmp_path))


def test_a_file_is_known_by_its_temporary_name_and_after_its_writer_ended(
    root: Path, start: Start, tmp_path: Path
) -> None:
    train = start("train.py", cwd=tmp_path)
    temporary, final = str(root / "m.bin.tmp"), str(root / "m.bin")
    train.do(f"file = open({temporary!r}, 'wb', buffering=0); file.write(b'w')")
    seen = Origins(str(root))
    seen.see([temporary])
    train.do(f"file.close(); import os; os.rename({temporary!r}, {final!r})")
    train.end()
    found = seen.of([final])
    assert found is not None
    assert found.command == ("train.py",)
    later = time.time() + 60
    os.utime(final, (later, later))  # as if written to again, by somebody who was not seen
    assert seen.of([final]) is None


def test_who_reads_a_file_did_not_write_it(root: Path, start: Start, tmp_path: Path) -> None:
    (root / "m.bin").write_bytes(b"w")
    start("eval.py", cwd=tmp_path).do(f"file = open({str(root / 'm.bin')!r}, 'rb')")
    assert Origins(str(root)).of([str(root / "m.bin")]) is None


def test_two_that_hold_a_file_are_none(root: Path, start: Start) -> None:
    for name in ("one.py", "two.py"):
        start(name).do("file = open('shared.csv', 'ab')")
    assert Origins(str(root)).of([str(root / "shared.csv")]) is None


def test_who_holds_a_log_wrote_the_checkpoint(root: Path, start: Start, tmp_path: Path) -> None:
    train = start("train.py", cwd=tmp_path)
    start("other.py")
    train.do(f"log = open({str(root / 'train.log')!r}, 'a'); save({str(root / 'm.bin')!r})")
    seen = Origins(str(root))
    found = seen.of([str(root / "m.bin")])
    assert found is not None
    assert found.pid == train.pid
    _wait_past_the_tick(root / "m.bin")
    start("late.py").do("log = open('late.log', 'a')")
    assert seen.of([str(root / "m.bin")]) == found, "it started after the file was written"
    train.do("log.close()")
    train.end()
    assert seen.of([str(root / "m.bin")]) == found, "it was alive when the file was written"


def test_the_only_one_that_stands_in_the_workspace(
    root: Path, start: Start, tmp_path: Path
) -> None:
    early = root / "early.bin"
    early.write_bytes(bytes(10))
    os.utime(early, (1e9, 1e9))
    train = start("train.py", cwd=root / "code")
    start("elsewhere.py", cwd=tmp_path)
    train.do("save('../m.bin')")
    paths = [str(root / "m.bin"), str(root / "gone.bin")]
    found = Origins(str(root)).of(paths)
    assert found is not None
    assert (found.pid, found.directory) == (train.pid, str(root / "code"))
    assert Origins(str(root)).of([*paths, str(early)]) is None
    assert Origins(str(root)).of([str(early)]) is None
    assert Origins(str(root)).of([str(root / "gone.bin")]) is None
    start("other.py").do("save('n.bin')")
    assert Origins(str(root)).of([str(root / "n.bin")]) is None, "both could have"


def test_one_that_has_written_less_did_not_write_it(root: Path, start: Start) -> None:
    start("idle.py")
    (root / "m.bin").write_bytes(bytes(BYTES))  # by this process, which does not stand in there
    assert Origins(str(root)).of([str(root / "m.bin")]) is None


def test_one_that_wrote_much_before_did_not_write_what_came_since(root: Path, start: Start) -> None:
    """As when a program that has ended meanwhile writes beside a trainer."""
    train = start("train.py")
    train.do("log = open('train.log', 'a'); save('m.bin')")
    seen = Origins(str(root))
    assert seen.of([str(root / "m.bin")]) is not None
    (root / "n.bin").write_bytes(bytes(BYTES))
    assert seen.of([str(root / "n.bin")]) is None
    train.do("save('n.bin')")
    assert seen.of([str(root / "n.bin")]) is not None


def test_a_workspace_by_another_name(root: Path, start: Start, tmp_path: Path) -> None:
    (tmp_path / "data").symlink_to(root)
    start("train.py").do("save('m.bin')")
    assert Origins(str(tmp_path / "data")).of([str(tmp_path / "data" / "m.bin")]) is not None


def test_peoples_files_are_not_of_a_program_that_happens_to_run(root: Path, start: Start) -> None:
    train = start("train.py")
    train.do("log = open('train.log', 'a')")
    (root / "model.py").write_text("a")
    (root / "params.yaml").write_text("lr: 1")
    paths = [str(root / "model.py"), str(root / "params.yaml")]
    assert Origins(str(root)).of(paths) is None
    train.do("file = open('params.yaml', 'w')")
    found = Origins(str(root)).of(paths)
    assert found is not None
    assert found.pid == train.pid


SHELL = ["bash", "-c", 'echo ready; while read line; do eval "$line"; echo done; done']


def test_shells_are_nobody(root: Path, start: Start) -> None:
    shell = Program(SHELL, root)
    try:
        shell.do(f"exec 7> train.log; head -c {BYTES} /dev/zero > m.bin")
        assert Origins(str(root)).of([str(root / "m.bin")]) is None
        train = start("train.py")
        train.do("save('n.bin')")
        found = Origins(str(root)).of([str(root / "n.bin")])
        assert found is not None
        assert found.pid == train.pid
    finally:
        shell.end()


def test_a_wrapper_that_shares_the_log_is_nobody(root: Path, start: Start, tmp_path: Path) -> None:
    """As in: timeout 1h python train.py > train.log, and through tee."""
    train = start("train.py", cwd=tmp_path, before=["timeout", "100"])
    tee = subprocess.Popen(
        ["tee", root / "train.log"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    try:
        train.do(f"log = open({str(root / 'other.log')!r}, 'w'); save({str(root / 'm.bin')!r})")
        found = Origins(str(root)).of([str(root / "m.bin"), str(root / "train.log")])
        assert found is not None
        assert found.command == ("train.py",)
    finally:
        tee.communicate(timeout=60)


def test_a_virtual_environment_says_its_version(root: Path, start: Start, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "v"], check=True)
    train = start("train.py", python=str(tmp_path / "v" / "bin" / "python"))
    train.do("save('m.bin')")
    found = Origins(str(root)).of([str(root / "m.bin")])
    assert found is not None
    assert found.python == VERSION


FORKED = """
import os, sys
pipes = [os.pipe() for _ in range(2)]
if not os.fork():
    for line in os.fdopen(pipes[0][0]):
        exec(line)
        os.write(pipes[1][1], b"1")
    os._exit(0)
print("ready", flush=True)
for line in sys.stdin:
    os.write(pipes[0][1], line.encode())
    os.read(pipes[1][0], 1)
    print("done", flush=True)
os.close(pipes[0][1])
os._exit(0)
"""
SPAWNED = """
import multiprocessing, sys
def work(orders, done):
    while order := orders.get():
        exec(order, globals())
        done.put(1)
if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    orders, done = context.Queue(), context.Queue()
    worker = context.Process(target=work, args=(orders, done))
    worker.start()
    orders.put("pass")
    done.get()
    print("ready", flush=True)
    for line in sys.stdin:
        orders.put(line)
        done.get()
        print("done", flush=True)
    orders.put("")
    worker.join()
"""


@pytest.mark.parametrize("code", [FORKED, SPAWNED], ids=["forked", "spawned"])
def test_a_workers_file_is_its_trainers(root: Path, start: Start, code: str) -> None:
    code = code.replace(
        "os.fdopen(pipes[0][0])", "(os.close(pipes[0][1]), os.fdopen(pipes[0][0]))[1]"
    )
    train = start("train.py", "--workers", "1", code=code)
    train.do("global file; file = open('m.bin', 'wb', buffering=0); file.write(b'w')"
             if code is SPAWNED else "file = open('m.bin', 'wb', buffering=0); file.write(b'w')")  # fmt: skip
    found = Origins(str(root)).of([str(root / "m.bin")])
    assert found is not None
    assert (found.pid, found.command) == (train.pid, ("train.py", "--workers", "1"))
    train.do("file.close(); save('n.bin')")
    standing = Origins(str(root)).of([str(root / "n.bin")])
    assert standing == found


LAUNCHER = """
import subprocess, sys
pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
ranks = [subprocess.Popen([sys.executable, *sys.argv[1:]], **pipes) for _ in range(2)]
for rank in ranks:
    rank.stdout.readline()
print("ready", flush=True)
for line in sys.stdin:
    for rank in ranks:
        rank.stdin.write(line)
        rank.stdin.flush()
        rank.stdout.readline()
    print("done", flush=True)
for rank in ranks:
    rank.communicate()
"""


def test_ranks_are_one_program_and_their_launcher_is_nobody(
    root: Path, start: Start, tmp_path: Path
) -> None:
    rank = tmp_path / "train.py"
    rank.write_text(SAVE + WAIT)
    launcher = start("torchrun", str(rank), code=LAUNCHER)
    launcher.do("import os; log = open(f'rank{os.getpid()}.log', 'a'); save('m.bin')")
    found = Origins(str(root)).of([str(root / "m.bin")])
    assert found is not None
    assert found.command == ("train.py",)
    assert found.pid != launcher.pid


def test_without_proc_nobody_is_known(root: Path, start: Start) -> None:
    start("train.py").do("save('m.bin')")
    seen = Origins(str(root), proc=str(root / "no-proc"))
    seen.see([str(root / "m.bin")])
    assert seen.of([str(root / "m.bin")]) is None


def test_passes_are_a_second_apart_and_memory_is_bounded(
    root: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MAX_FILES", 20)
    now = 0.0
    seen = Origins(str(root), clock=lambda: now)
    train = start("train.py")
    for number in range(3):
        train.do(f"files = [open(f'{number}-{{n}}.bin', 'wb') for n in range(15)]")
        seen.see([])
        assert len(seen._files) == 15 * min(number, 1) + 5 * (number > 1)
        seen.see([str(root)])
        train.do("old = files; files = []")
        before = dict(seen._files)
        seen.see([str(root)])
        assert seen._files == before
        assert len(seen._files) <= 20
        now += 1.0


def test_a_pass_that_is_cut_short_goes_on_where_it_stopped(
    root: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MAX_PROCESSES", 3)
    now = 0.0
    seen = Origins(str(root), clock=lambda: now)
    start("train.py").do("file = open('m.bin', 'wb')")
    for _ in range(len(os.listdir("/proc"))):
        seen.see([str(root / "m.bin")])
        if seen._files:
            break
        now += 1.0
    assert seen._files
    (root / "n.bin").write_bytes(b"n")
    assert Origins(str(root)).of([str(root / "n.bin")]) is None, "others may hold files too"


def test_a_pass_stops_when_its_time_is_over(
    root: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CPU_SECONDS", 0.0)
    start("train.py").do("file = open('m.bin', 'wb')")
    seen = Origins(str(root))
    seen.see([str(root / "m.bin")])
    assert not seen._files


def git(directory: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words],
        cwd=directory, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


def repository(directory: Path) -> str:
    directory.mkdir(parents=True, exist_ok=True)
    git(directory, "init", "--quiet")
    git(directory, "commit", "--quiet", "--allow-empty", "-m", directory.name)
    return git(directory, "rev-parse", "HEAD")


def test_the_git_state_is_that_of_the_programs_own_repository(tmp_path: Path) -> None:
    with Bench(tmp_path / "w") as bench:
        around, program = repository(tmp_path / "w"), repository(tmp_path / "code")
        (tmp_path / "code" / "below").mkdir()
        (tmp_path / "plain").mkdir()
        for directory, commit in {
            "": around, str(tmp_path / "code" / "below"): program, str(tmp_path / "plain"): around,
            str(tmp_path / "code" / "gone"): around,
        }.items():  # fmt: skip
            context = surroundings.context(
                str(bench.root), "a", command=("train.py",), python="3.11.7", directory=directory
            )
            assert (context.git_commit, context.git_dirty) == (commit, False)
            assert (context.command, context.python) == (("train.py",), "3.11.7")
