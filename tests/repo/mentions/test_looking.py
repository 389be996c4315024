"""Words and contents in a whole history, against what plain listings of each version say."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from mvc import Repo
from mvc.api.errors import Failure, UsageError
from mvc.api.search import Looked
from tests.support.commandline import AUTHOR, write


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repo]:
    """Two branches of files that come, move, change and go; a tag, an annotation, tensors."""
    root = tmp_path_factory.mktemp("mentions")
    repo = Repo.init(root, author=AUTHOR)
    weights = {"Encoder.0.weight": np.zeros((2, 2), "f4"), "head.bias": np.zeros(3, "f4")}
    write(root, {"data/a.csv": "x\n1\n", "data/b.csv": "x\n2\n", "README.md": "about\n"})
    (root / "model.safetensors").write_bytes(save(weights))
    repo.add(".")
    repo.commit("Begin\n\nwith two tables")
    write(root, {"metrics.json": json.dumps({"val": {"loss": 0.5}}), "params.yaml": "lr: 0.1\n"})
    (root / "data/b.csv").rename(root / "data/c.csv")
    repo.commit("A table moves")
    repo.branch("side/table", "v1")
    write(root, {"data/a.csv": "x\n3\n"})
    (root / "data/c.csv").unlink()
    weights["neck.weight"] = np.ones((2, 2), "f4")
    (root / "model.safetensors").write_bytes(save(weights))
    repo.commit("Another network")
    write(root, {"data/a.csv": "x\n1\n"})
    repo.commit("The first table again")
    repo.tag("table-1", "v2")
    repo.annotate("v3", {"use": "for a table"})
    yield repo
    repo.close()


def found(looked: Iterator[Looked]) -> set[tuple[int, str, str]]:
    return {(one.number, m.kind, m.what) for one in looked for m in one.found}


def plain(repo: Repo, words: list[str]) -> set[tuple[int, str, str]]:
    """The same by listing every version, oldest last, each key, path and tensor once."""
    told: set[tuple[str, str]] = set()
    hits: set[tuple[int, str, str]] = set()

    def put(number: int, kind: str, text: str, once: bool, within: str | None = None) -> None:
        low = (text if within is None else within).lower()
        if all(word in low for word in words) and not (once and (kind, text) in told):
            told.add((kind, text))
            hits.add((number, kind, text))

    for version in repo.find(all_refs=True):
        number = version.number
        put(number, "message", version.message, False)
        for name in repo.names().get(version.id, ()):
            put(number, "name", name, False)
        for key, text in version.annotations.items():
            put(number, "annotation", f"{key}: {text}", False, f"{key} {text}")
        for key in version.metrics:
            put(number, "metric", key, True)
        for key in version.hyperparameters:
            put(number, "hyperparameter", key, True)
        for file in repo.ls(version.id):
            put(number, "path", file.path, True)
        for tensor in dict(repo.diff("v0", version.id).weights):
            put(number, "tensor", tensor, True)
    return hits


@pytest.mark.parametrize(
    "text",
    ["table", "TABLE 1", "csv", "weight", "encoder", "loss", "lr", "a", "begin", "nothing here"],
)
def test_words_are_found_where_plain_listings_have_them(history: Repo, text: str) -> None:
    here = {hit for hit in found(history.mentions(text)) if hit[1] != "version"}
    assert here == plain(history, text.lower().split())


def test_a_number_and_an_id_are_a_version(history: Repo) -> None:
    id = history.resolve("v3")
    for text in ("v3", id, id[:9]):
        assert (3, "version", id) in found(history.mentions(text))
    assert [one.number for one in history.mentions("v3")] == [4, 3, 2, 1]


def test_which_versions_have_a_file(history: Repo) -> None:
    def having(content: bytes) -> set[tuple[int, str, str]]:
        return found(
            history.mentions(size=len(content), sha256=hashlib.sha256(content).hexdigest())
        )

    assert having(b"x\n1\n") == {(n, "content", "data/a.csv") for n in (4, 2, 1)}
    assert having(b"x\n2\n") == {(2, "content", "data/c.csv"), (1, "content", "data/b.csv")}
    assert having(b"x\n9\n") == set() and having(b"") == set()
    of_size = found(history.mentions(size=4))
    assert {path for _, _, path in of_size} == {"data/a.csv", "data/b.csv", "data/c.csv"}
    assert found(history.mentions(size=5)) == set()


def test_a_digest_alone_is_looked_for_among_those_that_are_remembered(history: Repo) -> None:
    digest = hashlib.sha256(b"about\n").hexdigest()
    assert found(history.mentions(digest)) == set()
    assert history.file_digest("README.md", "v1") == digest
    assert found(history.mentions(digest)) == {(n, "content", "README.md") for n in (4, 3, 2, 1)}


@pytest.mark.parametrize("text", ["table", "csv", "weight"])
def test_what_was_left_off_goes_on_behind_a_cursor(history: Repo, text: str) -> None:
    whole = found(history.mentions(text))
    for stop in range(1, 5):
        looked = history.mentions(text)
        first = [next(looked) for _ in range(stop)]
        rest = history.mentions(text, after=first[-1].version)
        both = found(iter(first)) | found(rest)
        assert whole <= both  # a path may be told once more behind a cursor
        assert {(kind, what) for _, kind, what in both} == {(kind, what) for _, kind, what in whole}


def test_what_makes_no_sense_is_refused(history: Repo) -> None:
    assert list(history.mentions("")) == []
    with pytest.raises(UsageError):
        history.mentions(size=1, sha256="x")
    with pytest.raises(Failure) as gone:
        list(history.mentions("a", after="00" * 32))
    assert gone.value.kind == "no-cursor"


def test_content_that_is_not_here_mentions_nothing(history: Repo, tmp_path: Path) -> None:
    lean, _ = Repo.clone(history.root, tmp_path / "lean", author=AUTHOR, only=())
    with lean:
        hits = found(lean.mentions("table"))
        assert found(lean.mentions("csv")) <= found(history.mentions("csv"))
    assert (1, "message", "Begin\n\nwith two tables") in hits
