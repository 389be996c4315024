"""Content that is absent by choice: what records and the rest of the content tell is told all the same."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import save

from mvcd.errors import Failure, MissingObject, RemoteUnreachable
from mvcd.ids import Digest
from mvcd.monitor import Silent
from mvcd.objects.version import Component
from mvcd.repo.care.gc import reach
from mvcd.repo.compare.architecture import compare_architecture
from mvcd.repo.compare.data import compare_data
from mvcd.repo.compare.diff import diff_sides
from mvcd.repo.compare.tablechanges import NOT_HERE
from mvcd.repo.contents.files import VersionFiles, recipe_of
from tests.support.pruning import prune
from tests.support.workspace import Bench


def weights(seed: int) -> bytes:
    random = np.random.default_rng(seed)
    names = ("layers.0.w", "layers.1.w", "head")
    return save({n: random.normal(size=(40, 40)).astype(np.float32) for n in names})


@pytest.fixture
def grown(bench: Bench) -> Bench:
    """Three versions; each changes weights, data, a setting and a metric, only the third the source."""
    for number in (1, 2, 3):
        bench.save(
            {
                "m.safetensors": weights(number),
                "data/rows.csv": "a,b\n" + "1,2\n" * number,
                "params.yaml": f"lr: 0.{number}\n",
                "metrics.json": f'{{"val_acc": 0.{number}}}',
                "train.py": "x = 1\n" if number < 3 else "x = 2\n",
            }
        )
    return bench


def test_records_and_other_components_are_compared(grown: Bench) -> None:
    prune(grown.repo, "v1", [Component.WEIGHTS, Component.DATA])
    sides = grown.repo.sides("v1", "v3")
    diff = diff_sides(sides)
    v1 = grown.repo.resolve("v1")
    assert sides.absent == {Component.WEIGHTS: (v1,), Component.DATA: (v1,)}
    assert {c: f.listed for c, f in diff.components.items() if f.changed} == {
        Component.ARCHITECTURE: True,
        Component.WEIGHTS: False,
        Component.HYPERPARAMETERS: True,
        Component.DATA: False,
        Component.RESULTS: True,
    }
    assert diff.changed
    assert diff.metrics["val_acc"].diff == pytest.approx(0.2)
    assert diff.totals[Component.DATA][0].files == 1
    assert [s.path for s in compare_architecture(sides).source] == ["train.py"]
    assert compare_data(sides).tables == ()
    table = grown.repo.weights(sides)
    assert (dict(table), table.absent) == ({}, ("",))


def test_weights_are_compared_without_the_lists_of_other_files(grown: Bench) -> None:
    """The metrics changed too: to find out that they are no weights took the list of the data."""
    prune(grown.repo, "v1", [Component.DATA])
    diff = grown.repo.diff("v1", "v3")
    assert diff.tensors["m.safetensors"].changed == ("head", "layers.0.w", "layers.1.w")


def test_nothing_of_two_versions_is_here(grown: Bench) -> None:
    prune(grown.repo, "v1")
    prune(grown.repo, "v2")
    diff = grown.repo.diff("v1", "v2")
    changed = [c for c, files in diff.components.items() if files.changed]
    assert Component.ARCHITECTURE not in changed, "equal roots need no list"
    assert diff.hyperparameters["lr"].old == 0.1
    assert list(grown.repo.patch(diff)) == []


def lose(bench: Bench, path: str, rev: str) -> None:
    """The content of one file, its recipe with it, while the list that names it stays."""
    core = bench.repo._core
    placed = VersionFiles(core.version(bench.repo.resolve(rev)), core.fetch).find(path)
    assert placed is not None
    gone = set(reach([placed.entry.recipe], core.store.get_many))
    everything = {id for id, _ in core.store.ids()}
    core.store.collect(lambda *_: everything - gone)
    with pytest.raises(MissingObject):
        recipe_of(placed.entry, core.fetch)


def test_single_files_whose_content_is_gone(grown: Bench) -> None:
    for path in ("m.safetensors", "data/rows.csv", "train.py"):
        lose(grown, path, "v1")
    sides = grown.repo.sides("v1", "v3")
    diff = diff_sides(sides)
    assert diff.components[Component.WEIGHTS].modified == ("m.safetensors",)
    assert diff.tensors == {}
    assert compare_architecture(sides).absent == ("m.safetensors", "train.py")
    (table,) = compare_data(sides).tables
    assert table.old is not None and table.old.problem == NOT_HERE
    assert table.new is not None and table.new.rows == 3
    assert "train.py: its content is not here" in list(grown.repo.patch(diff))
    tensors = grown.repo.weights(sides)
    assert (dict(tensors), tensors.absent) == ({}, ("m.safetensors",))


def test_a_file_that_is_equal_hides_nothing_that_came(grown: Bench) -> None:
    """Though its content is gone: what came cannot have been in there."""
    grown.save({"still.safetensors": weights(4)})
    extra = np.ones((3, 3), np.float32)
    grown.save({"m.safetensors": save({"extra": extra, "head": extra})})
    lose(grown, "still.safetensors", "HEAD")
    tensors = grown.repo.weights(grown.repo.sides("HEAD~1", "HEAD"))
    assert [t.name for t in tensors.of_kind("added", "removed")] == [
        "extra", "layers.0.w", "layers.1.w",
    ]  # fmt: skip
    kinds = {"extra": "added", "head": "reshaped", "layers.0.w": "removed", "layers.1.w": "removed"}
    assert {name: t.kind for name, t in tensors.items()} == kinds
    assert tensors.absent == ("still.safetensors",)


def test_chunks_that_are_gone_leave_the_other_tensors(grown: Bench) -> None:
    core = grown.repo._core
    placed = VersionFiles(core.version(grown.repo.resolve("v1")), core.fetch).find("m.safetensors")
    assert placed is not None
    segment = recipe_of(placed.entry, core.fetch).tensors()["head"]
    lost = set(getattr(segment.content, "ids"))  # noqa: B009
    everything = {id for id, _ in core.store.ids()}
    core.store.collect(lambda *_: everything - lost)
    tensors = grown.repo.weights(grown.repo.sides("v1", "v3"))
    tensors.measure()
    assert tensors["head"].problem == "its content is not here"
    assert tensors["layers.0.w"].relative_l2 > 1
    with pytest.raises(Failure, match="head cannot be compared"):
        _ = tensors["head"].l2


def test_touching_tells_what_it_knows_and_warns(grown: Bench) -> None:
    core = grown.repo._core
    core.monitor = heard = Silent()
    prune(grown.repo, "v1", [Component.DATA])
    for name in ("data/rows.csv", "data"):
        found = [h.version.generation for h in grown.repo.find(touching=name)]
        assert found == [3]
    assert heard.warnings[0].startswith("v2, v1 may have changed data/rows.csv too")
    assert [h.version.generation for h in grown.repo.find(touching="lr")] == [3, 2, 1]
    assert [h.version.generation for h in grown.repo.find(touching="train.py")] == [3, 1]
    assert [h.version.generation for h in grown.repo.find(touching="head")] == [3, 2, 1]
    assert len(heard.warnings) == 2


def test_blame_says_where_certainty_ends(grown: Bench) -> None:
    grown.save({"notes.md": "4"})
    prune(grown.repo, "v2")
    for name, certain in (("head", False), ("data/rows.csv", False), ("lr", True)):
        found = grown.repo.blame(name)
        assert (found.entry.version.generation, found.certain) == (3, certain)
    with pytest.raises(Failure, match="nothing here tells what 'head' is in v2") as caught:
        grown.repo.blame("head", "v2")
    assert caught.value.kind == "content-absent"


def test_tables_and_cards_of_versions_without_content(grown: Bench) -> None:
    prune(grown.repo, "v1", [Component.WEIGHTS, Component.ARCHITECTURE, Component.DATA])
    compared = grown.repo.tabulate(["v1", "v3"])
    assert [row.cells for row in compared.rows] == [(0.1, 0.1), (0.3, 0.3)]
    (card,) = grown.repo.cards([grown.repo.resolve("v1")], tables=True)
    assert card.absent == (Component.WEIGHTS, Component.DATA)
    assert card.weights == card.data == card.tables == ()
    assert [file.path for file in card.architecture] == ["train.py"], "v2 has it too"
    assert card.history.version.metrics == {"val_acc": 0.1}


def test_a_list_that_is_whole_is_not_called_absent(grown: Bench) -> None:
    assert grown.repo.sides("v1", "v3").absent == {}


def test_a_remote_that_does_not_answer_costs_only_what_it_has(
    grown: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A partial clone reads what it left out from its remote."""
    prune(grown.repo, "v1", [Component.WEIGHTS, Component.DATA])
    lose(grown, "train.py", "v3")
    core = grown.repo._core

    def fetch(id: Digest) -> bytes:
        try:
            return core.store.get(id)
        except MissingObject as error:
            raise RemoteUnreachable("origin does not answer") from error

    monkeypatch.setattr(core, "fetch", fetch)
    sides = grown.repo.sides("v1", "v3")
    diff = diff_sides(sides)
    assert set(sides.absent) == {Component.WEIGHTS, Component.DATA}
    assert diff.metrics["val_acc"].new == 0.3
    assert compare_architecture(sides).absent == ("train.py",)
    assert grown.repo.weights(sides).absent == ("",)
    assert not grown.repo.blame("head", "v2").certain
    (card,) = grown.repo.cards([grown.repo.resolve("v1")], tables=True)
    assert card.absent == (Component.WEIGHTS, Component.DATA)
