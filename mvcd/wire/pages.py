"""Lists that a server sends page by page: each has a bound, and pages that lead nowhere end it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mvcd.errors import Failure
from mvcd.ids import VersionId
from mvcd.wire import ids as packed
from mvcd.wire import limits
from mvcd.wire.v1 import remote_pb2 as pb

MAX_PAGES = 4096
"""Most pages of refs, and of a log: a server fills pages of 512 KiB, so no honest list has more."""
MAX_REFS = 1 << 20
MAX_VERSIONS = 1 << 22
"""Most versions of one log; one a minute for eight years."""

Bad = Callable[[str], Failure]
"""Makes the error for a server that sent what no honest one does."""


def all_refs(ask: Callable[[str], pb.ListRefsReply], bad: Bad) -> dict[str, bytes]:
    """The refs of all pages; `ask` answers for a page's token. Raises what `bad` makes and `ask` raises."""
    found: dict[str, bytes] = {}
    token = ""
    for _ in range(MAX_PAGES):
        reply = ask(token)
        if any(len(ref.value) > limits.REF_VALUE_BYTES for ref in reply.refs):
            raise bad("a ref of more than 64 KiB")
        found.update((ref.name, ref.value) for ref in reply.refs)
        if not reply.next_page_token:
            return found
        if len(found) > MAX_REFS or reply.next_page_token.encode() <= token.encode():
            break
        token = reply.next_page_token
    raise bad("a list of refs that does not end")


def all_versions(
    ask: Callable[[bytes], pb.LogReply], frontier: bytes, bad: Bad
) -> Iterator[VersionId]:
    """The versions of all pages; `ask` answers for the packed heads to go on from, `frontier` first. Raises
    what `bad` makes and `ask` raises."""
    seen: set[VersionId] = set()
    for _ in range(MAX_PAGES):
        reply = ask(frontier)
        found = packed.unpack(reply.versions, VersionId, limits.LOG_VERSIONS)
        yield from found
        if not reply.frontier:
            return
        before = len(seen)
        seen.update(found)
        if len(seen) == before or len(seen) > MAX_VERSIONS:
            break
        frontier = reply.frontier
    raise bad("a history that does not end")
