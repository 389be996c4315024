"""How the demo shares what it made: through a server of its own, whatever becomes of that and of its follower;
or through a bucket, where nothing runs that could be lost.

When the server does not come, does not answer in time or dies, it is ended for certain and the directory that
it served is the remote from then on; without a server, or when the follower fails, a look is taken each time
instead (`mvc follow --once`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from mvc import daemon_client
from mvc.api.errors import Failure, MvcError, RemoteUnreachable, with_cause
from mvc.cli import text
from mvc.cli.own_follower import OwnFollower, own_follower
from mvc.cli.own_process import own_directory
from mvc.cli.own_server import OwnServer, own_server
from mvc.cli.progress import Lines
from mvc.cli.screens import transfer
from mvc.cli.screens.demo import below, chapter, verified
from mvc.cli.signals import enter

if TYPE_CHECKING:
    from mvc.api.repo import Repo
    from mvc.cli.face import Face

T = TypeVar("T")
Switch = dict[str, Any]
"""A line of `mvc follow --json`."""

CALL_SECONDS = 20.0
"""How long a push, a clone, a look may take; those of the demo take a few tenths of a second."""


class Impatient(Lines):
    """A monitor for calls to a server of our own: what fails is not tried again for a minute."""

    def __init__(self, face: Face) -> None:
        super().__init__(face.warn)
        self._calls = False

    @contextmanager
    def calling(self) -> Iterator[None]:
        self._calls = True
        try:
            yield
        finally:
            self._calls = False

    def warn(self, message: str) -> None:
        if self._calls:
            raise RemoteUnreachable(message.partition("; trying again")[0])
        super().warn(message)


class DemoShares:
    """The far side and those who read from it. `there` is the repository that others see."""

    def __init__(
        self, face: Face, repo: Repo, monitor: Impatient, stack: ExitStack, store: str | None = None
    ) -> None:
        """Starts the server, unless `store` is the address of a bucket; all that is started or made ends with
        `stack`, but for what is in the bucket."""
        from mvc.api.repo import Repo  # late: start-up

        self._face = face
        self._repo = repo
        self._monitor = monitor
        self._stack = stack
        place = enter(stack, own_directory("mvc-demo-"))
        self.there, self._clone = os.path.join(place, "iris"), os.path.join(place, "clone")
        self.live = os.path.join(place, "live")
        self._follower: OwnFollower | None = None
        self._server: OwnServer | None = None
        if store is not None:
            self.there = store
            return
        Repo.init_bare(self.there)
        if not daemon_client.forbidden():
            try:
                with face.waiting("mvcd serve to start"):
                    self._server = stack.enter_context(own_server(self.there))
            except MvcError as problem:
                self._lost(problem)

    def push(self, note: str) -> None:
        def push(url: str) -> list[str]:
            self._chapter(f"mvc push {url}", note or self._place_note)
            return list(transfer.receipt(self._repo.push(remote=url)))

        receipt = self._call("the push", push)
        self._show([receipt[0], receipt[-1].strip()])

    def clone(self) -> bool:
        """Whether the clone is whole and equal."""
        from mvc.api.repo import Repo  # late: start-up

        def clone(url: str) -> tuple[Repo, Any]:
            self._chapter(f"mvc clone {url}", "and verify the clone")
            shutil.rmtree(self._clone, ignore_errors=True)  # what a server that died left
            return Repo.clone(url, self._clone, monitor=self._monitor)

        copy, done = self._call("the clone", clone)
        try:
            report = copy.verify()
            equal = report.ok and copy.show().id == self._repo.show().id
        finally:
            copy.close()
        end = "it ends where this one does" if equal else "it is not what was pushed"
        self._show([f"Cloned {transfer.travelled(done.fetched)}", f"{verified(report)}; {end}"])
        return equal

    def fetch(self) -> None:
        """Brings the clone what was pushed since."""
        from mvc.api.repo import Repo  # late: start-up

        self._chapter("mvc fetch", "in the clone: what is new, and where it lies")
        copy = Repo.open(self._clone, monitor=self._monitor)
        try:
            self._show([f"Fetched {transfer.travelled(copy.fetch())}"])
        finally:
            copy.close()

    def follow(self) -> Switch:
        """Begins to keep `live` equal to main; answers the first switch."""
        self._chapter("mvc follow origin main --to live", "a deployment directory, equal to main")
        if self._server is not None:
            self._follower = enter(self._stack, own_follower(self._clone, "main", self.live))
        return self.switch()

    def switch(self) -> Switch:
        """The next switch of `live`."""
        if self._follower is not None:
            try:
                with self._face.waiting("mvc follow to switch"):
                    return self._follower.next()
            except MvcError as problem:
                self._end_follower()
                self._show([f"{_said(problem)}; from here on it is looked for once each time"])
        return self._call("mvc follow --once", self._look)

    def _look(self, url: str) -> Switch:
        from mvc.api.repo import Repo  # late: start-up

        with suppress(FileNotFoundError):
            os.unlink(self.live)
        shutil.rmtree(f"{self.live}.versions", ignore_errors=True)  # what a follower left half-done
        copy = Repo.open(self._clone, monitor=self._monitor)
        try:
            copy.set_remote_url("origin", url)
            for done in copy.follow("origin", "main", to=self.live, once=True):
                return {"version": done.version, "bytes": done.bytes_total}
        finally:
            copy.close()
        raise Failure("nothing was switched", kind="not-switched")

    # ---------------------------------------------------------------- the server, or its directory

    @property
    def _place_note(self) -> str:
        if self._server is not None:
            return "a server of this machine"
        return "into the bucket" if "://" in self.there else ""

    def _call(self, what: str, act: Callable[[str], T]) -> T:
        """What `act` does with the remote's address."""
        if self._server is not None:
            try:
                with (
                    self._face.waiting(f"{what} to end"),
                    self._server.within(CALL_SECONDS),
                    self._monitor.calling(),
                ):
                    return act(self._server.url)
            except MvcError as problem:
                self._lost(problem)
        return act(self.there)

    def _lost(self, problem: MvcError) -> None:
        self._end_follower()  # it would hear of nothing any more
        if self._server is not None:
            with self._face.waiting("mvcd serve to end"):
                self._server.end()
            self._server = None
        self._show([f"{_said(problem)}; from here on the directory is the remote"])

    def _end_follower(self) -> None:
        if self._follower is not None:
            self._follower.end()
            self._follower = None

    def _chapter(self, title: str, note: str = "") -> None:
        self._face.say(*chapter(title, note))

    def _show(self, lines: list[str]) -> None:
        self._face.say(*below(lines))


def _said(problem: MvcError) -> str:
    return text.safe(with_cause(problem))
