"""Stores by their address: the one place outside an implementation that knows which there are.

An address is a directory of a local disk, where a `LmdbStore` is (FORMAT.md), or that of a bucket, with a
scheme, where a `BucketStore` is (bucket/BUCKET.md).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import field

from mvcd.errors import MvcError, UsageError
from mvcd.ids import Digest
from mvcd.lateclasses import dataclass
from mvcd.store.api import LookedStore, ObjectReader, Store
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.pack import OPEN_FILES


@dataclass(frozen=True, slots=True)
class SignedLinks:
    """What was signed. `file` is what a file of links has to hold: a secret."""

    objects: int
    packs: int
    pack_bytes: int
    file: bytes = field(repr=False)


def open_store(
    address: str | os.PathLike[str],
    *,
    as_it_is: bool = False,
    cached: bool = False,
    pack_files: int = OPEN_FILES,
) -> Store:
    """The store at an address, with what killed writers left made visible before anybody asks what is there.

    With `as_it_is` nothing is salvaged before the first session: for who only looks. What cannot be salvaged
    now, on a full disk say, does not keep anybody from reading; the first session tries again, and tells. For
    `cached`, `pack_files` and what is raised see `LmdbStore.open`. A bucket is opened like by `open_bucket`.
    """
    if is_bucket(address):
        return open_bucket(os.fspath(address), {})
    store = LmdbStore.open(address, cached=cached, pack_files=pack_files)
    if as_it_is:
        return store
    try:
        store.salvage()
    except (MvcError, OSError):
        # A write that failed may have shut the index, and a store that tried once does not try again.
        store.close()
        return LmdbStore.open(address, cached=cached, pack_files=pack_files)
    except BaseException:
        with suppress(Exception):
            store.close()
        raise
    return store


def create_store(
    address: str | os.PathLike[str], *, group: bool = False, id: str | None = None
) -> Store:
    """A new, empty store at an address. With `group`, people of its directory's group may write it too; in a
    directory `id` may be that of another store, which it is to take over. Raises Failure where there is one
    already, or where none can be (`LmdbStore.create`)."""
    if is_bucket(address):
        from mvcd.store.bucket.bucketopening import create_store_in  # late: start-up

        return create_store_in(os.fspath(address))
    return LmdbStore.create(address, group=group, id=id)


# ---------------------------------------------------------------------- buckets


def is_bucket(address: str | os.PathLike[str]) -> bool:
    """Whether an address is that of a bucket."""
    text = os.fspath(address)
    return isinstance(text, str) and "://" in text


def open_bucket(
    url: str,
    options: Mapping[str, str],
    *,
    nearby: ObjectReader | None = None,
    begin: bool = False,
    tell: Callable[[str], object] | None = None,
) -> Store:
    """The store in a bucket; with `begin` also one that is not there yet, and is made by its first write.

    Of the options, `cache` is the directory of this client's indexes, `grace` the seconds, or 2h, 30d, that a
    collection leaves things alone, `identity` the file of a private key; with `encrypt` only a sealed bucket
    will do. Others are the bucket's (bucket/options.py), and what is none of these is left out of account. A
    bucket in which a store is to begin is probed before. What `nearby` has too is read from there; `tell` hears
    that the bucket does not answer.
    Raises Failure(kind="no-store"), UsageError, RemoteUnreachable, AuthError, NotPermitted.
    """
    from mvcd.store.bucket.bucketopening import open_store_in  # late: start-up

    return open_store_in(url, options, nearby=nearby, begin=begin, tell=tell)


def beginning(store: Store) -> Callable[[], object] | None:
    """What makes a store that `open_bucket` began and that is not in its bucket yet; None for one that is.
    Called, it raises Conflict where somebody else was faster."""
    from mvcd.store.bucket.bucket_store import BucketStore  # late: start-up

    if not isinstance(store, BucketStore) or store.head.born:
        return None
    return lambda: store.change(lambda state: state)


def probe_bucket(
    url: str, options: Mapping[str, str], tell: Callable[[str], object] | None = None
) -> None:
    """Finds out whether a repository is in a bucket, or can be (bucket/probe.py). `tell` hears that the bucket
    does not answer. Raises NotPermitted where it does not keep what one counts on, and what reading and writing
    raise."""
    from mvcd.store.bucket.bucketopening import look_into  # late: start-up

    look_into(url, options, tell)


def is_sealed(store: Store) -> bool:
    """Whether a store lies in a bucket whose objects are encrypted."""
    from mvcd.store.bucket.bucket_store import BucketStore  # late: start-up

    return isinstance(store, BucketStore) and store.blobs.sealed


def seal_bucket(url: str, options: Mapping[str, str], recipients: Sequence[str]) -> bool:
    """Seals an empty bucket to recipients, or gives a sealed one these instead (bucket/SEALED.md). Returns True
    for the former. Raises Failure(kind="not-empty"), Conflict, UsageError, AuthError, and as `open_bucket`."""
    from mvcd.store.bucket.bucketopening import seal_store_in  # late: start-up

    return seal_store_in(url, options, recipients)


def sign_links(
    store: Store,
    asked: Sequence[str],
    refs: Mapping[str, bytes],
    ids: Iterable[Digest],
    *,
    now_s: int,
    seconds: int,
    publish: bool,
) -> SignedLinks:
    """Signs links by which anybody reads these objects of a store in a bucket, and finds these refs, for so
    many seconds (bucket/LINKS.md). With `publish`, what was signed lies in the bucket, and the file has a link
    to it. Raises UsageError, Failure(kind="not-supported") where there are none."""
    from mvcd.store.bucket import linksigning  # late: start-up
    from mvcd.store.bucket.bucket_store import BucketStore
    from mvcd.store.bucket.links import encode_links

    if not isinstance(store, BucketStore):
        raise UsageError("only what lies in a bucket can be signed")
    signed = linksigning.sign_view(store, asked, refs, ids, now_s=now_s, seconds=seconds)
    file = (
        f"{linksigning.publish(store, signed, seconds)}\n".encode()
        if publish
        else encode_links(signed.document)
    )
    return SignedLinks(signed.objects, signed.packs, signed.pack_bytes, file)


def open_served(
    url: str,
    options: Mapping[str, str],
    *,
    begin: str | None = None,
    probed: bool = False,
    id: str | None = None,
) -> LookedStore:
    """The store in a bucket, for a server that has it open beside other servers; like `open_bucket` otherwise.

    With `begin`, the address of the root that it lies below, it is made where there is none: one, also when
    several do that at once. The bucket is probed before, unless its options are known to be good (`probed`).
    Then `id` is that of another store, which the new one is to take over.
    """
    from mvcd.store.bucket.bucketopening import open_served_in  # late: start-up

    return open_served_in(url, options, begin=begin, probed=probed, id=id)


def objects_in_bucket(url: str, options: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """Names and bytes of all objects below an address, in order; what is on its way there is none. Raises what
    reading a bucket raises."""
    from mvcd.store.bucket.bucketopening import objects_in  # late: start-up

    return objects_in(url, options)


def remove_from_bucket(url: str, options: Mapping[str, str]) -> None:
    """Removes all that is below an address, whatever it is. Raises what writing a bucket raises."""
    from mvcd.store.bucket.bucketopening import remove_all  # late: start-up

    remove_all(url, options)


def trim_indexes(directory: str, most_bytes: int) -> None:
    """Removes clients' indexes of buckets below a cache directory, the longest unused first, until the others
    have no more bytes than that. One that somebody has open is of use to them to the end."""
    from mvcd.store.bucket.runindex import trim  # late: start-up

    trim(directory, most_bytes)
