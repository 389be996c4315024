"""A bucket in memory with the weather of a real one, and clients of it that take turns.

    bucket = Bucket(random.Random(seed), STORMY)
    one, two = bucket.client("one"), bucket.client("two")
    bucket.together([lambda: work(one), lambda: work(two)])

All that happens follows from the random numbers, so what failed fails again. Hypothesis draws the seed, and
not the numbers: its own `st.randoms` belongs to one thread. Clients are programs on machines of their own: each
has objects of its own over its own `Blobs`, no lock is held by one while another waits for it, and only one
runs at a time. At each call, the next to run is drawn. Time goes by only here: each call takes some, and
`bucket.now_ns` is the bucket's clock.

What was seen of real buckets, and what a network does between them, is here:

- Tags are digests of the content, as with S3 and Ceph: the same bytes give the same tag (`tags="content"`).
- A conditional write whose reply is lost has landed, has not, or lands later, if its condition holds then.
- So does a `put` or a `delete` that was given up: a delete that lands later takes what was put meanwhile.
- A store without its quorum answers nothing for some calls; what it was sent lands when it is back.
- A listing comes in pages; what is made or removed between two of them may be in it or not. All else is as the
  stores promise it: whoever reads or lists after a write that was answered sees it.
- A client may die at a call: before it, after it, and with the call still under way.
"""

from __future__ import annotations

import hashlib
import random
import threading
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, TypeVar

from mvcd.errors import IntegrityError, RemoteUnreachable
from mvcd.ids import Bytes
from mvcd.store.bucket.blobs import BlobAbsent, BlobChanged, BlobInfo, InDoubt, Tag
from tests.support.turns import Turns

T = TypeVar("T")

START_NS = 1_800_000_000 * 10**9


@dataclass(frozen=True, slots=True)
class Weather:
    """How likely each accident is at each call, from 0 to 1."""

    lost_request: float = 0.0  # it never reaches the bucket
    lost_reply: float = 0.0  # it was carried out
    late: float = 0.0  # it is carried out after calls that are made later
    unread: float = 0.0  # a reading call fails
    quorum_lost: float = 0.0  # from this call on nothing is answered
    quorum_calls: int = 6  # at most so many calls long
    page: int = 3  # names in one page of a listing
    call_seconds: float = 0.05  # at most, in calm weather


CALM = Weather()
STORMY = Weather(lost_request=0.08, lost_reply=0.08, late=0.08, unread=0.04, quorum_lost=0.02)


class Died(BaseException):
    """The client's process ended here, as by kill -9: nothing of it runs any more."""


@dataclass(slots=True)
class _Object:
    data: bytes
    tag: Tag
    modified_ns: int


@dataclass(slots=True)
class Bucket:
    """Objects by name. `random` decides all that is not said by the callers."""

    random: random.Random
    weather: Weather = CALM
    tags: Literal["content", "unique"] = "content"
    now_ns: int = START_NS
    log: list[str] = field(default_factory=list)
    """Each call in the order in which it was made, with what became of it, for who reads a failure."""
    _objects: dict[str, _Object] = field(default_factory=dict)
    _names: list[str] = field(default_factory=list)
    _under_way: list[Callable[[], object]] = field(default_factory=list)
    _quorum_back_in: int = 0
    _writes: int = 0
    _turns: Turns | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)
    """Held for one call; threads that a program starts for itself are threads all the same."""

    def client(self, name: str = "client") -> SimulatedBlobs:
        """One more program that uses the bucket."""
        return SimulatedBlobs(self, name)

    def together(self, programs: Sequence[Callable[[], object]]) -> list[BaseException | None]:
        """Runs the programs to their ends, by turns. Answers how each ended: None, or what it raised."""
        self._turns = Turns(self.random, len(programs))
        try:
            return self._turns.run(programs)
        finally:
            self._turns = None

    def calm_down(self) -> None:
        """Ends all bad weather: what is under way lands or is refused, and from here on nothing fails."""
        self.weather = CALM
        self._quorum_back_in = 0
        self.land()

    def land(self) -> None:
        """Carries out what is under way, in any order."""
        while self._under_way:
            self._under_way.pop(self.random.randrange(len(self._under_way)))()

    def names(self, prefix: str = "") -> list[str]:
        """What there is now, seen by nobody's call."""
        return [name for name in self._names if name.startswith(prefix)]

    def content(self, name: str) -> bytes:
        """The bytes of an object now, seen by nobody's call. Raises KeyError."""
        return self._objects[name].data

    def pass_time(self, seconds: float) -> None:
        """Lets the bucket's clock go on, while all clients do something else."""
        self.now_ns += round(seconds * 1e9)

    # ------------------------------------------------------------------ what calls do to it

    def write(self, name: str, data: bytes, condition: Tag | Literal["any"] | None) -> Tag:
        """Carries out a write now: `condition` None for a new object. Raises BlobChanged."""
        there = self._objects.get(name)
        if condition not in ("any", there.tag if there else None):
            raise BlobChanged(name)
        self._writes += 1
        mark = hashlib.md5(data).hexdigest() if self.tags == "content" else str(self._writes)
        tag = Tag(f'"{mark}"')
        if there is None:
            insort(self._names, name)
        self._objects[name] = _Object(data, tag, self.now_ns)
        return tag

    def remove(self, name: str) -> None:
        if self._objects.pop(name, None) is not None:
            del self._names[bisect_left(self._names, name)]

    def found(self, name: str) -> _Object:
        try:
            return self._objects[name]
        except KeyError:
            raise BlobAbsent(name) from None

    def page(self, prefix: str, after: str) -> list[BlobInfo]:
        """The next names of a listing."""
        begin = bisect_right(self._names, after) if after else bisect_left(self._names, prefix)
        found = []
        for name in self._names[begin : begin + self.weather.page]:
            if not name.startswith(prefix):
                break
            there = self._objects[name]
            found.append(BlobInfo(name, len(there.data), there.modified_ns))
        return found

    def turn(self) -> None:
        """Lets somebody else go on before a call."""
        if self._turns is not None:
            self._turns.give()

    def step(self) -> str:
        """Lets time pass before a call, and what is late arrive. Answers which accident the call has."""
        weather, draw = self.weather, self.random.random
        self.pass_time(draw() * weather.call_seconds)
        if self._quorum_back_in:
            self._quorum_back_in -= 1
            if self._quorum_back_in:
                return "no quorum"
        while self._under_way and draw() < 0.5:
            self._under_way.pop(self.random.randrange(len(self._under_way)))()
        if weather.quorum_lost and draw() < weather.quorum_lost:
            self._quorum_back_in = self.random.randint(1, weather.quorum_calls)
            return "no quorum"
        chance = draw()
        for accident in ("lost_request", "lost_reply", "late", "unread"):
            chance -= getattr(weather, accident)
            if chance < 0:
                return accident
        return "none"

    def send_late(self, action: Callable[[], object]) -> None:
        """Has it carried out at one of the next calls, if its condition holds then."""

        def carry_out() -> None:
            try:
                action()
            except BlobChanged:
                self.log.append("late: refused")
            else:
                self.log.append("late: landed")

        self._under_way.append(carry_out)


