"""A bucket read by links, without its keys (LINKS.md): the protocol Blobs over plain HTTP, to read alone."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import NoReturn

from mvcd.errors import AuthError, Failure, IntegrityError, RemoteUnreachable
from mvcd.ids import Bytes
from mvcd.store.bucket.blobs import BlobAbsent, BlobInfo, Tag
from mvcd.store.bucket.bucketstate import REFS
from mvcd.store.bucket.httpget import Answer, HttpGetter
from mvcd.store.bucket.indexrun import object_name
from mvcd.store.bucket.links import MAGIC, Link, LinkDocument, decode_links, read_only
from mvcd.store.bucket.ranges import plan
from mvcd.store.bucket.workers import Workers

_THREADS = 8
_REFUSED = (400, 401, 403)
"""How stores answer a link that is good no longer: AWS, Ceph and Azure with 403, Google with 400."""


class LinkedBlobs:
    """What the links in the file `path` let one read. The file is read when the state is asked for."""

    sealed = False
    read_only = True

    def __init__(self, path: str, url: str, getter: HttpGetter) -> None:
        self._path = path
        self._url = url
        self._getter = getter
        self._lock = threading.Lock()
        self._known: LinkDocument | None = None
        self._source = b""  # the file's content when it was read last
        self._tag: str | None = None  # of the document, where the file names an address
        self._workers = Workers(_THREADS, "links")

    @property
    def url(self) -> str:
        return self._url

    def close(self) -> None:
        self._workers.close()

    # ------------------------------------------------------------------ reading

    def get(self, name: str) -> tuple[bytes, Tag]:
        data = self._workers.call(partial(self._whole, name, anew=name == REFS))
        return data, Tag(object_name(data))

    def get_changed(self, name: str, tag: Tag) -> tuple[bytes, Tag] | None:
        found = self.get(name)
        return None if found[1] == tag else found

    def get_ranges(self, name: str, spans: Sequence[tuple[int, int]]) -> list[bytes]:
        inside = self._links().objects.get(name)
        if inside is not None:
            return [_cut(name, inside, start, end) for start, end in spans]
        planned = plan(spans)
        return planned.cut(
            self._workers.map([partial(self._range, name, span) for span in planned.reads])
        )

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        """By no clock: when something was written is not known here."""
        links = self._links()
        sizes = {name: len(data) for name, data in links.objects.items()}
        sizes |= {name: link.size_bytes for name, link in links.links.items()}
        for name in sorted(sizes):
            if name.startswith(prefix):
                yield BlobInfo(name, sizes[name], 0)

    def _whole(self, name: str, *, anew: bool) -> bytes:
        links = self._read_anew() if anew else self._links()
        inside = links.objects.get(name)
        return self._linked(name, None).data if inside is None else inside

    def _range(self, name: str, span: tuple[int, int]) -> bytes:
        answer = self._linked(name, span)
        start, end = span
        data = (
            answer.data[start:end] if answer.status == 200 else answer.data
        )  # it ignored the range
        if answer.status == 416 or len(data) != end - start:
            raise IntegrityError(f"{name} ends before what was asked of it", kind="short-object")
        return data

    def _linked(self, name: str, span: tuple[int, int] | None) -> Answer:
        """What a link gives; where it gives nothing, what the file has meanwhile."""
        links = self._links()
        answer = self._getter.get(_link(links, name).address, span)
        if answer.status in (*_REFUSED, 404):
            newer = self._read_anew()
            if _link(newer, name) != _link(links, name):
                links, answer = newer, self._getter.get(_link(newer, name).address, span)
        if answer.status in (200, 206, 416):
            return answer
        raise self._refusal(links, answer, name)

    # ------------------------------------------------------------------ the document

    def _links(self) -> LinkDocument:
        known = self._known
        return self._read_anew() if known is None else known

    def _read_anew(self) -> LinkDocument:
        """The document as it is now. Raises Failure, IntegrityError, AuthError, RemoteUnreachable."""
        with self._lock:
            try:
                with open(self._path, "rb") as file:
                    source = file.read()
            except OSError as error:
                raise Failure(
                    f"the links in {self._path} cannot be read",
                    kind="no-such-bucket",
                    cause=(error.strerror or "").lower(),
                    help=f"mvc remote presign REMOTE --to {shlex.quote(self._path)}  "
                    "(where the keys of the bucket are)",
                ) from None
            if source.startswith(MAGIC):
                if self._known is None or source != self._source:
                    self._known, self._source, self._tag = decode_links(source), source, None
                return self._known
            return self._behind(source)

    def _behind(self, source: bytes) -> LinkDocument:
        """The document at the address that the file has. Called under the lock."""
        address = source.decode("utf-8", "replace").strip()
        before = self._tag if source == self._source else None
        answer = self._getter.get(address, unless=before)
        if answer.status == 304 and self._known is not None:
            return self._known
        if answer.status != 200:
            raise self._refusal(self._known, answer, "the document")
        self._known, self._source, self._tag = decode_links(answer.data), source, answer.tag
        return self._known

    def _refusal(self, links: LinkDocument | None, answer: Answer, name: str) -> Exception:
        """What a link that gives nothing comes to."""
        again = self._command(links)
        if answer.status == 404:
            return RemoteUnreachable(
                f"the links in {self._path} lead to what is there no longer",
                kind="links-outdated",
                cause=f"{name} was collected after they were signed",
                help=again,
            )
        if answer.status not in _REFUSED:
            return RemoteUnreachable(
                f"{self._url} cannot be reached",
                cause=f"the store answers {answer.status} {answer.code}".rstrip(),
                help="run the command again when the store has recovered",
            )
        over = links is not None and links.expires_s <= time.time()
        if over or answer.says_expired:
            until = (
                f"they were good until {links.good_until}"
                if links and over
                else "the store says so"
            )
            return AuthError(
                f"the links in {self._path} have expired",
                kind="links-expired",
                cause=until,
                help=again,
            )
        return AuthError(
            f"the store does not accept the links in {self._path}",
            kind="links-refused",
            cause=f"it answers {' '.join([str(answer.status), answer.code]).strip()}; the key that signed them"
            " may be gone, or a clock be wrong",
            help=again,
        )

    def _command(self, links: LinkDocument | None) -> str:
        asked = ["REMOTE"] if links is None else [links.bucket, *links.asked]
        words = " ".join(shlex.quote(word) for word in asked)
        return f"mvc remote presign {words} --to {shlex.quote(self._path)}  (where the keys of the bucket are)"

    # ------------------------------------------------------------------ writing

    def put(self, name: str, data: Bytes) -> None:
        self._refuse(name, data)

    def create(self, name: str, data: Bytes) -> Tag:
        self._refuse(name, data)

    def swap(self, name: str, data: Bytes, tag: Tag) -> Tag:
        self._refuse(name, data, tag)

    def delete(self, names: Iterable[str]) -> None:
        self._refuse(names)

    def signed(self, names: Sequence[str], seconds: int) -> Sequence[str]:
        self._refuse(names, seconds)

    def _refuse(self, *_: object) -> NoReturn:
        raise read_only(self._url)


def _link(links: LinkDocument, name: str) -> Link:
    try:
        return links.links[name]
    except KeyError:
        raise BlobAbsent(name) from None


def _cut(name: str, data: bytes, start: int, end: int) -> bytes:
    if end > len(data):
        raise IntegrityError(f"{name} ends before what was asked of it", kind="short-object")
    return data[start:end]
