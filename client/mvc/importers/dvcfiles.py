"""Pointers of DVC: `.dvc` files and the outputs of `dvc.lock`, and the caches that hold what they stand for.

Content of digest aabbcc lies in a cache, or in a remote that is a directory, at `files/md5/aa/bbcc` since
DVC 3, and before at `aa/bbcc`. A directory is a JSON list of its files; its digest ends in `.dir`, and so
does the name of the list. Digests that do not say `hash: md5` are older: those of text were of the text
with the line ends of Unix. What git itself has at the path of an output counts before the cache.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import md5
from typing import Any

from mvc.api.import_verbs import yaml_document
from mvc.importers.dvcconfig import caches_of
from mvc.importers.gitrecords import Blob, Change
from mvc.importers.gitsource import GitSource
from mvc.importers.pointers import CachedFile, Lacking, PointerOverlay

_DIGEST = re.compile(r"[0-9a-f]{32}(\.dir)?")
_LAYOUTS = ("files/md5", "")
_MAX_POINTER_BYTES = 1 << 20
_LOCK, _PIPELINE = "dvc.lock", "dvc.yaml"
_ONLY_OUTPUTS = {"outs", "md5", "wdir"}
"""Keys of a `.dvc` file that says nothing but what it stands for."""


@dataclass(frozen=True, slots=True)
class _Output:
    path: str
    digest: str
    text: bool  # as the digests before DVC 3
    executable: bool


@dataclass(frozen=True, slots=True)
class _Pointer:
    """What a pointer says. `replaced`: its outputs say all that it says."""

    outputs: tuple[_Output, ...] = ()
    replaced: bool = False
    problem: str | None = None


class DvcPointers:
    """Pointers of DVC in one repository."""

    place = "DVC's cache"
    way = "dvc fetch --all-commits"

    def __init__(self, source: GitSource, caches: Sequence[str]) -> None:
        """`caches` are directories to look into besides those that DVC's settings name."""
        self._source = source
        self._caches = list(dict.fromkeys([*caches_of(source), *map(os.path.abspath, caches)]))
        self._pointers: dict[tuple[str, Blob, Blob | None], _Pointer] = {}
        self._places: dict[str, str | None] = {}
        self._lists: dict[str, list[tuple[str, str]] | str] = {}

    def searched(self) -> Sequence[str]:
        """Lists the caches."""
        return self._caches

    def overlay(
        self,
        tree: Mapping[str, Blob],
        changed: Collection[Change] | None,
        before: PointerOverlay | None,
    ) -> PointerOverlay:
        """Works it out anew where a pointer, or which files git has, changed."""
        if before is not None and changed is not None and not _matters(changed, before):
            return before
        made = _Making(tree)
        for path in _pointers(tree):
            self._put(path, self._said(path, tree), made)
        return PointerOverlay(
            made.items, frozenset(made.hidden), tuple(made.lacking), tuple(made.problems)
        )

    def _put(self, path: str, pointer: _Pointer, made: _Making) -> None:
        """What one pointer stands for comes whole; or, where some of it is nowhere, the pointer stays."""
        items: dict[str, CachedFile] = {}
        lacking: list[Lacking] = []
        problem = pointer.problem
        for output in pointer.outputs:
            if output.path in made.tree:
                continue
            found = list(self._files(output))
            problem = problem or next((one for one in found if isinstance(one, str)), None)
            lacking += [one for one in found if isinstance(one, Lacking)]
            items |= dict(one for one in found if isinstance(one, tuple))
        if problem is not None:
            made.problems.append((path, problem))
        made.lacking += lacking
        if not lacking and problem is None:
            made.items |= {p: item for p, item in items.items() if p not in made.tree}
            if pointer.replaced:
                made.hidden.add(path)

    # ---------------------------------------------------------------- what an output is

    def _files(self, output: _Output) -> Iterator[tuple[str, CachedFile] | Lacking | str]:
        """The files of an output, those that no cache has, and what is wrong with it."""
        place = self._at(output.digest)
        if place is None:
            yield Lacking(output.path, output.digest)
        elif not output.digest.endswith(".dir"):
            yield (
                output.path,
                CachedFile("md5", output.digest, place, output.executable, output.text),
            )
        else:
            listed = self._listed(output.digest, place)
            if isinstance(listed, str):
                yield listed
                return
            for name, digest in listed:
                path, at = f"{output.path}/{name}", self._at(digest)
                if at is None:
                    yield Lacking(path, digest)
                else:
                    yield path, CachedFile("md5", digest, at, text=output.text)

    def _at(self, digest: str) -> str | None:
        if digest not in self._places:
            ways = (
                os.path.join(cache, layout, digest[:2], digest[2:])
                for cache in self._caches
                for layout in _LAYOUTS
            )
            self._places[digest] = next(filter(os.path.isfile, ways), None)
        return self._places[digest]

    def _listed(self, digest: str, place: str) -> list[tuple[str, str]] | str:
        """(path, digest) of a directory's files; or what is wrong with its list."""
        if digest not in self._lists:
            try:
                self._lists[digest] = _read_list(digest, place)
            except (ValueError, OSError) as error:
                self._lists[digest] = f"{place} is no list of a directory: {error}"
        return self._lists[digest]

    # ---------------------------------------------------------------- what a pointer says

    def _said(self, path: str, tree: Mapping[str, Blob]) -> _Pointer:
        directory, name = posixpath.split(path)
        beside = tree.get(posixpath.join(directory, _PIPELINE)) if name == _LOCK else None
        key = (path, tree[path], beside)
        if key not in self._pointers:
            try:
                self._pointers[key] = self._read(path, tree[path], beside)
            except (ValueError, TypeError, AttributeError) as error:
                why = str(error) if isinstance(error, ValueError) else "it has another form"
                self._pointers[key] = _Pointer(problem=f"it cannot be read: {why}")
        return self._pointers[key]

    def _read(self, path: str, blob: Blob, pipeline: Blob | None) -> _Pointer:
        document, directory = self._document(blob), posixpath.dirname(path)
        if not isinstance(document, dict):
            raise ValueError("it is no mapping")
        if not path.endswith(_LOCK):
            base = posixpath.join(directory, document.get("wdir") or "")
            outputs = tuple(_outputs(base, document.get("outs") or []))
            whole = len(outputs) == len(document.get("outs") or [])
            return _Pointer(outputs, whole and document.keys() <= _ONLY_OUTPUTS)
        stages = document.get("stages", {}) if "schema" in document else document
        about = _stages(self._document(pipeline)) if pipeline is not None else {}
        found: list[_Output] = []
        for name, stage in (stages or {}).items():
            place, uncached = about.get(name.partition("@")[0], ("", frozenset()))
            base = posixpath.join(directory, place)
            outs = [out for out in stage.get("outs") or [] if out.get("path") not in uncached]
            found += _outputs(base, outs)
        return _Pointer(tuple(found))

    def _document(self, blob: Blob) -> Any:
        if self._source.object_bytes(blob.id) > _MAX_POINTER_BYTES:
            raise ValueError("it is too large to be a pointer")
        return yaml_document(self._source.read(blob.id).decode())


