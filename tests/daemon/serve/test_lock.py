from __future__ import annotations

import os
from pathlib import Path

import pytest

from mvcd.daemon.serve.lock import RootLock
from mvcd.errors import Busy, Failure


def test_one_server_a_directory(tmp_path: Path) -> None:
    held = RootLock(str(tmp_path))
    with pytest.raises(Busy) as raised:
        RootLock(str(tmp_path))
    assert str(os.getpid()) in str(raised.value.cause)
    held.release()
    RootLock(str(tmp_path)).release()


def test_it_is_made_if_absent_and_told_if_it_cannot_be(tmp_path: Path) -> None:
    RootLock(str(tmp_path / "new" / "root")).release()
    assert (tmp_path / "new" / "root").stat().st_mode & 0o777 == 0o700
    (tmp_path / "file").touch()
    with pytest.raises(Failure):
        RootLock(str(tmp_path / "file"))
