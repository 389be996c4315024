"""The part of `Repository` that is about other repositories."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Self

from mvcd.monitor import Silent
from mvcd.repo.core.core import Clock, Core
from mvcd.repo.records.refs import HEADS, REMOTES
from mvcd.repo.records.results import Context

if TYPE_CHECKING:
    from mvcd.monitor import Monitor
    from mvcd.objects.version import Component
    from mvcd.repo.change.merge import Choices, MergeResult
    from mvcd.repo.core.remotes import Remote, Secret
    from mvcd.repo.core.wanted import Wanted
    from mvcd.repo.share.cloning import CloneResult
    from mvcd.repo.share.fetching import FetchResult, PullResult
    from mvcd.repo.share.follow import Followed
    from mvcd.repo.share.pushing import Asked, PushResult
    from mvcd.repo.share.verify_remote import RemoteReport


class RemoteVerbs:
    """Methods of a class that has a core. Each raises what `mvcd.repo.core.connecting.connect` does."""

    _core: Core

    if TYPE_CHECKING:

        def __init__(self, core: Core) -> None: ...

    @classmethod
    def clone(
        cls,
        url: str,
        directory: str,
        *,
        wanted: Wanted | None = None,
        context: Context,
        secret: Secret,
        monitor: Monitor | None = None,
        lock_timeout: float = 60.0,
        clock: Clock = time.time_ns,
    ) -> tuple[Self, CloneResult]:
        """A new repository in `directory` with what the one at `url` has, or, of content, what is `wanted`."""
        from mvcd.repo.core.wanted import Wanted  # late: start-up
        from mvcd.repo.share import cloning

        core, result = cloning.clone(
            url, directory, wanted or Wanted(), context,
            monitor=monitor, clock=clock, secret=secret, lock_timeout=lock_timeout,
        )  # fmt: skip
        return cls(core), result

    def know_secrets(self, secret: Secret) -> None:
        """How tokens for addresses are found; without it none is sent."""
        self._core.secret = secret

    def remotes(self) -> tuple[Remote, ...]:
        from mvcd.repo.core import remotes  # late: start-up

        return tuple(remotes.remotes(self._core.config).values())

    def add_remote(self, name: str, url: str) -> Remote:
        from mvcd.repo.core import remotes  # late: start-up

        with self._core.lock.hold():
            return remotes.add(self._core.config, name, url)

    def set_remote_url(self, name: str, url: str) -> Remote:
        from mvcd.repo.core import remotes  # late: start-up

        with self._core.lock.hold():
            return remotes.set_url(self._core.config, name, url)

    def rename_remote(self, old: str, new: str) -> Remote:
        from mvcd.repo.core import remotes  # late: start-up

        with self._core.lock.hold():
            return remotes.rename(self._core.config, self._core.store, old, new)

    def remove_remote(self, name: str) -> Remote:
        from mvcd.repo.core import remotes  # late: start-up

        with self._core.lock.hold():
            return remotes.remove(self._core.config, self._core.store, name)

    def remote_refs(self, name: str | None = None) -> tuple[Remote, dict[str, bytes]]:
        """The refs that a remote shows, as they are now."""
        from mvcd.repo.core import remotes  # late: start-up
        from mvcd.repo.share.fetching import connected

        found = remotes.remote(self._core.config, name)
        with connected(self._core, [found]) as (peer,):
            return found, peer.refs()

    @classmethod
    def refs_at(
        cls,
        url: str,
        *,
        secret: Secret,
        monitor: Monitor | None = None,
        clock: Clock = time.time_ns,
    ) -> dict[str, bytes]:
        """The refs that the repository at an address shows, as they are now."""
        from mvcd.repo.core import remotes  # late: start-up
        from mvcd.repo.core.connecting import connect

        found = remotes.Remote("", remotes.absolute(url))
        peer = connect(found, secret, clock, (monitor or Silent()).warn)
        try:
            peer.hello()
            return peer.refs()
        finally:
            peer.close()

    def fetched_branches(self) -> tuple[str, ...]:
        """Revisions that name the branches of remotes as they were when last heard of: "origin/main"."""

        names = (name.removeprefix(REMOTES) for name in self._core.store.refs(REMOTES))
        return tuple(n.replace(f"/{HEADS}", "/", 1) for n in names if f"/{HEADS}" in n)

    def fetch(self, names: Sequence[str | None] = ()) -> FetchResult:
        from mvcd.repo.share import fetching  # late: start-up

        return fetching.fetch(self._core, names)

    def pull(
        self, names: Sequence[str | None] = (), branch: str | None = None, *, context: Context
    ) -> PullResult:
        from mvcd.repo.share import fetching  # late: start-up

        return fetching.pull_branch(self._core, names, branch, context)

    @property
    def way_to_absent(self) -> str:
        """The exact command by which content that is not here comes."""
        return self._core.way_to_absent()

    @property
    def left_out(self) -> frozenset[Component]:
        """Components of HEAD's version whose absence here is no deletion (left_out.py)."""
        return self._core.left_out()

    def verify_remote(self, name: str | None = None, *, read_data: bool = False) -> RemoteReport:
        """Asks a remote for all that its refs reach, as far as it can be walked here."""
        from mvcd.repo.share import verify_remote  # late: start-up

        return verify_remote.verify_remote(self._core, name, read_data=read_data)

    def follow(
        self, name: str | None, ref: str, directory: str, *, once: bool = False
    ) -> Iterator[Followed]:
        """Keeps a directory equal to a remote's ref (follow.py)."""
        from mvcd.repo.share import follow  # late: start-up

        return follow.follow(self._core, name, ref, directory, once=once)

    def merge(
        self, rev: str, choices: Choices, *, context: Context, message: str | None = None
    ) -> MergeResult:
        from mvcd.repo.change import merge  # late: start-up

        return merge.merge(self._core, rev, choices, context, message=message)

    def push(self, name: str | None, asked: Asked, *, context: Context) -> PushResult:
        from mvcd.repo.share import pushing  # late: start-up

        return pushing.push(self._core, name, asked, context)
