"""Somebody else's client, written from the protocol page, clones a repository from our server."""

from __future__ import annotations

import ast
import random
from pathlib import Path

from mvcd.monitor import Silent
from mvcd.repo.records.results import Context
from mvcd.store.api import RefUpdate
from mvcd.store.lmdb_store import LmdbStore
from mvcd.sync.push import push
from tests.support.engine import Repository
from tests.wire import stranger
from tests.wire.hosts import calling, serving

CONTEXT = Context(author="Ada <ada@example.org>", time_us=1_700_000_000_000_000)


def tree(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in files
        if not path.is_relative_to(root / ".mvc")
    }


def write_files(root: Path) -> None:
    """Enough of each: a manifest and a chunk list of several nodes, a literal, an empty file, zeros."""
    source = random.Random(7)
    for n in range(200):
        (root / f"notes-{n:03}.txt").write_text(f"note {n}\n" * (1 + n % 40))
    lines = (f"{source.getrandbits(40):x} {source.choice('abc')}\n" for _ in range(200_000))
    (root / "long.csv").write_text("".join(lines))
    (root / "zeros.bin").write_bytes(bytes(300_000))
    (root / "empty.txt").write_bytes(b"")
    (root / "sub").mkdir()
    (root / "sub" / "model.py").write_text("class Net:\n    pass\n" * 30)


def test_a_strangers_clone_is_the_repository(tmp_path: Path) -> None:
    root = tmp_path / "w"
    root.mkdir()
    write_files(root)
    trees, ids = [], []
    with (
        LmdbStore.create(tmp_path / "server") as store,
        Repository.create(str(root), context=CONTEXT) as repository,
    ):
        served, port = serving(store)
        repository.add([str(root)], context=CONTEXT)
        for n in range(2):
            (root / f"new-{n}.txt").write_text(f"of version {n}\n" * 30)
            ids.append(repository.commit(f"v{n}", context=CONTEXT).version)
            trees.append(tree(root))
            (root / "notes-007.txt").unlink(missing_ok=True)
        peer = calling(port)
        push(repository._core.store, peer, [ids[-1]], [], monitor=Silent())
        moved = [RefUpdate("heads/main", None, bytes(ids[-1]))]
        peer.update_refs(moved, force=frozenset(), author="a", detail="d")
        peer.close()
        client = stranger.Stranger(f"127.0.0.1:{port}", "r")
        versions = client.clone("main")
        client.close()
        served.stop(1)
        assert versions == ids[::-1]
        assert set(client.raw) == {bytes(id) for id, _ in store.ids()}
    for id, expected in zip(ids, trees, strict=True):
        directory = tmp_path / id.short()
        directory.mkdir()
        client.write(id, directory)
        assert tree(directory) == expected
    assert client.calls < 16  # follows the depth of the tree, not the number of files


def test_the_stranger_knows_nothing_of_ours_but_generated_code() -> None:
    imported = set()
    for node in ast.walk(ast.parse(Path(stranger.__file__).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            imported.add(node.module)
        elif isinstance(node, ast.Import):
            imported.update(alias.name for alias in node.names)
    ours = {name for name in imported if name.split(".")[0] in {"mvcd", "mvc", "tests"}}
    assert ours == {"mvcd.objects.v1", "mvcd.wire.v1"}
