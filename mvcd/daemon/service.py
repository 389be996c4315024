"""The daemon as a whole: the workspaces under care, and what the control socket may ask.

Verbs (control.py): hello, watch, unwatch, status, sync, follow, begin, end, outcome, log, stop. One daemon per
user, held by flock: the kernel drops the lock with the process, so nothing stale can be left.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from mvcd import __version__
from mvcd.daemon.claims import NOTHING_NEW
from mvcd.daemon.config import DaemonPaths
from mvcd.daemon.control import Answer, Channel, Control, Request
from mvcd.daemon.hooks import Hook, Hooks, SavedVersion, run_command
from mvcd.daemon.keeper import WorkspaceKeeper
from mvcd.daemon.notify import Notifier
from mvcd.daemon.pushing import Pushing
from mvcd.daemon.reading import Reading
from mvcd.daemon.registry import RegisteredWorkspace, Registry
from mvcd.daemon.signals import Ending
from mvcd.daemon.watch import Events
from mvcd.disk.locks import hold, sign
from mvcd.errors import Busy, DaemonError, UsageError
from mvcd.repo.change.captures import Maker
from mvcd.repo.core import location

log = logging.getLogger(__name__)

PROTOCOL = 1


class Service:
    """`with Service(places) as service: service.wait()`; raises Busy when another daemon serves this user."""

    def __init__(
        self,
        places: DaemonPaths,
        notifier: Notifier,
        hooks: Sequence[Hook] = (),
        *,
        awaited: bool = False,
    ) -> None:
        """`awaited`: somebody sits and waits for each save, which therefore yields to nobody."""
        places.prepare()
        self._places = places
        self._lock_fd = _acquire(places.lock)
        self._notifier = notifier
        self._registry = Registry(places.register)
        self._events = Events()
        self._reading = Reading(self._heard, awaited=awaited)
        self._hooks = Hooks((run_command, *hooks))
        self._keepers: dict[str, WorkspaceKeeper] = {}
        self._pushes: dict[str, Pushing] = {}
        self._lock = threading.Lock()
        self._followers: set[Channel] = set()
        self.ending = Ending()
        self._started = time.time()
        self._control = Control(
            places.socket,
            {
                "hello": self._hello, "watch": self._watch, "unwatch": self._unwatch,
                "status": self._status, "sync": self._sync, "follow": self._follow,
                "begin": self._begin, "end": self._end, "outcome": self._outcome,
                "log": self._log, "stop": self._stop,
            },
        )  # fmt: skip

    def __enter__(self) -> Service:
        for entry in self._registry.entries():
            self._care(entry)
        self._control.start()
        self._notifier.send(READY="1", STATUS=self._summary())
        log.info("mvcd %s serves %d workspaces", __version__, len(self._keepers))
        return self

    def __exit__(self, *exc: object) -> None:
        self._notifier.send(STOPPING="1")
        for keeper in self._keepers.values():
            keeper.request_stop()
        for keeper in self._keepers.values():
            keeper.stop()
        self._reading.close()
        for pushing in self._pushes.values():
            pushing.close()
        self._hooks.close()
        self._events.close()
        self._control.close()
        os.close(self._lock_fd)
        log.info("mvcd stopped")

    def wait(self, pulse: float | None) -> None:
        """Until `stop`; tells systemd every `pulse` seconds that we live."""
        while not self.ending.wait(pulse):
            self._notifier.send(WATCHDOG="1", STATUS=self._summary())

    def stop(self) -> None:
        self.ending.end()

    def _summary(self) -> str:
        return f"{len(self._keepers)} workspaces under care"

    # ---------------------------------------------------------------- workspaces

    def _care(self, entry: RegisteredWorkspace) -> None:
        keeper = WorkspaceKeeper(
            entry.root,
            entry.author,
            events=self._events,
            read=self._reading.want,
            saved=self._saved,
        )
        self._keepers[entry.root] = keeper
        self._pushes[entry.root] = Pushing(entry.root)
        keeper.start()
        self._reading.rest(entry.root)
        self._pushes[entry.root].want()  # what the daemon before did not get through with

    def _keeper(self, request: Request) -> WorkspaceKeeper:
        path = os.path.realpath(str(request["root"]))
        with self._lock:
            above = path
            while above not in self._keepers:
                if above == os.path.dirname(above):
                    raise DaemonError(
                        f"{path} is not under care", kind="not-watched", help="mvc watch"
                    )
                above = os.path.dirname(above)
            return self._keepers[above]

    def _heard(self, told: Mapping[str, Any]) -> None:
        with self._lock:
            keeper = self._keepers.get(told["root"])
        if keeper is not None:
            keeper.heard(told)

    def _saved(self, saved: SavedVersion) -> None:
        self._hooks.saved(saved)
        with self._lock:
            pushing = self._pushes.get(saved.root)
        if pushing is not None:
            pushing.want(saved.number)
        event = {
            "event": "saved", "root": saved.root, "version": saved.version, "number": saved.number,
            "branch": saved.branch, "message": saved.message, "seconds": saved.seconds,
        }  # fmt: skip
        with self._lock:
            followers = list(self._followers)
        for channel in followers:
            try:
                channel.send(event)
            except OSError:
                with self._lock:
                    self._followers.discard(channel)

    # ---------------------------------------------------------------- verbs

    def _hello(self, request: Request, channel: Channel) -> Answer:  # noqa: ARG002
        return {
            "mvcd": __version__, "protocol": PROTOCOL, "pid": os.getpid(),
            "started": self._started, "workspaces": len(self._keepers),
        }  # fmt: skip

    def _watch(self, request: Request, channel: Channel) -> Answer:  # noqa: ARG002
        root = location.find(str(request["root"])).root
        entry = RegisteredWorkspace(root, str(request["author"]))
        with self._lock:
            known = root in self._keepers
            self._registry.add(entry)
            if known:
                self._keepers[root].author = entry.author
            else:
                self._care(entry)
        return {"root": root, "new": not known}

    def _unwatch(self, request: Request, channel: Channel) -> Answer:  # noqa: ARG002
        keeper = self._keeper(request)
        with self._lock:
            self._registry.remove(keeper.root)
            self._keepers.pop(keeper.root, None)
            pushing = self._pushes.pop(keeper.root, None)
        keeper.stop()
        self._reading.forget(keeper.root)
        if pushing is not None:
            pushing.close()
        return {"root": keeper.root}

    def _status(self, request: Request, channel: Channel) -> Answer:  # noqa: ARG002
        if request.get("root") is not None:
            keepers = [self._keeper(request)]
        else:
            with self._lock:
                keepers = list(self._keepers.values())
        return {
            "mvcd": __version__,
            "pid": os.getpid(),
            "workspaces": [{**k.report(), "push": self._push_report(k.root)} for k in keepers],
        }

    def _push_report(self, root: str) -> Answer | None:
        with self._lock:
            pushing = self._pushes.get(root)
        return None if pushing is None else pushing.report()

    def _log(self, request: Request, channel: Channel) -> Answer:  # noqa: ARG002
        try:
            return {"lines": self._places.last_lines(max(0, int(request.get("lines", 100))))}
        except FileNotFoundError:  # it runs in the foreground, or somebody took the log away
            return {"lines": []}

    def _sync(self, request: Request, channel: Channel) -> Answer:  # noqa: ARG002
        keeper = self._keeper(request)
        done = keeper.sync(min(float(request.get("timeout", 60.0)), 3600.0))
        return {"done": done, "workspace": keeper.report()}

    def _follow(self, request: Request, channel: Channel) -> Answer:  # noqa: ARG002
        with self._lock:
            self._followers.add(channel)
        channel.at_end(lambda: self._followers.discard(channel))
        return {}

    def _begin(self, request: Request, channel: Channel) -> Answer:
        """`unread` names captures that the block's files are still part of, `missed` what was since the last
        block."""
        keeper = self._keeper({"root": request["directory"]})
        if _expired(request):
            raise UsageError("the block was given up: mvcd did not answer in time", kind="expired")
        directory = _inside(keeper.root, str(request["directory"]))
        command = tuple(str(word) for word in request.get("command", ()))
        maker = Maker(command, str(request.get("python", "")), str(request.get("cwd", "")))
        number = keeper.claims.begin(directory, maker, channel.pid)
        channel.at_end(lambda: keeper.claims.abandon(number))
        self._reading.warm()
        missed, newest = keeper.ledger.untold()
        return {
            "block": number, "root": keeper.root, "unread": keeper.unread(directory),
            "missed": missed, "miss": None if newest is None else asdict(newest),
        }  # fmt: skip

    def _end(self, request: Request, channel: Channel) -> Answer:  # noqa: ARG002
        """Ends a block, or asks for one that was ended (`again`); answers in which capture it is, and whether
        that is out of reach of its program. `waiting` tells why it is not taken yet."""
        keeper = self._keeper({"root": request["directory"]})
        directory = _inside(keeper.root, str(request["directory"]))
        also = tuple(_inside(keeper.root, str(path)) for path in request.get("also", ()))
        number = int(request["block"])
        if _expired(
            request
        ):  # its files may be of a later block by now: they are judged like any others
            keeper.claims.release(number)
            raise UsageError("the block was given up: mvcd did not answer in time", kind="expired")
        if not request.get("again") and not keeper.claims.end(
            number, also=also, message=str(request.get("message") or "")
        ):
            raise UsageError("the checkpoint block was not open")
        capture = keeper.taken_in(number, min(float(request.get("seconds", 5.0)), 60.0))
        if capture is None:
            return {"capture": None, "waiting": keeper.why_not_taken(directory)}
        if capture == NOTHING_NEW:
            return {"capture": None, "waiting": "", **keeper.newest()}
        return {"capture": capture, "waiting": "", "safe": keeper.is_safe(capture)}

    def _outcome(self, request: Request, channel: Channel) -> Answer:  # noqa: ARG002
        """What became of a capture: `state` is saved, missed or waiting."""
        keeper = self._keeper(request)
        timeout = min(float(request.get("seconds", 0.0)), 3600.0)
        found = keeper.outcome(int(request["capture"]), timeout)
        if found is None:
            return {"state": "waiting"}
        if found.missed:
            return {"state": "missed", "reason": found.missed}
        return {"state": "saved", "version": found.version, "number": found.number}

    def _stop(self, request: Request, channel: Channel) -> Answer:  # noqa: ARG002
        self.stop()
        return {"pid": os.getpid()}


def _expired(request: Request) -> bool:
    """Whether who asked has given up by now; a daemon that was stopped finds such requests when it goes on."""
    return time.time() > float(request.get("expires", float("inf")))


def _inside(root: str, path: str) -> str:
    """A path of the workspace as sets name it; "" is the root."""
    absolute = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    if os.path.realpath(path) == root:
        return ""
    return os.path.relpath(absolute, root).replace(os.sep, "/")


def _acquire(path: str) -> int:
    """The daemon's lock, for life; raises Busy with the holder's pid."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    holder = hold(fd)
    if holder is not None:
        os.close(fd)
        raise Busy(
            "mvcd is running already",
            cause=f"{holder} holds {path}",
            help="mvcd restart, or mvcd stop",
        )
    sign(fd)
    return fd


def wait_until_free(places: DaemonPaths, seconds: float) -> bool:
    """Whether the lock is given up within `seconds`: the daemon has ended, not only said so."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(Busy, FileNotFoundError):
            os.close(_acquire(places.lock))
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.02)
