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


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Failure):
        RootLock(str(tmp_path / "absent"))
