"""Stores in buckets, opened and made by their address and options."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import TypeVar

from mvcd.disk.directories import make_directories
from mvcd.errors import Failure, RemoteUnreachable, UsageError
from mvcd.store.api import ObjectReader
from mvcd.store.bucket.addresses import directory_of, is_links, open_blobs
from mvcd.store.bucket.blobs import Blobs
from mvcd.store.bucket.bucket_store import GRACE_SECONDS, BucketStore
from mvcd.store.bucket.bucketseal import has_key, seal, unsealed
from mvcd.store.bucket.directory import PENDING
from mvcd.store.bucket.links import read_only
from mvcd.store.bucket.options import NAMES
from mvcd.store.bucket.probe import probe
from mvcd.store.bucket.served import ServedStore
from mvcd.store.bucket.silence import Tell, ToldBlobs
from mvcd.store.bucket.swapping import StateHead

S = TypeVar("S", bound=BucketStore)

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def open_store_in(
    url: str,
    options: Mapping[str, str],
    *,
    nearby: ObjectReader | None = None,
    begin: bool = False,
    tell: Tell | None = None,
) -> BucketStore:
    """See `stores.open_bucket`."""
    return _as_it_says(
        lambda used: _opened(url, used, options, nearby, tell, begin=begin), _of_buckets(options)
    )


def open_served_in(
    url: str, options: Mapping[str, str], *, begin: str | None, probed: bool, id: str | None
) -> ServedStore:
    """See `stores.open_served`."""
    return _as_it_says(
        lambda used: _served(url, used, options, begin, probed=probed, id=id), _of_buckets(options)
    )


def _as_it_says(open: Callable[[Mapping[str, str]], S], used: Mapping[str, str]) -> S:
    """A store opened with the options that it says itself how to be reached; they come before those given."""
    while True:
        store = open(used)
        told = store.state.options
        if all(used.get(name) == value for name, value in told.items()):
            return store
        used = {**used, **told}
        store.close()


def _served(
    url: str,
    used: Mapping[str, str],
    options: Mapping[str, str],
    begin: str | None,
    *,
    probed: bool,
    id: str | None,
) -> ServedStore:
    if begin is not None:
        _make_below(begin, url)
    seconds, cache = _grace(options), options.get("cache")
    blobs = open_blobs(url, used)
    try:
        return ServedStore.open(blobs, cache=cache, grace_seconds=seconds)
    except Failure as error:
        blobs.close()
        if begin is None or error.kind != "no-store":
            raise
    except BaseException:
        blobs.close()
        raise
    found = used if probed else probe(url, used).options
    return ServedStore.born(
        lambda: open_blobs(url, {**used, **found}),
        {name: value for name, value in found.items() if name == "etags"},
        cache=cache,
        grace_seconds=seconds,
        id=id,
    )


def create_store_in(url: str) -> BucketStore:
    """A new, empty store in a bucket, which is probed before."""
    _make_directory(url)
    if _is_store(url, {}):
        raise Failure(f"{url} holds a store already", kind="store-exists")
    found = probe(url, {}).options
    return BucketStore.create(open_blobs(url, found), options=found)


def seal_store_in(url: str, options: Mapping[str, str], recipients: Sequence[str]) -> bool:
    """See `stores.seal_bucket`."""
    if is_links(url):
        raise read_only(url)
    _make_directory(url)
    used = _of_buckets(options)
    try:
        with open_store_in(url, {n: v for n, v in options.items() if n != "encrypt"}) as store:
            used |= store.state.options
    except Failure as error:
        if error.kind != "no-store":
            raise
        used |= probe(url, used).options
    with closing(open_blobs(url, used)) as blobs:
        return seal(blobs, recipients, options.get("identity"))


def objects_in(url: str, options: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """See `stores.objects_in_bucket`."""
    path = directory_of(url)
    if path is not None and not os.path.isdir(path):
        return
    with closing(open_blobs(url, _of_buckets(options))) as blobs:
        for one in blobs.list(""):
            if path is None or PENDING not in one.name.split("/"):
                yield one.name, one.size_bytes


def remove_all(url: str, options: Mapping[str, str]) -> None:
    """See `stores.remove_from_bucket`."""
    path = directory_of(url)
    if path is not None:
        shutil.rmtree(path, ignore_errors=True)
        return
    with closing(open_blobs(url, _of_buckets(options))) as blobs:
        blobs.delete([one.name for one in blobs.list("")])


def look_into(url: str, options: Mapping[str, str], tell: Tell | None = None) -> None:
    """See `stores.probe_bucket`."""
    used = _of_buckets(options)
    _grace(options)
    path = directory_of(url)
    if path is not None and not os.path.lexists(path):
        if not os.path.isdir(above := os.path.dirname(path)):
            raise RemoteUnreachable(
                f"{url} cannot be reached",
                cause=f"{above} is not there, or the file system that has it is not mounted",
                help=f"mkdir -p {shlex.quote(above)}",
            )
        return  # the first push makes it, and probes it then
    if is_links(url):
        with closing(open_blobs(url, used)) as blobs:
            StateHead.read(blobs)
        return
    if not _is_store(url, used, tell):
        probe(url, used)


def _opened(
    url: str,
    used: Mapping[str, str],
    options: Mapping[str, str],
    nearby: ObjectReader | None,
    tell: Tell | None,
    *,
    begin: bool,
) -> BucketStore:
    if begin and is_links(url):
        raise read_only(url)
    if begin:
        _make_directory(url)
    seconds = _grace(options)
    blobs = _told(open_blobs(url, used), tell)

    def opened(begin: Mapping[str, str] | None) -> BucketStore:
        return BucketStore.open(
            blobs, cache=options.get("cache"), grace_seconds=seconds, nearby=nearby, begin=begin
        )

    try:
        if options.get("encrypt") == "true":
            blobs = unsealed(blobs, options.get("identity"))
        try:
            return opened(None)
        except Failure as error:
            if error.kind == "sealed":
                blobs = unsealed(blobs, options.get("identity"))
                return opened(None)
            if not begin or error.kind != "no-store":
                raise
        if not blobs.sealed and has_key(blobs):  # and nothing was pushed to it yet
            blobs = unsealed(blobs, options.get("identity"))
        return opened(probe(url, used).options)
    except BaseException:
        blobs.close()
        raise


def _told(blobs: Blobs, tell: Tell | None) -> Blobs:
    return blobs if tell is None else ToldBlobs(blobs, tell)


def _is_store(url: str, used: Mapping[str, str], tell: Tell | None = None) -> bool:
    with closing(_told(open_blobs(url, used), tell)) as blobs:
        try:
            return StateHead.read(blobs) is not None
        except Failure as error:
            if error.kind != "sealed":
                raise
            return True


def _of_buckets(options: Mapping[str, str]) -> dict[str, str]:
    """Those options that say how a bucket is reached."""
    return {name: value for name, value in options.items() if name in NAMES}


def _make_directory(url: str) -> None:
    """The last directory of one on a file system. What is above it has to be there: otherwise it may only not
    be mounted."""
    path = directory_of(url)
    if path is not None and os.path.isdir(os.path.dirname(path)) and not os.path.lexists(path):
        make_directories(path)


def _make_below(root: str, url: str) -> None:
    """Makes the directories of an address below a root: the root's own last one too, and none above it."""
    top, path = directory_of(root), directory_of(url)
    if top is not None and path is not None and os.path.isdir(os.path.dirname(top)):
        make_directories(path, 0o700)


def _grace(options: Mapping[str, str]) -> float:
    grace = options.get("grace")
    return GRACE_SECONDS if grace is None else _seconds(grace)


def _seconds(text: str) -> float:
    """Seconds of a time such as 90, 12h or 30d. Raises UsageError."""
    number, unit = text[:-1], text[-1:]
    if text.isdigit():
        return float(text)
    if not number.isdigit() or unit not in _UNITS:
        raise UsageError(f"{text!r} is no time of grace", help="such as 12h, 1d or 0s")
    return float(int(number) * _UNITS[unit])
