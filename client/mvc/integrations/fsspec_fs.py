"""The file system of versions, for fsspec: `fsspec.open("mvc:///home/ada/iris@main/model.pkl")`.

Any revision can be read. A branch can be written: each file that is closed makes a version, and so does each of
`put`, `copy`, `mv`, `rm` and `pipe`, however many files it takes; `with fs.transaction:` makes one of all in
the block. A branch that a workspace has checked out is refused. There are no empty directories: `mkdir` does
nothing.

Written against fsspec's own abstract tests. A listing names the version that was asked for, and nothing is
cached by name, since a branch moves: what is kept is kept by id.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

try:
    from fsspec.spec import AbstractFileSystem
except ImportError as error:
    raise ImportError("mvc:// needs fsspec: pip install 'mvcd[fsspec]'") from error

from mvc.api.errors import Failure
from mvc.api.places import Place, Places
from mvc.integrations.addresses import PROTOCOL, Address
from mvc.integrations.fsspec_files import OneVersion, ReadFile, WrittenFile, said_of

if TYPE_CHECKING:
    from mvc.api.repo import Repo
    from mvc.api.results import Listed, PathEntry
    from mvc.api.write_verbs import Source

_MISSING = ("no-such-path", "unknown-revision")


class MvcFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """Versions as directories. Options: `author` and `message` of versions that are made; `scheme`, "grpc" or
    "grpcs", by which servers are asked."""

    protocol: ClassVar[str] = PROTOCOL
    root_marker = ""
    transaction_type = OneVersion

    def __init__(
        self,
        *,
        author: str | None = None,
        message: str | None = None,
        scheme: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._author, self._message, self._scheme = author, message, scheme
        self._places = Places()
        self._gathering = threading.local()

    # ---------------------------------------------------------------- names

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        return str(_address(path))

    @classmethod
    def _parent(cls, path: str) -> str:
        address = Address.parse(path)
        return str(address.at(address.path.rpartition("/")[0]))

    def place(self, address: Address) -> Place:
        """Returns the open repository of an address. Raises FileNotFoundError."""
        with _as_os_errors(str(address)):
            return self._places.at(address.place(self._scheme))

    def _version(self, address: Address) -> tuple[Repo, str]:
        """The open repository of an address, and the id of its version as of now."""
        place = self.place(address)
        return place.repo, place.resolve(address.rev)

    def close(self) -> None:
        """Closes the repositories that were opened; they are opened again when they are needed."""
        self._places.close()

    # ---------------------------------------------------------------- reading

    def info(self, path: str, **options: Any) -> dict[str, Any]:  # noqa: ARG002
        """Returns name, type and size in bytes; of a file also component and recipe. Raises
        FileNotFoundError."""
        address = _address(path)
        with _as_os_errors(str(address)):
            repo, id = self._version(address)
            return _told(address, id, repo.stat(address.path or ".", id))

    def ls(self, path: str, detail: bool = True, **options: Any) -> list[Any]:  # noqa: ARG002
        """Lists what lies directly in a directory; a file alone."""
        address = _address(path)
        with _as_os_errors(str(address)):
            repo, id = self._version(address)
            found = repo.ls(id, address.path or None, recursive=False)
            listed = [_told(address.at(row.path), id, row) for row in found]
        return listed if detail else [row["name"] for row in listed]

    def find(
        self,
        path: str,
        maxdepth: int | None = None,
        withdirs: bool = False,
        detail: bool = False,
        **options: Any,
    ) -> Any:
        """Lists all files below a directory, in one pass unless directories or a depth are asked for."""
        if maxdepth is not None or withdirs:
            return super().find(
                path, maxdepth=maxdepth, withdirs=withdirs, detail=detail, **options
            )
        address = _address(path)
        try:
            with _as_os_errors(str(address)):
                repo, id = self._version(address)
                rows = list(repo.ls(id, address.path or None))
        except FileNotFoundError:
            rows, id = [], ""
        told = [_told(address.at(row.path), id, row) for row in rows]
        told.sort(key=lambda row: str(row["name"]))
        return {row["name"]: row for row in told} if detail else [row["name"] for row in told]

    def created(self, path: str) -> datetime:
        """Returns the time of the version: files have none of their own."""
        address = _address(path)
        with _as_os_errors(str(address)):
            repo, id = self._version(address)
            return repo.show(id).time

    modified = created

    def checksum(self, path: str) -> int:
        """Returns a number that only this content has."""
        return int(self.ukey(path)[:16], 16)

    def ukey(self, path: str) -> str:
        """Returns the digest of a file's recipe: equal content has equal ones."""
        found = self.info(path)
        return str(found.get("recipe") or found["version"])

    def cat_file(
        self,
        path: str,
        start: int | None = None,
        end: int | None = None,
        **options: Any,  # noqa: ARG002
    ) -> bytes:
        """Returns bytes of a file; reads only the chunks that hold them."""
        with self._reading(_address(path)) as file:
            begin, stop, _ = slice(start, end).indices(file.size)
            return file.range(begin, max(0, stop - begin))

    def refresh(self, path: str) -> None:
        """Asks the server of an address which versions there are by now; of a directory, nothing is needed."""
        self.place(_address(path)).refresh()

    # ---------------------------------------------------------------- files

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,  # noqa: ARG002
        autocommit: bool = True,
        cache_options: Mapping[str, Any] | None = None,  # noqa: ARG002
        **options: Any,  # noqa: ARG002
    ) -> ReadFile | WrittenFile:
        address = Address.parse(path)
        if mode == "rb":
            return self._reading(address)
        if mode not in ("wb", "ab", "xb"):
            raise ValueError(
                f"{path} cannot be opened as {mode!r}: files are read, or written whole"
            )
        if not address.path:
            raise IsADirectoryError(errno.EISDIR, "it is a version", path)
        start: ReadFile | None = None
        if mode != "wb" and self.exists(path):
            if mode == "xb":
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
            start = self._reading(address)
        spool = self.place(address).spool()
        return WrittenFile(self, address, spool, start, autocommit=autocommit)

    def _reading(self, address: Address) -> ReadFile:
        """Raises FileNotFoundError, IsADirectoryError."""
        with _as_os_errors(str(address)):
            repo, id = self._version(address)
            found = repo.stat(address.path or ".", id)
            if found.component is None:
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(address))
            return ReadFile(self, str(address), repo.open(address.path, id), found.size)

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **options: Any) -> None:  # noqa: ARG002
        """Writes bytes to a file."""
        address = _address(path)
        if mode == "create" and self.exists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        self.put_together({address: bytes(value)}, f"Write {address.path}")

    def put_file(self, lpath: str, rpath: str, callback: Any = None, **options: Any) -> None:  # noqa: ARG002
        """Writes a file on disk to a version; it is read once."""
        address = _address(rpath)
        if not os.path.isdir(lpath):
            self.put_together({address: os.path.abspath(lpath)}, f"Write {address.path}")

    def cp_file(self, path1: str, path2: str, **options: Any) -> None:  # noqa: ARG002
        """Copies a file; within one repository nothing of it is read."""
        source, address = map(_address, (path1, path2))
        found = self.info(path1)
        if found["type"] == "directory":
            return
        message = f"Copy {source.path} to {address.path}"
        if source.place(self._scheme) == address.place(self._scheme):
            self.put_together({address: (found["version"], source.path)}, message)
        else:
            self.put_together({address: self.cat_file(path1)}, message)

    def rm_file(self, path: str) -> None:
        """Removes a file from the branch; older versions keep it."""
        address = _address(path)
        self.info(path)
        self.put_together({address: None}, f"Remove {address.path}")

    _rm = rm_file

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        """Removes files and directories from a branch, as one version; older versions keep them."""
        with self.together():
            for one in self.expand_path(path, recursive=recursive, maxdepth=maxdepth):
                if self.isdir(one):
                    if not recursive:
                        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), one)
                else:
                    self.rm_file(one)

    def mkdir(self, path: str, create_parents: bool = True, **options: Any) -> None:
        """Does nothing: a directory is there when a file in it is."""

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Does nothing, like `mkdir`."""

    def rmdir(self, path: str) -> None:
        """Does nothing for a directory without files. Raises OSError for one with some."""
        if self.isdir(path) and self.ls(path):
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), path)

    # ---------------------------------------------------------------- several files, one version

    def copy(self, *arguments: Any, **options: Any) -> None:
        """Copies files and directories, as one version."""
        with self.together():
            super().copy(*arguments, **options)

    def mv(self, *arguments: Any, **options: Any) -> None:
        """Moves files and directories, as one version."""
        with self.together():
            super().mv(*arguments, **options)

    def put(self, *arguments: Any, **options: Any) -> None:
        """Writes files and directories on disk to a version."""
        with self.together():
            super().put(*arguments, **options)

    def pipe(self, *arguments: Any, **options: Any) -> None:
        """Writes bytes to files, as one version."""
        with self.together():
            super().pipe(*arguments, **options)

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Gathers what is written in the block into one version; in a transaction, into its own."""
        if self._gathered() is not None or self._intrans:
            yield
            return
        edits = self._gathering.edits = {}
        try:
            yield
        finally:
            self._gathering.edits = None
        self.put_together(edits, said_of(edits))

    def _gathered(self) -> dict[Address, Source] | None:
        """What this thread has gathered so far; None where it writes at once."""
        return getattr(self._gathering, "edits", None)

    def put_together(self, edits: Mapping[Address, Source], message: str) -> None:
        """Makes one version of each branch that `edits` are of, or keeps them for one that is being gathered.
        What the branch has already makes none. Raises what `Place.write` raises."""
        if (gathered := self._gathered()) is not None:
            gathered.update(edits)
            return
        if self._intrans and self._transaction is not None:
            self._transaction.edits.update(edits)
            return
        branches: dict[Address, dict[str, Source]] = {}
        for address, source in edits.items():
            branches.setdefault(address.at(""), {})[address.path] = source
        for branch, files in branches.items():
            place = self.place(branch)
            place.write(branch.rev, files, self._message or message, author=self._author)


def _address(path: str | os.PathLike[str]) -> Address:
    return Address.parse(os.fspath(path))


@contextlib.contextmanager
def _as_os_errors(path: str) -> Iterator[None]:
    """What is not there raises what programs expect of a file system."""
    try:
        yield
    except Failure as failure:
        if failure.kind in _MISSING:
            raise FileNotFoundError(errno.ENOENT, str(failure), path) from failure
        raise


def _told(address: Address, version: str, row: PathEntry | Listed) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": str(address),
        "type": "file",
        "size": row.size,
        "version": version,
    }
    if row.component is None:
        return told | {"type": "directory"}
    return told | {"component": str(row.component), "recipe": row.recipe}
