from __future__ import annotations

import threading

from mvcd.daemon.signals import Ending


def test_an_end_before_the_wait_is_not_missed() -> None:
    ending = Ending()
    assert not ending.wait(0.0)
    ending.end()
    assert ending.wait(None)
    assert ending.wait(0.0)


def test_an_end_from_another_thread_wakes() -> None:
    ending = Ending()
    threading.Timer(0.05, ending.end).start()
    while not ending.wait(None):
        pass
