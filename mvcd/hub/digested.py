"""The digests by which the Hub names files, and which files it keeps as large ones (LFS).

A large file is named by its SHA-256, and by the git blob of the small text that stands for it; any other by
the git blob of its bytes. Which one a file is depends on its name and size alone, so a version has one answer
whoever pushed it and however it came. Digests are remembered by the store (mvcd/repo/contents/digests.py); what
has none yet is read once. Where content is known by its SHA-256, a row of the cache tells where:

    hub/sha256/SHA256       32 bytes of a version's id, then the path
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mvcd.errors import Failure, IntegrityError
from mvcd.hub.lookups import AskedRepo
from mvcd.ids import DIGEST_BYTES, VersionId
from mvcd.objects.entry import Entry
from mvcd.repo.change.edits import Copied
from mvcd.repo.contents import digests
from mvcd.repo.contents.digests import DigestAlgorithm
from mvcd.repo.contents.files import Placed
from mvcd.repo.history.listing import digests_of_files

REGULAR_BYTES = 1 << 20
"""Bytes from which on any file is a large one: regular ones travel inside a commit, in base64."""
LARGE_SUFFIXES = frozenset(
    "7z arrow avro bin bz2 ckpt ftz gguf gz h5 joblib keras lz4 mds mlmodel model msgpack npy npz onnx ot "
    "parquet pb pickle pkl pt pth rar safetensors tar tflite tgz wasm xz zip zst".split()
)
"""Suffixes that make a file a large one, as the Hub's own `.gitattributes` have them."""


def is_large(path: str, size: int) -> bool:
    """Whether the Hub's clients get and send the file as a large one."""
    if not size:
        return False  # nothing to store: clients send it inside the commit
    name = path.rpartition("/")[2].lower()
    suffix = name.rpartition(".")[2] if "." in name else ""
    return size >= REGULAR_BYTES or suffix in LARGE_SUFFIXES or "tfevents" in name


def attributes() -> bytes:
    """The `.gitattributes` of a new repository, which say the same to git."""
    names = [f"*.{suffix}" for suffix in sorted(LARGE_SUFFIXES)] + ["*tfevents*"]
    return "".join(f"{name} filter=lfs diff=lfs merge=lfs -text\n" for name in names).encode()


def pointer(sha256: str, size: int) -> bytes:
    """The text that stands for a large file in git (the specification of Git LFS)."""
    return (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()
    )


def blob_id(data: bytes) -> str:
    """The id that git gives a blob."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def described(asked: AskedRepo, id: VersionId, group: Sequence[Placed]) -> list[dict[str, Any]]:
    """What the Hub tells of each file of a version, in the same order. Raises IntegrityError, MissingObject."""
    large = {p.entry.path for p in group if is_large(p.entry.path, p.entry.size)}
    sha256 = _by_path(asked, (p for p in group if p.entry.path in large), DigestAlgorithm.SHA256)
    git = _by_path(asked, (p for p in group if p.entry.path not in large), DigestAlgorithm.GIT_SHA1)
    _note_places(asked, id, sha256)
    return [
        _large(p.entry, sha256[p.entry.path]) if p.entry.path in large
        else {"type": "file", "path": p.entry.path, "size": p.entry.size, "oid": git[p.entry.path]}
        for p in group
    ]  # fmt: skip


def etag(asked: AskedRepo, placed: Placed) -> tuple[str, bool]:
    """The digest by which caches know the file, and whether it is a large one."""
    large = is_large(placed.entry.path, placed.entry.size)
    algorithm = DigestAlgorithm.SHA256 if large else DigestAlgorithm.GIT_SHA1
    return digests_of_files(asked.core, [placed], algorithm)[0], large


def _large(entry: Entry, sha256: str) -> dict[str, Any]:
    text = pointer(sha256, entry.size)
    lfs = {"oid": sha256, "size": entry.size, "pointerSize": len(text)}
    return {
        "type": "file",
        "path": entry.path,
        "size": entry.size,
        "oid": blob_id(text),
        "lfs": lfs,
    }


def _by_path(
    asked: AskedRepo, files: Iterable[Placed], algorithm: DigestAlgorithm
) -> dict[str, str]:
    group = list(files)
    found = digests_of_files(asked.core, group, algorithm)
    return {placed.entry.path: digest for placed, digest in zip(group, found, strict=True)}


# ---------------------------------------------------------------- where content is, by its SHA-256


def place_key(sha256: str) -> bytes:
    return b"hub/sha256/" + bytes.fromhex(sha256)


def _note_places(asked: AskedRepo, id: VersionId, sha256: Mapping[str, str]) -> None:
    """Remembers where content is of which that is not known."""
    keys = [place_key(digest) for digest in sha256.values()]
    known = asked.hosted.store.cache_get(keys)
    rows: dict[bytes, bytes | None] = {
        key: bytes(id) + path.encode()
        for key, path, row in zip(keys, sha256, known, strict=True)
        if row is None
    }
    if rows:
        asked.hosted.store.cache_put(rows)


def note(
    asked: AskedRepo, id: VersionId, large: Mapping[str, str], regular: Mapping[str, str]
) -> None:
    """Remembers the digests of files of a version by path, which were compared while they came: SHA-256 of
    `large`, git's of `regular` ones."""
    found = asked.files(id).lookup({*large, *regular})
    rows: dict[bytes, bytes | None] = {}
    for algorithm, given in ((DigestAlgorithm.SHA256, large), (DigestAlgorithm.GIT_SHA1, regular)):
        for path, digest in given.items():
            if (placed := found.get(path)) is not None:
                rows |= digests.rows(placed.entry.recipe, ((algorithm, bytes.fromhex(digest)),))
    for path, digest in large.items():
        rows[place_key(digest)] = bytes(id) + path.encode()
    asked.hosted.store.cache_put(rows)


def place(asked: AskedRepo, sha256: str) -> tuple[Copied, Placed] | None:
    """Where the repository has a content, as far as that is remembered and still so."""
    (row,) = asked.hosted.store.cache_get([place_key(sha256)])
    if row is None or len(row) <= DIGEST_BYTES:
        return None
    id, path = VersionId(row[:DIGEST_BYTES]), row[DIGEST_BYTES:].decode()
    if not all(asked.hosted.store.has([id])):
        return None
    try:
        placed = asked.files(id).find(path)
        if placed is None:
            return None
        found = digests_of_files(asked.core, [placed], DigestAlgorithm.SHA256)
    except (Failure, IntegrityError):  # pruned, or damaged: then it comes anew
        return None
    return (Copied(id, path), placed) if found == [sha256] else None
