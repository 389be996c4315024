"""The program `mvcd`: run, start, stop, restart, status, logs."""

from __future__ import annotations

import argparse
import faulthandler
import json
import logging
import logging.handlers
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from typing import Any, TextIO

from mvcd import __version__
from mvcd.daemon import config, priority, starting
from mvcd.daemon.config import DaemonPaths
from mvcd.daemon.notify import Notifier
from mvcd.daemon.serve import admin
from mvcd.daemon.serve.command import add_serve_verb
from mvcd.errors import (
    AuthError,
    Busy,
    DaemonError,
    IntegrityError,
    MvcError,
    NoRepository,
    NotPermitted,
    RemoteUnreachable,
    UsageError,
)
from mvcd.process import open_streams, speak_utf8

STOP_SECONDS = 120.0
"""A save under way is finished first."""

_LOG_BYTES = 4 << 20
_EXIT_CODES = (
    (UsageError, 2), (NoRepository, 10), (Busy, 11), (AuthError, 12), (NotPermitted, 12),
    (RemoteUnreachable, 13), (IntegrityError, 14), (DaemonError, 15),
)  # fmt: skip
"""As of `mvc`; others are 1."""


def main(arguments: Sequence[str] | None = None) -> int:
    if arguments is None:
        open_streams()
        speak_utf8()
        faulthandler.enable()  # a damaged index can end us, and SIGBUS says not even that
    given = sys.argv[1:] if arguments is None else arguments
    if admin.is_admin(given):
        admin.run(given)
    options = parser().parse_args(given)
    places = DaemonPaths.here()
    try:
        return int(options.verb(places, options) or 0)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # its reader went away
        return 141
    except (MvcError, OSError) as error:
        for label, text in starting.lines_of(error):
            _say(f"{label}: {text}", sys.stderr)
        return next((code for kind, code in _EXIT_CODES if isinstance(error, kind)), 1)
    except KeyboardInterrupt:
        return 130


def parser() -> argparse.ArgumentParser:
    """The command line of `mvcd`."""
    whole = argparse.ArgumentParser(
        prog="mvcd",
        description="Save complete checkpoints automatically, and serve repositories: the daemon of mvc.",
    )
    whole.add_argument(
        "--version",
        action="version",
        version=f"mvcd {__version__}",
        help="print the version of mvcd",
    )
    verbs = whole.add_subparsers(required=True, metavar="VERB")
    texts = {
        run: "run in the foreground, as systemd and launchd start it",
        start: "start in the background, replacing an outdated daemon",
        stop: "finish the save in progress, then end",
        restart: "stop, then start",
        status: "show the watched workspaces",
        logs: "print the end of the log",
    }
    for function, text in texts.items():
        verb = verbs.add_parser(function.__name__, help=text, description=text)
        verb.set_defaults(verb=function)
        if function is run:
            verb.add_argument("--ready-fd", type=int, help=argparse.SUPPRESS)
            verb.add_argument(  # a person waits for each save: no low priority
                "--awaited", action="store_true", help=argparse.SUPPRESS
            )
        if function is status:
            verb.add_argument("--json", action="store_true", help="answer with one JSON document")
        if function is logs:
            verb.add_argument("-n", "--lines", type=int, default=50, help="number of lines (50)")
            verb.add_argument(
                "-f", "--follow", action="store_true", help="print new lines as they come"
            )
    text = "make versions of what was captured in a workspace; the daemon does this itself"
    verb = verbs.add_parser("read", help=text, description=text)
    verb.add_argument(
        "root", nargs="?", help="the workspace; without it, paths are read from standard input"
    )
    verb.add_argument("--lifted", action="store_true", help="run at normal priority")
    verb.set_defaults(verb=read)
    add_serve_verb(verbs)
    text = "manage the directory of a team server"
    below = verbs.add_parser(
        "admin", help=f"{text} (mvc admin)", description=f"{text}, with the verbs of mvc admin"
    ).add_subparsers(required=True, metavar="VERB")
    for name, text in admin.VERBS.items():
        below.add_parser(name, help=text)
    return whole


# -------------------------------------------------------------------- the daemon itself


def run(places: DaemonPaths, options: argparse.Namespace) -> int:
    with starting.telling(options.ready_fd) as serves:
        from mvcd.daemon.service import Service  # late: start-up

        places.prepare()
        log = _log_to(places.log, also_stderr=options.ready_fd is None)
        notifier = Notifier(config.notify_socket())
        with _named(places), Service(places, notifier, awaited=options.awaited) as service:
            service.ending.hear()
            serves()
            if options.ready_fd is not None:
                log.take_stderr()
            service.wait(config.watchdog_seconds())
    return 0


