"""The versioned settings of a workspace: `mvc.toml` at its root.

[components]
weights = ["runs/**/ckpt-*"]     # globs that come before the built-in rules, per component

[metrics]
higher = ["*margin*"]            # what is better; the same for lower, and neither
main = "metrics.json"            # whose names are short where several files have them (recording.py)

[bases]
"tunes/*" = "base/"              # what fine-tunes were made from: PATH or REV:PATH (bases/stated.py)

[links]
follow = ["data"]                # links to directories that are saved as directories (linked.py)

[ignore]
gitignore = true                 # what .gitignore leaves out stays out, beside .mvcignore (ignore.py)

[digests]
sha256 = true                    # commit computes it too, beside ours; md5 and git-sha1 as well (digests.py)

[stages.production]              # what a version needs to be promoted to it (gate.py)
require = ["val_acc>=0.93"]
signed = true
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mvcd.errors import Failure
from mvcd.objects.tree import Fetch
from mvcd.objects.version import Version
from mvcd.repo.contents.files import ABSENT, VersionFiles, read_entry

if TYPE_CHECKING:
    from mvcd.inspect.components import ComponentRules
    from mvcd.inspect.direction import MetricRules
    from mvcd.repo.bases import stated
    from mvcd.repo.contents.digests import DigestAlgorithm
    from mvcd.repo.core.core import Core
    from mvcd.repo.workspace.ignore import IgnoreRules
    from mvcd.repo.workspace.linked import Follow

FILE = "mvc.toml"
MAX_SETTINGS_BYTES = 1 << 20
"""Bytes. It comes with clones; nobody writes a thousand lines of it."""


Settings = Mapping[str, Any]
"""The parsed file, empty where there is none."""


def load(root: str) -> Settings:
    """Reads the file of a workspace. Raises Failure when it cannot be understood."""
    return load_file(os.path.join(root, FILE))


def load_file(path: str) -> Settings:
    """Reads a file that is to be one of settings. Raises Failure when it cannot be understood."""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_SETTINGS_BYTES + 1)
    except FileNotFoundError:
        return {}
    return parse(data, path)


def load_version(version: Version, fetch: Fetch) -> Settings:
    """Reads the file that a version has; none where its content is not here. Raises Failure when it cannot be
    understood."""
    try:
        placed = VersionFiles(version, fetch).find(FILE)
        if placed is None:
            return {}
        too_large = placed.entry.size > MAX_SETTINGS_BYTES
        data = bytes(MAX_SETTINGS_BYTES + 1) if too_large else read_entry(placed.entry, fetch)
    except ABSENT:
        return {}
    return parse(data, f"the version's {FILE}")


def current(core: Core) -> Settings:
    """Reads those of the workspace; of HEAD's version where there is none. Raises Failure like both."""
    if core.place.bare:
        return load_version(core.version(core.head().version), core.store.get)
    return load(core.root)


def parse(data: bytes, where: str) -> Settings:
    """Raises Failure, which says `where` the bytes are, when they cannot be understood."""
    import tomllib  # late: start-up

    try:
        if len(data) > MAX_SETTINGS_BYTES:
            raise ValueError(f"it is larger than {MAX_SETTINGS_BYTES >> 20} MiB")
        return tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:  # no UTF-8 and no TOML are ValueErrors
        raise Failure(f"cannot read {where}", kind="bad-config", cause=str(error)) from None


def component_rules(settings: Settings) -> ComponentRules:
    """The built-in rules, overridden by the workspace's own. Raises Failure on a bad table."""
    from mvcd.inspect.components import ComponentRules  # late: start-up

    overrides = settings.get("components")
    rules = ComponentRules.default()
    if overrides is None:
        return rules
    try:
        return rules.with_overrides(overrides)
    except (ValueError, TypeError, AttributeError) as error:
        raise _wrong("components", 'weights = ["ckpt/**"]', str(error)) from None


def followed_links(settings: Settings) -> Follow | None:
    """Which links are followed; None if none is. Raises Failure."""
    from mvcd.repo.workspace.linked import rule  # late: start-up

    table = settings.get("links")
    if table is None:
        return None
    globs = table.get("follow", []) if isinstance(table, dict) else None
    if not isinstance(globs, list) or not all(isinstance(g, str) and g for g in globs):
        raise _wrong("links", 'follow = ["data"]')
    return rule(globs)


def top_rules(settings: Settings) -> IgnoreRules:
    """What is left out before any ignore file is looked at, and which of these count. Raises Failure."""
    from mvcd.repo.workspace.ignore import IgnoreRules  # late: start-up

    table = settings.get("ignore", {})
    git = table.get("gitignore", False) if isinstance(table, dict) else None
    if not isinstance(git, bool):
        raise _wrong("ignore", "gitignore = true")
    return IgnoreRules.top(git=git)


def metric_rules(settings: Settings) -> MetricRules:
    """The built-in rules of what is better, overridden by the workspace's own. Raises Failure."""
    from mvcd.inspect.direction import MetricRules  # late: start-up

    table = settings.get("metrics")
    if table is None:
        return MetricRules.default()
    try:
        return MetricRules.of(table)
    except (ValueError, TypeError, AttributeError) as error:
        raise _wrong("metrics", 'lower = ["*distance*"]', str(error)) from None


def main_metrics(settings: Settings) -> tuple[str, ...]:
    """Globs of the files whose metrics have the short names, first things first. Raises Failure."""
    table = settings.get("metrics")
    found = table.get("main", []) if isinstance(table, dict) else []
    globs = [found] if isinstance(found, str) else found
    if not isinstance(globs, list) or not all(isinstance(g, str) and g for g in globs):
        raise _wrong("metrics", 'main = "metrics.json"', "main must be a path or a list of paths")
    return tuple(globs)


def stated_bases(settings: Settings) -> tuple[stated.StatedBase, ...]:
    """Where the bases of fine-tunes are. Raises Failure."""
    if "bases" not in settings:
        return ()
    from mvcd.repo.bases import stated  # late: start-up

    try:
        return stated.parse(settings["bases"])
    except ValueError as error:
        raise _wrong("bases", '"tunes/*" = "v3:model/"', str(error)) from None


def wanted_digests(settings: Settings) -> tuple[DigestAlgorithm, ...]:
    """The digests that a commit computes of each file that it reads. Raises Failure."""
    from mvcd.repo.contents.digests import DigestAlgorithm  # late: start-up

    table = settings.get("digests", {})
    known = set(DigestAlgorithm)
    if not isinstance(table, dict) or not all(type(asked) is bool for asked in table.values()):
        raise _wrong("digests", "sha256 = true")
    if unknown := sorted(table.keys() - known):
        cause = f"no digest is called {unknown[0]!r}; there are {', '.join(DigestAlgorithm)}"
        raise _wrong("digests", "sha256 = true", cause)
    return tuple(DigestAlgorithm(name) for name in sorted(table) if table[name])


def _wrong(table: str, example: str, cause: str | None = None) -> Failure:
    return Failure(
        f"the [{table}] table of {FILE} is wrong",
        kind="bad-config",
        cause=cause,
        help=f"write it like: {example}",
    )
