"""What annotations cost those who do not ask for them: `log -n 20`, and `push` and `fetch` of nothing new.

Two repositories of --size versions, each with a bare one beside it that has the same: in `noted` every version
has five annotations, in `plain` none. A push and a fetch list all refs of the remote, so they grow with the
annotations; a log reads those that it shows. Start-up is included: it is most of each figure.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from measure import Cost, interleave
from report import Bench, main

_KEYS = 5
_COMMANDS = {
    "log -n 20": ("log", "-n", "20"),
    "push of nothing": ("push",),
    "fetch of nothing": ("fetch",),
}
_MOST = {"log -n 20": 1.1, "push of nothing": 3.0, "fetch of nothing": 3.0}
"""Times as long as without annotations; of push and fetch with 50,000 refs more."""


def prepare(store: Path, count: int, keys: int) -> None:
    """Makes one version `count`, on one line, and annotates all."""
    from mvcd.ids import Kind, VersionId
    from mvcd.objects.version import Version
    from mvcd.repo.records.annotations import Annotation, encode, name_of
    from mvcd.store.api import RefUpdate
    from mvcd.store.lmdb_store import LmdbStore
    from tests.store.objects import plain

    with LmdbStore.open(store) as opened, opened.session() as session:
        head = opened.ref("heads/main")
        assert head is not None
        ids = [VersionId(head)]
        made = Version.decode(opened.get(ids[0]))
        while len(ids) < count:
            made = replace(made, parents=(ids[-1],), generation=made.generation + 1)
            session.put(*plain(made.encode(), Kind.VERSION))
            ids.append(made.id)
        session.commit([RefUpdate("heads/main", head, bytes(ids[-1]))])
        text = encode(Annotation(1, "Ada Lovelace <ada@example.org>", "0.9312"))
        opened.update_refs(
            [RefUpdate(name_of(id, f"test/key-{n}"), None, text) for id in ids for n in range(keys)]
        )


def workspace(bench: Bench, name: str, keys: int) -> Path:
    mvc, place = bench.programs.mvc, bench.scratch / name
    place.mkdir()
    mvc.init(place)
    (place / "params.yaml").write_text("lr: 0.1\n")
    mvc.save(place)
    prepare(place / ".mvc" / "store", bench.size, keys)
    bare = bench.scratch / f"{name}.bare"
    mvc.run("init", "--bare", bare, cwd=place)
    mvc.run("-C", place, "remote", "add", "origin", bare, cwd=place)
    mvc.run("-C", place, "push", cwd=place)
    return place


def body(bench: Bench) -> None:
    places = {"noted": workspace(bench, "noted", _KEYS), "plain": workspace(bench, "plain", 0)}

    def run(name: str, place: Path, _: Path) -> Mapping[str, Cost]:
        mvc = bench.programs.mvc
        return {
            f"{what}, {name}": mvc.run("-C", place, *words, cwd=place, settle=False)
            for what, words in _COMMANDS.items()
        }

    rounds = interleave(
        {name: partial(run, name, place) for name, place in places.items()},
        rounds=bench.rounds * 3,
        scratch=bench.scratch,
    )
    bench.keep_rounds(rounds)
    for what, most in _MOST.items():
        bench.at_most(
            f"{what} with {_KEYS} annotations for each of {bench.size:,} versions, against none",
            most, "x", partial(rounds.ratio, f"{what}, noted", f"{what}, plain"),
        )  # fmt: skip
    for place in places.values():
        shutil.rmtree(place)


if __name__ == "__main__":
    sys.exit(main(body, __doc__ or "", size="10000", quick="500"))
