"""One name whose content is swapped, in a directory of any file system, without locks: a chain of numbered
states.

    refs~/0000000000000007-9f86d081884c7d65/state    the content of state 7, and the name of slot 8
    refs~/0000000000000008-2c26b46b68ffc68f/         slot 8: empty, for whoever writes state 8

A *slot* is a directory in which one state is to appear, by link(2) from a file that is complete and durable:
that fails where there is one, and on NFS too it is one step at the server. A writer of state n first makes a
slot n+1 of its own under a random name, then links into slot n a state that names it. So the slots that states
name form one chain, its end is the empty slot that the newest state names, and that slot's name is the newest
state's tag.

States that nobody needs go, and a plain scheme of numbered files would have a hole there: a writer that stalled
before its link, while others went on and removed the number that it was about to take, would take it, and
believe that it had won. Here is why it cannot.

1. *A slot never comes back.* Its name is random, is made once, and it goes as a whole, by rename(2) out of the
   chain's directory; only there are its files removed. Until it is gone its state is in it; afterwards a link
   into it fails, for ever, since the name is no more. So of all who link into one slot at most one succeeds, at
   any time.
2. *Every state that is seen is on the chain.* Only who read a state links into the slot that it names, and the
   first state came with the directory. No state is ever changed.
3. *A state whose slot was followed by an empty one was the newest.* Who reads opens the newest state that it
   can find, then looks into the slot that this one names. No state in there, and the slot itself still in
   place: since a slot that is gone does not come back (1), it was in place when the state was looked for, so
   nothing followed then. A state in there is the next to read; no slot, and the chain went on meanwhile: the
   reader begins again. A listing that is incomplete or late costs time and is never believed.
4. *Only what nobody can need goes*: slots with states before the newest and its `_KEPT_STATES` predecessors,
   for whoever is reading them; and empty slots up to the number after the newest state, but for the one that it
   names: that state has decided which of those it is.
5. *A chain comes and goes as a whole.* It is made beside, with its first state, and takes its name by
   rename(2), which fails where there is a chain, for a directory that is not empty is never replaced. It goes
   by rename(2) too. Who read a state of a chain that has gone links into a slot that the next chain of that
   name does not have.

The order of syncs: the new slot's name, then the bytes of the state, then the name of the state. So after a
power cut no state names a slot that is not there, and what was reported is there.

What a network file system may do: a reply that was lost comes again as a failure. A link that fails with "file
exists" has happened if the file has two names then; a rename that fails with "no such file" has happened if the
chain has our slot. A directory's cached names may be seconds old (`lookupcache=positive` or `actimeo=1` on NFS
ends that): a read may then be as old as that; a swap never is, for the server decides.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shlex
import shutil
from contextlib import suppress
from dataclasses import dataclass

from mvcd.disk.group import is_shared, share, share_directory
from mvcd.disk.renames import move
from mvcd.disk.sync import sync_directory, sync_file
from mvcd.errors import RemoteUnreachable
from mvcd.ids import Bytes
from mvcd.store.bucket.blobs import BlobAbsent, BlobChanged, InDoubt, Tag

MARK = "~"
"""Ends the name of a chain's directory."""
_STATE = "state"
_HEAD = b"mvc state 1\n"
_SLOT = re.compile(r"([0-9]{16})-[0-9a-f]{16}")
_KEPT_STATES = 2
_ATTEMPTS = 1000
_NOT_DONE = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EOPNOTSUPP)


@dataclass(frozen=True, slots=True)
class State:
    """One content of a chain; `tag` is the name of the slot after it."""

    data: bytes
    tag: Tag
    number: int
    modified_ns: int


