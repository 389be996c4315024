"""Objects at an address in a bucket, whatever they are: for who shows them, and for who cleans up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from mvc.api.credentials import kept_for
from mvcd.errors import UsageError
from mvcd.store.stores import is_bucket, objects_in_bucket, remove_from_bucket


@dataclass(frozen=True, slots=True)
class BucketUse:
    """Objects of one sort, and their bytes."""

    objects: int
    bytes: int


def bucket_use(url: str) -> dict[str, BucketUse]:
    """Counts objects below an address, by the first part of their names: `packs`, `runs`, `refs`; none where
    nothing is. Raises UsageError for what is no address of a bucket, and what reading one raises."""
    if not is_bucket(url):
        raise UsageError(
            f"{url} is not the address of a bucket",
            help="such as s3://bucket/name, bucket+file:///srv/name",
        )
    counts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for name, size in objects_in_bucket(url, kept_for(url)):
        sort = name.partition("/")[0]
        counts[sort] += 1
        sizes[sort] += size
    return {sort: BucketUse(count, sizes[sort]) for sort, count in counts.items()}


def empty_bucket(url: str) -> None:
    """Removes all that is below an address. Raises what writing a bucket raises."""
    remove_from_bucket(url, kept_for(url))
