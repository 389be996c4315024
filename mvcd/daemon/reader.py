"""The program `mvcd read`: makes versions of what the daemon, or a block, has taken.

A process of its own, so that encoding neither holds up the interpreter in which captures are made nor decides
how important they are: it runs below training, and the daemon replaces it by a more important one when it
starves (reading.py). It speaks JSON lines: `{"root": ROOT, "rest": BOOL}` comes in on standard input, a line
goes out for each capture of it, and a last one, `{"state": "idle", "left": BOOL}`. At the end of its input it
finishes the capture under way. Once it has said `{"state": "tending"}` anything that comes in, an empty line
say, has it end what it is at (tending.py) before the next step.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mvcd.daemon import message, openfiles, surroundings
from mvcd.daemon.openfiles import Writer
from mvcd.daemon.tending import Tending
from mvcd.disk.locks import lock_within
from mvcd.errors import Busy, MvcError, with_cause
from mvcd.repo.change import captured
from mvcd.repo.change.captured import Broken, SavedCapture, follow_head
from mvcd.repo.change.captures import READER_LOCK, Capture, Captures, Kept
from mvcd.repo.core.core import Core, open_at
from mvcd.repo.records.differences import Diff

Tell = Callable[[Mapping[str, Any]], None]

LOCK_SECONDS = 60.0
"""How long a verb may hold the workspace when a version is to be recorded."""

_READER_SECONDS = 3600.0

_OURSELVES = "mvcd"
"""Who prunes, where nobody asked for it."""


def serve() -> None:
    """Serves roots from standard input until it ends."""

    def tell(document: Mapping[str, Any]) -> None:
        sys.stdout.write(json.dumps(document) + "\n")
        sys.stdout.flush()

    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        for line in sys.stdin:
            if not line.strip():
                continue  # it came when what it was to stop had ended
            asked = json.loads(line)
            root, rest = asked["root"], asked["rest"]
            left = drain(root, tell, rest=rest, ended=_input_ended, wanted=_input_waits)
            tell({"root": root, "state": "idle", "left": left})


def drain(
    root: str,
    tell: Tell,
    *,
    rest: bool = False,
    ended: Callable[[], bool] = lambda: False,
    wanted: Callable[[], bool] = lambda: False,
) -> bool:
    """Makes versions of all captures of a workspace, the oldest first; `ended` is asked between two. Then it
    tends the repository until there is nothing to do or `wanted`; with `rest` as far as there is time for.
    Answers whether something is left of that.

    What fails is told and ends it; the captures stay.
    """
    try:
        with open_at(root, lock_timeout=LOCK_SECONDS) as core:
            with _alone(root, _READER_SECONDS):
                captures = Captures(core.root)
                while not ended() and (queued := captures.queued()):
                    told = _save(core, captures, queued[0])
                    tell({"root": root, "capture": queued[0].number, **told})
            tend = Tending(
                core,
                tell,
                now=lambda: surroundings.context(core.root, _OURSELVES),
                now_us=time.time_ns() // 1000,
                stop=wanted,
            )
            if rest:
                return tend.at_rest() or wanted()
            tend.at_a_pause()
    except Exception as error:
        if not isinstance(error, (MvcError, OSError)):
            traceback.print_exc()
        tell({"root": root, "state": "failed", "message": with_cause(error)})
    return False


def settle(core: Core, *, wait: bool) -> int:
    """Makes versions of what was captured, in this process and before a version by hand, which is newer.

    Answers how many captures there were. A reader that is at it is waited for, unless not `wait`: then, as
    when a capture cannot be read, it is left to the daemon.
    """
    captures, count = Captures(core.root), 0
    try:
        with _alone(core.root, _READER_SECONDS if wait else 0.0):
            while queued := captures.queued():
                _save(core, captures, queued[0])
                count += 1
    except Busy:
        if wait:
            raise
    return count


@contextlib.contextmanager
def _alone(root: str, seconds: float) -> Iterator[None]:
    """One reader a workspace: the daemon's, or that of a command that cannot wait for the daemon."""
    directory = Captures(root).directory
    os.makedirs(directory, mode=0o700, exist_ok=True)
    fd = os.open(os.path.join(directory, READER_LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not lock_within(fd, seconds, poll=0.05):
            raise Busy("another process is reading what was captured", help="mvc watch --status")
        yield
    finally:
        os.close(fd)


def _save(core: Core, captures: Captures, capture: Capture) -> dict[str, Any]:
    began = time.monotonic()
    maker = capture.maker
    context = surroundings.context(
        core.root, capture.author, command=maker.command, python=maker.python,
        directory=maker.directory,
    )  # fmt: skip
    try:
        saved = captured.save(
            core,
            captures,
            capture,
            context=context,
            describe=lambda diff: _describe(capture, diff),
            confirm=lambda: _being_written(core.root, captures, capture),
        )
    except Broken as broken:
        left = capture.without(broken.sets)
        dropped = not any(left.files)
        if dropped:
            captures.drop(capture)
        else:
            captures.rewrite(left)
        return {"state": "broken", "sets": broken.sets, "dropped": dropped}
    if saved.result is not None and saved.result.started_branch:
        follow_head(captures, capture.head, saved.result.branch)
    return {"state": "saved", **_told(core, saved, time.monotonic() - began)}


def _told(core: Core, saved: SavedCapture, seconds: float) -> dict[str, Any]:
    told: dict[str, Any] = {"version": saved.version.hex(), "number": saved.number}
    result = saved.result
    if result is None:
        return {**told, "new": False}
    return {
        **told, "new": True, "branch": result.branch, "files": result.files,
        "message": core.version(saved.version).message, "bytes_changed": result.bytes_changed,
        "bytes_stored": result.bytes_stored, "seconds": seconds,
        "hook": core.config.get("watch.hook"),
    }  # fmt: skip


def _describe(capture: Capture, diff: Diff) -> str:
    said = [found.message for found in capture.sets if found.message]
    names = [found.name for found in capture.sets if found.files and not found.log]
    try:
        described = message.describe(diff, names)
    except Exception:  # a version without words is better than none
        traceback.print_exc()
        described = "saved by itself"
    return "\n\n".join([*dict.fromkeys(said), described])


def _being_written(root: str, captures: Captures, capture: Capture) -> dict[str, str]:
    """Sets of which some process has a file open for writing that is the very file we read."""
    place = captures.place(capture)
    broken: dict[str, str] = {}
    for found in capture.sets:
        for file in found.files:
            if file.kept is Kept.LINK:
                answer = openfiles.probe(os.path.join(place, file.at))
            elif file.kept is Kept.NONE:
                answer = openfiles.probe(os.path.join(root, file.path))
            else:
                continue
            if answer is Writer.OPEN and not found.log:
                broken.setdefault(
                    found.name, f"{file.path} was opened for writing before it was read"
                )
    return broken


def _input_ended() -> bool:
    """Whether whoever asks is gone: the other end of standard input was closed."""
    return bool(_input() & select.POLLHUP)


def _input_waits() -> bool:
    """Whether a line waits to be read, or whoever asks is gone."""
    return bool(_input())


def _input() -> int:
    poll = select.poll()
    poll.register(sys.stdin.fileno(), select.POLLIN)
    return next((event for _, event in poll.poll(0)), 0)
