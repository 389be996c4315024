"""What a path says of a data file: which split it belongs to, and of which class an image is."""

from __future__ import annotations

import re

SPLITS = {
    "train": "train", "training": "train", "trn": "train",
    "test": "test", "testing": "test", "tst": "test",
    "val": "val", "valid": "val", "validation": "val", "dev": "val", "eval": "val",
}  # fmt: skip

IMAGES = frozenset("png jpg jpeg gif webp bmp tif tiff ppm pgm".split())

ABOUT = frozenset(("state.json", "dataset_info.json", "dataset_dict.json", "dataset_infos.json"))
"""Files of Hugging Face's datasets that describe a split. They are no samples, so it says nothing that two
splits have the same."""

_WORDS = re.compile(r"[^a-z0-9]+|(?<=[a-z])(?=[0-9])")


def split_of(path: str) -> str | None:
    """ "train", "test" or "val": by the innermost directory that is called so, or else by the first word of the
    file's name (`train-00000-of-00002.parquet`)."""
    *directories, name = path.lower().split("/")
    for directory in reversed(directories):
        if directory in SPLITS:
            return SPLITS[directory]
    return SPLITS.get(_WORDS.split(name, maxsplit=1)[0])


def is_about(path: str) -> bool:
    """Whether a file describes data and is none."""
    return path.rpartition("/")[2] in ABOUT


def is_image(path: str) -> bool:
    return path.rpartition(".")[2].lower() in IMAGES


def class_of(path: str) -> str:
    """The directory of an image: in the usual layouts (`train/cat/0001.png`) the split and the class."""
    return path.rpartition("/")[0]
