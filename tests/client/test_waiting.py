"""What a person sees while a program waits."""

from __future__ import annotations

import io
import os
import pty
import threading

import pytest

from mvc.api.waiting import Waiting
from mvc.cli.signals import unwinding, whole


class Stream(io.StringIO):
    """Not a terminal; tells when something was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()

    def flush(self) -> None:
        self.written.set()


def test_elsewhere_it_is_one_line_and_only_when_it_takes_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = Stream()
    with Waiting("mvcd to start", stream=stream):
        pass
    assert stream.getvalue() == ""
    monkeypatch.setattr("mvcd.waiting.LATE_SECONDS", 0.01)
    with Waiting("mvcd to start", stream=stream):
        assert stream.written.wait(30)
    assert stream.getvalue() == "waiting for mvcd to start ... 0 s\n"
    with Waiting("x", stream=stream, shown=False) as hidden:
        assert hidden._thread is None


def test_on_a_terminal_the_line_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mvcd.waiting.SOON_SECONDS", 0.01)
    monkeypatch.setenv("TERM", "xterm")
    ours, theirs = pty.openpty()
    with open(theirs, "w") as terminal:
        with Waiting("mvcd to start", stream=terminal):
            shown = os.read(ours, 100)
            assert shown == b"\rwaiting for mvcd to start ... 0 s\x1b[K"
        assert os.read(ours, 100).endswith(b"\r\x1b[K")
    os.close(ours)


def test_a_stream_that_is_gone_is_let_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mvcd.waiting.LATE_SECONDS", 0.0)
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb", buffering=0) as raw:
        stream = io.TextIOWrapper(raw, write_through=True)
        with Waiting("x", stream=stream) as waiting:
            assert waiting._thread is not None
            waiting._thread.join(30)
            assert not waiting._thread.is_alive()
        stream.detach()


def test_a_signal_waits_for_the_end_of_what_must_be_whole() -> None:
    import signal

    from mvc.cli.errors import Terminated

    done = []
    with pytest.raises(Terminated), unwinding():
        try:
            with whole():
                signal.raise_signal(signal.SIGTERM)
                done.append("inside")
            done.append("after")
        finally:
            signal.raise_signal(signal.SIGINT)  # a second one does not stop the clearing up
            done.append("cleared")
    assert done == ["inside", "cleared"]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
