"""What a path says of a data file."""

from __future__ import annotations

import pytest

from mvcd.inspect.splits import class_of, is_image, split_of


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("data/train/cat/1.png", "train"),
        ("data/Validation/x", "val"),
        ("data/dev/x", "val"),
        ("train/images/test/1.png", "test"),
        ("data/train.csv", "train"),
        ("data/test-00000-of-00001.parquet", "test"),
        ("data/test2.csv", "test"),
        ("data/valid_labels.txt", "val"),
        ("data/trainer.csv", None),
        ("data/latest/1.png", None),
        ("x", None),
    ],
)
def test_splits(path: str, split: str | None) -> None:
    assert split_of(path) == split


def test_images() -> None:
    assert is_image("data/train/cat/1.JPEG")
    assert not is_image("data/png")
    assert class_of("data/train/cat/1.jpg") == "data/train/cat"
    assert class_of("1.jpg") == ""