class Chain:
    """The chain in the directory `path`. New files begin, and old ones end, in `pending` on the same file
    system.

    All calls raise OSError for what the system refuses.
    """

    def __init__(self, path: str, pending: str) -> None:
        self._path = path
        self._pending = pending

    def newest(self) -> State:
        """Reads the newest state. Raises BlobAbsent."""
        for _ in range(_ATTEMPTS):
            slots = self._slots()
            found = next((s for s in map(self._read, sorted(slots, reverse=True)) if s), None)
            while found is not None:
                following = self._read(found.tag)
                if following is None:
                    break
                found = following
            if found is not None and os.path.isdir(self._in(found.tag)):
                return found
        raise RemoteUnreachable(
            f"{self._path} cannot be read",
            cause="it changes faster than it is read, or files of it are missing",
            help=f"ls -lR {shlex.quote(self._path)}",
        )

    def is_newest(self, tag: Tag) -> bool:
        """Whether the state that `tag` follows is the newest (3): costs no reading of states."""
        if not _SLOT.fullmatch(tag) or self._read(tag) is not None:
            return False
        return os.path.isdir(self._in(tag))

    def create(self, data: Bytes) -> Tag:
        """Begins the chain. Raises BlobChanged where there is one, InDoubt."""
        first, second = _new_slot(0), _new_slot(1)
        made = self._aside()
        try:
            for slot in (first, second):
                make_directory(os.path.join(made, slot))
            self._write(os.path.join(made, first, _STATE), second, data)
            sync_directory(os.path.join(made, first))
            sync_directory(made)
            try:
                move(made, self._path)
            except OSError as error:
                if not os.path.isdir(self._in(first)):
                    self._raise_unless(error, (errno.EEXIST, errno.ENOTEMPTY))
        finally:
            shutil.rmtree(made, ignore_errors=True)
        sync_directory(os.path.dirname(self._path))
        return Tag(second)

    def swap(self, data: Bytes, tag: Tag) -> Tag:
        """Adds a state to the one that `tag` follows. Raises BlobChanged, InDoubt."""
        known = _SLOT.fullmatch(tag)
        if known is None or not os.path.isdir(self._in(tag)):
            raise BlobChanged(self._path)
        number = int(known[1])
        slot = _new_slot(number + 1)
        made = self._aside()
        try:
            try:
                make_directory(self._in(slot))
            except FileNotFoundError:
                raise BlobChanged(self._path) from None
            sync_directory(self._path)
            temporary = os.path.join(made, _STATE)
            self._write(temporary, slot, data)
            if not self._link(temporary, os.path.join(self._in(tag), _STATE)):
                with suppress(OSError):  # gone already, by somebody's _tidy
                    os.rmdir(self._in(slot))
                raise BlobChanged(self._path)
        finally:
            shutil.rmtree(made, ignore_errors=True)
        sync_directory(self._in(tag))
        with suppress(OSError):  # the next one does it
            self._tidy(number, here=tag, end=slot)
        return Tag(slot)

    def delete(self) -> None:
        """Ends the chain; one that is absent is no error."""
        made = self._aside()
        try:
            with suppress(FileNotFoundError):
                move(self._path, os.path.join(made, "chain"))
                sync_directory(os.path.dirname(self._path))
        finally:
            shutil.rmtree(made, ignore_errors=True)

    # ------------------------------------------------------------------

    def _in(self, slot: str) -> str:
        return os.path.join(self._path, slot)

    def _slots(self) -> list[str]:
        try:
            return [name for name in os.listdir(self._path) if _SLOT.fullmatch(name)]
        except (FileNotFoundError, NotADirectoryError):
            raise BlobAbsent(self._path) from None

    def _read(self, slot: str) -> State | None:
        """The state in a slot; None where there is none. The directory is opened first, which makes NFS look
        whether what it knows of it is still so."""
        try:
            directory = os.open(self._in(slot), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            file = os.open(_STATE, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
        except FileNotFoundError:
            return None
        finally:
            os.close(directory)
        try:
            with os.fdopen(file, "rb") as stream:
                modified_ns = os.fstat(file).st_mtime_ns
                head, tag, data = stream.read().split(b"\n", 2)
        except OSError as error:
            if error.errno == errno.ESTALE:  # removed by another machine: it is not the newest
                return None
            raise
        if head + b"\n" != _HEAD:
            raise OSError(errno.EIO, "not a state of mvc's", self._in(slot))
        return State(data, Tag(tag.decode("ascii")), int(slot[:16]), modified_ns)

    def _aside(self) -> str:
        made = os.path.join(self._pending, secrets.token_hex(8))
        make_directory(made)
        return made

    def _write(self, path: str, following: str, data: Bytes) -> None:
        with open(path, "xb") as file:
            share(path, file.fileno())
            file.write(_HEAD + following.encode("ascii") + b"\n")
            file.write(data)
            file.flush()
            sync_file(file.fileno())

    def _link(self, temporary: str, path: str) -> bool:
        """Whether the link was made. Raises InDoubt where that is not certain: a slot that is gone may have had
        our state in it, if the reply was lost."""
        try:
            os.link(temporary, path)
        except FileExistsError:
            return os.stat(temporary).st_nlink > 1
        except OSError as error:
            self._raise_unless(error, ())
        return True

    def _raise_unless(self, error: OSError, late: tuple[int, ...]) -> None:
        """Raises what a link or rename that failed means."""
        if error.errno in late:
            raise BlobChanged(self._path) from None
        if error.errno in _NOT_DONE:
            raise error
        raise InDoubt(f"{self._path}: {os.strerror(error.errno or 0)}") from error

    def _tidy(self, newest: int, here: str, end: str) -> None:
        """Takes out of the chain what nobody can need (4): the newest state is in the slot `here`, and names
        `end`."""
        for slot in sorted(self._slots()):
            number = int(slot[:16])
            if number > newest + 1 or slot in (here, end):
                continue
            if number >= newest - _KEPT_STATES and os.path.exists(
                os.path.join(self._in(slot), _STATE)
            ):
                continue
            gone = os.path.join(self._pending, slot)
            move(self._in(slot), gone)
            shutil.rmtree(gone, ignore_errors=True)


def make_directory(path: str) -> None:
    """Makes a directory, its group's where the one above is. Raises OSError."""
    os.mkdir(path)
    if is_shared(os.path.dirname(path)):
        share_directory(path)


def _new_slot(number: int) -> str:
    return f"{number:016d}-{secrets.token_hex(8)}"
