"""The bases that the [bases] table of mvc.toml names."""

from __future__ import annotations

import tomllib
from functools import partial

import numpy as np
import pytest
from safetensors.numpy import save

from mvcd.errors import Failure
from mvcd.ids import ChunkId
from mvcd.objects.version import Component
from mvcd.repo.bases.chains import MOST_LEVELS, chain_of
from mvcd.repo.bases.stated import parse
from mvcd.repo.core.core import Core
from tests.repo.capturing import save as save_capture
from tests.repo.capturing import take
from tests.support.pruning import prune
from tests.support.workspace import Bench

Arrays = dict[str, np.ndarray]  # type: ignore[type-arg]
TUNE = "tunes/a/model.safetensors"


def network(seed: int) -> Arrays:
    rng = np.random.default_rng(seed)
    return {f"h.{n}.w": rng.standard_normal(200_000).astype("f4") for n in range(3)}


def tuned(seed: int, step: int = 1) -> bytes:
    """The network of that seed, trained on: each weight moves by up to a thousandth."""
    return save({n: array * np.float32(1 + step / 10_000) for n, array in network(seed).items()})


ALONE = 0.86
"""Share of the bytes that such a network takes without a base, at most; 0.37 with a near one."""


def share(bench: Bench, path: str, data: bytes) -> float:
    return bench.save({path: data}).bytes_stored / len(data)


def told(bench: Bench, table: str) -> None:
    bench.write({"mvc.toml": f"[bases]\n{table}\n"})


# ---------------------------------------------------------------- where bases are


@pytest.fixture
def later(bench: Bench) -> Bench:
    """The base is in v1 alone, tagged; v2 has another network under a path that is no less like."""
    bench.save({"zoo/model.safetensors": tuned(1, 0), "notes.md": "x"})
    bench.repo.create_tag("base-model", context=bench.context())
    bench.remove("zoo/model.safetensors")
    bench.save({"other/model.safetensors": tuned(2, 0)})
    return bench


@pytest.mark.parametrize(
    "where",
    [
        "v1:zoo/",
        "v1:/zoo/model.safetensors",
        "v1:",
        "base-model:.",
        "tags/base-model:./zoo",
        "HEAD~2:zoo",
    ],
)
def test_the_base_of_another_version(later: Bench, where: str) -> None:
    assert 0.8 < share(later, TUNE, tuned(1)) < ALONE
    later.remove(TUNE)
    told(later, f'"tunes/*" = "{where}"')
    done = later.save({"tunes/b/model.safetensors": tuned(1, 2)})
    assert done.bytes_stored < 0.5 * len(tuned(1))
    assert done.unfound_bases == ()
    assert later.repo.read("tunes/b/model.safetensors") == tuned(1, 2)
    assert later.repo.verify().ok


@pytest.mark.parametrize("stated", [True, False])
def test_the_base_in_the_version_before(bench: Bench, stated: bool) -> None:
    """Others are liker by their paths; they are given up only after 16 chunks, which is all there is here."""
    bench.save({"base/x.safetensors": tuned(1, 0), "tunes/z/model.safetensors": tuned(2)})
    if stated:
        told(bench, '"tunes/*" = "base/"')
    found = share(bench, TUNE, tuned(1))
    assert found < 0.5 if stated else 0.8 < found < ALONE


@pytest.mark.parametrize("stated", [True, False])
def test_the_base_in_the_same_commit(bench: Bench, stated: bool) -> None:
    if stated:
        told(bench, '"tunes/*" = "base/x.safetensors"')
    bench.save({"notes.md": "x"})
    names = ("base/x.safetensors", "tunes/0/model.safetensors", TUNE)
    data = [tuned(1, 0), tuned(2), tuned(1)]
    done = bench.save(dict(zip(names, data, strict=True)))
    assert done.unfound_bases == ()
    assert done.bytes_stored < (0.75 if stated else 0.87) * sum(map(len, data))
    assert stated or done.bytes_stored > 0.8 * sum(map(len, data))
    assert bench.repo.read(TUNE) == tuned(1)
    assert bench.repo.verify().ok


