"""YAML 1.2 as plain values, in bounded time and memory.

ruamel.yaml's pure parser delivers events, one at a time; what is built from them is decided here:

* Plain scalars follow the core schema of YAML 1.2.2, section 10.3.2: `1e-3` is a number; `no`, `on`, `12:30`,
  `2024-01-01` and `1_000` are text. PyYAML, and ruamel with libyaml, differ; so the same file would give other
  hyperparameters on another machine.
* A tag that names something of a program is a value: `!!python/name:torch.optim.adam.Adam ''`, as Lightning
  writes classes, is the text `torch.optim.adam.Adam`, and an object of Python or of a program's own tag
  (`!Model`) has its tag under the key `class`, but for containers like `argparse.Namespace`. Other tags are
  ignored but for `!!str`. Nothing is ever imported or called.
* An alias is the very value that its anchor built, never a copy: a "billion laughs" file stays small here, and
  `values.flatten` bounds the walk over it. Merge keys (`<<`) copy, so their copies count as nodes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

MAX_CHARACTERS = 256 << 10
"""The parser is pure Python and reads about 200 KB a second; a larger file would hold a commit up."""

MAX_NODES = 100_000
MAX_LEVELS = 64

_WORDS: Mapping[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_NUMBERS: Sequence[tuple[re.Pattern[str], Callable[[str], int | float]]] = (
    (re.compile(r"[-+]?[0-9]+"), int),
    (re.compile(r"0o[0-7]+"), lambda text: int(text[2:], 8)),
    (re.compile(r"0x[0-9a-fA-F]+"), lambda text: int(text, 16)),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
    (re.compile(r"[-+]?\.(inf|Inf|INF)"), lambda text: float(text.replace(".", ""))),
)
_LONGEST_NUMBER_CHARACTERS = 100
"""Characters; whatever is longer has not come from a number of 64 bits."""

_MERGE = "<<"
_NAMED = re.compile(
    r"tag:yaml\.org,2002:python/(?:name|module|object(?:/\w+)?):(.+)|(![^!].*)", re.DOTALL
)
_LONGEST_TAG_CHARACTERS = 500
_CONTAINERS = frozenset(
    """argparse.Namespace types.SimpleNamespace collections.OrderedDict collections.defaultdict builtins.dict
    builtins.list lightning_fabric.utilities.data.AttributeDict lightning.fabric.utilities.data.AttributeDict
    pytorch_lightning.utilities.parsing.AttributeDict omegaconf.dictconfig.DictConfig
    easydict.EasyDict""".split()
)
"""Objects that say nothing but what is in them."""


def load(text: str) -> Any:
    """The only document of `text`: dicts with text keys, lists and scalars; None when there is none.

    A mapping's key keeps the spelling it has in the file (`true`, `0x10`); of keys written twice the last
    counts. Values may be shared, and contain themselves. Raises ValueError.
    """
    from ruamel.yaml import YAML  # late: start-up
    from ruamel.yaml.error import YAMLError

    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"YAML of more than {MAX_CHARACTERS >> 10} KiB")
    builder = _Builder()
    try:
        builder.build(YAML(typ="safe", pure=True).parse(text))
    except YAMLError as error:
        raise ValueError(_why(error)) from error
    return builder.document


def _why(error: Exception) -> str:
    """Returns what is wrong and in which line, where the parser says so."""
    problem, mark = getattr(error, "problem", None), getattr(error, "problem_mark", None)
    if problem and mark is not None:
        return f"line {mark.line + 1}: {problem}".split("\n", 1)[0]
    return str(error).split("\n", 1)[0]


class _Builder:
    def __init__(self) -> None:
        self.document: Any = None
        self._documents = 0
        self._nodes = 0
        self._open: list[Any] = []  # dicts and lists not ended yet, outermost first
        self._keys: list[str | None] = []  # for each of them the key that awaits its value
        self._merges: dict[int, list[Any]] = {}  # what `<<` named, by id of the open dict
        self._anchors: dict[str, Any] = {}

    def build(self, events: Iterable[Any]) -> None:
        for event in events:
            match type(event).__name__:
                case "DocumentStartEvent":
                    self._documents += 1
                    if self._documents > 1:
                        raise ValueError("more than one document")
                case "ScalarEvent":
                    self._value(_scalar(event), event.anchor, spelling=event.value)
                case "AliasEvent":
                    if event.anchor not in self._anchors:
                        raise ValueError(f"unknown alias {event.anchor}")
                    self._value(self._anchors[event.anchor], None)
                case "MappingStartEvent":
                    self._start({}, event.anchor, _named(event))
                case "SequenceStartEvent":
                    self._start([], event.anchor, _named(event))
                case "MappingEndEvent" | "SequenceEndEvent":
                    self._end()

    def _start(self, container: Any, anchor: str | None, named: str | None) -> None:
        placed = container
        if named is not None and isinstance(container, dict):
            container["class"] = named
        elif named is not None:
            placed = {"class": named, "args": container}
        self._value(placed, anchor)
        if len(self._open) >= MAX_LEVELS:
            raise ValueError(f"nested deeper than {MAX_LEVELS}")
        self._open.append(container)
        self._keys.append(None)

    def _value(self, value: Any, anchor: str | None, spelling: str | None = None) -> None:
        self._count(1)
        if anchor is not None:
            self._anchors[anchor] = value
        if not self._open:
            self.document = value
            return
        target = self._open[-1]
        if isinstance(target, list):
            target.append(value)
            return
        key = self._keys[-1]
        if key is None:
            if spelling is None and isinstance(value, (dict, list)):
                raise ValueError("a key that is no scalar")
            self._keys[-1] = str(value) if spelling is None else spelling
            return
        self._keys[-1] = None
        if key == _MERGE:
            self._merges.setdefault(id(target), []).append(value)
        else:
            target[key] = value

    def _end(self) -> None:
        self._keys.pop()
        ended = self._open.pop()
        for source in self._merges.pop(id(ended), []):
            self._merge(ended, source)

    def _merge(self, target: dict[str, Any], source: Any) -> None:
        """Adds what `target` has not; of several sources the first wins (yaml.org/type/merge)."""
        for table in source if isinstance(source, list) else [source]:
            if not isinstance(table, dict):
                raise ValueError("merge of something that is no mapping")
            self._count(1 + len(table))
            for key, value in table.items():
                target.setdefault(key, value)

    def _count(self, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise ValueError(f"more than {MAX_NODES:,} values")


def _named(event: Any) -> str | None:
    """What a tag names, if it is of a program."""
    match = _NAMED.fullmatch(str(event.tag)[:_LONGEST_TAG_CHARACTERS]) if event.tag else None
    named = None if match is None else match[1] or match[2]
    return None if named in _CONTAINERS else named


def _scalar(event: Any) -> Any:
    """A ruamel.yaml ScalarEvent's value by the core schema. Quoted and block scalars are text."""
    text: str = event.value
    if not text and (named := _named(event)) is not None:
        return named
    if event.style or str(event.tag).endswith(":str") or len(text) > _LONGEST_NUMBER_CHARACTERS:
        return text
    for pattern, number in _NUMBERS:
        if pattern.fullmatch(text):
            return number(text)
    return _WORDS.get(text, text)
