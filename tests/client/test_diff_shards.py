"""Tables in shards on the screens: one line each, and their files with -v."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support.commandline import Mvc

DATA = Path(__file__).parents[1] / "inspect" / "data" / "datasets"


def test_a_dataset_is_one_line(mvc: Mvc, work: Path) -> None:
    mvc("init")
    for kind in ("first", "again"):
        shutil.rmtree(work / "ds", ignore_errors=True)
        shutil.copytree(DATA / kind, work / "ds")
        mvc("add", "ds")
        mvc("commit", "-m", kind)
    said = mvc("diff", "v1", "v2").out
    line = "  ~ ds/train   shards 3 -> 2; rows 60 -> 45; columns +score\n"
    assert f"{line}results" in said
    whole = mvc("diff", "v1", "v2", "-v").out
    assert f"{line}      ~ ds/train/dataset_info.json\n" in whole
    assert "\n      + ds/train/data-00000-of-00002.arrow\n" in whole
    (table,) = mvc("diff", "v1", "v2", "--json").json["data"]["tables"]
    assert (table["path"], table["shards"]["old"], table["shards"]["new"]) == ("ds/train", 3, 2)
    assert "| ds/train (2 shards) | 45 | text, label, score |" in mvc("card").out
    rows = {t["path"]: (t["rows"], t["shards"]) for t in mvc("card", "--json").json["data_tables"]}
    assert rows["ds/train"] == (45, 2) and rows["ds/train/data-*.arrow"] == (None, 3)
