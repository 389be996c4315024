"""The n-th system call of a command fails, whoever makes it, LMDB too: with EIO, ENOSPC, EINTR, or in part.

Whatever the call: no traceback, an exit code of the table, nothing acknowledged is lost, the repository opens
and verifies, and the same command without the fault gets where it was going.
5,000 of them: `pytest -m campaign tests/faults/test_failing_calls.py`.
"""

from __future__ import annotations

import errno
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults import scenes
from tests.faults.scenes import SCENES, Scene, State
from tests.support.faults import Ended, Host
from tests.support.memory import in_memory

PARTLY = 0
"""The error of a call that transfers only a part, which is none."""
ERRORS = {"EIO": errno.EIO, "ENOSPC": errno.ENOSPC, "EINTR": errno.EINTR, "partly": PARTLY}
MORE = ERRORS | {"EDQUOT": errno.EDQUOT}
QUICK = ("ENOSPC", "partly")
"""Errors of the default run; those of the others are in the thorough one."""
TIMES = {"commit": 6, "checkout": 6}
"""Calls that fail, by scene; of others 4. With each error, 208 in all."""
CODES = {
    errno.EIO: {0, 1, 3, 14},
    errno.ENOSPC: {0, 1},
    errno.EDQUOT: {0, 1},
    errno.EINTR: {0, 1},
    PARTLY: {0, 1},
}
"""Exit codes by errors: success, where the call did not matter; failure; that bytes cannot be had."""
_SKIPPED = re.compile(r"warning: skipped (.*): cannot be read")


@dataclass(frozen=True)
class Set:
    """A scene, ready to be struck again and again: its disk, kept aside, and where it leads without a fault."""

    scene: Scene
    base: Path
    place: Path
    old: State
    new: State

    def strike(self, host: Host, error: int, nth: int) -> Ended:
        shutil.rmtree(self.place, ignore_errors=True)
        scenes.copy(self.base, self.place)
        words = scenes.words(self.scene, self.place)
        return host.run(words, self.place / "work", root=self.place, error=error, nth=nth)


@pytest.fixture(scope="module")
def places() -> Iterator[Path]:
    with in_memory() as directory:
        yield directory


@pytest.fixture(scope="module")
def host(places: Path) -> Iterator[Host]:
    with Host(places / "host") as started:
        yield started


@pytest.fixture(scope="module")
def ready(places: Path, host: Host) -> Callable[[str], Set]:
    made: dict[str, Set] = {}

    def build(name: str) -> Set:
        scene, place, base = SCENES[name], places / name / "root", places / name / "base"
        scenes.build(scene, place)
        old = scenes.state(scene, place)
        scenes.copy(place, base)
        ended = host.run(scenes.words(scene, place), place / "work", root=place)
        assert ended.code == 0, ended.err
        return Set(scene, base, place, old, scenes.state(scene, place))

    return lambda name: made.setdefault(name, made.get(name) or build(name))


def fail_calls(ready: Set, host: Host, error: int, times: int) -> Counter[str]:
    """Spread over all the calls that can fail so; which calls failed."""
    total = ready.strike(host, error, 1 << 40).seen
    assert total > 0
    struck: Counter[str] = Counter()
    times = min(times, total)
    for nth in sorted({1 + turn * total // times for turn in range(times)}):
        ended = ready.strike(host, error, nth)
        told = f"{ready.scene.name}: {ended}"
        assert ended.failed or ended.code == 0, told
        struck[ended.failed] += 1
        assert ended.code in CODES[error], told
        if ended.code and error in (errno.ENOSPC, errno.EDQUOT):
            assert "free some disk space" in ended.err or "make room" in ended.err, told
        assert "Traceback" not in ended.err, told
        assert "defect" not in ended.err, told
        assert (ended.code in (0, 3)) != ("error: " in ended.err), told
        try:
            scenes.judge(
                ready.scene,
                ready.place,
                ready.old,
                ready.new,
                acknowledged=ended.code == 0,
                same_run=False,
                skipped=_SKIPPED.findall(ended.err),
            )
        except BaseException as problem:
            raise AssertionError(f"{told}\n{problem}") from problem
    return struck


@pytest.mark.parametrize(
    "error", [pytest.param(e, marks=() if e in QUICK else pytest.mark.thorough) for e in ERRORS]
)
@pytest.mark.parametrize("name", SCENES)
def test_a_failing_call_loses_nothing(
    name: str, error: str, ready: Callable[[str], Set], host: Host
) -> None:
    fail_calls(ready(name), host, ERRORS[error], TIMES.get(name, 4))


def test_calls_of_every_author_fail(ready: Callable[[str], Set], host: Host) -> None:
    """Else this file would prove nothing: Python's calls and LMDB's are among those that fail."""
    struck = fail_calls(ready("commit"), host, errno.ENOSPC, 1 << 30)
    assert {"open", "fsync", "fdatasync", "pwrite", "writev"} <= struck.keys()


@pytest.mark.campaign
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("error", MORE)
@pytest.mark.parametrize("name", SCENES)
def test_every_call_that_can_fail(
    name: str, error: str, ready: Callable[[str], Set], host: Host
) -> None:
    fail_calls(ready(name), host, MORE[error], 1 << 30)