class _Making:
    """An overlay in the making."""

    def __init__(self, tree: Mapping[str, Blob]) -> None:
        self.tree = tree
        self.items: dict[str, CachedFile] = {}
        self.hidden: set[str] = set()
        self.lacking: list[Lacking] = []
        self.problems: list[tuple[str, str]] = []


def _is_pointer(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name == _LOCK or (name.endswith(".dvc") and name != ".dvc")


def _pointers(tree: Mapping[str, Blob]) -> list[str]:
    return sorted(filter(_is_pointer, tree))


def _matters(changed: Collection[Change], before: PointerOverlay) -> bool:
    """Whether a commit's changes may change what pointers stand for: a pointer or a pipeline did, or git has a
    file now that an output is or was at the path of."""
    for path, blob in changed:
        if _is_pointer(path) or path.rpartition("/")[2] == _PIPELINE or blob is None:
            return True
        if path in before.items:
            return True
    return False


def _outputs(base: str, outs: Sequence[Mapping[str, Any]]) -> Iterator[_Output]:
    """Outputs with content in a cache. Raises ValueError for one outside the repository."""
    for out in outs:
        digest = out.get("md5")
        if digest is None or out.get("cache") is False:
            continue
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            raise ValueError(f"{digest!r} is no digest")
        path = _inside(base, out["path"])
        older = out.get("hash", "md5-dos2unix") == "md5-dos2unix"
        yield _Output(path, digest, older, out.get("isexec") is True)


def _inside(base: str, path: str) -> str:
    whole = posixpath.normpath(posixpath.join(base, path))
    if whole == ".." or whole.startswith(("../", "/")):
        raise ValueError(f"{path!r} is outside of the repository")
    return whole


def _stages(document: Any) -> dict[str, tuple[str, frozenset[str]]]:
    """For each stage of a pipeline where it works, and which of its outputs are in no cache."""
    found = {}
    for name, stage in ((document or {}).get("stages") or {}).items():
        said = stage.get("do", stage) if isinstance(stage, dict) else {}
        rows = [r for key in ("outs", "metrics", "plots") for r in _rows(said.get(key))]
        uncached = frozenset(path for path, how in rows if how.get("cache") is False)
        found[name] = (said.get("wdir") or "", uncached)
    return found


def _rows(listed: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Entries of a list in `dvc.yaml`: a path, or a mapping from one to how it is kept."""
    for entry in listed if isinstance(listed, list) else []:
        if isinstance(entry, dict):
            yield from ((p, how) for p, how in entry.items() if isinstance(how, dict))


def _read_list(digest: str, place: str) -> list[tuple[str, str]]:
    with open(place, "rb") as file:
        data = file.read()
    if md5(data, usedforsecurity=False).hexdigest() != digest.removesuffix(".dir"):
        raise ValueError("its digest is another one")
    found = []
    for row in json.loads(data):
        name, named = row["relpath"], row.get("md5")
        if not isinstance(named, str) or not _DIGEST.fullmatch(named) or named.endswith(".dir"):
            raise ValueError(f"{name!r} has no digest")
        found.append((_inside("", name), named))
    return found
