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


URLS = b"""git+https://github.com/huggingface/transformers.git@v4.40#egg=transformers
git+https://github.com/org/Some_Tool.git@main
-e git+ssh://git@github.com/org/mine.git@abc#egg=mine
https://example.org/wheels/fast_attn-2.5.8+cu122-cp311-cp311-linux_x86_64.whl
https://example.org/src/thing-1.2.tar.gz
"""
GROUPS = b"""[project]
dependencies = ["torch==2.1"]
[dependency-groups]
test = ["pytest>=8", {include-group = "lint"}, "torch"]
lint = ["ruff==0.6"]
"""
POETRY_OWN = b"""[tool.poetry.dependencies]
python = "^3.11"
torch = "^2.1"
numpy = "*"
mine = {git = "https://example.org/mine.git", tag = "v1"}
extra = {version = ">=1,<2", extras = ["a"]}
several = [{version = "1.0", python = "<3.12"}]
[tool.poetry.group.dev.dependencies]
pytest = "8.0"
"""
PIXI = b"""[dependencies]
python = "3.12.*"
[pypi-dependencies]
torch = { version = "==2.1" }
[feature.dev.dependencies]
ruff = ">=0.6"
"""
PIXI_LOCK = b"""version: 6
environments:
  default:
    packages:
      linux-64:
      - conda: https://conda.anaconda.org/conda-forge/linux-64/numpy-1.26.4-py311h64a7726_0.conda
packages:
- conda: https://conda.anaconda.org/conda-forge/linux-64/scikit-learn-1.4.2-py311hc009520_0.conda
  sha256: ab
  depends:
  - name: no
- pypi: https://files.pythonhosted.org/packages/aa/torch-2.1.0-cp311-cp311-manylinux1_x86_64.whl
  name: torch
  version: 2.1.0
"""
CONDA_LOCK = b"""version: 1
metadata:
  platforms: [linux-64]
package:
- name: numpy
  version: 1.26.4
  manager: conda
  platform: linux-64
  dependencies:
    python: '>=3.11'
- name: numpy
  version: 1.26.3
  platform: osx-64
- name: torch
  version: '2.1'
"""
EXPLICIT = b"""# platform: linux-64
@EXPLICIT
https://conda.anaconda.org/conda-forge/linux-64/scikit-learn-1.4.2-py311hc009520_0.conda#abcdef
"""
SETUP = b"""[metadata]
name = mine
[options]
install_requires =
    torch==2.1
    numpy>=1.20; python_version > "3"
[options.extras_require]
dev =
    pytest
"""
PIPFILE_TOML = b"""[packages]
torch = "==2.1"
mine = {git = "https://example.org/mine.git", ref = "v1"}
[dev-packages]
pytest = "*"
"""


@pytest.mark.parametrize(
    ("path", "data", "found"),
    [
        ("requirements.txt", URLS, {
            "transformers": "@ git+https://github.com/huggingface/transformers.git@v4.40",
            "some-tool": "@ git+https://github.com/org/Some_Tool.git@main",
            "mine": "@ git+ssh://git@github.com/org/mine.git@abc",
            "fast-attn": "2.5.8+cu122", "thing": "1.2",
        }),
        ("pyproject.toml", GROUPS, {"torch": "2.1", "pytest": ">=8", "ruff": "0.6"}),
        ("pyproject.toml", POETRY_OWN, {
            "python": "^3.11", "torch": "^2.1", "numpy": "", "extra": ">=1,<2", "several": "1.0",
            "mine": "@ https://example.org/mine.git@v1", "pytest": "8.0",
        }),
        ("pixi.toml", PIXI, {"python": "3.12.*", "torch": "2.1", "ruff": ">=0.6"}),
        ("pixi.lock", PIXI_LOCK, {"scikit-learn": "1.4.2", "torch": "2.1.0"}),
        ("conda-lock.yml", CONDA_LOCK, {"numpy": "1.26.4, 1.26.3", "torch": "2.1"}),
        ("conda-explicit.txt", EXPLICIT, {"scikit-learn": "1.4.2"}),
        ("setup.cfg", SETUP, {"torch": "2.1", "numpy": ">=1.20", "pytest": ""}),
        ("Pipfile", PIPFILE_TOML, {
            "torch": "2.1", "mine": "@ https://example.org/mine.git@v1", "pytest": "",
        }),
    ],
)  # fmt: skip
def test_what_else_names_packages(path: str, data: bytes, found: dict[str, str]) -> None:
    assert is_environment(path)
    assert packages(path, data) == found
    for size in range(0, len(data), 7):
        assert len(packages(path, data[:size])) <= len(found) + 1, "cut within a name, at most"


def test_a_lock_file_of_megabytes_is_read() -> None:
    rows = b"".join(
        b"- name: p%d\n  version: 1.%d\n  platform: a\n" % (n, n) for n in range(15_000)
    )
    assert len(packages("conda-lock.yml", b"version: 1\npackage:\n" + rows)) == 15_000
