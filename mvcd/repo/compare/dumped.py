"""Settings that a library wrote down whole, defaults and all, and which of them somebody chose.

transformers' `training_args.bin` has every argument of the Trainer, some eighty, of which a program sets ten.
Which are defaults is not known here, for that changes with each release. What is known: those that the sources
of the version set (`learning_rate=`, `--learning-rate`, `"learning_rate":`), or the command that it was made
by. All others of such a file are background; where no source sets any, those that are false, zero or empty.
Settings of other files never are: whoever writes a `params.yaml` chose what is in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from mvcd.inspect.runfiles import RunFile, kind_of
from mvcd.objects.entry import Mode
from mvcd.objects.version import Component, Value
from mvcd.repo.compare.narrowing import values_of
from mvcd.repo.compare.sides import Side
from mvcd.repo.contents.files import ABSENT
from mvcd.repo.contents.problems import COMPONENTS
from mvcd.repo.core.core import Core

_SOURCES = (".py", ".ipynb", ".sh", ".bash", ".yaml", ".yml", ".toml", ".json", ".cfg", ".ini")
_MAX_SOURCE_FILES = 200
_MAX_SOURCE_BYTES = 256 << 10  # of each, and of all eight times that
_SET = re.compile(
    r"""([A-Za-z_]\w*)\s*=(?!=)          # a keyword argument, or a line of an INI file
      | --([A-Za-z][\w-]*)               # an option
      | ["']([A-Za-z_]\w*)\\?["']\s*:    # a key of JSON, or of a dict, perhaps in a notebook
      | ^\s*([A-Za-z_]\w*):              # a key of YAML
    """,
    re.MULTILINE | re.VERBOSE,
)
_INDEX = re.compile(r"(?:\.\d+)+$")


def background(core: Core, side: Side, settings: Mapping[str, Value]) -> frozenset[str]:
    """Keys of `settings`, a version's, that only a library wrote down; none where files are not here."""
    try:
        dumped = _dumped(core, side)
        found = {key for key, value in settings.items() if dumped.get(_short(key), ()) == value}
        if not found:
            return frozenset()
        chosen = {name.replace("-", "_") for name in _set_names(side)}
    except ABSENT:
        return frozenset()
    background = frozenset(key for key in found if _option(key) not in chosen)
    if background == found:  # sources are not tracked: what is off, zero or empty says least
        return frozenset(key for key in found if not settings[key])
    return background


def _short(key: str) -> str:
    """Without the path of a file that has the same key as another one."""
    return key.rpartition(":")[2]


def _option(key: str) -> str:
    """What a source calls it: `report_to` is one list of several values."""
    return _INDEX.sub("", _short(key)).partition(".")[0]


def _dumped(core: Core, side: Side) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for placed in side.files.all(COMPONENTS):
        if kind_of(placed.entry.path) is RunFile.TRAINING_ARGS:
            values = values_of(core, side, placed)
            found |= {} if values is None else values.settings
    return found


def _set_names(side: Side) -> Iterator[str]:
    for text in _texts(side):
        for match in _SET.finditer(text):
            yield from (name for name in match.groups() if name)


def _texts(side: Side) -> Iterator[str]:
    """The command, and what people write: sources, and settings files that no library names."""
    yield " ".join(side.version.provenance.command)
    left, files = 8 * _MAX_SOURCE_BYTES, 0
    for placed in side.files.all([Component.ARCHITECTURE, Component.HYPERPARAMETERS]):
        path, size = placed.entry.path, placed.entry.size
        fits = size <= min(_MAX_SOURCE_BYTES, left) and placed.entry.mode is not Mode.SYMLINK
        if not path.endswith(_SOURCES) or not fits or kind_of(path) is not None:
            continue
        if placed.component is Component.ARCHITECTURE and path.endswith(".json"):
            continue  # config.json of a model, which a library writes too
        left -= size
        files += 1
        if files > _MAX_SOURCE_FILES:
            return
        yield side.read(placed.entry, size).decode("utf-8", "replace")
