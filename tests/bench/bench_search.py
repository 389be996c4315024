"""Questions over 10,000 versions: `log --where`, `log --best`, `compare`, `blame`, `bisect --metric`, `plot`.

Each version records eight hyperparameters and eight metrics; `params.yaml` changes every 1,000
versions, one of ten shards of weights with each. There is no index: what is read are the version
records themselves. The peer is git with as many commits, the values as lines of the message, asked
with `git log --grep` (one regular expression over each message: less than `--where` does) and `git
log -1 -- FILE`. --size is the number of versions.
"""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path

from measure import Cost, interleave
from report import Bench, main

from mvcd.ids import RecipeId, VersionId
from mvcd.objects.manifest import ComponentRoot, Entry, ManifestBuilder, Mode
from mvcd.objects.version import Component, Trigger, Value, Version
from mvcd.repo.intake.targets import StoreTarget
from mvcd.repo.records.results import Context
from mvcd.store.api import RefUpdate
from tests.support.engine import Repository

AUTHOR = "Ada Lovelace <ada@example.org>"
FIRST_US = 1_760_000_000_000_000
MINUTE_US = 60_000_000
LIMIT_S = 1.0

QUESTIONS: Mapping[str, tuple[str, ...]] = {
    "log --where": ("log", "--oneline", "-n", "20", "--where", "val_acc>0.9 and lr<2e-2 and depth=3"),
    "log --where, nothing found": ("log", "--where", "val_acc>2"),
    "log --best": ("log", "--oneline", "--best", "val_acc"),
    "log --touching": ("log", "--oneline", "--touching", "params.yaml"),
    "compare": ("compare", "--all", "--where", "val_acc>0.9", "--sort", "val_acc", "--columns", "lr,val_acc"),
    "compare, all rows": ("compare", "--all", "--columns", "lr,depth,val_acc,val_loss"),
    "blame of a key": ("blame", "momentum"),
    "blame of a file": ("blame", "README.md"),
    "blame of a file among 10, one new each time": ("blame", "shard-5.safetensors"),
    "bisect --metric": ("bisect", "--metric", "val_acc>0.9"),
    "plot": ("plot", "val_acc"),
}  # fmt: skip


def body(bench: Bench) -> None:
    programs, count = bench.programs, bench.size
    repository = bench.scratch / "repository"
    build(repository, count)

    def mvc(_: Path) -> Mapping[str, Cost]:
        return {
            f"mvc {name}": programs.mvc.run(*words, cwd=repository, settle=False)
            for name, words in QUESTIONS.items()
        }

    @cache
    def git_repository() -> Path:
        build_git(programs.git.found(), bench.scratch / "git", count)
        return bench.scratch / "git"

    def git(_: Path) -> Mapping[str, Cost]:
        grep = ("log", "--oneline", "--grep", "^val_acc 0.9")
        file = ("log", "-1", "--format=%h", "--", "README.md")
        return {
            "git log --grep": programs.git.run(*grep, cwd=git_repository(), settle=False),
            "git log -1 -- FILE": programs.git.run(*file, cwd=git_repository(), settle=False),
        }

    rounds = interleave({"mvc": mvc, "git": git}, rounds=bench.rounds, scratch=bench.scratch)
    bench.keep_rounds(rounds)
    for name in QUESTIONS:
        bench.at_most(
            f"`mvc {name}` over {count:,} versions, start-up included",
            LIMIT_S,
            "s",
            partial(rounds.wall, f"mvc {name}"),
        )


# -------------------------------------------------------------------- the histories


def values(count: int) -> Iterator[tuple[dict[str, Value], dict[str, Value]]]:
    """Hyperparameters and metrics of each version; the accuracy rises, with noise."""
    chance = random.Random(0)
    for number in range(1, count + 1):
        settings: dict[str, Value] = {
            "lr": 0.1 / (1 + number % 7), "depth": number % 5, "model.name": f"net{number % 3}",
            "momentum": 0.9, "seed": number, "batch": 32, "deep": True, "decay": chance.random(),
        }  # fmt: skip
        metrics: dict[str, Value] = {f"part{i}": chance.random() for i in range(6)}
        metrics |= {"val_acc": 0.95 * number / count + 0.05 * chance.random()}
        metrics |= {"val_loss": 1 / number + 0.01 * chance.random()}
        yield settings, metrics


def build(root: Path, count: int) -> None:
    """Two versions are committed; the records of all others name those two's files, written in one session."""
    root.mkdir()
    context = Context(AUTHOR, FIRST_US)
    with Repository.create(str(root), context=context) as repo:
        (root / "README.md").write_text("A run\n")
        (root / "params.yaml").write_text("lr: 1\n")
        repo.add([str(root)], context=context)
        roots = []
        for text in ("lr: 1\n", "lr: 2\n"):
            (root / "params.yaml").write_text(text)
            id = repo.commit("files", context=context).version
            roots.append(repo.version(id).components)
        store = repo._core.store
        parent: VersionId | None = None
        with store.session() as session:
            target = StoreTarget(store, session)
            repo._core.rely_on(session, [repo.head.version])
            for number, (settings, metrics) in enumerate(values(count), 1):
                parts = {**roots[number // 1000 % 2], Component.WEIGHTS: weights(target, number)}
                data = Version(
                    parents=() if parent is None else (parent,), generation=number,
                    components=parts, author=AUTHOR,
                    time_us=FIRST_US + number * MINUTE_US, message=f"iteration {number}",
                    trigger=Trigger.AUTO, hyperparameters=settings, metrics=metrics, tracked=(".",),
                ).encode()  # fmt: skip
                parent = VersionId.of(data)
                target.put_object(parent, data)
            assert parent is not None
            old = store.ref("heads/main")
            session.commit([RefUpdate("heads/main", old, bytes(parent))])


def weights(target: StoreTarget, number: int) -> ComponentRoot:
    """Ten shards, of which the first is new in each version; their content is in no store."""
    builder = ManifestBuilder(target.put_object)
    for shard in range(10):
        content = number if shard == 0 else 0
        recipe = RecipeId.of(f"{shard} {content}".encode())
        builder.add(Entry(f"shard-{shard}.safetensors", Mode.FILE, 1 << 30, recipe))
    return builder.finish()


def build_git(git: Sequence[str], root: Path, count: int) -> None:
    """By git's own importer, which takes seconds where 10,000 commits would take minutes."""
    root.mkdir()
    subprocess.run([*git, "init", "-q", "-b", "main"], cwd=root, check=True)
    stream = bytearray()
    for number, (settings, metrics) in enumerate(values(count), 1):
        lines = "\n".join(f"{key} {value}" for key, value in {**settings, **metrics}.items())
        message = f"iteration {number}\n\n{lines}\n".encode()
        stream += b"commit refs/heads/main\n"
        stream += f"committer {AUTHOR} {FIRST_US // 1_000_000 + 60 * number} +0000\n".encode()
        stream += b"data %d\n%s\n" % (len(message), message)
        files = {"params.yaml": f"lr: {number // 1000}\n", "step": f"{number}\n"}
        if number == 1:
            files["README.md"] = "A run\n"
        for name, text in files.items():
            stream += f"M 100644 inline {name}\ndata {len(text)}\n{text}\n".encode()
    subprocess.run([*git, "fast-import", "--quiet"], cwd=root, input=bytes(stream), check=True)
    subprocess.run([*git, "commit-graph", "write", "--reachable"], cwd=root, check=True)


if __name__ == "__main__":
    sys.exit(main(body, __doc__ or "", size="10000", quick="1000", rounds=5, unit=0))
