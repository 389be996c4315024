"""The packages that a requirements or lock file asks for: name -> version, as far as the file says.

pip's requirements (also what `pip freeze` writes), the lock files of Poetry, uv and PDM, Pipenv's, conda's
`environment.yml`, and the dependencies of `pyproject.toml`. Names are normalised as PEP 503 says. Reading is
bounded and never fails: what is not understood is left out.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from mvcd.inspect import yaml12

MAX_BYTES = 8 << 20
MAX_PACKAGES = 20_000
_MAX_TEXT_CHARACTERS = 200  # characters of a version

_REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)[ \t]*(?:\[[^\]]*\])?[ \t]*(?P<rest>.*)",
    re.DOTALL,
)
_CONDA = re.compile(r"(?:[^:]+::)?(?P<name>[A-Za-z0-9._-]+)[ \t]*(?P<rest>.*)", re.DOTALL)
_EXACT = re.compile(r"={2,3}[ \t]*([^,;=<>!~ ]+)$")
_LOCKS = re.compile(r"(?:poetry|uv|pdm|pylock)(?:\.[^/]*)?\.(?:lock|toml)$")


@dataclass(frozen=True, slots=True)
class PackageChange:
    """A package on both sides; None where the file does not name it, "" where it leaves the version open.

    `path` is the file, "" for what was recorded when the versions were made.
    """

    package: str
    old: str | None
    new: str | None
    path: str


def is_environment(path: str) -> bool:
    return _reader(path) is not None


def packages(path: str, data: bytes) -> dict[str, str]:
    """Exact versions bare (`2.1.0`), others as written (`>=2,<3`). Empty for what cannot be read."""
    reader = _reader(path)
    if reader is None or len(data) > MAX_BYTES:
        return {}
    try:
        found = reader(data.decode("utf-8-sig", "replace"))
        rows = {_normal(name): version[:_MAX_TEXT_CHARACTERS] for name, version in found}
    except (ValueError, RecursionError, TypeError, AttributeError, KeyError):
        return {}
    return rows if len(rows) <= MAX_PACKAGES else {}


def compare_packages(
    path: str, old: Mapping[str, str], new: Mapping[str, str]
) -> list[PackageChange]:
    names = sorted(old.keys() | new.keys())
    return [
        PackageChange(name, old.get(name), new.get(name), path)
        for name in names
        if old.get(name) != new.get(name)
    ]


def _reader(path: str) -> Callable[[str], Iterable[tuple[str, str]]] | None:
    directory, _, name = path.rpartition("/")
    name = name.lower()
    if name == "pipfile.lock":
        return _pipfile
    if name == "pyproject.toml":
        return _pyproject
    if _LOCKS.fullmatch(name):
        return _lock
    in_requirements = directory.rpartition("/")[2].lower() == "requirements"
    if name.endswith((".txt", ".in")) and (
        in_requirements or re.match(r"requirements|constraints|.*[-_.]requirements", name)
    ):
        return _requirements
    if re.fullmatch(r"(?:.*[-_.])?(?:environment|conda)(?:[-_.].*)?\.ya?ml", name):
        return _conda
    return None


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _version(rest: str) -> str:
    """What follows a name in a requirement, without markers and hashes."""
    rest = rest.partition(";")[0].partition(" --")[0].strip().strip("()").strip()
    exact = _EXACT.fullmatch(rest)
    return exact[1] if exact else re.sub(r"\s+", "", rest) if not rest.startswith("@") else rest


def _requirement(line: str) -> Iterable[tuple[str, str]]:
    match = _REQUIREMENT.fullmatch(line.strip())
    if match and (not match["rest"] or match["rest"][0] in "<>=!~;@( "):
        yield match["name"], _version(match["rest"])


def _requirements(text: str) -> Iterable[tuple[str, str]]:
    for written in text.replace("\\\n", " ").splitlines():
        line = re.sub(r"(^|\s)#.*", "", written)
        if line.strip() and not line.lstrip().startswith("-"):
            yield from _requirement(line)


def _toml(text: str) -> dict[str, object]:
    if re.search(r"(?:[\w-]+\.){32}", text):  # tomllib copies a dotted key's prefixes once per part
        raise ValueError("a key of more than 32 parts")
    return tomllib.loads(text)


def _lock(text: str) -> Iterable[tuple[str, str]]:
    """`[[package]]` (PEP 751: `[[packages]]`) with name and version."""
    tables = _toml(text)
    for key in ("package", "packages"):
        rows = tables.get(key, [])
        for row in rows if isinstance(rows, list) else []:
            yield str(row["name"]), str(row.get("version", ""))


def _pipfile(text: str) -> Iterable[tuple[str, str]]:
    tables = json.loads(text)
    for group in ("develop", "default"):
        for name, row in tables.get(group, {}).items():
            yield name, _version(str(row.get("version", "")))


def _pyproject(text: str) -> Iterable[tuple[str, str]]:
    project = _toml(text).get("project", {})
    if not isinstance(project, dict):
        return
    groups = [project.get("dependencies", []), *project.get("optional-dependencies", {}).values()]
    for group in reversed(groups):
        for line in group:
            yield from _requirement(str(line))


def _conda(text: str) -> Iterable[tuple[str, str]]:
    for row in yaml12.load(text)["dependencies"]:
        if isinstance(row, dict):
            for line in row.get("pip", []):
                yield from _requirement(str(line))
        elif match := _CONDA.fullmatch(str(row).strip()):
            version = match["rest"].strip()
            plain = re.fullmatch(r"={1,2}([^=<>!,| ]+)(?:=.*)?", version)
            yield match["name"], plain[1] if plain else version
