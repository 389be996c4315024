"""Names of refs, what their bytes mean, and where HEAD stands.

The store keeps opaque bytes under names; here they get their meaning:

    heads/NAME                     32 bytes, the branch's newest version; what a NAME may be: names.py
    tags/NAME                      32 bytes, then an optional UTF-8 message
    stages/NAME/00000001, ...      32 bytes, then a record of promotion (mvcd/objects/promotion.py); never moved
    workspaces/ID/head             "branch NAME" (attached) or "version " + 32 bytes (detached)
    workspaces/ID/tracked          paths under care, one a line, where they differ from HEAD's version
    workspaces/ID/root             where it lies, once there are several on the store (workspaces.py)
    workspaces/ID/left-out         components that are not among its files (left_out.py), separated by spaces
    saved/ID                       32 bytes: unsaved work put aside by a verb that has not ended yet
    stash/NUMBER                   32 bytes: unsaved work that `mvc stash` put aside (stash.py)
    auto/USER/HOST/RUN             32 bytes: what a training box pushed by itself
    pruned/HEX                     versions whose content is not kept (PRUNED.md); they keep nothing alive
    signatures/...                 signatures of versions and tags (signatures.py); they keep nothing alive
    notes/VERSION/KEY=             an annotation of a version (ANNOTATIONS.md); it keeps nothing alive
    remotes/REMOTE/heads/NAME      a remote's ref when it was last heard of; so for tags/, auto/ and pruned/

A branch that HEAD is attached to need not exist yet: it is born with its first version.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from mvcd.errors import CorruptObject
from mvcd.ids import DIGEST_BYTES, VersionId
from mvcd.lateclasses import NamedTuple
from mvcd.objects.version import Component, SubPart

HEADS = "heads/"
TAGS = "tags/"
STAGES = "stages/"
SAVED = "saved/"
STASH = "stash/"
SIGNATURES = "signatures/"
PRUNED = "pruned/"
NOTES = "notes/"
AUTO = "auto/"
REMOTES = "remotes/"
SHARED = (HEADS, TAGS, STAGES, SIGNATURES, AUTO, PRUNED, NOTES)
"""Namespaces that travel; the others belong to one workspace."""
DEFAULT_BRANCH = "main"

_HEAD = re.compile(r"workspaces/[^/]+/head")
_BRANCH = b"branch "
_VERSION = b"version "


class HeadValue(NamedTuple):
    """Attached to `branch`, or detached at `version`; exactly one is set."""

    branch: str | None
    version: VersionId | None = None

    def encode(self) -> bytes:
        if self.branch is not None:
            return _BRANCH + self.branch.encode()
        assert self.version is not None
        return _VERSION + self.version

    @classmethod
    def decode(cls, value: bytes) -> HeadValue:
        if value.startswith(_BRANCH):
            return cls(value[len(_BRANCH) :].decode())
        return cls(None, VersionId(value[len(_VERSION) :]))


def head_name(workspace: str) -> str:
    return f"workspaces/{workspace}/head"


def tracked_name(workspace: str) -> str:
    return f"workspaces/{workspace}/tracked"


def left_out_name(workspace: str) -> str:
    return f"workspaces/{workspace}/left-out"


def root_name(workspace: str) -> str:
    return f"workspaces/{workspace}/root"


def encode_components(components: Collection[Component | SubPart]) -> bytes:
    """The value of a ref `left-out`, b"" of none."""
    return " ".join(sorted(components)).encode()


def decode_components(value: bytes | None) -> frozenset[Component | SubPart]:
    words = (value or b"").decode().split()
    return frozenset(SubPart(w) if w == SubPart.STATE.value else Component(w) for w in words)


def known_workspaces(refs: Iterable[str]) -> list[str]:
    """Ids of the workspaces whose HEADs are among these names."""
    return [name.split("/")[1] for name in refs if _HEAD.fullmatch(name)]


def saved_name(workspace: str) -> str:
    return f"{SAVED}{workspace}"


def tracking_name(remote: str, name: str) -> str:
    """Where a remote's ref is remembered here."""
    return f"{REMOTES}{remote}/{name}"


def version_named(name: str, value: bytes) -> VersionId | None:
    """The version that a ref of this name and value points to; None if it points to none, or to v0."""
    found = None
    if name.startswith(REMOTES):
        name = name.split("/", 2)[2]
    if name.startswith((HEADS, TAGS, STAGES, SAVED, STASH, AUTO)):
        found = target_of(value)
    elif name.endswith("/head") and not name.startswith((SIGNATURES, NOTES)):
        found = HeadValue.decode(value).version
    return None if found == EMPTY_ID else found


def versions_of_refs(refs: Mapping[str, bytes]) -> Iterator[VersionId]:
    """The versions that refs point to, HEADs and work put aside included; v0 left out."""
    for name, value in refs.items():
        if (found := version_named(name, value)) is not None:
            yield found


def target_of(value: bytes) -> VersionId:
    """The version that the bytes of a branch, a tag or a record of promotion point to. Raises CorruptObject."""
    if len(value) < DIGEST_BYTES:
        raise CorruptObject("a ref is damaged", cause=f"its value has {len(value)} bytes")
    return VersionId(value[:DIGEST_BYTES])


def tag_message(value: bytes) -> str:
    return value[DIGEST_BYTES:].decode("utf-8", "replace")


EMPTY_ID = VersionId.of(b"")
"""The virtual version v0, before the first commit; never stored."""
