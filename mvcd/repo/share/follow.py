"""`follow`: a deployment directory that is always a whole, verified copy of what a remote's ref points to.

    DIR                 a symbolic link, replaced by rename: a reader sees one version or the next
    DIR.versions/ID     the copies themselves, each with its manifest (EXPORT.md); the one before is kept

The remote tells when its refs change (WatchRefs); where it cannot, or the connection was lost, it is asked
again after a pause.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from mvcd.disk.renames import move
from mvcd.disk.sync import sync_directory
from mvcd.errors import Failure, MvcError, RemoteUnreachable
from mvcd.ids import VersionId
from mvcd.objects.promotion import Promotion, Step
from mvcd.repo.core import remotes
from mvcd.repo.core.core import Core
from mvcd.repo.records.names import ref_meant
from mvcd.repo.records.refs import AUTO, EMPTY_ID, STAGES, target_of
from mvcd.repo.release.export import export
from mvcd.repo.share.fetching import connected, fetch_from
from mvcd.store.peer import Peer

Sleep = Callable[[float], None]

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
POLL_SECONDS = 5.0
"""Seconds between two questions to a remote that cannot tell by itself."""


@dataclass(frozen=True, slots=True)
class Followed:
    """What happened: DIR now holds `version`, or `problem` kept it from doing so; it will be tried again."""

    directory: str
    version: VersionId | None
    before: VersionId | None
    bytes_total: int = 0
    problem: str = ""


def follow(
    core: Core,
    name: str | None,
    ref: str,
    directory: str,
    *,
    once: bool = False,
    sleep: Sleep = time.sleep,
) -> Iterator[Followed]:
    """Keeps a directory equal to a remote's ref; yields after each switch.

    With `once` it ends after the first look and raises what went wrong; else it goes on for ever.
    """
    remote = remotes.remote(core.config, name)
    target = os.path.abspath(directory)
    _require_ours(target)
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            with connected(core, [remote]) as (peer,):
                for done in _watched(core, remote, peer, ref, target, once=once, sleep=sleep):
                    pause = FIRST_PAUSE_SECONDS
                    if done is not None:
                        yield done
            if once:
                return
        except MvcError as error:
            if once:
                raise
            if not isinstance(error, RemoteUnreachable):
                yield Followed(target, None, current(target), problem=str(error))
        sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


def _watched(
    core: Core,
    remote: remotes.Remote,
    peer: Peer,
    ref: str,
    target: str,
    *,
    once: bool,
    sleep: Sleep,
) -> Iterator[Followed | None]:
    """One look, then one after each change; None where there was nothing to do."""
    yield _update(core, remote, peer, ref, target)
    if once:
        return
    if "watch" in peer.hello().features:
        for _ in peer.watch():
            yield _update(core, remote, peer, ref, target)
        return
    while True:
        sleep(POLL_SECONDS)
        yield _update(core, remote, peer, ref, target)


def _update(
    core: Core, remote: remotes.Remote, peer: Peer, ref: str, target: str
) -> Followed | None:
    refs = peer.refs()
    id = pointed(refs, ref)
    before = current(target)
    if id == before:
        return None
    fetch_from(core, remote, [peer], refs)
    if core.promised is not None:
        core.promised.bring([id])
    versions = f"{target}.versions"
    os.makedirs(versions, exist_ok=True)
    place = os.path.join(versions, id.hex())
    made = export(core, id.hex(), place, only=None, replace=True)
    _switch(target, place)
    _forget(versions, keep={id.hex()} | ({before.hex()} if before is not None else set()))
    return Followed(target, id, before, made.bytes_total)


def pointed(refs: Mapping[str, bytes], ref: str) -> VersionId:
    """The version that a branch, tag or stage of a remote points to. Raises Failure."""
    meant = ref_meant(ref, refs.__contains__) or AUTO + ref.removeprefix(AUTO)
    if meant in refs:
        return target_of(refs[meant])
    records = {n: v for n, v in refs.items() if n.startswith(f"{STAGES}{ref}/")}
    if records:
        newest = Promotion.decode(records[max(records)])
        if newest.step is Step.WITHDRAW:
            raise Failure(
                f"no version holds {ref}",
                kind="vacant-stage",
                cause="it was withdrawn; what is deployed stays",
            )
        return newest.version
    raise Failure(
        f"the remote has no branch, tag or stage {ref!r}", kind="unknown-ref", help="mvc ls-remote"
    )


# -------------------------------------------------------------------- the directory


def _require_ours(target: str) -> None:
    """Raises Failure when something else is at the target."""
    if os.path.lexists(target) and not (os.path.islink(target) and current(target)):
        raise Failure(
            f"{target} is there already and was not made by mvc follow",
            kind="not-empty",
            help="name a directory that does not exist yet",
        )


def current(target: str) -> VersionId | None:
    """The version that the link leads to, if it leads to a copy of ours."""
    try:
        parent, name = os.path.split(os.readlink(target))
        found = VersionId.parse(name)
    except (OSError, ValueError):
        return None
    ours = os.path.basename(parent) == f"{os.path.basename(target)}.versions"
    return found if ours and found != EMPTY_ID and os.path.isdir(target) else None


def _switch(target: str, place: str) -> None:
    """Lets the link lead to `place`, at once and durably; the link is relative, so that all may be moved."""
    fresh = f"{target}.versions/link"
    if os.path.lexists(fresh):
        os.unlink(fresh)
    os.symlink(os.path.join(f"{os.path.basename(target)}.versions", os.path.basename(place)), fresh)
    move(fresh, target)
    sync_directory(os.path.dirname(target))


def _forget(versions: str, keep: set[str]) -> None:
    """Removes copies older than the one before; others' files are left alone."""
    for name in os.listdir(versions):
        if len(name) == 64 and name not in keep:
            shutil.rmtree(os.path.join(versions, name), ignore_errors=True)
