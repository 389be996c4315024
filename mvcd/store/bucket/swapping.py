"""The one object that is swapped: read, replaced if it still is as it was read, and found out about when a
reply is lost (BUCKET.md, section Refs)."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable, Mapping
from enum import Enum

from mvcd.errors import Busy, Conflict, Failure, IntegrityError, RemoteUnreachable
from mvcd.store.bucket.blobs import BlobAbsent, BlobChanged, Blobs, InDoubt, Tag
from mvcd.store.bucket.bucketstate import (
    KEPT_WRITE_IDS,
    REFS,
    BucketState,
    decode_state,
    encode_state,
    new_copy_epoch,
)
from mvcd.store.bucket.seenrefs import SeenRefs

MOST_ROUNDS = 200
"""Swaps that somebody else was faster with, until we give up: minutes."""
DOUBTFUL_ATTEMPTS = 8
LONGEST_PAUSE_SECONDS = 2.0

Edit = Callable[[BucketState], BucketState]
"""Makes the next state. Called for each state that it may replace; raises what keeps it from that. A Conflict
with a state that was seen before is looked at again."""


class Outdated(Exception):
    """Raised where a state names an object that is gone: a later state does not name it any more."""


class _Outcome(Enum):
    LANDED = "ours is there"
    LOST = "somebody else's is there"


class StateHead:
    """The state as it was last seen. Not thread-safe."""

    def __init__(
        self,
        blobs: Blobs,
        state: BucketState,
        tag: Tag | None,
        sleep: Callable[[float], None],
        seen: SeenRefs,
    ) -> None:
        self.state = state
        self._blobs = blobs
        self._tag = tag
        self.sleep = sleep
        self._seen = seen

    @classmethod
    def read(
        cls,
        blobs: Blobs,
        *,
        cache: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> StateHead | None:
        """None where there is no store. What this client saw last is kept below the directory `cache`, and
        comes only if it has changed. Raises IntegrityError, Failure, RemoteUnreachable."""
        seen = SeenRefs(cache, blobs)
        known = seen.load()
        try:
            found = blobs.get(REFS) if known is None else blobs.get_changed(REFS, known[1])
        except BlobAbsent:
            return None
        if found is None:
            assert known is not None
            return cls(blobs, decode_state(known[0], blobs.url), known[1], sleep, seen)
        state = decode_state(found[0], blobs.url)
        seen.keep(*found)
        return cls(blobs, state, found[1], sleep, seen)

    @classmethod
    def unborn(
        cls,
        blobs: Blobs,
        options: Mapping[str, str],
        *,
        copy_of: str | None = None,
        cache: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> StateHead:
        """A store that begins with its first swap, in a bucket that has to be used with these options; with the
        id of another one that it is to be a copy of."""
        if copy_of is None:
            state = BucketState(secrets.token_hex(16), options)
        else:
            state = BucketState(copy_of, options, epoch=new_copy_epoch())
        return cls(blobs, state, None, sleep, SeenRefs(cache, blobs))

    @property
    def born(self) -> bool:
        return self._tag is not None

    def look(self) -> BucketState:
        """Reads it again, if it has changed. Raises Failure(kind="no-store") when it is gone or another
        store."""
        if self._tag is None:
            return self.state
        try:
            found = self._blobs.get_changed(REFS, self._tag)
        except BlobAbsent:
            raise Failure(
                f"the store in {self._blobs.url} is gone", kind="no-store",
                cause="somebody deleted its object 'refs' while it was used",
            ) from None  # fmt: skip
        if found is None:
            return self.state  # no state comes twice, so no tag does
        data, tag = found
        state = decode_state(data, self._blobs.url)
        if state.id != self.state.id:
            raise Failure(
                f"another store is in {self._blobs.url} now",
                kind="no-store",
                help="run the command again",
            )
        self.state, self._tag = state, tag
        self._seen.keep(data, tag)
        return state

    def look_further(self, error: Outdated) -> BucketState:
        """Reads it again because an object that it names is gone. Raises IntegrityError where it still names
        that object."""
        generation = self.state.generation
        if self.look().generation == generation:
            raise IntegrityError(
                f"{error} is gone from {self._blobs.url}", kind="index-damaged",
                help="put it back from a version or a copy of the bucket, or push to another place",
            ) from error  # fmt: skip
        return self.state

    def change(self, edit: Edit) -> BucketState:
        """Swaps in what `edit` makes of the newest state.

        Raises what `edit` does, Busy when others are always faster, RemoteUnreachable(kind="in-doubt") when
        nobody can know whether it was swapped in.
        """
        write_id = secrets.token_hex(8)
        fresh = False
        for number in range(MOST_ROUNDS):
            try:
                state = edit(self.state).written(write_id)
            except Outdated as error:
                self.look_further(error)
                continue
            except Conflict:
                if fresh:
                    raise
                self.look()  # what was seen last may be long ago, and be no conflict any more
                fresh = True
                continue
            fresh = True
            if self._swap(state, write_id) is _Outcome.LANDED:
                return self.state
            longest = min(LONGEST_PAUSE_SECONDS, 0.01 * 2 ** min(number, 10))
            self.sleep(random.uniform(0, longest))  # noqa: S311 - so that rivals do not meet again
            self.look()  # they went on meanwhile: what was there before the pause has no chance
        raise Busy(
            f"{self._blobs.url} changes too often",
            cause=f"others were faster {MOST_ROUNDS} times",
            help="run the command again",
        )

    def _swap(self, state: BucketState, write_id: str) -> _Outcome:
        """One try. Whatever the outcome, the state is then the newest one seen."""
        data = encode_state(state)
        doubt: Exception | None = None
        for number in range(DOUBTFUL_ATTEMPTS):
            tag = self._tag
            try:
                if tag is None:
                    self._tag = self._blobs.create(REFS, data)
                else:
                    self._tag = self._blobs.swap(REFS, data, tag)
            except BlobChanged:
                pass
            except InDoubt as error:
                doubt = error
            else:
                self.state = state
                self._seen.keep(data, self._tag)
                return _Outcome.LANDED
            outcome = self._read_back(state, write_id, tag, doubt)
            if outcome is not None:
                return outcome
            # On its way still; or a network file system shows what was there some seconds ago.
            self.sleep(min(LONGEST_PAUSE_SECONDS, 0.05 * 2**number))
        if doubt is None:
            raise Busy(
                f"{self._blobs.url} has changed, and does not show it yet",
                cause="a network file system may show what was there some seconds ago",
                help="run the command again",
            )
        raise _in_doubt(self._blobs.url, doubt)

    def _read_back(
        self, state: BucketState, write_id: str, tag: Tag | None, doubt: Exception | None
    ) -> _Outcome | None:
        """What became of our swap; None where it may land still, so that it has to be sent again."""
        try:
            if tag is not None:
                self.look()
            elif not self._born_meanwhile(state):
                return None
        except RemoteUnreachable as error:
            if doubt is None:
                raise
            raise _in_doubt(self._blobs.url, error) from error
        if write_id in self.state.writes:
            return _Outcome.LANDED
        if self._tag == tag:
            return None
        if doubt is not None and self.state.generation - state.generation >= KEPT_WRITE_IDS:
            raise _in_doubt(self._blobs.url, doubt)
        return _Outcome.LOST

    def _born_meanwhile(self, state: BucketState) -> bool:
        """Whether the store that we began is there. Raises Conflict where it is somebody else's."""
        found = StateHead.read(self._blobs)
        if found is None:
            return False
        if found.state.id != state.id:
            raise Conflict(
                f"somebody else has just made a repository in {self._blobs.url}",
                kind="store-exists",
                help="run the command again",
            )
        self.state, self._tag = found.state, found._tag
        return True


def _in_doubt(url: str, error: Exception | None) -> RemoteUnreachable:
    return RemoteUnreachable(
        f"whether {url} took the change is not known",
        kind="in-doubt",
        cause=str(error) or None,
        help="mvc fetch  (shows what is there; then run the command again if it is not)",
    )
