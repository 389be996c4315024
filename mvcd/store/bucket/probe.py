"""Whether a bucket keeps what a repository counts on: found out by doing it, before anything is entrusted to
it.

Stores differ in what they honour, and some ignore a condition and answer that all went well: then the last of
two who push wins, and nobody is told. So each condition is tried where it must hold and where it must not, then
by eight writers at once. It takes some 50 calls, leaves nothing behind, and is done when a remote is added and
when a server starts.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from functools import partial

from mvcd.errors import Failure, MvcError, NotPermitted, RemoteUnreachable
from mvcd.store.bucket.addresses import open_blobs
from mvcd.store.bucket.blobs import BlobAbsent, BlobChanged, Blobs, InDoubt, Tag
from mvcd.store.bucket.failures import OTHER_STORE
from mvcd.store.bucket.options import EtagStyle

RACER_THREADS = 8
PREFIX = "probe/"
"""Begins the names of what a probe writes; a killed one leaves a few small objects below."""
_PLAIN = ("plain/a", "plain/a-b/c", "plain/a.b", "plain/b")
_NAMES = (*_PLAIN, "create", "style", "swap", "absent", "race")
_ATTEMPTS = 5

Opener = Callable[[EtagStyle], Blobs]


@dataclass(frozen=True, slots=True)
class Probed:
    """A bucket that can hold a repository. `etags` is how its tags have to be sent."""

    etags: EtagStyle
    seconds: float

    @property
    def options(self) -> Mapping[str, str]:
        """Options to record with the address."""
        return {"etags": self.etags} if self.etags != "quoted" else {}


def probe(
    url: str, options: Mapping[str, str], environment: Mapping[str, str] | None = None
) -> Probed:
    """Probes the bucket at an address. Raises NotPermitted, which says what it does not keep, and what
    `open_blobs` and every call raise: AuthError(kind="permission") for a key that may only read."""
    others = {name: value for name, value in options.items() if name != "etags"}
    return probe_with(lambda style: open_blobs(url, {**others, "etags": style}, environment))


def probe_with(opened: Opener) -> Probed:
    """Probes the bucket that `opened` opens, for tags sent in either style."""
    began = time.monotonic()
    at = f"{PREFIX}{os.urandom(8).hex()}/"
    with ExitStack() as ends:

        def open_now(style: EtagStyle) -> Blobs:
            return ends.enter_context(closing(opened(style)))

        blobs = open_now("quoted")
        ends.callback(_clean, blobs, at)
        _require_plain(blobs, at)
        _require_create(blobs, at)
        style = _style(blobs, open_now, at)
        racers = [open_now(style) for _ in range(RACER_THREADS)]
        _require_swap(racers[0], at)
        _require_one_winner(racers, at)
        _require_deletion(blobs, at)
    return Probed(style, time.monotonic() - began)


def _clean(blobs: Blobs, at: str) -> None:
    with suppress(MvcError):
        blobs.delete(at + name for name in _NAMES)


def _refused(blobs: Blobs, cause: str, kind: str = "no-conditional-writes") -> NotPermitted:
    return NotPermitted(
        f"{blobs.url} cannot hold a repository", kind=kind, cause=cause, help=OTHER_STORE
    )


def _require_plain(blobs: Blobs, at: str) -> None:
    """What is written is read and listed at once, in parts too, and names come in their order."""
    names = [at + name for name in _PLAIN]
    data = os.urandom(1000)
    for name in reversed(names):
        blobs.put(name, data)
    if any(bytes(blobs.get(name)[0]) != data for name in names):
        raise _refused(blobs, "what was written is not what is read", "not-kept")
    if b"".join(blobs.get_ranges(names[0], [(10, 20), (990, 1000)])) != data[10:20] + data[990:]:
        raise _refused(blobs, "a part of an object is not what was written there", "not-kept")
    listed = [info.name for info in blobs.list(f"{at}plain/")]
    if sorted(listed) != names:
        raise _refused(blobs, "it does not list at once what was written", "not-kept")
    if listed != names:
        raise _refused(blobs, "it does not list names in their order", "unordered")


def _require_create(blobs: Blobs, at: str) -> None:
    name, first = f"{at}create", b"first " + os.urandom(8).hex().encode()
    _surely(blobs, name, first, lambda: blobs.create(name, first))
    if _happens(blobs, name, b"second", lambda: blobs.create(name, b"second")):
        raise _refused(
            blobs, "it writes over an object on the condition that there is none (If-None-Match: *)"
        )
    if bytes(blobs.get(name)[0]) != first:
        raise _refused(blobs, "a write that it refused changed the object all the same")


def _style(blobs: Blobs, open_now: Opener, at: str) -> EtagStyle:
    """How tags are sent so that the store takes a right one for right."""
    name = f"{at}style"
    _surely(blobs, name, b"0", lambda: blobs.create(name, b"0"))
    styles: tuple[EtagStyle, ...] = ("quoted", "unquoted")
    for style in styles:
        other = open_now(style)
        tag, data = other.get(name)[1], f"1 {style}".encode()
        if _happens(other, name, data, partial(other.swap, name, data, tag)):
            return style
    raise _refused(blobs, "it refuses to replace an object whose tag is right (If-Match)")


def _require_swap(blobs: Blobs, at: str) -> None:
    name = f"{at}swap"
    _surely(blobs, name, b"0", lambda: blobs.create(name, b"0"))
    stale = blobs.get(name)[1]
    _surely(blobs, name, b"1", lambda: blobs.swap(name, b"1", stale))
    if blobs.get(name)[1] == stale:
        raise _refused(blobs, "an object that was replaced keeps its tag")
    newest = blobs.get_changed(name, stale)
    if newest is None or bytes(newest[0]) != b"1":
        raise _refused(
            blobs, "it tells of an object that was replaced that it is as before", "not-kept"
        )
    if _happens(blobs, name, b"2", lambda: blobs.swap(name, b"2", stale)):
        raise _refused(blobs, "it replaces an object though the tag is that of an earlier one")
    if bytes(blobs.get(name)[0]) != b"1":
        raise _refused(blobs, "a write that it refused changed the object all the same")
    absent = f"{at}absent"
    if _happens(blobs, absent, b"3", lambda: blobs.swap(absent, b"3", stale)):
        raise _refused(blobs, "it makes a new object where one is to be replaced (If-Match)")


def _require_one_winner(racers: list[Blobs], at: str) -> None:
    """Of eight who write under one condition one succeeds, and what it wrote is there."""
    name = f"{at}race"
    _race(racers, name, lambda blobs, data: blobs.create(name, data))
    tag = racers[0].get(name)[1]
    _race(racers, name, lambda blobs, data: blobs.swap(name, data, tag))


def _race(racers: list[Blobs], name: str, write: Callable[[Blobs, bytes], Tag]) -> None:
    barrier = threading.Barrier(len(racers))
    bodies = [f"{number} {os.urandom(8).hex()}".encode() for number in range(len(racers))]

    def run(number: int) -> bool | None:
        with suppress(threading.BrokenBarrierError):
            barrier.wait(10)
        try:
            write(racers[number], bodies[number])
        except BlobChanged:
            return False
        except InDoubt:
            return None
        return True

    with ThreadPoolExecutor(len(racers)) as pool:
        ends = list(pool.map(run, range(len(racers))))
    winners = [body for body, won in zip(bodies, ends, strict=True) if won]
    doubtful = [body for body, won in zip(bodies, ends, strict=True) if won is None]
    found = bytes(racers[0].get(name)[0])
    if len(winners) > 1:
        raise _refused(
            racers[0], f"{len(winners)} of {len(racers)} who wrote at once were told that they won"
        )
    if found not in (winners or doubtful):
        raise _refused(
            racers[0], "of several who wrote at once, one was told that it won, and another one did"
        )


def _require_deletion(blobs: Blobs, at: str) -> None:
    blobs.delete(at + name for name in _NAMES)
    with suppress(BlobAbsent):
        blobs.get(f"{at}plain/a")
        raise _refused(blobs, "what was deleted is still there", "not-kept")
    if list(blobs.list(at)):
        raise _refused(blobs, "it still lists what was deleted", "not-kept")


# ---------------------------------------------------------------------- writes whose replies may be lost


def _happens(blobs: Blobs, name: str, data: bytes, write: Callable[[], Tag]) -> bool:
    """Whether a conditional write is carried out; where its reply is lost, whether `data` is there then."""
    for _ in range(_ATTEMPTS):
        try:
            write()
        except BlobChanged:
            return False
        except InDoubt:
            with suppress(BlobAbsent):
                if bytes(blobs.get(name)[0]) == data:
                    return True
            continue
        return True
    raise RemoteUnreachable(
        f"{blobs.url} does not answer reliably",
        cause=f"{_ATTEMPTS} writes in a row had no certain outcome",
        help="run the command again when the store has recovered",
    )


def _surely(blobs: Blobs, name: str, data: bytes, write: Callable[[], Tag]) -> None:
    """A write that nothing stands against."""
    if not _happens(blobs, name, data, write) and bytes(blobs.get(name)[0]) != data:
        raise Failure(
            f"{blobs.url} refuses a write that nothing stands against",
            kind="no-conditional-writes",
            cause=f"{name} was taken for one that exists, or has changed",
            help=OTHER_STORE,
        )
