"""`mvc-manifest.json`: what a deployment copy is, so that anybody can check it (EXPORT.md).

The manifest carries the version's own record. From the entries that it lists follow the roots of their
components, from the record the version's id, and both have to agree: so an id that was approved
proves a directory, without the repository that it came from.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mvcd.errors import CorruptObject, Failure, MvcError
from mvcd.ids import Digest, RecipeId, VersionId
from mvcd.objects.entry import Entry, Mode, check_known_path
from mvcd.objects.manifest import edit_manifest
from mvcd.objects.promotion import Promotion
from mvcd.objects.version import Component, ComponentRoot, Version
from mvcd.repo.ondisk.unreadable import remedy

NAME = "mvc-manifest.json"
FORMAT = "mvc-export"
FORMAT_VERSION = 1
VERSION_WITH_LEFT_OUT = 2
"""The format's version of a manifest with `left_out`, which readers of the first would find contradictory."""
MAX_BYTES = 256 << 20
"""Largest manifest; a file takes about 250 bytes, so this is a million files."""
MAX_FILES = 1_000_000

_SHA256 = re.compile(r"[0-9a-f]{64}")
_MODES = {mode.name.lower(): mode for mode in Mode}


@dataclass(frozen=True, slots=True)
class ExportedFile:
    component: Component
    entry: Entry
    sha256: str  # hex, of the whole file; of a link's text; "" of what was left out


@dataclass(frozen=True, slots=True)
class ExportManifest:
    """`only` has the components that were exported; `promotion` is the record of the stage, if by stage.
    `left_out`: files of these components that were not, so that the others still prove to be the version's.
    `annotations`: text by key that stood beside the version; nothing proves it.
    """

    version: VersionId
    record: Version
    only: tuple[Component, ...]
    files: tuple[ExportedFile, ...]  # by path
    promotion: Promotion | None = None
    left_out: tuple[ExportedFile, ...] = ()  # by path, without SHA-256
    annotations: Mapping[str, str] = field(default_factory=dict)

    def encode(self) -> bytes:
        """JSON with one line a file."""
        made = self.promotion
        head: dict[str, Any] = {
            "format": FORMAT,
            "format_version": VERSION_WITH_LEFT_OUT if self.left_out else FORMAT_VERSION,
            "version": self.version.hex(),
            "number": self.record.generation,
            "message": self.record.message,
            "stage": None if made is None else _stage(made),
            "components": {c.value: _component(self.record.components[c]) for c in self.only},
            "record": _pack(self.record.encode()),
        }
        if self.left_out:
            head["left_out"] = [_file(f) for f in self.left_out]
        if self.annotations:
            head["annotations"] = dict(self.annotations)
        lines = [json.dumps(_file(f), sort_keys=True) for f in self.files]
        text = json.dumps(head, indent=1)[:-2]
        files = ",\n".join(f"  {line}" for line in lines)
        return f'{text},\n "files": [\n{files}\n ]\n}}\n'.encode()

    @classmethod
    def decode(cls, data: bytes) -> ExportManifest:
        """Raises CorruptObject unless `data` is a manifest whose parts prove each other."""
        try:
            document = json.loads(data)
            if document["format"] != FORMAT:
                raise ValueError(f"its format is {document['format']!r}")
            wanted = VERSION_WITH_LEFT_OUT if "left_out" in document else FORMAT_VERSION
            if document["format_version"] != wanted:
                raise ValueError(
                    f"it has format {document['format_version']}, this mvc reads {wanted}"
                )
            found = _read(document)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise _damaged(str(error) or "it is no manifest") from error
        except MvcError as error:
            raise _damaged(error.cause or str(error)) from error
        if (why := next(_contradictions(found, document), None)) is not None:
            raise _damaged(why)
        return found


