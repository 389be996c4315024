"""The repository's settings: `.mvc/config.toml`, dotted keys, written so that comments survive.

Settings of the person (name, mail) and of the machine come from the face; this file is what travels with
the directory on disk but not with versions. What should be versioned with the experiment (rules for
components) is in `mvc.toml` at the workspace root.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, Self

from mvcd.disk.replace import replace_file
from mvcd.errors import Failure, UsageError

Setting = str | int | float | bool


class Config:
    """A small TOML file read whole and replaced atomically."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._values: dict[str, Setting] | None = None
        self._instead: str | None = None

    @property
    def path(self) -> str:
        """Where the file is, or would be."""
        return self._path

    @classmethod
    def of_text(cls, path: str, text: str) -> Self:
        """The file as if it held `text`, which takes its place at the next write."""
        config = cls(path)
        config._instead = text
        return config

    def text(self) -> str:
        """The file as it is; "" where there is none. Raises Failure when it cannot be read."""
        self._load()
        return self._read()

    def get(self, key: str) -> str | None:
        value = self._load().get(key)
        return None if value is None else _shown(key, value)

    def flag(self, key: str, *, default: bool) -> bool:
        """What a key says that is true or false. Raises UsageError for anything else."""
        from mvcd.repo.core.configkeys import FALSE, TRUE  # late: start-up

        value = self.get(key)
        word = (value or "").lower()
        if value is None or word in TRUE | FALSE:
            return default if value is None else word in TRUE
        raise UsageError(
            f"{key} is {value!r}, neither true nor false",
            kind="bad-config",
            help=f"mvc config set {key} {str(default).lower()}",
        )

    def items(self) -> Iterator[tuple[str, str]]:
        for key, value in sorted(self._load().items()):
            yield key, _shown(key, value)

    def set(self, key: str, value: str) -> None:
        """Sets a key as people do. Raises UsageError for one that is none, and for a value that cannot be."""
        from mvcd.repo.core.configkeys import require_known  # late: start-up

        require_known(key, value)
        self.write({key: value})

    def unset(self, key: str) -> None:
        """Raises Failure when the key is not set."""
        if key not in self._load():
            raise Failure(f"{key} is not set in {self._path}", kind="unknown-key")
        self.write({key: None})

    def write(self, settings: Mapping[str, str | None]) -> None:
        """Sets (None: removes) keys of the form `section.name` (or deeper) in one atomic replacement."""
        import tomlkit  # late: start-up
        from tomlkit.exceptions import TOMLKitError

        from mvcd.wire.address import require_no_secret

        for key, value in settings.items():
            if value is not None and _is_address(key):
                require_no_secret(value)
        self._load()  # raises when the file cannot be read
        try:
            document = tomlkit.parse(self._read())
        except TOMLKitError as error:
            raise self._unreadable(str(error)) from None
        for key, value in settings.items():
            *sections, name = _split(key)
            table: MutableMapping[str, Any] = document
            for depth, section in enumerate(sections, 1):
                inner = table.setdefault(section, tomlkit.table())
                if not isinstance(inner, MutableMapping):
                    raise Failure(
                        f"{'.'.join(sections[:depth])} is a value in {self._path}, not a section",
                        kind="bad-config",
                    )
                table = inner
            if isinstance(value, str):
                _require_text(key, value)
            if value is None:
                table.pop(name, None)
            else:
                table[name] = value
        if os.path.lexists(self._path) and not os.path.isfile(self._path):
            raise Failure(  # a device, say: root could replace it
                f"{self._path} is not a file",
                kind="bad-config",
                help="MVC_CONFIG=FILE names the one for all repositories",
            )
        replace_file(self._path, tomlkit.dumps(document).encode())
        self._values = self._instead = None

    def _load(self) -> dict[str, Setting]:
        if self._values is None:
            try:
                tables = tomllib.loads(self._read())
            except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
                raise self._unreadable(str(error)) from None
            self._values = dict(_flatten(tables))
        return self._values

    def _unreadable(self, cause: str) -> Failure:
        help = "correct it, or, if it is a workspace's: mvc repair"
        return Failure(f"cannot read {self._path}", kind="bad-config", cause=cause, help=help)

    def _read(self) -> str:
        if self._instead is not None:
            return self._instead
        try:
            with open(self._path, encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return ""


def _require_text(key: str, value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        shown = os.fsencode(value).decode("utf-8", "backslashreplace")
        raise UsageError(f"'{shown}' is not UTF-8, as {key} has to be", kind="not-utf8") from None


def salvaged(path: str) -> str:
    """The lines of a damaged file that still make sense together, in order. Raises OSError."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        return ""
    kept: list[str] = []
    for line in lines:
        try:
            tomllib.loads("\n".join([*kept, line]))
        except tomllib.TOMLDecodeError:
            continue
        if "\ufffd" not in line:
            kept.append(line)
    return "".join(f"{line}\n" for line in kept)


def _flatten(tables: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Setting]]:
    for key, value in tables.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}.")
        elif isinstance(value, (str, int, float, bool)):
            yield f"{prefix}{key}", value


def _split(key: str) -> list[str]:
    parts = key.split(".")
    if len(parts) < 2 or not all(parts):
        raise UsageError(
            f"{key!r} is not a setting's name",
            cause="settings are named section.name",
            help="mvc config set user.name 'Ada Lovelace'",
        )
    return parts


def _is_address(key: str) -> bool:
    return key.startswith("remote.") and key.endswith(".url")


def _shown(key: str, value: Setting) -> str:
    """A secret that somebody wrote into an address by hand is not told; with what is told instead nobody can
    connect (wire/address.py)."""
    if not _is_address(key):
        return _text(value)
    from mvcd.wire.address import shown  # late: start-up

    return shown(_text(value))


def _text(value: Setting) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
