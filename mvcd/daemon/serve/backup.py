"""A copy of a whole server directory, made while it serves, and the way back.

Each store below the directory is copied as mvcd/store/backup.py tells: one moment of each, and every object
read once more in the copy. The accounts come first: a repository that is made meanwhile may be copied without
being listed, but none is listed without being copied. What was removed, and locks, are left out.

`backup.json` is written last. It says of each store what a restored one must be equal to: its id, all its refs,
the head of its audit log. A directory without it is a backup that did not end.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from blake3 import blake3

from mvcd.disk.replace import replace_file
from mvcd.disk.sync import sync_directory
from mvcd.errors import Failure, IntegrityError, NoRepository
from mvcd.monitor import Monitor
from mvcd.store.backup import Backup, back_up_at, require_empty

NAME = "backup.json"
FORMAT = 1
_FIRST = "accounts"
_LEFT_OUT = {"removed", "uploads"}
_NO_FILES = {"serve.lock", NAME}


@dataclass(frozen=True, slots=True)
class StoreCopy:
    """One store of a backup: its place below the directory, and what it holds. `refs` and `audit` are
    digests in hex: of all refs with their values, and of the audit log's newest row."""

    path: str
    id: str
    refs: str
    ref_count: int
    audit: str
    audit_rows: int
    objects: int
    bytes: int


def back_up_root(
    root: str, target: str, *, time: str, monitor: Monitor | None = None
) -> list[StoreCopy]:
    """Copies the server directory `root` to `target`, absent or empty; `time` goes on record.

    Raises NoRepository when there is no store in `root`; what `store.backup.back_up_at` raises.
    """
    root, target = os.path.abspath(root), os.path.abspath(target)
    paths = sorted(_stores(root), key=lambda path: (path != _FIRST, path))
    if not paths:
        raise NoRepository(
            f"there is no store in {root}", help="name the directory that mvcd serve --root has"
        )
    if os.path.commonpath([root, target]) == root:
        raise Failure(f"{target} lies inside of what it would hold", kind="target-exists")
    copies = _copy(root, paths, target, monitor)
    document = {"format": FORMAT, "time": time, "stores": [asdict(copy) for copy in copies]}
    _write(target, json.dumps(document, indent=2) + "\n")
    return copies


def restore_root(source: str, target: str, *, monitor: Monitor | None = None) -> list[StoreCopy]:
    """Makes a server directory `target` from the backup `source`, which stays as it is.

    Raises NoRepository when `source` is no backup, Failure when it did not end or `target` is not empty,
    IntegrityError when what was restored is not what was backed up.
    """
    source, target = os.path.abspath(source), os.path.abspath(target)
    expected = _read(source)
    found = _copy(source, [copy.path for copy in expected], target, monitor)
    for before, now in zip(expected, found, strict=True):
        if before != now:
            raise IntegrityError(
                f"{now.path} is not what was backed up",
                cause=f"{before} became {now}",
                help="restore from another backup",
            )
    return found


def _copy(source: str, paths: list[str], target: str, monitor: Monitor | None) -> list[StoreCopy]:
    require_empty(target)
    os.makedirs(target, mode=0o700, exist_ok=True)
    copies = []
    for path in paths:
        copy = os.path.join(target, path)
        os.makedirs(os.path.dirname(copy), mode=0o700, exist_ok=True)
        copies.append(told(path, back_up_at(os.path.join(source, path), copy, monitor=monitor)))
    copy_files(source, target)
    return copies


def copy_files(source: str, target: str) -> None:
    """Copies the files that lie in a server's directory itself, such as tokens and keys. Raises OSError."""
    for entry in os.scandir(source):
        if entry.is_file(follow_symlinks=False) and entry.name not in _NO_FILES:
            shutil.copy2(entry.path, os.path.join(target, entry.name))
    sync_directory(target)


def told(path: str, backup: Backup) -> StoreCopy:
    """What is said of a copied store whose place is `path`."""
    hashed = blake3()
    for name, value in sorted(backup.refs.items()):
        for part in (name.encode(), value):
            hashed.update(len(part).to_bytes(4, "little")).update(part)
    return StoreCopy(
        path, backup.id, hashed.hexdigest(), len(backup.refs),
        backup.audit.digest.hex(), backup.audit.sequence, backup.objects, backup.bytes,
    )  # fmt: skip


def _stores(root: str) -> Iterator[str]:
    """Paths of the stores below `root`; a store's own directories are not searched."""
    pending = [""]
    while pending:
        directory = pending.pop()
        absolute = os.path.join(root, directory)
        if directory and os.path.exists(os.path.join(absolute, "format")):
            yield directory
            continue
        try:
            names = [e.name for e in os.scandir(absolute) if e.is_dir(follow_symlinks=False)]
        except (FileNotFoundError, NotADirectoryError):
            continue
        pending += [os.path.join(directory, n) for n in names if directory or n not in _LEFT_OUT]


def _write(target: str, text: str) -> None:
    replace_file(os.path.join(target, NAME), text.encode())


def _read(source: str) -> list[StoreCopy]:
    path = os.path.join(source, NAME)
    try:
        with open(path, encoding="utf-8") as file:
            document: dict[str, Any] = json.load(file)
        if document["format"] > FORMAT:
            raise Failure("this backup is of a newer mvcd", kind="newer-format", help="upgrade mvc")
        copies = [StoreCopy(**copy) for copy in document["stores"]]
    except FileNotFoundError:
        raise NoRepository(
            f"{source} is no backup, or one that did not end", cause=f"it has no {NAME}"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{path} is damaged", cause=str(error)) from None
    for copy in copies:
        _require_inside(copy.path)
    return copies


def _require_inside(path: str) -> None:
    if os.path.isabs(path) or ".." in path.split("/"):
        raise IntegrityError(f"{NAME} names {path!r}, outside of the backup")
