"""A bucket at whose calls something else happens: they are counted, or somebody else acts just before one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from mvcd.ids import Bytes
from mvcd.store.bucket.blobs import BlobInfo, Blobs, Tag


class Interposed:
    """The protocol Blobs over another one. `requests` counts them by call and first part of the name; a range
    is one request, as a listing is. `read_bytes` are those of contents that came."""

    def __init__(self, blobs: Blobs) -> None:
        self.below = blobs
        self.requests: Counter[str] = Counter()
        self.read_bytes = 0
        self._before: list[tuple[str, Callable[[], object]]] = []

    def before(self, what: str, action: Callable[[], object]) -> None:
        """Has `action` done once, before the next request of that sort: "swap refs", "put packs"."""
        self._before.append((what, action))

    @property
    def url(self) -> str:
        return self.below.url

    @property
    def sealed(self) -> bool:
        return self.below.sealed

    def get(self, name: str) -> tuple[bytes, Tag]:
        self._count("get", name)
        found = self.below.get(name)
        self.read_bytes += len(found[0])
        return found

    def get_changed(self, name: str, tag: Tag) -> tuple[bytes, Tag] | None:
        self._count("get", name)
        found = self.below.get_changed(name, tag)
        self.read_bytes += 0 if found is None else len(found[0])
        return found

    def get_ranges(self, name: str, spans: Sequence[tuple[int, int]]) -> list[bytes]:
        for _ in spans:
            self._count("get", name)
        self.read_bytes += sum(end - start for start, end in spans)
        return self.below.get_ranges(name, spans)

    def put(self, name: str, data: Bytes) -> None:
        self._count("put", name)
        self.below.put(name, data)

    def create(self, name: str, data: Bytes) -> Tag:
        self._count("create", name)
        return self.below.create(name, data)

    def swap(self, name: str, data: Bytes, tag: Tag) -> Tag:
        self._count("swap", name)
        return self.below.swap(name, data, tag)

    @property
    def read_only(self) -> bool:
        return self.below.read_only

    def signed(self, names: Sequence[str], seconds: int) -> Sequence[str]:
        self._count("sign", "")
        return self.below.signed(names, seconds)

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        self._count("list", prefix)
        return self.below.list(prefix)

    def delete(self, names: Iterable[str]) -> None:
        self._count("delete", "")
        self.below.delete(names)

    def close(self) -> None:
        self.below.close()

    def _count(self, call: str, name: str) -> None:
        what = f"{call} {name.partition('/')[0]}".rstrip()
        self.requests[what] += 1
        for number, (wanted, action) in enumerate(self._before):
            if wanted == what:
                del self._before[number]
                action()
                return
