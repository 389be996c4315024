"""The part of `Repo` that is about other repositories."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from mvc.api.components import parts_of
from mvc.api.context import context_of
from mvc.api.opened import Opened, secret
from mvc.api.public import public
from mvcd.errors import UsageError

if TYPE_CHECKING:
    from mvc.api.remotes import (
        Clone,
        Fetch,
        Followed,
        Merge,
        Presigned,
        Pull,
        Push,
        Remote,
        RemoteRef,
        RemoteReport,
    )
    from mvcd.monitor import Monitor


def _named(refs: Mapping[str, bytes]) -> tuple[RemoteRef, ...]:
    from mvc.api.remotes import RemoteRef  # late: start-up
    from mvcd.repo.records.refs import version_named

    named = ((name, version_named(name, value)) for name, value in refs.items())
    return tuple(RemoteRef(n, None if v is None else v.hex()) for n, v in named)


class RemoteVerbs(Opened):
    """Methods of `Repo` about other repositories.

    Each that talks to a remote raises RemoteUnreachable, AuthError, IntegrityError for wrong bytes, Busy.
    """

    @classmethod
    def clone(
        cls,
        url: str,
        path: str | os.PathLike[str],
        *,
        only: Iterable[str] | None = None,
        depth: int | None = None,
        options: Mapping[str, str] | None = None,
        author: str | None = None,
        monitor: Monitor | None = None,
    ) -> tuple[Self, Clone]:
        """Makes a repository in `path` with everything from the one at `url`; all its versions, verified.

        `only` these components' content comes, or none with `only=()`; "weights" is then the model, which
        training state goes with by "state"; with `depth`, that of so many newest
        versions. The rest comes when it is asked for; files of components that did not come are left out of the
        workspace, which is no deletion, until `checkout` (`status().left_out`). `options` are those of
        `add_remote`. What an interrupted clone left is completed. Raises Failure: kind "not-empty".
        """
        from mvc.api.remotes import Clone  # late: start-up
        from mvcd.repo.core.wanted import Wanted
        from mvcd.repo.share import cloning

        chosen, state = parts_of(only)
        if state:
            raise UsageError(
                "training state does not come without its model", help="--only weights,state"
            )
        where = os.fspath(path)
        context = context_of(
            os.path.dirname(os.path.abspath(where)), None, author=author, full=False
        )
        core, result = cloning.clone(
            url,
            where,
            wanted=Wanted(None if chosen is None else frozenset(chosen), depth, state is None),
            context=context,
            secret=secret,
            options=options,
            monitor=monitor,
        )
        return cls._around(core, author), public(Clone, result)

    @staticmethod
    def init_bare(path: str | os.PathLike[str], *, shared: bool = False) -> None:
        """Makes a repository without a workspace, to push to and to clone from; with `shared`, for the people
        of its directory's group.

        Raises Failure: kind "store-exists".
        """
        from mvcd.store.stores import create_store  # late: start-up

        create_store(os.fspath(path), group=shared).close()

    def remotes(self) -> tuple[Remote, ...]:
        """Lists the names and addresses of other repositories."""
        from mvcd.repo.core import remotes  # late: start-up

        return tuple(remotes.remotes(self.config).values())

    def remote(self, name: str | None = None) -> Remote:
        """Looks up a remote by its name, by default origin or the only one; an address stands for itself.

        Raises Failure: kind "unknown-remote".
        """
        from mvcd.repo.core import remotes  # late: start-up

        return remotes.remote(self.config, name)

    def add_remote(
        self, name: str, url: str, *, options: Mapping[str, str] | None = None
    ) -> Remote:
        """Adds a remote, with settings below `remote.NAME` as `options`. A bucket is probed: whether it keeps
        what several that push count on.

        Raises Failure: kind "remote-exists"; UsageError for an invalid address or option; NotPermitted for a
        bucket that cannot hold a repository.
        """
        from mvcd.repo.share import addresses  # late: start-up

        return addresses.add_remote(self._core, name, url, options)

    def set_remote_url(self, name: str, url: str) -> Remote:
        """Changes the address of a remote."""
        from mvcd.repo.share import addresses  # late: start-up

        return addresses.set_remote_url(self._core, name, url)

    def rename_remote(self, old: str, new: str) -> Remote:
        """Renames a remote, and its branches here."""
        from mvcd.repo.share import addresses  # late: start-up

        return addresses.rename_remote(self._core, old, new)

    def encrypt_remote(self, name: str, *recipients: str) -> bool:
        """Encrypts what goes to the bucket of a remote, to age or SSH public keys, or files of such; from then
        on nothing goes there in the clear. Returns True for a bucket that was empty, False for one that was
        encrypted before and has these recipients now.

        Raises Failure: kind "not-empty" for one with a repository in the clear, "missing-extra"; UsageError for
        a remote that is no bucket and a word that is no key; AuthError for who cannot open it.
        """
        from mvcd.repo.share import addresses  # late: start-up

        return addresses.encrypt_remote(self._core, name, recipients)

    def presign_remote(
        self,
        remote: str | None = None,
        *refs: str,
        expires: timedelta,
        to: str | os.PathLike[str] | None = None,
        publish: bool = False,
    ) -> Presigned:
        """Signs links by which whoever has the file `to` reads branches, tags and stages of a bucket without
        its keys, at `links:///FILE`: all of them, or `refs`; for 7 days at most. With `publish` the links lie
        in the bucket, where the next time replaces them, and the file has a link to them.

        Raises Failure: kind "unknown-ref", "not-supported" for a bucket without links; UsageError for a remote
        that is no bucket.
        """
        from mvc.api.remotes import Presigned  # late: start-up
        from mvcd.repo.share import presigning

        made = presigning.presign(
            self._core, remote, refs, seconds=int(expires.total_seconds()),
            to="" if to is None else os.fspath(to), publish=publish,
        )  # fmt: skip
        return public(Presigned, made)

    def remove_remote(self, name: str) -> Remote:
        """Forgets a remote and its branches here."""
        from mvcd.repo.share import addresses  # late: start-up

        return addresses.remove_remote(self._core, name)

    def remote_refs(self, remote: str | None = None) -> tuple[RemoteRef, ...]:
        """Asks a remote (or an address) for its refs now."""
        from mvcd.repo.share import addresses  # late: start-up

        return _named(addresses.remote_refs(self._core, remote))

    @staticmethod
    def refs_at(url: str, *, monitor: Monitor | None = None) -> tuple[RemoteRef, ...]:
        """Asks the repository at an address for its refs now; needs no repository here."""
        from mvcd.repo.share import addresses  # late: start-up

        return _named(addresses.refs_at(url, secret=secret, monitor=monitor))

    def fetched_branches(self) -> tuple[str, ...]:
        """Lists branches of remotes as they were when last fetched, named as revisions: "origin/main"."""
        from mvcd.repo.share import addresses  # late: start-up

        return addresses.fetched_branches(self._core)

    def fetch(self, *remotes: str) -> Fetch:
        """Brings all versions of a remote (by default origin) here; content from all that are named."""
        from mvc.api.remotes import Fetch  # late: start-up
        from mvcd.repo.share import fetching

        return public(Fetch, fetching.fetch(self._core, remotes))

    def pull(
        self,
        *remotes: str,
        branch: str | None = None,
        merge: bool = False,
        ours: Iterable[str] = (),
        theirs: Iterable[str] = (),
    ) -> Pull:
        """Fetches, then moves the current branch and the files forward.

        With `merge`, a branch of which both sides have versions of their own is merged; `ours` and `theirs` are
        those of `Repo.merge`. Raises Conflict: kind "diverged" without it, "would-overwrite"; MergeConflict.
        """
        from mvc.api.remotes import Pull  # late: start-up
        from mvcd.repo.joining.threeway import Choices
        from mvcd.repo.share import fetching

        done = fetching.pull_branch(
            self._core, remotes, branch,
            context=self._context(full=merge),
            choices=Choices(tuple(ours), tuple(theirs)) if merge else None,
        )  # fmt: skip
        return public(Pull, done)

    @property
    def way_to_absent(self) -> str:
        """Returns the exact command that fetches content which is not here, pruned or never fetched."""
        return self._core.way_to_absent()

    def verify_remote(self, remote: str | None = None, *, read_data: bool = False) -> RemoteReport:
        """Checks that a remote has everything that its refs reach, and of a bucket that its objects are there
        whole; with `read_data` fetches it and re-hashes it."""
        from mvc.api.remotes import RemoteReport  # late: start-up
        from mvcd.repo.share import verify_remote

        report = verify_remote.verify_remote(self._core, remote, read_data=read_data)
        return public(RemoteReport, report)

    def follow(
        self, remote: str | None, ref: str, *, to: str | os.PathLike[str], once: bool = False
    ) -> Iterator[Followed]:
        """Keeps the directory `to` a verified copy of what a remote's branch, tag or stage points to.

        `to` is a link that is switched at once; the copy before is kept. Yields after each switch; with
        `once` it ends after the first look. Raises Failure: kind "not-empty", "unknown-ref", "vacant-stage".
        """
        from mvc.api.remotes import Followed  # late: start-up
        from mvcd.repo.share import follow

        found = follow.follow(self._core, remote, ref, os.fspath(to), once=once)
        return (public(Followed, done) for done in found)

    def merge(
        self,
        rev: str,
        *,
        ours: Iterable[str] = (),
        theirs: Iterable[str] = (),
        message: str | None = None,
        author: str | None = None,
    ) -> Merge:
        """Merges what the line of `rev` changed since it parted from this one, as one version of two parents.

        `ours` and `theirs` name paths or components whose conflicts that side wins. Raises MergeConflict, whose
        `clashes` has the others; nothing was changed then.
        """
        from mvc.api.remotes import Merge  # late: start-up
        from mvcd.repo.joining import merge
        from mvcd.repo.joining.threeway import Choices

        made = merge.merge(
            self._core, rev, Choices(tuple(ours), tuple(theirs)),
            context=self._context(author, full=True), message=message,
        )  # fmt: skip
        return public(Merge, made)

    def push(
        self,
        *refs: str,
        remote: str | None = None,
        tags: bool = False,
        all: bool = False,
        force_with_lease: bool = False,
        dry_run: bool = False,
    ) -> Push:
        """Sends objects that a remote lacks and moves its refs: the current branch, unless `refs` says
        otherwise.

        Returns only when the remote has verified every byte and holds all that the moved refs reach. Raises
        Conflict: kind "non-fast-forward", "stale-lease", "ref-changed"; no ref was moved then.
        """
        from mvc.api.remotes import Push  # late: start-up
        from mvcd.repo.share import pushing

        asked = pushing.Asked(
            refs, tags=tags, all=all, force_with_lease=force_with_lease, dry_run=dry_run
        )
        return public(Push, pushing.push(self._core, remote, asked, context=self._context()))
