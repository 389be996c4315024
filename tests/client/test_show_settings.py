"""`mvc show` of a Trainer's version: what was set, what differs, and how many settings are left out."""

from __future__ import annotations

from pathlib import Path

from tests.support.commandline import Mvc

ARGUMENTS = (Path(__file__).parents[1] / "inspect/data/recorded/training_args.bin").read_bytes()


def shown(screen: str) -> list[str]:
    return screen.partition("\nhyperparameters\n")[2].splitlines()


def test_defaults_that_a_library_wrote_are_counted(mvc: Mvc, work: Path) -> None:
    (work / "training_args.bin").write_bytes(ARGUMENTS)
    (work / "train.py").write_text("TrainingArguments('out', save_steps=500, learning_rate=1e-2)")
    mvc("init")
    mvc("add", ".")
    mvc("commit", "-m", "first")
    rows = shown(mvc("show").out)
    assert [row.split() for row in rows[:-1]] == [["learning_rate", "0.01"], ["save_steps", "500"]]
    all_rows = shown(mvc("show", "-v").out)
    left = len(all_rows) - 2
    assert rows[-1] == f"  ... {left} more that a library wrote down and no source sets (-v)"
    assert len(mvc("show", "--json").json["hyperparameters"]) == len(all_rows) > 60
    came = mvc("diff", "v0", "v1").out.partition("hyperparameters")[2].splitlines()[2:4]
    assert [row.split()[0] for row in came] == ["learning_rate", "save_steps"]


def test_what_differs_from_the_parent_is_shown(mvc: Mvc, work: Path) -> None:
    (work / "train.py").write_text("TrainingArguments('out', learning_rate=1e-2)")
    mvc("init")
    for text in (b"linear", b"cosine"):
        (work / "training_args.bin").write_bytes(ARGUMENTS.replace(b"linear", text))
        mvc("add", ".")
        mvc("commit", "-m", "next")
    rows = shown(mvc("show").out)
    assert [row.split() for row in rows[:-1]] == [
        ["learning_rate", "0.01"], ["lr_scheduler_type", "cosine", "was", "linear"],
    ]  # fmt: skip
    assert "lr_scheduler_type" not in "".join(shown(mvc("show", "v1").out))


def test_cards_and_catalogues_have_what_was_chosen(mvc: Mvc, work: Path) -> None:
    (work / "training_args.bin").write_bytes(ARGUMENTS)
    (work / "train.py").write_text("TrainingArguments('out', learning_rate=1e-2)")
    mvc("init")
    mvc("add", ".")
    mvc("commit", "-m", "first")
    settings = mvc("card").out.partition("## Hyperparameters")[2].partition("## Data")[0]
    assert "| learning_rate | 0.01 |" in settings and "adam_beta1" not in settings
    whole = mvc("card", "--json").json["hyperparameters"]
    assert f"... and {len(whole) - 1} more that a library wrote down" in settings
    mvc("tag", "first")
    page = mvc("catalogue", "--md").out
    assert "learning_rate 0.01" in page and "adam_beta1" not in page
