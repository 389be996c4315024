"""History: children before parents whatever the clocks said, all of it once, and each part's own."""

from __future__ import annotations

from mvcd.objects.version import Component
from mvcd.repo.records.results import Context
from tests.support.workspace import Bench


def numbers(bench: Bench, start: str = "HEAD", **options: object) -> list[int]:
    return [h.version.generation for h in bench.repo.history(start, **options)]  # type: ignore[arg-type]


def test_newest_first_from_anywhere(bench: Bench) -> None:
    assert numbers(bench) == []
    for n in range(5):
        bench.save({"a": str(n)})
    assert numbers(bench) == [5, 4, 3, 2, 1]
    assert numbers(bench, "v3") == [3, 2, 1]
    assert numbers(bench, limit=2) == [5, 4]
    assert numbers(bench, limit=0) == []


def test_clocks_that_go_back_do_not_turn_history_around(bench: Bench) -> None:
    bench.add()
    for n, time_us in enumerate([10**15, 5, 10**12, 0, 7]):
        bench.write({"a": str(n)})
        bench.repo.commit("m", context=Context("Ada", time_us=time_us))
    assert numbers(bench) == [5, 4, 3, 2, 1]


def test_every_line_once(bench: Bench) -> None:
    for n in range(3):
        bench.save({"a": str(n)})
    bench.repo.create_tag("old", "v1", context=bench.context())
    bench.checkout("v2")
    bench.save({"a": "other"})
    assert numbers(bench) == [3, 2, 1]
    assert numbers(bench, "main") == [3, 2, 1]
    seen = list(bench.repo.history(all_refs=True))
    assert [h.version.generation for h in seen] == [3, 3, 2, 1]
    assert len({h.id for h in seen}) == 4
    refs = {h.id: h.refs for h in seen}
    assert refs[bench.repo.resolve("main")] == ("main",)
    assert refs[bench.repo.resolve("HEAD")] == ("HEAD -> from-v2",)
    assert refs[bench.repo.resolve("old")] == ("tag: old",)
    bench.checkout("old")
    assert "HEAD" in bench.repo.show("old").refs


def test_versions_that_changed_a_component(bench: Bench) -> None:
    bench.save({"model.pt": "1", "params.yaml": "lr: 1\n"})
    bench.save({"params.yaml": "lr: 2\n"})
    bench.save({"model.pt": "2"})
    bench.save({"notes.py": "x"})
    bench.remove("model.pt")
    bench.commit()
    assert numbers(bench, component=Component.WEIGHTS) == [5, 3, 1]
    assert numbers(bench, component=Component.HYPERPARAMETERS) == [2, 1]
    assert numbers(bench, component=Component.WEIGHTS, limit=1) == [5]
    assert numbers(bench, component=Component.DATA) == []
