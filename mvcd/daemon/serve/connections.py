"""How many connections a server has, in total and from one address, and which go when they are too many.

gRPC accepts whatever comes and closes what is idle after ten minutes; 1,100 connections that said nothing took
all descriptors of a server, and pushes failed. Here the limit on descriptors is raised as far as it goes, gRPC
is told how many connections there may be, and a thread looks twice a second: above the share of an address, or
above three quarters of all, connections without a call are shut down, those of whoever has most first, the
oldest first. Their owners connect anew when they have something to ask.

gRPC for Python tells nothing of its connections, so they are found among the descriptors of the process, by the
port that they came in on.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import os
import resource
import socket
import stat
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

log = logging.getLogger(__name__)

MOST_CONNECTIONS = 4096
"""Connections at once where the limit on descriptors allows."""
OWN_DESCRIPTORS = 256
"""Descriptors left for files and LMDB."""
WANTED_DESCRIPTORS = 65_536
"""Descriptors; beyond them there is nothing to gain, and some systems call a limit infinite."""
ADDRESS_SHARE = 0.5
"""Share of all connections that one address may have: behind a proxy all have one."""
PRESSURE_SHARE = 0.75
"""Share of all connections from which on idle ones are closed."""
LOOK_SECONDS = 0.5
"""Seconds between two looks; with 1,000 connections one takes 10 ms."""
NEW_SECONDS = 1.0
"""Seconds that a connection has before it counts as idle."""

RemoteAddress = tuple[str, int]


def raise_descriptors() -> int:
    """How many descriptors the process may have, from now on as many as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, WANTED_DESCRIPTORS)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return WANTED_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return soft


@dataclass(slots=True)
class _Connection:
    descriptor: int
    place: RemoteAddress
    since: float


class Connections:
    """The connections of one server. `options` are for gRPC, `watch` begins, `end` ends."""

    def __init__(self, most: int | None = None) -> None:
        self.most = most or max(
            16, min(MOST_CONNECTIONS, (raise_descriptors() - OWN_DESCRIPTORS) // 2)
        )
        self.options: Sequence[tuple[str, int]] = (
            ("grpc.max_allowed_incoming_connections", self.most),
        )
        self._port = 0
        self._since: dict[RemoteAddress, float] = {}
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    def drop(self, peer: str) -> None:
        """Ends the connection of a peer, as gRPC names it."""
        place = place_of(peer)
        for descriptor, found in _found(self._port) if self._port else ():
            if found == place:
                _shut(_Connection(descriptor, place, 0.0), self._port)
                log.warning("the connection of %s was closed: it reads nothing", peer)

    def watch(self, port: int, busy: Callable[[], Iterable[str]]) -> None:
        """`busy` are the peers with calls under way, as gRPC names them."""
        self._port = port
        self._thread = threading.Thread(
            target=self._run, args=(port, busy), name="connections", daemon=True
        )
        self._thread.start()

    def end(self) -> None:
        self._done.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, port: int, busy: Callable[[], Iterable[str]]) -> None:
        while not self._done.wait(LOOK_SECONDS):
            try:
                self.look(port, busy())
            except OSError as error:  # no descriptor is free to look at the others with
                log.warning("connections cannot be counted: %s", error)

    def look(self, port: int, busy: Iterable[str]) -> int:
        """Shuts down what is too much; how many that were."""
        now = time.monotonic()
        found = list(_found(port))
        self._since = {place: self._since.get(place, now) for _, place in found}
        working = {place_of(peer) for peer in busy}
        counts = Counter(place[0] for _, place in found)
        idle = [
            _Connection(descriptor, place, self._since[place])
            for descriptor, place in found
            if place not in working and now - self._since[place] >= NEW_SECONDS
        ]
        idle.sort(key=lambda one: (-counts[one.place[0]], one.since))
        total, closed = len(found), 0
        for one in idle:
            address = one.place[0]
            if total > self.most * PRESSURE_SHARE or counts[address] > self.most * ADDRESS_SHARE:
                if _shut(one, port):
                    closed += 1
                total -= 1
                counts[address] -= 1
        if closed:
            log.warning("%d idle connections were closed: there were %d", closed, len(found))
        return closed


def place_of(peer: str) -> RemoteAddress:
    """`ipv4:10.0.0.1:51234`, `ipv6:[::1]:51234`; ("", 0) for what is no address of a network."""
    _, _, rest = unquote(peer).partition(":")
    address, _, port = rest.rpartition(":")
    try:
        return _plain(address.strip("[]")), int(port)
    except ValueError:
        return "", 0


def _plain(address: str) -> str:
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)


def _found(port: int) -> Iterator[tuple[int, RemoteAddress]]:
    """The descriptors of connections that came in on `port`, and from where."""
    directory = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"
    for name in os.listdir(directory):
        descriptor = int(name)
        if descriptor > 2 and (place := _peer(descriptor, port)) is not None:
            yield descriptor, place


def _peer(descriptor: int, port: int) -> RemoteAddress | None:
    """From where, if it is a connection that came in on `port`."""
    try:
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            return None
        with _held(descriptor) as one:
            return _place(one, port)
    except OSError:  # closed by now
        return None


def _place(one: socket.socket, port: int) -> RemoteAddress | None:
    try:
        if one.family not in (socket.AF_INET, socket.AF_INET6) or one.getsockname()[1] != port:
            return None
        address, far, *_ = one.getpeername()
        return _plain(address), far
    except (OSError, ValueError):  # it listens
        return None


@contextlib.contextmanager
def _held(descriptor: int) -> Iterator[socket.socket]:
    """The same socket, whatever becomes of the descriptor."""
    own = os.dup(descriptor)
    try:
        one = socket.socket(fileno=own)
    except OSError:
        os.close(own)
        raise
    with one:
        yield one


def _shut(one: _Connection, port: int) -> bool:
    """gRPC sees its end and closes it. The descriptor may be another's by now, so it is looked at once more."""
    try:
        with _held(one.descriptor) as held:
            if _place(held, port) != one.place:
                return False
            held.shutdown(socket.SHUT_RDWR)
            return True
    except OSError:
        return False