def read(directory: str) -> ExportManifest:
    """The manifest of a deployment copy.

    Raises Failure(kind="no-manifest", "unreadable-file"), CorruptObject.
    """
    path = os.path.join(directory, NAME)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError as error:
        raise Failure(
            f"{path} cannot be read",
            kind="unreadable-file",
            cause=error.strerror,
            help=remedy(directory),
        ) from error
    except OSError as error:
        raise Failure(
            f"{directory} is no export of mvc",
            kind="no-manifest",
            cause=f"{NAME}: {os.strerror(error.errno or 0).lower()}",
            help="mvc export REV DIR",
        ) from error
    with open(fd, "rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise _damaged(f"it has more than {MAX_BYTES >> 20} MiB")
    return ExportManifest.decode(data)


def roots(files: Mapping[str, ExportedFile], component: Component) -> ComponentRoot:
    """The root of the component's manifest if it had exactly these of the files."""
    nodes: dict[Digest, bytes] = {}
    entries = {path: f.entry for path, f in files.items() if f.component is component}
    return edit_manifest(None, entries, nodes.__getitem__, nodes.__setitem__)


def _contradictions(manifest: ExportManifest, document: dict[str, Any]) -> Iterator[str]:
    """What a manifest says and the version's record does not."""
    record = manifest.record
    if record.id != manifest.version:
        yield "the version's record is not that of the version"
    if (document["number"], document["message"]) != (record.generation, record.message):
        yield "its number or message is not the version's"
    listed = (*manifest.files, *manifest.left_out)
    files = {f.entry.path: f for f in listed}
    if len(files) != len(listed):
        yield "a path stands twice"
    if any(f.component is not Component.WEIGHTS for f in manifest.left_out):
        yield "it leaves out what is no part of the weights"
    for component in Component:
        root, name = roots(files, component), component.value
        if component not in manifest.only:
            if root.files:
                yield f"it lists files of {name}, which was not exported"
        elif root != record.components[component]:
            yield f"its files of {name} are not those of the version"
        elif document["components"][name] != _component(root):
            yield f"its totals of {name} are not those of its files"
    if manifest.promotion is not None and manifest.promotion.version != manifest.version:
        yield "the record of promotion is of another version"


def _read(document: dict[str, Any]) -> ExportManifest:
    listed = document["files"]
    if not isinstance(listed, list) or len(listed) > MAX_FILES:
        raise ValueError("its list of files is none, or too long")
    only = tuple(c for c in Component if c.value in document["components"])
    if len(only) != len(document["components"]):
        raise ValueError("it has a component that there is not")
    stage = document["stage"]
    promotion = None if stage is None else Promotion.decode(_unpack(stage["record_bytes"]))
    if promotion is not None and stage != _stage(promotion):
        raise ValueError("what it says of the stage is not in the record of promotion")
    return ExportManifest(
        version=VersionId.parse(document["version"]),
        record=Version.decode(_unpack(document["record"])),
        only=only,
        files=tuple(map(_read_file, listed)),
        promotion=promotion,
        left_out=tuple(map(_read_left_out, document.get("left_out", ()))),
        annotations=_read_annotations(document.get("annotations", {})),
    )


def _read_annotations(found: Any) -> dict[str, str]:
    texts = dict(found)
    if not all(isinstance(text, str) for text in texts.values()):
        raise ValueError("its annotations are no texts")
    return texts


def _read_left_out(row: dict[str, Any]) -> ExportedFile:
    return replace(_read_file({**row, "sha256": "0" * 64}), sha256="")


def _read_file(row: dict[str, Any]) -> ExportedFile:
    path, size, sha256 = row["path"], row["size"], row["sha256"]
    check_known_path(path)
    if type(size) is not int or not 0 <= size < 1 << 63:
        raise ValueError(f"{path!r} has no size")
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise ValueError(f"{path!r} has no SHA-256")
    if row["mode"] not in _MODES:
        raise ValueError(f"{path!r} has no mode")
    entry = Entry(path, _MODES[row["mode"]], size, RecipeId.parse(row["recipe"]))
    return ExportedFile(Component(row["component"]), entry, sha256)


def _file(file: ExportedFile) -> dict[str, Any]:
    entry = file.entry
    return {
        "path": entry.path,
        "component": file.component.value,
        "mode": entry.mode.name.lower(),
        "size": entry.size,
        "recipe": entry.recipe.hex(),
        "sha256": file.sha256,
    }


def _component(root: ComponentRoot) -> dict[str, Any]:
    return {"root": root.root and root.root.hex(), "files": root.files, "bytes": root.size}


def _stage(made: Promotion) -> dict[str, Any]:
    return {
        "name": made.stage,
        "record": made.number,
        "digest": made.digest.hex(),
        "record_bytes": _pack(made.encode()),
    }


def _pack(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _unpack(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error


def _damaged(why: str) -> CorruptObject:
    return CorruptObject(
        f"{NAME} is damaged",
        kind="damaged-manifest",
        cause=why,
        help="export it anew, where the repository is: mvc export REV DIR",
    )
