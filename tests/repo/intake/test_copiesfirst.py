"""Large files are read copies first, whatever their names and sizes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mvcd.repo.intake import copiesfirst
from mvcd.repo.intake.copiesfirst import copies_first
from mvcd.repo.ondisk.statcache import FileStat
from mvcd.repo.workspace.found import Candidate, CandidateState
from tests.repo.bases.test_casts import copy, master, network
from tests.support.workspace import Bench


def ordered(directory: Path, names: list[str]) -> list[str]:
    found = [
        Candidate(name, FileStat.of(os.stat(directory / name)), CandidateState.NEW)
        for name in sorted(names)
    ]
    return [
        candidate.path for _, candidate in copies_first(found, lambda name: str(directory / name))
    ]


def test_masters_come_last_though_they_are_smaller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = network()
    first, second = ({name: values} for name, values in net.items())
    files = {
        "a-1.safetensors": master(first), "a-2.safetensors": master(second),
        "b.safetensors": copy(net) + bytes(100_000), "c.bin": bytes(5 << 20), "d.txt": b"small",
    }  # fmt: skip
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "b.safetensors").write_bytes(copy(net | {"more": network(4)["h.0"]}))
    assert os.stat(tmp_path / "b.safetensors").st_size > len(files["a-1.safetensors"])
    names = ["d.txt", "b.safetensors", "c.bin", "a-1.safetensors", "a-2.safetensors"]
    assert ordered(tmp_path, [*files]) == names
    monkeypatch.setattr(copiesfirst, "MOST_FILES", 1)
    assert ordered(tmp_path, [*files])[1:3] == ["a-1.safetensors", "a-2.safetensors"], "by size"


def test_what_cannot_be_read_is_for_the_reader_to_report(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(2 << 20))
    (tmp_path / "b").write_bytes(bytes(3 << 20))
    found = [
        Candidate(name, FileStat.of(os.stat(tmp_path / name)), CandidateState.NEW) for name in "ab"
    ]
    (tmp_path / "a").unlink()
    (tmp_path / "b").unlink()
    (tmp_path / "b").symlink_to("a")
    places = {"a": str(tmp_path / "a"), "b": str(tmp_path / "b")}
    assert [c.path for _, c in copies_first(found, places.__getitem__)] == ["a", "b"]
    assert [c.path for _, c in copies_first(found, lambda _: b"of no file")] == ["a", "b"]


def test_a_master_in_shards_rests_on_a_copy_in_one_file(bench: Bench) -> None:
    net = network()
    alone = bench.save({"elsewhere.safetensors": master(network(2))}).bytes_stored
    files = {
        f"master-{n}.safetensors": master({name: values})
        for n, (name, values) in enumerate(net.items())
    }
    more = network(4, 3_000_000)
    files["model.safetensors"] = copy(net | {"more": more["h.0"]})
    both = bench.save(files).bytes_stored  # type: ignore[arg-type]
    assert both < 1.02 * (alone + 0.66 * len(copy({"more": more["h.0"]})))
    assert bench.repo.verify().ok
