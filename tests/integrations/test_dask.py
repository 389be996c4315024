"""Dask reads and writes tables at mvc://, with each of its schedulers.  pytest -m tools"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import pandas as pd
import pytest

import mvc
from mvcd.store.lmdb_store import LmdbStore

pytestmark = [
    pytest.mark.tools, pytest.mark.usefixtures("work"),
    pytest.mark.filterwarnings("ignore:The inplace keyword"),  # Dask's own, with pandas 3.1
]  # fmt: skip

ROWS = 1000


@pytest.fixture
def branch(tmp_path: Path) -> str:
    LmdbStore.create(tmp_path / "bare").close()
    return f"mvc://{tmp_path}/bare@main"


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_tables_are_written_and_read(branch: str, tmp_path: Path, scheduler: str) -> None:
    import dask
    import dask.dataframe as dd

    frame = pd.DataFrame({"x": range(ROWS), "y": [str(n) for n in range(ROWS)]})
    # of threads, Dask would keep a pool of its own for good
    pool = ThreadPoolExecutor(2) if scheduler == "threads" else None
    with pool or nullcontext(), dask.config.set(scheduler=scheduler, pool=pool):
        parts = dd.from_pandas(frame, npartitions=4)
        parts.to_parquet(f"{branch}/parquet")
        parts.to_csv(f"{branch}/csv/*.csv", index=False)
        found = dd.read_parquet(f"{branch}/parquet").compute()
        found = found.sort_values("x").reset_index(drop=True)
        pd.testing.assert_frame_equal(found, frame, check_dtype=False)
        pinned = branch.replace("@main", "@v8")
        assert dd.read_csv(f"{pinned}/csv/*.csv").x.sum().compute() == frame.x.sum()
        assert dd.read_parquet(f"{pinned}/parquet", columns=["x"]).x.max().compute() == ROWS - 1
    repo = mvc.Repo.open(tmp_path / "bare")
    assert [version.files for version in repo.log("main")] == list(range(8, 0, -1))
    repo.close()
