"""One table of refusals, for the store, the workspace and the command line."""

from __future__ import annotations

import errno
import os

import pytest

from mvc.cli.errors import report
from mvcd.disk.refusals import DISK_FULL, REFUSALS, is_disk_full, refused, unwritten
from mvcd.errors import Failure, NotPermitted


@pytest.mark.parametrize("number", sorted(REFUSALS))
def test_the_command_line_has_the_kinds_of_the_table(number: int) -> None:
    made = refused(number, "/a file")
    assert made is not None
    told = report(OSError(number, os.strerror(number), "/a file"))
    assert told.kind == made.kind == REFUSALS[number].kind
    assert told.code == report(made).code
    assert "{" not in (told.help or "") + (made.help or "")
    if made.kind == "permission":
        assert told.help == made.help == "ls -ld '/a file'  (shows whose it is)"


@pytest.mark.parametrize("number", DISK_FULL)
def test_a_full_disk_is_one_kind_whoever_finds_it(number: int) -> None:
    error = OSError(number, os.strerror(number))
    made = unwritten(error, "it failed", full=is_disk_full(error), when_full="the disk is full")
    assert (type(made), made.kind, str(made)) == (Failure, "disk-full", "the disk is full")
    assert made.help == "free some disk space, then run the command again"


def test_what_is_no_full_disk_keeps_its_words() -> None:
    error = OSError(errno.EIO, "input/output error")
    made = unwritten(error, "it failed", full=is_disk_full(error), when_full="the disk is full")
    assert (made.kind, str(made), made.help) == ("write-failed", "it failed", None)
    assert made.cause == str(error)


def test_rights_are_another_class_and_the_rest_is_unknown() -> None:
    assert isinstance(refused(errno.EROFS, "/x"), NotPermitted)
    assert isinstance(refused(errno.EACCES, "/x"), NotPermitted)
    assert refused(errno.ENOENT, "/x") is None
