"""Fisher's Iris as values: reading the table and splitting it. Source and licence: DATA.md."""

from __future__ import annotations

import csv
import random
from importlib import resources
from typing import NamedTuple

COLUMNS = ("sepal_length", "sepal_width", "petal_length", "petal_width")
SPECIES = ("setosa", "versicolor", "virginica")


class Flower(NamedTuple):
    """Four measurements in centimetres, in the order of COLUMNS, and an index into SPECIES."""

    measurements: tuple[float, ...]
    species: int


def table() -> bytes:
    """The CSV file as it is shipped."""
    return resources.files("mvc.demo").joinpath("iris.csv").read_bytes()


def read_flowers(path: str) -> list[Flower]:
    """The rows of a CSV file with the columns COLUMNS and `species`, in the file's order.

    Raises KeyError for a missing column and ValueError for a value that is no number or species.
    """
    with open(path, encoding="utf-8", newline="") as file:
        return [
            Flower(
                tuple(float(row[column]) for column in COLUMNS),
                SPECIES.index(row["species"]),
            )
            for row in csv.DictReader(file)
        ]


def split(
    flowers: list[Flower], *, validation_per_species: int, seed: int
) -> tuple[list[Flower], list[Flower]]:
    """Training and validation flowers, drawn per species so that a small set stays balanced."""
    draw = random.Random(seed)  # noqa: S311 - repeatable, not secret
    training: list[Flower] = []
    validation: list[Flower] = []
    for species in range(len(SPECIES)):
        group = [flower for flower in flowers if flower.species == species]
        draw.shuffle(group)
        validation += group[:validation_per_species]
        training += group[validation_per_species:]
    return training, validation
