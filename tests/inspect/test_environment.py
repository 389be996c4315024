"""Packages of requirement and lock files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvcd.inspect.environment import PackageChange, compare_packages, is_environment, packages

REQUIREMENTS = b"""# what we need
torch==2.1.0  # pinned
Torch_Vision >= 0.16, <1 ; python_version > "3.8"
numpy
scikit-learn[alldeps]==1.3.2 --hash=sha256:aaaa \\
    --hash=sha256:bbbb
-r other.txt
--index-url https://example.org
mine @ git+https://example.org/mine.git@v1
not a requirement at all
"""
POETRY = b"""[[package]]
name = "torch"
version = "2.1.0"

[[package]]
name = "PyYAML"
version = "6.0"

[metadata]
lock-version = "2.0"
"""
PYLOCK = b"""lock-version = "1.0"
[[packages]]
name = "attrs"
version = "25.1.0"
"""
PIPFILE = b"""{"default": {"torch": {"version": "==2.1.0"}, "git": {"ref": "x"}},
"develop": {"pytest": {"version": ">=8"}}}"""
CONDA = b"""name: env
channels: [conda-forge]
dependencies:
  - python=3.11
  - conda-forge::numpy=1.26.4=py311h
  - scipy>=1.10
  - pandas
  - pip
  - pip:
      - torch==2.1.0
"""
PYPROJECT = b"""[project]
dependencies = ["torch>=2", "numpy"]
[project.optional-dependencies]
dev = ["pytest==8.0"]
"""


@pytest.mark.parametrize(
    ("path", "data", "found"),
    [
        (
            "requirements.txt",
            REQUIREMENTS,
            {
                "torch": "2.1.0", "torch-vision": ">=0.16,<1", "numpy": "", "scikit-learn": "1.3.2",
                "mine": "@ git+https://example.org/mine.git@v1",
            },
        ),
        ("env/requirements/gpu.txt", b"torch==2", {"torch": "2"}),
        ("poetry.lock", POETRY, {"torch": "2.1.0", "pyyaml": "6.0"}),
        ("uv.lock", POETRY, {"torch": "2.1.0", "pyyaml": "6.0"}),
        ("pylock.toml", PYLOCK, {"attrs": "25.1.0"}),
        ("Pipfile.lock", PIPFILE, {"torch": "2.1.0", "git": "", "pytest": ">=8"}),
        (
            "environment.yml",
            CONDA,
            {
                "python": "3.11", "numpy": "1.26.4", "scipy": ">=1.10", "pandas": "", "pip": "",
                "torch": "2.1.0",
            },
        ),
        ("pyproject.toml", PYPROJECT, {"torch": ">=2", "numpy": "", "pytest": "8.0"}),
    ],
)  # fmt: skip
def test_formats(path: str, data: bytes, found: dict[str, str]) -> None:
    assert is_environment(path)
    assert packages(path, data) == found


@pytest.mark.parametrize("path", ["data/requirements_of_users.csv", "lock", "README.txt", "a.toml"])
def test_other_files(path: str) -> None:
    assert not is_environment(path)
    assert packages(path, b"torch==2") == {}


PATHS = ["requirements.txt", "uv.lock", "Pipfile.lock", "environment.yml", "pyproject.toml"]
HOSTILE = [
    b"\xff\xfe\x00", b"[" * 100_000, b"{" * 100_000, b"a." * 100_000 + b"b = 1", b"null", b"[]", b"package = 1",
    b"[[package]]\nversion = 1", b"dependencies: 5", b"dependencies: {a: b}", b'{"default": 3}',
    b"[project]\ndependencies = 3", b"[project]\noptional-dependencies = 3", b"x" * (9 << 20),
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("data", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_files_have_no_packages(path: str, data: bytes) -> None:
    assert len(packages(path, data)) <= 1


@given(st.sampled_from(PATHS), st.binary(max_size=200))
def test_nothing_raises(path: str, data: bytes) -> None:
    packages(path, data)


def test_changes() -> None:
    old, new = {"a": "1", "b": "2", "c": ""}, {"a": "2", "c": "", "d": ""}
    assert compare_packages("x", old, new) == [
        PackageChange("a", "1", "2", "x"),
        PackageChange("b", "2", None, "x"),
        PackageChange("d", None, "", "x"),
    ]
