"""What people wrote about a model: its licence, what it is for, and a picture.

An annotation (`license`, `intended_use`) goes before the README of the version. A picture is the one that the
README shows, else the first one among the results.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

from mvcd.inspect.modelnotes import MAX_BYTES, ModelNotes, model_notes
from mvcd.objects.entry import Entry, Mode
from mvcd.objects.version import Component, Version
from mvcd.repo.contents.content import VersionFile
from mvcd.repo.contents.files import ABSENT, VersionFiles
from mvcd.repo.core.core import Core

READMES = ("MODEL_CARD.md", "model_card.md", "README.md", "readme.md")
PICTURES = frozenset({"png", "jpg", "jpeg", "gif", "webp"})
"""Ends of names of what every browser draws."""
MAX_PICTURE_BYTES = 1 << 20
_MAX_RESULTS_FILES = 10_000


def card_notes(core: Core, version: Version, texts: Mapping[str, str]) -> ModelNotes:
    """`texts` are the version's annotations; of the picture, the path in the version. Raises nothing where
    content is not here: then it says less."""
    try:
        said, picture = _written(core, version)
    except ABSENT:
        said, picture = ModelNotes(), ""
    return ModelNotes(
        texts.get("license", "").strip() or said.license,
        texts.get("intended_use", "").strip() or said.intended_use,
        picture,
    )


def _written(core: Core, version: Version) -> tuple[ModelNotes, str]:
    files = VersionFiles(version, core.fetch)
    said = ModelNotes()
    found = files.lookup(READMES)
    readme = next((found[path].entry for path in READMES if path in found), None)
    if readme is not None and readme.mode is not Mode.SYMLINK:
        with VersionFile(readme, core.fetch) as file:
            said = model_notes(file.read(MAX_BYTES).decode(errors="replace"))
        shown = files.find(said.picture.removeprefix("./")) if said.picture else None
        if shown is not None and _is_picture(shown.entry):
            return said, shown.entry.path
    results = (placed.entry for placed in files.all([Component.RESULTS]))
    near = islice(results, _MAX_RESULTS_FILES)
    return said, next((entry.path for entry in near if _is_picture(entry)), "")


def _is_picture(entry: Entry) -> bool:
    end = entry.path.rpartition(".")[2].lower()
    return end in PICTURES and entry.mode is not Mode.SYMLINK and entry.size <= MAX_PICTURE_BYTES
