"""Which workspaces are under care, across restarts: one small JSON file, replaced atomically and durably."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from mvcd.disk.replace import replace_file
from mvcd.errors import DaemonError


@dataclass(frozen=True, slots=True)
class RegisteredWorkspace:
    root: str
    author: str


class Registry:
    """The list of watched workspaces, for one process only: the daemon's lock sees to that."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._entries = {entry.root: entry for entry in _read(path)}

    def entries(self) -> list[RegisteredWorkspace]:
        return list(self._entries.values())

    def add(self, entry: RegisteredWorkspace) -> None:
        self._write({**self._entries, entry.root: entry})

    def remove(self, root: str) -> bool:
        if root not in self._entries:
            return False
        self._write({r: e for r, e in self._entries.items() if r != root})
        return True

    def _write(self, entries: dict[str, RegisteredWorkspace]) -> None:
        document = {"format": 1, "workspaces": [asdict(entry) for entry in entries.values()]}
        replace_file(self._path, json.dumps(document, indent=2).encode())
        self._entries = entries


def _read(path: str) -> list[RegisteredWorkspace]:
    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
        return [
            RegisteredWorkspace(str(w["root"]), str(w["author"])) for w in document["workspaces"]
        ]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError) as error:
        raise DaemonError(
            f"cannot read {path}",
            kind="bad-register",
            cause=str(error),
            help=f"rm {path}, then mvc watch DIR for each workspace",
        ) from None
