"""The lines of a commit, gathered: what goes, what comes, and where its bytes lie meanwhile.

{"key": "header", "value": {"summary", "description", "parentCommit"}}
{"key": "file", "value": {"path", "content", "encoding": "base64"}}
{"key": "lfsFile", "value": {"path", "algo": "sha256", "oid", "size"}}
{"key": "deletedFile" | "deletedFolder", "value": {"path"}}
"""

from __future__ import annotations

import base64
import binascii
import os
from dataclasses import dataclass, field
from typing import Any

from mvcd.errors import UsageError
from mvcd.hub.bodies import parsed, text_in
from mvcd.hub.digested import blob_id
from mvcd.hub.spool import require_sha256
from mvcd.objects.reserved import reserved

HELD_BYTES = 4 << 20
"""Bytes of files of one commit that are held in memory; the rest goes to the disk as it comes."""
MAX_PATHS = 100_000
"""Paths of one commit."""


@dataclass(frozen=True, slots=True)
class LargeFile:
    """A file that was uploaded before; `size` is None where the client does not say it."""

    sha256: str
    size: int | None


@dataclass(slots=True)
class CommitLines:
    """What one commit asks for. `directory` is for the bytes that it brings itself."""

    directory: str
    summary: str = ""
    description: str = ""
    parent: str | None = None
    gone: list[str] = field(default_factory=list)
    regular: dict[str, bytes | str] = field(default_factory=dict)
    """Bytes, or the path of a file that has them, by path in the version."""
    blobs: dict[str, str] = field(default_factory=dict)
    """Git's names of the same, by path."""
    large: dict[str, LargeFile] = field(default_factory=dict)
    _held: int = 0
    _count: int = 0

    def accept(self, line: bytes) -> None:
        """Raises UsageError for a line that is none of a commit, OSError where its bytes cannot be kept."""
        found = parsed(line)
        value = found.get("value")
        if not isinstance(value, dict):
            raise UsageError("a line of a commit has no value")
        self._count += 1
        if self._count > MAX_PATHS:
            raise UsageError(f"a commit may change {MAX_PATHS:,} paths", kind="too-large")
        match text_in(found, "key"):
            case "header":
                self._header(value)
            case "file":
                self._file(value)
            case "lfsFile":
                self._large(value)
            case "deletedFile" | "deletedFolder":
                self.gone.append(text_in(value, "path").strip("/"))
            case other:
                raise UsageError(f"a commit has no line {other[:40]!r}")

    @property
    def message(self) -> str:
        return "\n\n".join(part for part in (self.summary, self.description) if part)

    def _header(self, value: dict[str, Any]) -> None:
        self.summary = text_in(value, "summary")
        self.description = text_in(value, "description", "")
        if value.get("parentCommit") is not None:
            self.parent = text_in(value, "parentCommit")

    def _file(self, value: dict[str, Any]) -> None:
        path, content = _path_in(value), text_in(value, "content")
        if value.get("encoding", "base64") == "base64":
            try:
                data = base64.b64decode(content, validate=True)
            except (binascii.Error, ValueError):
                raise UsageError(f"the content of {path[:500]} is no base64") from None
        else:
            data = content.encode()
        self.large.pop(path, None)
        self.blobs[path] = blob_id(data)
        if self._held + len(data) <= HELD_BYTES:
            self._held += len(data)
            self.regular[path] = data
            return
        at = os.path.join(self.directory, f"{self._count}.file")
        with open(at, "xb") as file:
            file.write(data)
        self.regular[path] = at

    def _large(self, value: dict[str, Any]) -> None:
        path, size = _path_in(value), value.get("size")
        if value.get("algo", "sha256") != "sha256" or not (size is None or isinstance(size, int)):
            raise UsageError(f"{path[:500]} is named by no SHA-256 and size")
        self.regular.pop(path, None)
        self.blobs.pop(path, None)
        self.large[path] = LargeFile(require_sha256(text_in(value, "oid")), size)


def _path_in(value: dict[str, Any]) -> str:
    """The path of a file that comes. Raises UsageError for one that leads out of where a client puts it, be it
    on a system whose paths have backslashes; what no version may have is found out later."""
    path = text_in(value, "path")
    if ".." in path.replace("\\", "/").split("/"):
        raise UsageError(f"{path[:500]!r} leads out of the repository")
    if (name := reserved(path)) is not None:
        raise UsageError(f"{path[:500]!r} cannot be stored", cause=f"{name} is a repository's own")
    return path
