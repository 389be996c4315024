"""Files of a store as a group can share them: by the umask, or by the directory they are made in.

Every file is made with 0666 less the umask. People of a group often have 022, so a store that is to be shared
says so itself: its directories are setgid and may be written by the group (`mvc init --shared`), and a file
that is made there may be read and written by the group too, whatever the umask. It is git's
core.sharedRepository, kept where the kernel keeps the group: in the directory's mode.
"""

from __future__ import annotations

import os
import stat

_GROUP_FILE = stat.S_IRGRP | stat.S_IWGRP
_GROUP_DIRECTORY = stat.S_ISGID | stat.S_IRWXG


def create(path: str, flags: int) -> int:
    """A descriptor, of a new file where `flags` say so. Raises OSError."""
    file = os.open(path, flags | os.O_CLOEXEC, 0o666)
    if flags & os.O_CREAT:
        share(path, file)
    return file


def share(path: str, file: int | None = None) -> None:
    """Gives a file that we made to the group, if its directory is the group's."""
    if not is_shared(os.path.dirname(path)):
        return
    target: int | str = path if file is None else file
    status = os.stat(target)
    if status.st_uid == os.geteuid() and status.st_mode & _GROUP_FILE != _GROUP_FILE:
        os.chmod(target, stat.S_IMODE(status.st_mode) | _GROUP_FILE)


def share_directory(path: str) -> None:
    """Makes a directory the group's: what is made in it belongs to its group. Raises OSError."""
    os.chmod(path, stat.S_IMODE(os.stat(path).st_mode) | _GROUP_DIRECTORY)


def is_shared(directory: str) -> bool:
    """Whether what is made in `directory` is its group's. Raises OSError."""
    mode = os.stat(directory or ".").st_mode
    return bool(mode & stat.S_ISGID) and bool(mode & stat.S_IWGRP)
