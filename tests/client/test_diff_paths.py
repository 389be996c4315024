"""`mvc diff` of paths: which words are versions, and which paths."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commandline import Mvc


@pytest.fixture
def two(mvc: Mvc, work: Path) -> Path:
    mvc("init")
    mvc("add", ".")
    for number in (1, 2):
        for directory in ("a", "b"):
            (work / directory).mkdir(exist_ok=True)
            (work / directory / "params.yaml").write_text(f"lr: {number}\n")
        (work / "notes.py").write_text(f"x = {number}\n")
        mvc("commit", "-m", str(number))
    return work


def paths_of(document: dict[str, object]) -> set[str]:
    components = document["components"]
    assert isinstance(components, dict)
    return {path for found in components.values() for path in found["modified"]}


@pytest.mark.parametrize(
    "words",
    [("v1", "v2", "a"), ("v1..v2", "a"), ("v1", "v2", "--", "a"), ("v1", "--", "a"), ("v1", "a")],
)
def test_words_that_are_no_versions_are_paths(mvc: Mvc, two: Path, words: tuple[str, ...]) -> None:
    assert paths_of(mvc("diff", "--json", *words).json) == {"a/params.yaml"}


def test_a_version_comes_before_a_file_of_its_name(mvc: Mvc, two: Path) -> None:
    (two / "v1").write_text("not the version")
    assert "v1 -> workspace" not in mvc("diff", "v1").out
    assert mvc("diff", "v1").out.startswith("v1 ")
    assert "v1" in mvc("diff", "--", "v1").out


def test_paths_are_relative_to_where_you_are(
    mvc: Mvc, two: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(two / "a")
    assert paths_of(mvc("diff", "v1", "v2", "params.yaml", "--json").json) == {"a/params.yaml"}
    assert paths_of(mvc("diff", "v1", "v2", "../b", "--json").json) == {"b/params.yaml"}


def test_the_screen_names_both_paths(mvc: Mvc, two: Path) -> None:
    assert ":a -> " in mvc("diff", "v1:a", "v2:b").out.splitlines()[0]
    document = mvc("diff", "v1:a", "v2:b", "--json").json
    assert document["below"] == {"old": "a", "new": "b"}


def test_what_is_neither_is_told(mvc: Mvc, two: Path) -> None:
    assert "v9" in mvc("diff", "v9", code=1).err
    assert "nope is no path, here or in HEAD" in mvc("diff", "v1", "v2", "nope", code=2).err
    assert "give A..B, or A and B" in mvc("diff", "v1..v2", "v2", code=2).err
