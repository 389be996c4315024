"""`remote presign`: links by which refs of a bucket are read without its keys (mvcd/store/bucket/LINKS.md)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mvcd.disk.refusals import is_disk_full, unwritten
from mvcd.disk.replace import replace_file
from mvcd.errors import Failure, UsageError
from mvcd.ids import Digest, VersionId
from mvcd.objects.ancestry import between
from mvcd.objects.version import Version
from mvcd.repo.core import remotes
from mvcd.repo.core.connecting import store_of
from mvcd.repo.core.core import Core
from mvcd.repo.records.names import ref_meant
from mvcd.repo.records.refs import AUTO, NOTES, PRUNED, SIGNATURES, STAGES, TAGS, versions_of_refs
from mvcd.repo.trust.receiving import shared
from mvcd.repo.trust.signatures import travelling
from mvcd.store.api import Store
from mvcd.store.stores import sign_links
from mvcd.sync.walk import difference
from mvcd.wire.schemes import Carrier, scheme_of


@dataclass(frozen=True, slots=True)
class Presigned:
    """What was signed. `file` has the links, or, where they are `published`, a link to them; it is "" where
    none was wanted. `bytes` are those of the packs that can be read; `expires_us` is in microseconds since
    1970."""

    remote: str
    url: str
    refs: tuple[str, ...]
    objects: int
    packs: int
    bytes: int
    expires_us: int
    published: bool
    file: str


def presign(
    core: Core,
    name: str | None,
    asked: Sequence[str] = (),
    *,
    seconds: int,
    to: str = "",
    publish: bool = False,
) -> Presigned:
    """Signs links to all that branches, tags and stages of a bucket reach, all of them if none is asked for,
    and writes them into the file `to`, which its owner alone may read. With `publish` they lie in the bucket,
    where the next time replaces them, and the file has a link to them.

    Raises UsageError for a remote that is no bucket, Failure(kind="unknown-ref"), and kind="not-supported"
    where a bucket has no links.
    """
    remote = remotes.remote(core.config, name)
    if scheme_of(remote.url).carrier is not Carrier.BUCKET:
        raise UsageError(
            f"{remote.url} is no bucket",
            cause="only objects in a bucket have links of their own",
            help="mvc admin token add USER --role read  (for a server: a token that only reads)",
        )
    if not (to or publish):
        raise UsageError(
            "links need a place", help="--to FILE, or --publish to keep them in the bucket"
        )
    with store_of(remote, core.secret, core.monitor.warn, nearby=core.store) as store:
        now_s = core.clock() // 10**9
        refs = _asked(store.refs(), asked, remote.name or remote.url)
        ids = _reached(store, sorted(set(versions_of_refs(refs))))
        refs |= _about(store, refs, ids)
        made = sign_links(
            store, sorted(asked), refs, ids, now_s=now_s, seconds=seconds, publish=publish
        )
    if to:
        _write(to, made.file)
    return Presigned(
        remote.name, remote.url, tuple(sorted(refs)), made.objects, made.packs, made.pack_bytes,
        (now_s + seconds) * 10**6, publish, os.path.abspath(to) if to else "",
    )  # fmt: skip


def _asked(refs: Mapping[str, bytes], asked: Sequence[str], remote: str) -> dict[str, bytes]:
    """The branches, tags and records of stages that are meant."""
    apart = (NOTES, SIGNATURES, PRUNED)
    known = {n: v for n, v in refs.items() if shared(n) and not n.startswith(apart)}
    if not asked:
        return known
    found: dict[str, bytes] = {}
    for word in asked:
        meant = ref_meant(word, known.__contains__) or AUTO + word.removeprefix(AUTO)
        stage = {n: v for n, v in known.items() if n.startswith(f"{STAGES}{word}/")}
        chosen = {meant: known[meant]} if meant in known else stage
        if not chosen:
            raise Failure(
                f"the remote has no branch, tag or stage {word!r}",
                kind="unknown-ref",
                help=f"mvc ls-remote {remote}",
            )
        found |= chosen
    return found


def _reached(store: Store, heads: Sequence[VersionId]) -> list[Digest]:
    """All versions that are reached, and what is there of their content: of those that were pruned, nothing."""

    def here(ids: Sequence[Digest]) -> Iterator[tuple[Digest, bytes]]:
        return store.get_many([id for id, found in zip(ids, store.has(ids), strict=True) if found])

    versions = list(between(heads, (), lambda id: Version.decode(store.get(id))))
    found: dict[Digest, None] = dict.fromkeys(versions)
    for group in difference(versions, (), here, here):
        found |= dict.fromkeys(group)
    return list(found)


def _about(store: Store, chosen: Mapping[str, bytes], ids: Sequence[Digest]) -> dict[str, bytes]:
    """What belongs to them: signatures of versions that come and of the tags, and marks of what was pruned."""
    versions = {id for id in ids if isinstance(id, VersionId)}
    tags = {name.removeprefix(TAGS) for name in chosen if name.startswith(TAGS)}
    return {**travelling(store, versions, tags), **store.refs(PRUNED)}


def _write(path: str, content: bytes) -> None:
    try:
        replace_file(path, content, secret=True)
    except OSError as error:
        raise unwritten(
            error, f"{path} could not be written", full=is_disk_full(error), cause=error.strerror
        ) from error