def test_the_nearer_one_of_what_was_before_and_what_is_stated(later: Bench) -> None:
    """The fine-tune of one model gives way to that of another, which then is trained on."""
    share(later, TUNE, tuned(3))
    told(later, '"tunes/*" = "v1:zoo"')
    assert share(later, TUNE, tuned(1, 1000)) < 0.75, "v1 is nearer"
    assert share(later, TUNE, tuned(1, 1001)) < 0.5, "what was before is"
    store = later.repo.store
    depths = [len(chain_of(lambda id: store.info(id).base, id)) - 1 for id in chunks(later)]
    assert max(depths) <= MOST_LEVELS


def chunks(bench: Bench) -> list[ChunkId]:
    return [id for id, _ in bench.repo.store.ids() if isinstance(id, ChunkId)]


def test_the_first_line_that_matches_decides(later: Bench) -> None:
    told(later, '"tunes/b/*" = "v2:other"\n"tunes/*" = "v1:zoo"')
    assert share(later, TUNE, tuned(1)) < 0.5
    assert share(later, "tunes/b/x.safetensors", tuned(2)) < 0.5


def test_what_mvcd_saves_by_itself(later: Bench) -> None:
    told(later, '"tunes/*" = "v1:zoo"\n"more/*" = "v9:zoo"')
    later.save({"notes.md": "y"})
    later.write({TUNE: tuned(1), "more/x.safetensors": tuned(4)})
    done = save_capture(later, take(later, TUNE)).result
    assert done is not None
    assert (done.bytes_stored < 0.5 * len(tuned(1)), done.unfound_bases) == (True, ())
    done = save_capture(later, take(later, "more/x.safetensors")).result
    assert done is not None
    assert [line for line, _ in done.unfound_bases] == ['"more/*" = "v9:zoo"']


def test_gc_keeps_the_chunks_of_a_base_whose_version_goes(bench: Bench) -> None:
    bench.save({"notes.md": "x"})
    bench.repo.switch("base", create=True, context=bench.context())
    bench.save({"zoo/model.safetensors": tuned(1, 0)})
    bench.repo.switch("main", context=bench.context())
    told(bench, '"tunes/*" = "base:zoo"')
    assert share(bench, TUNE, tuned(1)) < 0.5
    bench.repo.delete_branch("base", force=True, context=bench.context())
    bench.repo.gc(context=bench.context(), keep_operations_us=0)
    assert bench.repo.read(TUNE) == tuned(1)
    assert bench.repo.verify().ok
    (note,) = bench.save({"tunes/b/model.safetensors": tuned(2)}).unfound_bases
    assert note[0] == '"tunes/*" = "base:zoo"'
    assert note[1].startswith(
        "no version is named 'base': no branch, tag, stage or id is called so"
    )


# ---------------------------------------------------------------- what cannot be looked up


@pytest.mark.parametrize(
    ("where", "why"),
    [
        (
            "v9:zoo",
            "no version is named 'v9': no line has a version of that number; see: mvc log --all"
            " (help: mvc log)",
        ),
        (
            "base-modle:.",
            "no version is named 'base-modle': did you mean base-model? (help: mvc log)",
        ),
        ("v1:base", "v1 has no weights at base (help: mvc ls v1)"),
        ("v1:notes.md/x", "v1 has no weights at notes.md/x (help: mvc ls v1)"),
        ("v0:", "v0 has no weights at . (help: mvc ls v0)"),
        (
            "v1",
            "no weights are at v1 in the version before, nor earlier in this commit"
            " (help: commit the base before; in another version it is REV:PATH)",
        ),
    ],
)
def test_what_leads_nowhere_is_told_once(later: Bench, where: str, why: str) -> None:
    told(later, f'"tunes/*" = "{where}"')
    files: dict[str, bytes | str] = {f"tunes/{n}.safetensors": tuned(n) for n in (1, 2)}
    done = later.save(files)
    assert done.unfound_bases == ((f'"tunes/*" = "{where}"', why),)
    assert {path: later.repo.read(path) for path in files} == files
    assert later.save({"notes.md": "y"}).unfound_bases == (), "no tensors were stored"


