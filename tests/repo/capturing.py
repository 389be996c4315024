"""Taking files of a bench as the daemon does, in one call, and making a version of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping

from mvcd.repo.change.captured import SavedCapture
from mvcd.repo.change.captures import Capture, Captures, TakenSet
from mvcd.repo.ondisk.statcache import FileStat
from tests.support.workspace import Bench


def stat(bench: Bench, path: str) -> FileStat:
    return FileStat.of(os.lstat(bench.path(path)))


def take(
    bench: Bench,
    *paths: str,
    gone: Collection[str] = (),
    in_place: Collection[str] = (),
    rewritten: Collection[str] = (),
) -> Capture:
    """A queued capture of one set for each path, with what is gone."""
    captures = Captures(str(bench.root))
    head, base = bench.repo.head_value(), bench.repo.head.version
    number = 1 + max((queued.number for queued in captures.queued()), default=0)
    capture = Capture(number, 7_000_000, head, base, author="Ada")
    sets = [(TakenSet(path, sure=True), {path: stat(bench, path)}) for path in paths]
    sets.append((TakenSet("", gone=tuple(gone)), {}))
    capture = captures.hold(capture, sets, in_place=in_place, rewritten=rewritten)
    captures.queue(capture)
    return capture


def save(
    bench: Bench, capture: Capture, *, confirm: Callable[[], Mapping[str, str]] = dict
) -> SavedCapture:
    return bench.repo.save_capture(
        Captures(str(bench.root)),
        capture,
        context=bench.context(),
        describe=lambda diff: " ".join(
            p for c in diff.components.values() for p in (*c.added, *c.modified, *c.deleted)
        ),
        confirm=confirm,
    )
