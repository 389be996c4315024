"""What a process of ours sees to before it does anything: names in UTF-8, and three open streams.

Both are for programs to call and not for libraries: one starts the interpreter again, the other opens files.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from mvcd.errors import Failure

_AGAIN = "-X", "utf8"


def speak_utf8() -> None:
    """Starts this program again in Python's UTF-8 mode where the locale has another encoding.

    Names of files are UTF-8 in a version, whoever reads it. Python writes names to the disk in the encoding of
    the locale, and `LANG=en_US` without more is Latin-1 in glibc: the same version would get other names there.
    Costs a second start of the interpreter, 20 ms, in such a locale only. See PEP 540.
    """
    if names_are_utf8() or not sys.executable or sys.orig_argv[1:3] == list(_AGAIN):
        return
    with suppress(OSError):
        os.execv(sys.executable, [sys.executable, *_AGAIN, *sys.orig_argv[1:]])  # noqa: S606


def names_are_utf8() -> bool:
    return sys.getfilesystemencoding().lower().replace("-", "") == "utf8"


def require_utf8() -> None:
    """Raises Failure where names of files would be written in another encoding: in a program of somebody's that
    uses mvc as a library, which cannot be started again on our account."""
    if not names_are_utf8():
        raise Failure(
            f"this process writes names of files as {sys.getfilesystemencoding()}, not as UTF-8",
            kind="locale",
            cause=f"so the locale says: {_locale()}",
            help="export PYTHONUTF8=1  (or LC_ALL=C.UTF-8), then start the program again",
        )


def _locale() -> str:
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        if value := os.environ.get(name):
            return f"{name}={value}"
    return "none is set"


def open_streams() -> None:
    """Puts /dev/null where stdin, stdout or stderr is closed, as by `>&-` or some supervisors.

    Else the next file that is opened gets that number, and what is printed goes into it: into a pack, say.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free: this one
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            mode = "r" if number == 0 else "w"
            stream = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
