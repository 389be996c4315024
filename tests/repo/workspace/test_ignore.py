"""`.mvcignore`: gitignore's rules, held against git itself, and the built-in list."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mvcd.errors import Failure
from mvcd.repo.workspace.ignore import MAX_FILE_BYTES, IgnoreMatch, IgnoreRules, check

DIRECTORIES = ["a", "a/b", "a/b/a", "ab", "b", "b/ab", "b/ab/a"]
FILES = ["a.c", "ab.c", "[a", "a b", "c"]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same names at every depth, in a git repository whose own rules come from `.gitignore` alone."""
    root = tmp_path_factory.mktemp("tree")
    git(root, "init", "-q", ".")
    for directory in ["", *DIRECTORIES]:
        (root / directory).mkdir(parents=True, exist_ok=True)
        for name in FILES:
            (root / directory / name).touch()
    return root


def git(root: Path, *args: str, stdin: str | None = None) -> str:
    environment = {"PATH": os.environ["PATH"], "HOME": str(root), "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(
        ["git", *args], cwd=root, env=environment, input=stdin, capture_output=True, text=True
    )
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


def ignored_by_git(root: Path, paths: list[str]) -> set[str]:
    said = git(root, "check-ignore", "--no-index", "-z", "--stdin", stdin="\0".join(paths))
    return set(said.split("\0")[:-1])


def write_rules(root: Path, rules: dict[str, str]) -> None:
    for directory in ["", *DIRECTORIES]:
        for name in (".mvcignore", ".gitignore"):
            path = root / directory / name
            path.unlink(missing_ok=True)
            if directory in rules:
                path.write_text(rules[directory])


PIECES = [
    "a",
    "b",
    "c",
    ".c",
    "*",
    "?",
    "**/",
    "/**/",
    "/**",
    "/",
    "[ab]",
    "[!a]",
    "[a-c]",
    "\\[",
    "[]a]",
]
PIECES += ["[[:alpha:]]", "\\ ", " ", "[\\a]", "[a-]", "[b-a]", "[", "\\"]
# git reads the stars of `a**/b` as `a/**/b` would be, against gitignore(5): it matches the literal start
# first and then takes what is left for a whole pattern (dir.c, match_pathname).
GIT_ALONE = re.compile(r"[^/!*]\*\*")
LINES = (
    st.tuples(
        st.sampled_from(["", "", "!"]),
        st.lists(st.sampled_from(PIECES), min_size=1, max_size=5).map("".join),
        st.sampled_from(["", "", "/", " ", "\r"]),
    )
    .map("".join)
    .filter(lambda line: not GIT_ALONE.search(line))
)
RULES = st.dictionaries(
    st.sampled_from(["", "", "a", "b", "b/ab"]),
    st.lists(LINES, min_size=1, max_size=5).map("\n".join),
    max_size=3,
)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rules=RULES)
def test_agrees_with_git(tree: Path, rules: dict[str, str]) -> None:
    write_rules(tree, rules)
    paths = DIRECTORIES + [f"{d}/{f}" if d else f for d in ["", *DIRECTORIES] for f in FILES]
    ours = {path for path in paths if check(str(tree), path)}
    assert ours == ignored_by_git(tree, paths)


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("*.ckpt", ["x.ckpt", "d/x.ckpt"], ["x.ckpt.json"]),
        ("/top", ["top"], ["d/top"]),
        ("logs/", ["logs/x", "d/logs/x"], ["logs"]),
        ("a/*.bin", ["a/x.bin"], ["a/b/x.bin", "d/a/x.bin"]),
        ("a/**/x", ["a/x", "a/b/x", "a/b/c/x"], ["x"]),
        ("# comment", [], ["# comment"]),
        (r"\#x", ["#x"], []),
        ("*\n!*/\n!*.ckpt", ["d/x.bin", "x.bin"], ["d/x.ckpt", "d/e/x.ckpt"]),
        ("d/*\n!d/keep", ["d/x"], ["d/keep", "d/keep/x"]),
        ("d/\n!d/keep", ["d/keep"], []),
        ("naïve?", ["naïveé"], ["naïve"]),
        ("x ", ["x"], ["x "]),
        ("x\\ ", ["x "], ["x"]),
    ],
)
def test_patterns(tmp_path: Path, pattern: str, yes: list[str], no: list[str]) -> None:
    (tmp_path / ".mvcignore").write_text(pattern + "\n")
    assert {path for path in yes + no if check(str(tmp_path), path)} == set(yes)


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("model.pt", None),
        ("x.pyc", "*.pyc"),
        ("x.tmp", "*.tmp"),
        ("model.safetensors.part", "*.part"),
        ("~lock", None),
        (".~lock.table.csv#", ".~*"),
        ("notes~", "*~"),
        ("venv/", "venv/"),
        ("venv", None),
        ("d/node_modules/x.js", "node_modules/"),
        ("__pycache__/x", "__pycache__/"),
        (".ipynb_checkpoints/x", ".ipynb_checkpoints/"),
        ("d/.git", ".git/"),
        (".gitignore", None),
        ("d/.mvc/x", ".mvc/"),
        (".DS_Store", ".DS_Store"),
    ],
)
def test_built_in(tmp_path: Path, path: str, pattern: str | None) -> None:
    match = check(str(tmp_path), path)
    assert match == (IgnoreMatch(pattern, None, 0) if pattern else None)