@contextmanager
def _named(places: DaemonPaths) -> Iterator[None]:
    """The system does not say which file a full disk or a broken one was about."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = f"{places.runtime} or {places.state}"
        raise


def read(places: DaemonPaths, options: argparse.Namespace) -> int:  # noqa: ARG001
    """Makes versions of captures: of one workspace, or as the daemon's reader."""
    from mvcd.daemon import reader  # late: start-up

    if not options.lifted:
        priority.lower()
    if options.root is None:
        reader.serve()
        return 0
    failed = []

    def tell(told: Mapping[str, Any]) -> None:
        if told["state"] == "failed":
            failed.append(str(told["message"]))

    reader.drain(os.path.realpath(options.root), tell)
    if failed:
        raise DaemonError("what was captured is not all saved", kind="not-saved", cause=failed[-1])
    return 0


class Log(logging.handlers.RotatingFileHandler):
    """The log of a daemon in the background. Last words go there too: what LMDB or the interpreter say before
    they end the process, and what the reader says before it ends."""

    def __init__(self, path: str, size: int = _LOG_BYTES) -> None:
        """It is begun anew after `size` bytes; the one before is kept beside it."""
        self._stderr = False
        super().__init__(path, maxBytes=size, backupCount=1)

    def take_stderr(self) -> None:
        """From now on what goes to standard error goes to the log."""
        self._stderr = True
        if self.stream is not None:
            os.dup2(self.stream.fileno(), 2)

    def _open(self) -> TextIOWrapper:
        stream = super()._open()
        if self._stderr:
            os.dup2(stream.fileno(), 2)
        return stream


def _log_to(path: str, *, also_stderr: bool) -> Log:
    log = Log(path)
    handlers: list[logging.Handler] = [log]
    if also_stderr:
        handlers.append(logging.StreamHandler())
    logging.basicConfig(
        level=logging.INFO, handlers=handlers, format="%(asctime)s %(levelname).1s %(message)s"
    )
    logging.getLogger("watchdog").setLevel(logging.ERROR)  # we report overflows ourselves
    return log


# -------------------------------------------------------------------- its life


def start(places: DaemonPaths, options: argparse.Namespace) -> int:  # noqa: ARG001
    """Idempotent: a daemon of our version stays, an older one finishes its work and is replaced."""
    places.prepare()
    hello = None
    with suppress(DaemonError):  # slow, or hung: then it is not for us to start another beside it
        hello = starting.ask(places, "hello")
    if hello is not None:
        theirs = hello["mvcd"]
        if _order(theirs) >= _order(__version__):
            _say(f"mvcd {theirs} is running (process {hello['pid']})")
            return 0
        _say(f"replacing mvcd {theirs} by {__version__}")
        _stop_running(places)
    hello = starting.start(places)
    _say(f"mvcd {hello['mvcd']} started (process {hello['pid']})")
    return 0


def stop(places: DaemonPaths, options: argparse.Namespace) -> int:  # noqa: ARG001
    if starting.ask(places, "hello") is None:
        _say("mvcd is not running")
        return 0
    _stop_running(places)
    _say("mvcd stopped")
    return 0


def restart(places: DaemonPaths, options: argparse.Namespace) -> int:
    stop(places, options)
    return start(places, options)


def status(places: DaemonPaths, options: argparse.Namespace) -> int:
    answer = starting.ask(places, "status")
    if options.json:
        _say(json.dumps({"schema_version": 1, "running": answer is not None, **(answer or {})}))
    elif answer is None:
        _say("mvcd is not running")
    else:
        _say(f"mvcd {answer['mvcd']} (process {answer['pid']})")
        for workspace in answer["workspaces"]:
            _say(f"  {workspace['root']}: {_summary(workspace)}")
    return 0 if answer is not None else 15


def _summary(workspace: Mapping[str, Any]) -> str:
    last, ledger = workspace["last_save"], workspace["ledger"]
    waiting = workspace["captured_count"] + workspace["waiting_count"]
    counts = f"{ledger['saved']} saved, {waiting} waiting, {ledger['missed']} missed"
    first = last["message"].partition("\n")[0] if last else ""
    saved = f"last v{last['number']} {first}" if last else "nothing saved yet"
    return f"{workspace['state']}, {counts}; {saved}"


def logs(places: DaemonPaths, options: argparse.Namespace) -> int:
    try:
        with open(places.log, encoding="utf-8", errors="replace") as file:
            for line in file.readlines()[-options.lines :]:
                _say(line.rstrip("\n"))
            while options.follow:
                line = file.readline()
                if line:
                    _say(line.rstrip("\n"))
                else:
                    time.sleep(0.5)
    except FileNotFoundError:
        _say("there is no log yet")
    return 0


def _stop_running(places: DaemonPaths) -> None:
    from mvcd.daemon.service import wait_until_free  # late: start-up

    starting.ask(places, "stop")
    if not wait_until_free(places, STOP_SECONDS):
        raise DaemonError(
            "mvcd did not end",
            kind="not-stopped",
            cause=f"it is still saving after {STOP_SECONDS:g} s",
            help="mvcd status, or end the process",
        )


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in version.split("."))


def _say(text: str, stream: TextIO | None = None) -> None:
    out = stream or sys.stdout
    out.write(text + "\n")
    out.flush()