class SimulatedBlobs:
    """One client's view of the bucket: the protocol Blobs.

    `dies_at` is the number of the call, from 0, at which the client's process ends; whether that call was
    carried out is drawn. After that every call of it raises Died.
    """

    def __init__(self, bucket: Bucket, name: str) -> None:
        self.bucket = bucket
        self.name = name
        self.calls = 0
        self.dies_at: int | None = None

    sealed = False
    read_only = False

    @property
    def url(self) -> str:
        return "simulated://bucket"

    def close(self) -> None:
        pass

    def get(self, name: str) -> tuple[bytes, Tag]:
        found = self._read(f"get {name}", lambda: self.bucket.found(name))
        return found.data, found.tag

    def get_changed(self, name: str, tag: Tag) -> tuple[bytes, Tag] | None:
        found = self._read(f"get {name} unless {tag}", lambda: self.bucket.found(name))
        return None if found.tag == tag else (found.data, found.tag)

    def get_ranges(self, name: str, spans: Sequence[tuple[int, int]]) -> list[bytes]:
        data = self._read(f"get_ranges {name}", lambda: self.bucket.found(name)).data
        if any(end > len(data) for _, end in spans):
            raise IntegrityError(f"{name} ends before what was asked of it")
        return [data[start:end] for start, end in spans]

    def put(self, name: str, data: Bytes) -> None:
        self._write(f"put {name}", partial(self.bucket.write, name, bytes(data), "any"))

    def create(self, name: str, data: Bytes) -> Tag:
        write = partial(self.bucket.write, name, bytes(data), None)
        return self._write(f"create {name}", write, conditional=True)

    def swap(self, name: str, data: Bytes, tag: Tag) -> Tag:
        write = partial(self.bucket.write, name, bytes(data), tag)
        return self._write(f"swap {name} if {tag}", write, conditional=True)

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        after = ""
        while page := self._read(
            f"list {prefix} after {after}", partial(self._page, prefix, after)
        ):
            yield from page
            after = page[-1].name

    def signed(self, names: Sequence[str], seconds: int) -> Sequence[str]:
        """Links that lead nowhere: this bucket has no line to it."""
        return [f"https://simulated.invalid/{name}?secret={seconds}" for name in names]

    def delete(self, names: Iterable[str]) -> None:
        for name in names:
            self._write(f"delete {name}", partial(self.bucket.remove, name))

    # ------------------------------------------------------------------

    def _page(self, prefix: str, after: str) -> Sequence[BlobInfo]:
        return self.bucket.page(prefix, after)

    def _read(self, what: str, action: Callable[[], T]) -> T:
        self.bucket.turn()
        with self.bucket.lock:
            accident = self._begin(what)
            if accident in ("unread", "no quorum"):
                raise self._unreachable(what, accident)
            return action()

    def _write(self, what: str, action: Callable[[], T], *, conditional: bool = False) -> T:
        self.bucket.turn()
        with self.bucket.lock:
            accident = self._begin(what, action)
            if accident in ("late", "no quorum"):
                self.bucket.send_late(action)
            elif accident == "lost_reply":
                try:
                    action()
                except BlobChanged:
                    self.bucket.log.append("  refused")
            elif accident != "lost_request":
                return action()
            if conditional:
                raise InDoubt(f"{what}: {accident}")
            raise self._unreachable(what, accident)

    def _begin(self, what: str, action: Callable[[], object] | None = None) -> str:
        accident = self.bucket.step()
        number, self.calls = self.calls, self.calls + 1
        self.bucket.log.append(f"{self.name} {number}: {what}: {accident}")
        if self.dies_at is None or number < self.dies_at:
            return accident
        if number == self.dies_at and action is not None:
            self._last_words(action)
        raise Died(f"{self.name} at its call {self.dies_at}")

    def _last_words(self, action: Callable[[], object]) -> None:
        """A dead client's last write was not sent, was carried out, or is still under way."""
        fate = self.bucket.random.choice(["not sent", "carried out", "under way"])
        self.bucket.log.append(f"  died: {fate}")
        if fate == "carried out":
            with suppress(BlobChanged):
                action()
        elif fate == "under way":
            self.bucket.send_late(action)

    def _unreachable(self, what: str, accident: str) -> RemoteUnreachable:
        return RemoteUnreachable(f"{self.url} does not answer", cause=f"{what}: {accident}")