def test_built_in_rules_yield_except_for_metadata(tmp_path: Path) -> None:
    (tmp_path / ".mvcignore").write_text("!*.tmp\n!venv/\n!.git\n!.mvc\n")
    names = ["x.tmp", "venv/", ".git/", ".git", ".mvc/"]
    assert [name for name in names if check(str(tmp_path), name)] == [".git/", ".git", ".mvc/"]


def test_a_match_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / ".mvcignore").write_text("# weights\n\n*.bin\n")
    match = check(str(tmp_path), "d/e/x.bin")
    assert match == IgnoreMatch("*.bin", "d/.mvcignore", 3)
    assert str(match) == "d/.mvcignore:3: *.bin"


def test_deeper_files_win(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / ".mvcignore").write_text("*.bin\n!keep.txt\n")
    (tmp_path / "d" / ".mvcignore").write_text("!x.bin\nkeep.txt\n")
    ignored = [p for p in ["x.bin", "d/x.bin", "d/y.bin", "d/keep.txt"] if check(str(tmp_path), p)]
    assert ignored == ["x.bin", "d/y.bin", "d/keep.txt"]


def test_a_directory_stands_by_what_it_is_on_disk(tmp_path: Path) -> None:
    (tmp_path / "venv").mkdir()
    assert check(str(tmp_path), "venv") == IgnoreMatch("venv/", None, 0)


def test_digest_follows_every_file() -> None:
    top = IgnoreRules.top()
    digests = [
        top.digest,
        top.here("").digest,
        top.here("a").digest,
        top.here("a").inside("d").here("b").digest,
        top.here("a").inside("e").here("b").digest,
        top.here("b").inside("d").here("a").digest,
    ]
    assert len(set(digests)) == len(digests)
    assert top.here("a").inside("d").digest == top.here("a").digest


def test_unusable_ignore_files_are_refused(tmp_path: Path) -> None:
    file = tmp_path / ".mvcignore"
    file.write_bytes(b"caf\xe9")
    with pytest.raises(Failure, match="not UTF-8"):
        check(str(tmp_path), "x")
    file.write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    with pytest.raises(Failure, match="larger than 1 MiB"):
        check(str(tmp_path), "x")


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: os.symlink("other", path)])
def test_only_a_regular_file_has_rules(tmp_path: Path, make) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "other").write_text("*")
    make(tmp_path / ".mvcignore")
    assert check(str(tmp_path), "x") is None
