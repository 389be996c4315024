"""What was read, kept in few bytes, against lists of objects."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from mvcd.ids import RecipeId
from mvcd.inspect.components import ComponentRules
from mvcd.inspect.kinds import UNKNOWN, ContentKind, Says
from mvcd.inspect.recorded import Recorded
from mvcd.objects.entry import Entry, Mode
from mvcd.objects.version import Component
from mvcd.repo.intake.loading import Ingested
from mvcd.repo.ondisk.statcache import FileStat
from mvcd.repo.workspace.filesread import FilesRead, with_others
from mvcd.repo.workspace.found import Candidate, CandidateState

MODEL = ContentKind("gguf", Says.MODEL)
TIED = ContentKind("onnx", Says.MODEL, ("data",))


def candidate(path: str, size: int) -> Candidate:
    return Candidate(path, FileStat(size, 1, 1, 1), CandidateState.NEW)


def test_whatever_the_order_it_comes_out_in_that_of_the_paths() -> None:
    source = random.Random(1)
    candidates = [candidate(f"d/{n:03}{'.onnx' if n % 9 == 0 else ''}", n) for n in range(200)]
    read = FilesRead(candidates, ComponentRules.default())
    wanted = []
    for place, one in enumerate(candidates):
        if place % 7 == 0:
            continue  # cannot be read
        size = one.stat.size + (place % 5 == 0)  # it grew since the scan
        mode = Mode.EXECUTABLE if place % 11 == 0 else Mode.FILE
        kind = (UNKNOWN, MODEL, TIED)[place % 3]
        told = Recorded(problem="odd") if place % 13 == 0 else None
        recipe = RecipeId(source.randbytes(32))
        now = FileStat(size, 1, 1, 1, mode is Mode.EXECUTABLE)
        wanted.append((place, Ingested(one.path, recipe, size, mode, now, told, kind)))
    for place, ingested in source.sample(wanted, len(wanted)):
        read.put(place, candidates[place], ingested)
    assert list(read.files()) == [
        (place, Entry(i.path, i.mode, i.size, i.recipe), i.kind) for place, i in wanted
    ]
    assert {place: read.told(place)[1] for place, _ in wanted} == {p: i.told for p, i in wanted}
    assert read.ties == {i.path: i.kind for _, i in wanted if i.path.endswith(".onnx")}
    for place, _ in wanted[::2]:
        read.bring(place, Component.WEIGHTS)
    assert list(read.edits(Component.WEIGHTS)) == [
        (i.path, Entry(i.path, i.mode, i.size, i.recipe)) for _, i in wanted[::2]
    ]
    assert read.brings(Component.WEIGHTS)
    assert not read.brings(Component.DATA)
    assert list(read.edits(Component.DATA)) == []


EDITS = st.dictionaries(st.sampled_from("abcdefgh"), st.none() | st.integers(0, 3))


@given(EDITS, EDITS)
def test_others_count_where_both_name_a_path(
    one: dict[str, int | None], other: dict[str, int | None]
) -> None:
    def entries(edits: dict[str, int | None]) -> dict[str, Entry | None]:
        recipe = RecipeId(bytes(32))
        return {
            path: None if size is None else Entry(path, Mode.FILE, size, recipe)
            for path, size in edits.items()
        }

    merged = list(with_others(sorted(entries(one).items()), entries(other)))
    assert merged == sorted(entries(one | other).items())