@pytest.mark.parametrize("lists", [True, False])
def test_content_that_is_not_here(bench: Bench, lists: bool) -> None:
    """A base that was pruned, and one of which only lists are left."""
    bench.save({"zoo/model.safetensors": tuned(1, 0)})
    bench.save({"zoo/model.safetensors": tuned(2, 0)})
    if lists:
        prune(bench.repo, "v1", [Component.WEIGHTS])
    else:
        core = bench.repo._core
        here = set(chunks(bench))
        core.store.collect(lambda *_: {id for id, _ in core.store.ids()} - here)
    told(bench, '"tunes/*" = "v1:zoo"')
    done = bench.save({TUNE: tuned(1), "tunes/b.safetensors": tuned(2)})
    assert done.unfound_bases == (
        (
            '"tunes/*" = "v1:zoo"',
            "its content is not here"
            " (help: mvc remote add origin URL && mvc config set partial.remote origin)",
        ),
    )
    assert bench.repo.read(TUNE) == tuned(1)


def test_nothing_is_looked_up_for_files_that_match_no_line(
    later: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(later, '"tunes/*" = "v1:zoo"')
    monkeypatch.setattr(Core, "resolve", partial(pytest.fail, "a revision was looked up"))
    done = later.save({"else/model.safetensors": tuned(1), "tunes/notes.md": "no tensors"})
    assert done.unfound_bases == ()
    assert 0.8 < done.bytes_stored / len(tuned(1)) < ALONE


# ---------------------------------------------------------------- the table


@pytest.mark.parametrize(
    ("table", "cause"),
    [
        ("bases = 3", "it is no table"),
        ('[bases]\n"tunes/*" = 3', "what 'tunes/*' has for a base must be a path or REV:PATH, as text"),
        ('[bases]\n"tunes/*" = " "', "what 'tunes/*' has for a base must be a path or REV:PATH, as text"),
        ('[bases]\n"tunes/*" = ["v1:"]', "what 'tunes/*' has for a base must be a path or REV:PATH, as text"),
        ('[bases.tunes]\nbase = "v1:"', "what 'tunes' has for a base must be a path or REV:PATH, as text"),
        ('[bases]\n"" = "v1:"', "'' is no glob: it is empty, or begins with !"),
        ('[bases]\n"!tunes" = "v1:"', "'!tunes' is no glob: it is empty, or begins with !"),
        ('[bases]\n"tunes" = "../base"', "'../base' leads out of the workspace"),
        ('[bases]\n"tunes" = "v1:a/../.."', "'v1:a/../..' leads out of the workspace"),
    ],
)  # fmt: skip
def test_a_table_that_is_wrong_saves_nothing(bench: Bench, table: str, cause: str) -> None:
    bench.save({"notes.md": "x"})
    bench.write({"mvc.toml": table, TUNE: tuned(1)})
    with pytest.raises(Failure) as caught:
        bench.commit()
    assert (caught.value.kind, caught.value.cause) == ("bad-config", cause)
    assert caught.value.help == 'write it like: "tunes/*" = "v3:model/"'
    assert bench.repo.head.number == 1


@pytest.mark.parametrize(
    ("where", "rev", "path"),
    [
        ("base/", None, "base"),
        (".", None, ""),
        ("/base//x/./", None, "base/x"),
        ("main@{2026-11-01T10:30}:base", "main@{2026-11-01T10:30}", "base"),
        (":a:b", "HEAD", "a:b"),
        ("v3:", "v3", ""),
    ],
)
def test_what_a_line_says(where: str, rev: str | None, path: str) -> None:
    (line,) = parse(tomllib.loads(f'"tunes/*" = "{where}"'))
    assert (line.line, line.rev, line.path) == (f'"tunes/*" = "{where}"', rev, path)
    matched = [p for p in ("tunes/a", "tunes/a/b", "x/tunes/a") if line.pattern.fullmatch(p)]
    assert matched == ["tunes/a", "tunes/a/b"]
    assert line.holds("base/x") == (path in ("", "base", "base/x"))
    assert not line.holds("basement") or not path
