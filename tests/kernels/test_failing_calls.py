"""Functions in C whose system calls are interrupted, transfer a part or fail: what they answer is what their
Python in tests/support/kernels.py answers."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import faults

PARTLY = 0
Outcomes = list[str]
Found = dict[str, tuple[str, dict[str, tuple[Outcomes, Outcomes]]]]
OTHER_CALLS = {"stretches together", "stretches with flags"}
"""Here C reads several stretches in one call, so its n-th call is not Python's."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="faults.c is for Linux")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    places, root = tmp_path_factory.mktemp("places"), tmp_path_factory.mktemp("root")
    ran = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("struck.py")), str(root)],
        env=faults.environment(places),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    result: Found = json.loads(ran.stdout)
    return result


def test_calls_were_struck(found: Found) -> None:
    """The control: so many calls failed, by the kinds of calls that each makes."""
    struck = {name: len(errors[str(errno.EIO)][0]) for name, (_, errors) in found.items()}
    assert struck == {
        "listed": 1,
        "all listed": 1,
        "many listed": 2,  # the link is refused before
        "read": 8,  # open and two reads of each, one read of the empty one
        "written": 5,
        "stretches apart": 4,
        "stretches together": 2,
        "stretches with flags": 2,
        "write-back": 1,
    }
    assert sum(len(errors[str(PARTLY)][0]) for _, errors in found.values()) >= 7


def test_what_is_interrupted_or_partly_done_is_done_to_its_end(found: Found) -> None:
    for name, (unharmed, errors) in found.items():
        assert unharmed.startswith("('answer', "), name
        for error in (PARTLY, errno.EINTR):
            for edition in errors[str(error)]:
                assert set(edition) <= {unharmed}, (name, error)


def test_an_error_is_answered_alike(found: Found) -> None:
    for name, (_, errors) in found.items():
        for error, (ours, python) in errors.items():
            if name not in OTHER_CALLS:
                assert ours == python, (name, errno.errorcode.get(int(error)))


def test_an_error_in_reading_several_stretches_at_once_is_raised(found: Found) -> None:
    for name in ("stretches together", "stretches with flags"):
        for number in (errno.EIO, errno.EACCES):
            ours, _ = found[name][1][str(number)]
            kind = repr(type(OSError(number, "")))
            assert set(ours) == {f"({kind}, {number}, None, {{}})"}, name


def test_flags_that_a_file_system_does_not_know_are_left_away(found: Found) -> None:
    unharmed, errors = found["stretches with flags"]
    assert set(errors[str(errno.EOPNOTSUPP)][0]) == {unharmed}
    ours, _ = found["stretches together"][1][str(errno.EOPNOTSUPP)]
    assert ours and unharmed not in ours
