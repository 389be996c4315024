"""A file that an earlier version cut along other lines is the file that it was, until a byte of it differs."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from mvcd.inspect.spans import Layout
from mvcd.monitor import Silent
from mvcd.objects.recipe import Recipe
from mvcd.repo.contents import drafts
from mvcd.repo.intake.ingest import Ingest
from mvcd.repo.intake.loading import Source
from mvcd.repo.intake.recut import has_content, is_cut_alike
from mvcd.repo.intake.targets import DryTarget
from mvcd.repo.ondisk.statcache import FileStat
from tests.support.workspace import Bench

WEIGHTS = {
    "w": np.random.default_rng(1).standard_normal(300_000).astype("f4"),
    "b": np.ones(3, "f4"),
}


def npz(arrays: dict[str, np.ndarray]) -> bytes:  # type: ignore[type-arg]
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


FILES = {"m.npz": npz(WEIGHTS), "m.safetensors": save(WEIGHTS), "empty": b"", "small": b"x" * 100}


def pickled(arrays: dict[str, np.ndarray]) -> bytes:  # type: ignore[type-arg]
    return pickle.dumps(arrays, protocol=5)


def npy(arrays: dict[str, np.ndarray]) -> bytes:  # type: ignore[type-arg]
    file = io.BytesIO()
    np.save(file, arrays["w"])
    return file.getvalue()


@pytest.mark.parametrize("write", [npz, npy, pickled, save], ids=lambda write: write.__name__)
def test_a_training_step_is_stored_as_a_difference(
    write: Callable[[dict[str, Any]], bytes], bench: Bench
) -> None:
    """All weights move by a thousandth: what remains of 32 bits are the lower halves of mantissas."""
    step = WEIGHTS["w"] * np.float32(1.001)
    bench.save({"m.weights": write(WEIGHTS)})
    done = bench.save({"m.weights": write({**WEIGHTS, "w": step})})
    assert done.bytes_stored < 0.6 * step.nbytes, "0.44; 0.84 by itself"


def without_layouts(read_at: object, size: int) -> Layout | None:
    """As by a release that knew no format."""


def recipe_of_file(place: Path) -> Recipe:
    target = DryTarget()
    source = Source(place.name, FileStat.of(os.lstat(place)))
    with Ingest(str(place.parent), target, monitor=Silent()) as ingest:
        (found,) = ingest.run([source])
    data = target.recent(found.recipe)
    assert data is not None
    return Recipe.decode(data)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("earlier", [False, True])
def test_a_file_has_its_own_content_however_it_was_cut(
    name: str, earlier: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / name
    place.write_bytes(FILES[name])
    with monkeypatch.context() as patched:
        if earlier:
            patched.setattr(drafts, "layout", without_layouts)
        recipe = recipe_of_file(place)
    assert is_cut_alike(recipe, recipe_of_file(place)) is not (earlier and name.startswith("m."))
    assert has_content(str(place), recipe)
    for at in range(0, len(FILES[name]), len(FILES[name]) // 9 + 1):
        changed = bytearray(FILES[name])
        changed[at] ^= 1
        place.write_bytes(changed)
        assert not has_content(str(place), recipe)
    place.write_bytes(FILES[name] + b"x")
    assert not has_content(str(place), recipe)
    place.unlink()
    assert not has_content(str(place), recipe)


def test_a_better_reader_of_tensors_changes_no_file(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(drafts, "layout", without_layouts)
        bench.save({name: data for name, data in FILES.items() if data})
    for name in FILES:
        place = bench.root / name
        if place.exists():
            os.utime(place, ns=(1, 1))
    assert bench.repo.status().clean
    changed = bytearray(FILES["m.npz"])
    changed[-1] ^= 1
    (bench.root / "m.npz").write_bytes(changed)
    assert [change.path for change in bench.repo.status().modified] == ["m.npz"]
