"""The C functions that ask the system about files, in short Python: what each answers, and what it raises.

Tests call a function of C and its edition here in one situation and compare the outcomes.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
from collections.abc import Callable, Iterable, Iterator

Read = tuple[bytes, int, int, int, int, int]
Made = tuple[int, int, int, int, bool]
Outcome = tuple[object, ...]


def outcome(call: Callable[[], object]) -> Outcome:
    """Calls, and tells the answer or the kind of the exception, comparable with `==`."""
    try:
        return "answer", call()
    except OSError as error:
        return type(error), error.errno, error.filename
    except (ValueError, TypeError, OverflowError) as error:
        return (type(error),)


# ---------------------------------------------------------------- scan.c


def list_directory(path: bytes, names: bytes | None = None, follow: bool = False, /) -> bytes:
    if names and not names.endswith(b"\0"):
        raise ValueError("each name must be followed by a NUL")
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | (0 if follow else os.O_NOFOLLOW))
        try:
            found = list(_entries(fd) if names is None else _named(fd, names.split(b"\0")[:-1]))
        finally:
            os.close(fd)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None
    directories = sorted(name for name, record in found if record is None)
    others = sorted((name, record) for name, record in found if record is not None)
    groups = directories, [name for name, _ in others]
    sections = [b"\0" + b"".join(name + b"\0" for name in group) for group in groups]
    head = struct.pack("<IIII", len(directories), len(others), *map(len, sections))
    return head + sections[0] + b"".join(record for _, record in others) + sections[1]


def list_directories(paths: Iterable[bytes], /) -> list[bytes | int]:
    found: list[bytes | int] = []
    for path in paths:
        try:
            found.append(list_directory(path))
        except OSError as error:
            found.append(error.errno or 0)
    return found


Entry = tuple[bytes, bytes | None]
"""A name, and its record unless it is a directory's."""


def _entries(fd: int) -> Iterator[Entry]:
    with os.scandir(fd) as entries:
        for entry in entries:
            name = os.fsencode(entry.name)
            if entry.is_dir(follow_symlinks=False):
                yield name, None
            else:
                yield from _named(fd, [name])


def _named(fd: int, names: Iterable[bytes]) -> Iterator[Entry]:
    for name in names:
        try:
            found = os.stat(name, dir_fd=fd, follow_symlinks=False)
        except FileNotFoundError:
            continue
        yield name, None if stat.S_ISDIR(found.st_mode) else _record(found)


def _record(st: os.stat_result) -> bytes:
    if stat.S_ISREG(st.st_mode) or stat.S_ISLNK(st.st_mode):
        kind = b"l" if stat.S_ISLNK(st.st_mode) else b"x" if st.st_mode & 0o100 else b"f"
        return struct.pack("<cQqqQ", kind, st.st_size, st.st_mtime_ns, st.st_ctime_ns, st.st_ino)
    kind = b"p" if stat.S_ISFIFO(st.st_mode) else b"s" if stat.S_ISSOCK(st.st_mode) else b"v"
    return kind + bytes(32)


# ---------------------------------------------------------------- read.c

CHANGED = -1


def read_files(paths: list[bytes], limit: int, /) -> list[Read | int]:
    if limit < 0:
        raise ValueError("a negative limit")
    return [_read_file(path, limit) for path in paths]


def _read_file(path: bytes, limit: int) -> Read | int:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        return CHANGED if error.errno == errno.ELOOP else _number(error)
    try:
        before = os.fstat(fd)
        if not stat.S_ISREG(before.st_mode) or before.st_size > limit:
            return CHANGED
        data = b""
        while more := os.read(fd, before.st_size + 1 - len(data)):
            data += more
        if len(data) != before.st_size or _state(os.fstat(fd)) != _state(before):
            return CHANGED
    except OSError as error:
        return _number(error)
    finally:
        os.close(fd)
    size, mtime, ctime, inode, executable = _state(before)
    return data, size, mtime, ctime, inode, int(executable)


def _number(error: OSError) -> int:
    assert error.errno is not None
    return error.errno


def _state(st: os.stat_result) -> Made:
    return st.st_size, st.st_mtime_ns, st.st_ctime_ns, st.st_ino, st.st_mode & 0o100 != 0


# ---------------------------------------------------------------- write.c


def write_files(files: list[tuple[bytes, int, bytes]], /) -> list[Made]:
    for path, _, _ in files:
        if b"\0" in path:
            raise ValueError("embedded null byte")
    return [_write_file(*file) for file in files]


def _write_file(path: bytes, bits: int, data: bytes) -> Made:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, bits)
        try:
            while data:
                data = data[os.write(fd, data) :]
            return _state(os.fstat(fd))
        finally:
            os.close(fd)
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fsdecode(path)) from None


# ---------------------------------------------------------------- io.c


def read_stretches(stretches: list[tuple[int, int, int]], flags: int, least: int, /) -> bytes:
    """Flags only advise how: there is nothing to do for them here."""
    if any(offset < 0 or size < 0 for _, offset, size in stretches):
        raise ValueError("no stretch of a file")
    found = b""
    for file, offset, size in stretches:
        part = os.pread(file, size, offset)
        while len(part) < size and (more := os.pread(file, size - len(part), offset + len(part))):
            part += more
        found += part
        if len(part) < size:
            break
    return found


def start_write_back(file: int, offset: int, size: int, /) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    write = 2  # SYNC_FILE_RANGE_WRITE
    while libc.sync_file_range(file, ctypes.c_int64(offset), ctypes.c_int64(size), write):
        number = ctypes.get_errno()
        if number == errno.ENOSYS:
            return
        if number != errno.EINTR:
            raise OSError(number, "sync_file_range")
