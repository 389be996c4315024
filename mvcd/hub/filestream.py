"""Bytes of a stored file as an HTTP answer: whole or a range, decoded while it is sent, never written out.

Tasks of 4 MiB are decoded by the threads of the site, AHEAD_PARTS of them before they are needed; so an answer
holds some 12 MiB, whatever the size of the file. A client that stops reading for SEND_SECONDS loses the answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import islice

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mvcd.errors import MvcError
from mvcd.hub.lookups import AskedRepo
from mvcd.objects.entry import Entry
from mvcd.objects.recipe import Part
from mvcd.repo.contents.files import content_parts
from mvcd.repo.contents.wholefiles import decoded, tasks

log = logging.getLogger(__name__)

AHEAD_PARTS = 2
"""Tasks decoded before they are needed."""
SEND_SECONDS = 60.0
"""Seconds that a client may leave a piece unread."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes `start` to `stop` of a file."""

    start: int
    stop: int


def asked_range(header: str | None, size: int) -> ByteRange | None:
    """The one range that a header asks for; None for the whole, also where it asks for several, which a server
    may ignore (RFC 9110, section 14.2). Raises ValueError for one that the file does not have."""
    if header is None or not header.startswith("bytes=") or "," in header:
        return None
    first, dash, last = header.removeprefix("bytes=").strip().partition("-")
    if not dash or not (first.isdecimal() or first == "") or not (last.isdecimal() or last == ""):
        return None
    if first == "" and last == "":
        return None
    if first == "":
        start, stop = max(0, size - int(last[:20])), size
    else:
        start, stop = int(first[:20]), min(size, int(last[:20]) + 1) if last else size
        if last and int(last[:20]) < start:
            return None
    if start >= size or start >= stop:
        raise ValueError(header)
    return ByteRange(start, stop)


class FileAnswer(Response):
    """The answer. Where something is damaged the connection ends there, and the client knows by the length."""

    def __init__(
        self,
        asked: AskedRepo,
        entry: Entry,
        headers: Mapping[str, str],
        part: ByteRange | None,
        *,
        head: bool,
    ) -> None:
        start, stop = (0, entry.size) if part is None else (part.start, part.stop)
        told = {**headers, "accept-ranges": "bytes", "content-length": str(stop - start)}
        if part is not None:
            told["content-range"] = f"bytes {start}-{stop - 1}/{entry.size}"
        self._told = [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in told.items()]
        self._entry, self._contents, self._head = entry, asked.core.contents, head
        self._pool = asked.site.readers
        self._start, self._stop = start, stop
        self.status_code = 200 if part is None else 206
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        begun = {"type": "http.response.start", "status": self.status_code, "headers": self._told}
        if self._head or self._start >= self._stop:
            await send(begun)
            await send({"type": "http.response.body", "body": b""})
            return
        work = tasks(_until(self._parts(), self._stop))
        ahead: deque[Future[bytes]] = deque()
        begun_yet = False
        try:
            while await anyio.to_thread.run_sync(self._fill, ahead, work):
                data = await asyncio.wrap_future(ahead.popleft())
                if not begun_yet:  # an error is told, while it can be
                    await send(begun)
                    begun_yet = True
                with anyio.fail_after(SEND_SECONDS):
                    await send({"type": "http.response.body", "body": data, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except (MvcError, TimeoutError) as error:
            if not begun_yet:
                raise
            log.error("%s was not sent whole: %s", self._entry.path, error)
        finally:
            for future in ahead:
                future.cancel()

    def _parts(self) -> Iterator[Part]:
        return content_parts(self._entry, self._contents.fetch, self._start)

    def _fill(self, ahead: deque[Future[bytes]], work: Iterator[Sequence[Part]]) -> bool:
        """Lets some tasks be decoded ahead. Returns whether there is one."""
        for task in islice(work, 1 + AHEAD_PARTS - len(ahead)):
            ahead.append(self._pool.submit(self._decoded, task))
        return bool(ahead)

    def _decoded(self, task: Sequence[Part]) -> bytes:
        """The bytes of a task that are asked for."""
        data = decoded(self._entry, task, self._contents)
        before = self._start - task[0].offset
        if before > 0:
            data[0] = data[0][before:]
        after = task[-1].offset + task[-1].size - self._stop
        if after > 0:
            data[-1] = data[-1][:-after]
        return b"".join(data)


def _until(parts: Iterable[Part], stop: int) -> Iterator[Part]:
    for part in parts:
        if part.offset >= stop:
            return
        yield part
