"""The object `refs` as this client saw it last: the bucket is asked for it only if it has changed (BUCKET.md,
section The client's index).

One file for each bucket, below the directory of clients' indexes. It is no truth and may go at any time; one
that is damaged is none. A tag of a bucket that has another one's address says nothing there: tags are digests
of a content that never comes twice, or given out once.
"""

from __future__ import annotations

import os
from contextlib import suppress

from mvcd.disk.replace import replace_file
from mvcd.ids import Bytes
from mvcd.store.bucket.blobs import Blobs, Tag
from mvcd.store.bucket.indexrun import object_name

_FOLDER = "refs"
_HEAD = b"mvc-seen 1"


class SeenRefs:
    """What was seen of one bucket; with no directory it forgets everything."""

    def __init__(self, directory: str | None, blobs: Blobs) -> None:
        self._path: str | None = None
        if directory is not None:
            # A sealed bucket's content is kept in the clear, as its index is, and read by whoever unsealed it.
            place = f"{'sealed' if blobs.sealed else 'plain'} {blobs.url}"
            self._path = os.path.join(directory, _FOLDER, object_name(place.encode()))

    def load(self) -> tuple[bytes, Tag] | None:
        """The content and its tag."""
        if self._path is None:
            return None
        try:
            with open(self._path, "rb") as file:
                head, digest, tag, data = file.read().split(b"\n", 3)
        except (OSError, ValueError):
            return None
        if head != _HEAD or digest != _digest(tag, data):
            return None
        return data, Tag(tag.decode("ascii"))

    def keep(self, data: Bytes, tag: Tag) -> None:
        if self._path is None:
            return
        mark = tag.encode("ascii", "replace")
        if b"\n" in mark or mark.decode() != tag:
            return  # none that HTTP could carry
        content = b"\n".join([_HEAD, _digest(mark, data), mark, bytes(data)])
        with suppress(OSError):
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            replace_file(self._path, content, durable=False, secret=True)


def _digest(tag: bytes, data: Bytes) -> bytes:
    return object_name(tag + b"\n" + bytes(data)).encode()
