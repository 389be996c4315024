"""The program `mvcd`: run, start, stop, restart, status, logs."""

from __future__ import annotations

import argparse
import json
import logging
import logging.handlers
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any, TextIO

from mvcd import __version__
from mvcd.daemon import config, priority
from mvcd.daemon.config import Places
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

START_SECONDS = 20.0
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
    given = sys.argv[1:] if arguments is None else arguments
    if admin.is_admin(given):
        admin.run(given)
    options = _parser().parse_args(given)
    places = Places.here()
    try:
        return int(options.verb(places, options) or 0)
    except MvcError as error:
        for label, text in (("error", str(error)), ("cause", error.cause), ("help", error.help)):
            if text:
                _say(f"{label}: {text}", sys.stderr)
        return next((code for kind, code in _EXIT_CODES if isinstance(error, kind)), 1)
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mvcd",
        description="The daemon of mvc: saves complete checkpoints by itself, and serves repositories.",
    )
    parser.add_argument("--version", action="version", version=f"mvcd {__version__}")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    texts = {
        run: "serve in the foreground (what systemd and launchd start)",
        start: "start in the background; replaces an outdated daemon",
        stop: "finish the save under way and end",
        restart: "stop, then start",
        status: "tell what is under care (--json for programs)",
        logs: "print the end of the log (-f goes on)",
    }
    for function, text in texts.items():
        verb = verbs.add_parser(function.__name__, help=text, description=text)
        verb.set_defaults(verb=function)
        if function is run:
            verb.add_argument("--ready-fd", type=int, help=argparse.SUPPRESS)
        if function is status:
            verb.add_argument("--json", action="store_true", help="answer with one JSON document")
        if function is logs:
            verb.add_argument("-n", "--lines", type=int, default=50, help="how many (50)")
            verb.add_argument("-f", "--follow", action="store_true", help="go on as lines come")
    add_serve_verb(verbs)
    text = "care for the directory of a team server"
    below = verbs.add_parser(
        "admin", help=f"{text} (mvc admin)", description=f"{text}: the same verbs as of mvc admin"
    ).add_subparsers(required=True, metavar="VERB")
    for name, text in admin.VERBS.items():
        below.add_parser(name, help=text)
    return parser


# -------------------------------------------------------------------- the daemon itself


def run(places: Places, options: argparse.Namespace) -> int:
    from mvcd.daemon.service import Service

    priority.lower()
    places.prepare()
    _log_to(places.log, also_stderr=options.ready_fd is None)
    with Service(places, Notifier(config.notify_socket())) as service:
        service.ending.hear()
        if options.ready_fd is not None:
            os.write(options.ready_fd, b"ready\n")
            os.close(options.ready_fd)
        service.wait(config.watchdog_seconds())
    return 0


def _log_to(path: str, *, also_stderr: bool) -> None:
    handlers: list[logging.Handler] = [
        logging.handlers.RotatingFileHandler(path, maxBytes=_LOG_BYTES, backupCount=1)
    ]
    if also_stderr:
        handlers.append(logging.StreamHandler())
    logging.basicConfig(
        level=logging.INFO, handlers=handlers, format="%(asctime)s %(levelname).1s %(message)s"
    )
    logging.getLogger("watchdog").setLevel(logging.ERROR)  # we report overflows ourselves


# -------------------------------------------------------------------- its life


def start(places: Places, options: argparse.Namespace) -> int:  # noqa: ARG001
    """Idempotent: a daemon of our version stays, an older one finishes its work and is replaced."""
    places.prepare()
    hello = _ask(places, "hello")
    if hello is not None:
        theirs = hello["mvcd"]
        if _order(theirs) >= _order(__version__):
            _say(f"mvcd {theirs} is running (process {hello['pid']})")
            return 0
        _say(f"replacing mvcd {theirs} by {__version__}")
        _stop_running(places)
    _spawn(places)
    hello = _ask(places, "hello")
    _say(f"mvcd {__version__} started" + (f" (process {hello['pid']})" if hello else ""))
    return 0


def stop(places: Places, options: argparse.Namespace) -> int:  # noqa: ARG001
    if _ask(places, "hello") is None:
        _say("mvcd is not running")
        return 0
    _stop_running(places)
    _say("mvcd stopped")
    return 0


def restart(places: Places, options: argparse.Namespace) -> int:
    stop(places, options)
    return start(places, options)


def status(places: Places, options: argparse.Namespace) -> int:
    answer = _ask(places, "status")
    if options.json:
        _say(json.dumps({"schema_version": 1, "running": answer is not None, **(answer or {})}))
    elif answer is None:
        _say("mvcd is not running")
    else:
        _say(f"mvcd {answer['mvcd']} (process {answer['pid']})")
        for workspace in answer["workspaces"]:
            last = workspace["last_save"]
            saved = f"last v{last['number']} {last['message']}" if last else "nothing saved yet"
            _say(f"  {workspace['root']}: {workspace['state']}, {saved}")
    return 0 if answer is not None else 15


def logs(places: Places, options: argparse.Namespace) -> int:
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


def _spawn(places: Places) -> None:
    """Starts `mvcd run` in a session of its own and waits until it serves."""
    reading, writing = os.pipe()
    try:
        with open(places.log + ".start", "wb") as errors:
            child = subprocess.Popen(
                [sys.executable, "-P", "-m", "mvcd.daemon", "run", "--ready-fd", str(writing)],
                pass_fds=(writing,), start_new_session=True, cwd="/",
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
            )  # fmt: skip
    finally:
        os.close(writing)
    try:
        said = _read_within(reading, START_SECONDS)
    finally:
        os.close(reading)
    if said != b"ready\n":
        child.poll()
        with open(places.log + ".start", encoding="utf-8", errors="replace") as file:
            cause = file.read().strip().splitlines()[-1:]
        raise DaemonError(
            "mvcd did not start",
            kind="not-started",
            cause=cause[0] if cause else f"no answer within {START_SECONDS:g} s",
            help="mvcd run  (in the foreground, to see why)",
        )


def _read_within(fd: int, seconds: float) -> bytes:
    import select

    ready, _, _ = select.select([fd], [], [], seconds)
    return os.read(fd, 64) if ready else b""


def _stop_running(places: Places) -> None:
    from mvcd.daemon.service import wait_until_free

    _ask(places, "stop")
    if not wait_until_free(places, STOP_SECONDS):
        raise DaemonError(
            "mvcd did not end",
            kind="not-stopped",
            cause=f"it is still saving after {STOP_SECONDS:g} s",
            help="mvcd status, or end the process",
        )


def _ask(places: Places, verb: str) -> dict[str, Any] | None:
    """One request to the running daemon; None when there is none."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(10.0)
            connection.connect(places.socket)
            connection.sendall(json.dumps({"verb": verb}).encode() + b"\n")
            with connection.makefile("rb") as lines:
                answer: dict[str, Any] = json.loads(lines.readline() or b"null")
    except (OSError, ValueError):
        return None
    return answer


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in version.split("."))


def _say(text: str, stream: TextIO | None = None) -> None:
    out = stream or sys.stdout
    out.write(text + "\n")
    out.flush()
