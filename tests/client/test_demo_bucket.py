"""`mvc demo --store`: everybody meets in a bucket, which is empty again afterwards unless it is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import motoserver
from tests.support.commandline import Mvc


def require_told(mvc: Mvc, url: str, *more: str) -> str:
    """Runs the demo, looks for its chapters, and answers all that it said."""
    ran = mvc("demo", "--store", url, "--iterations", "5", *more)
    told = [line.removeprefix("$ ") for line in ran.out.splitlines() if line[:1] not in ("", " ")]
    assert [line for line in told if line.startswith(("mvc push", "mvc clone", "mvc fetch"))] == [
        f"mvc push {url}   into the bucket",
        f"mvc clone {url}   and verify the clone",
        f"mvc push {url}   into the bucket",
        "mvc fetch   in the clone: what is new, and where it lies",
    ]
    assert "packs  2 objects" in ran.out
    place = url.removeprefix("bucket+file://").rpartition("/")[0]  # however long it is here
    wide = [line for line in ran.out.splitlines() if len(line) > 88 and place not in line]
    assert wide == []
    return ran.out + ran.err


@pytest.mark.thorough
def test_through_a_directory(mvc: Mvc, work: Path) -> None:
    url = f"bucket+file://{work.resolve()}/bucket"
    require_told(mvc, url)
    assert not (work / "bucket").exists()
    assert f"{url} stays: mvc clone {url}" in require_told(mvc, url, "--keep", "kept")
    assert mvc("ls-remote", url).out.split()[1] == "heads/main"


@pytest.mark.tools
def test_through_s3(mvc: Mvc, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with motoserver.running() as endpoint:
        for name, value in endpoint.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("XDG_CACHE_HOME", str(work.parent / "cache"))
        url = f"s3://{endpoint.make_bucket()}/demo"
        require_told(mvc, url)
        require_told(mvc, url)  # so nothing was left
