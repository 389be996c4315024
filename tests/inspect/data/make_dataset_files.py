"""Writes what Hugging Face's datasets saves, below `datasets/`. Run with datasets 5.

`first` is a dataset in two splits. `again` is the same directory after another one was saved into it, with
fewer shards and a column more, which leaves files of the first behind. `datasets.json` holds what
`load_from_disk` reads.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from datasets import Dataset, DatasetDict, load_from_disk

HERE = Path(__file__).parent / "datasets"


def rows(start: int, end: int) -> dict[str, list[object]]:
    return {
        "text": [f"t{i}" for i in range(start, end)],
        "label": [i % 3 for i in range(start, end)],
    }


def main() -> None:
    shutil.rmtree(HERE, ignore_errors=True)
    first = DatasetDict(train=Dataset.from_dict(rows(0, 60)), test=Dataset.from_dict(rows(60, 70)))
    more = rows(0, 45) | {"score": [i / 4 for i in range(45)]}
    again = DatasetDict(train=Dataset.from_dict(more), test=first["test"])
    first.save_to_disk(HERE / "first", num_shards={"train": 3, "test": 1})
    first.save_to_disk(HERE / "again", num_shards={"train": 3, "test": 1})
    again.save_to_disk(HERE / "again", num_shards={"train": 2, "test": 1})
    answers = {}
    for name in ("first", "again"):
        for split, data in load_from_disk(HERE / name).items():
            numbers = {
                column: [min(data[column]), max(data[column]), sum(data[column]) / len(data)]
                for column in data.column_names
                if column != "text"
            }
            answers[f"{name}/{split}"] = [len(data), data.column_names, numbers]
    (HERE / "datasets.json").write_text(json.dumps(answers, indent=1) + "\n")


if __name__ == "__main__":
    main()
