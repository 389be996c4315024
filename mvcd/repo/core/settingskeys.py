"""The tables and keys of `mvc.toml`: a name that is none of them is a mistake, told with the nearest one.

What values may be is for those who read a table to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mvcd.errors import Failure
from mvcd.inspect.direction import Direction
from mvcd.objects.version import Component
from mvcd.repo.contents.digests import DigestAlgorithm
from mvcd.repo.core.configkeys import nearest

FREE = frozenset[str]()
"""Marks a table whose keys are the user's own."""
STAGE_RULES = frozenset({"require", "signed"})
TABLES: Mapping[str, frozenset[str]] = {
    "components": frozenset(Component),
    "metrics": frozenset({*Direction, "main"}),
    "retention": frozenset("keep_all hourly daily weekly keep_last best min_copies grace".split()),
    "bases": FREE,
    "links": frozenset({"follow"}),
    "digests": frozenset(DigestAlgorithm),
    "watch": frozenset("settle max_wait min_interval poll max_size include exclude sets".split()),
    "ignore": frozenset({"gitignore"}),
    "stages": FREE,
}


def unknown_keys(settings: Mapping[str, Any]) -> Iterator[str]:
    """What is written in the file and means nothing, each in words."""
    for name, table in settings.items():
        if name not in TABLES:
            yield _said(f"[{name}]" if isinstance(table, dict) else name, name, TABLES, "[{}]")
        elif name == "stages" and isinstance(table, dict):
            for stage, rules in table.items():
                yield from _unknown_in(f"stages.{stage}", rules, STAGE_RULES)
        else:
            yield from _unknown_in(name, table, TABLES[name])


def require_known(settings: Mapping[str, Any], where: str) -> None:
    """Raises Failure(kind="bad-config") for the first unknown key of the file `where`."""
    for said in unknown_keys(settings):
        raise Failure(
            f"{where}: {said}",
            kind="bad-config",
            help=f"correct {where}; docs/guide/settings.md lists its tables",
        )


def _unknown_in(name: str, table: object, keys: frozenset[str]) -> Iterator[str]:
    if not isinstance(table, dict) or not keys:
        return  # no table, which its reader refuses; or one whose keys are free
    for key in table:
        if key not in keys:
            yield _said(f"{key!r} in [{name}]", key, keys, "{}")


def _said(what: str, name: str, names: Mapping[str, object] | frozenset[str], form: str) -> str:
    near = nearest(name, sorted(names))
    hint = f"did you mean {form.format(near)}?" if near else f"there are {', '.join(sorted(names))}"
    return f"{what} means nothing; {hint}"
