"""The packages that a requirements or lock file asks for: name -> version, as far as the file says.

pip's requirements (also what `pip freeze` writes, and URLs of git and archives), the lock files of Poetry, uv,
PDM, Pipenv, conda-lock and pixi, conda's `environment.yml` and `conda list --explicit`, the dependencies of
`pyproject.toml` (PEP 621, `[dependency-groups]` of PEP 735, Poetry's and pixi's own tables), `pixi.toml`,
`Pipfile` and `setup.cfg`. Names are normalised as PEP 503 says. Reading is bounded and never fails: what is not
understood is left out.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from mvcd.inspect import inifile, yaml12

MAX_BYTES = 8 << 20
MAX_PACKAGES = 20_000
_MAX_TEXT_CHARACTERS = 200  # characters of a version

_REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)[ \t]*(?:\[[^\]]*\])?[ \t]*(?P<rest>.*)",
    re.DOTALL,
)
_CONDA = re.compile(r"(?:[^:]+::)?(?P<name>[A-Za-z0-9._-]+)[ \t]*(?P<rest>.*)", re.DOTALL)
_EXACT = re.compile(r"={2,3}[ \t]*([^,;=<>!~ ]+)$")
_URL = re.compile(r"(?:git\+|hg\+|svn\+|bzr\+)?(?:https?|ssh|git|file)[+\w]*://\S+|git\+\S+@\S+")
_EGG = re.compile(r"[#&]egg=([A-Za-z0-9._-]+)")
_ARCHIVE = re.compile(
    r"/([A-Za-z0-9._]+?)-(\d[\w.!+]*)(?:-[\w.]+-[\w.]+-[\w.]+\.whl|\.tar\.\w+|\.zip)(?:[#?]|$)"
)
_EXPLICIT = re.compile(r"/([A-Za-z0-9._-]+)-([^-/]+)-[^-/]+\.(?:conda|tar\.bz2)(?:#\w+)?$")
_LOCK_LINE = re.compile(r"(?:(?P<new>- )|  )(?P<key>\w+):[ ]+(?P<value>\S.*?)\s*")
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
    directory, _, name = path.lower().rpartition("/")
    if name in _BY_NAME:
        return _BY_NAME[name]
    if directory.rpartition("/")[2] == "requirements" and name.endswith((".txt", ".in")):
        return _requirements
    return next((reader for pattern, reader in _BY_FORM if pattern.fullmatch(name)), None)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _version(rest: str) -> str:
    """What follows a name in a requirement, without markers and hashes."""
    rest = rest.partition(";")[0].partition(" --")[0].strip().strip("()").strip()
    exact = _EXACT.fullmatch(rest)
    return exact[1] if exact else re.sub(r"\s+", "", rest) if not rest.startswith("@") else rest


def _requirement(line: str) -> Iterable[tuple[str, str]]:
    line = line.strip()
    if url := _URL.match(line):
        yield from _from_url(url[0])
        return
    match = _REQUIREMENT.fullmatch(line)
    if match and (not match["rest"] or match["rest"][0] in "<>=!~;@( "):
        yield match["name"], _version(match["rest"])


def _from_url(url: str) -> Iterable[tuple[str, str]]:
    """A package that is named by its place: `#egg=`, else the archive's name or the repository's."""
    if explicit := _EXPLICIT.search(url):
        yield explicit[1], explicit[2]
    elif egg := _EGG.search(url):
        yield egg[1], "@ " + url.partition("#")[0]
    elif archive := _ARCHIVE.search(url):
        yield archive[1], archive[2]
    else:
        place = url.partition("#")[0]
        _, _, path = place.partition("://")
        host, _, last = path.rpartition("/")
        name = last.partition("@")[0].removesuffix(".git")
        if host and name:
            yield name, "@ " + place


def _requirements(text: str) -> Iterable[tuple[str, str]]:
    for written in text.replace("\\\n", " ").splitlines():
        line = re.sub(r"(^|\s)#.*", "", written).strip()
        line = re.sub(r"^(?:-e|--editable)[ =]\s*(?=\S*://)", "", line)
        if line and not line.startswith("-"):
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
    """The least bound groups first, so that what the project itself asks for has the last word."""
    tables = _toml(text)
    groups: list[object] = []
    groups += reversed(list(_table(tables, "dependency-groups").values()))
    project = _table(tables, "project")
    groups += reversed(list(_table(project, "optional-dependencies").values()))
    groups.append(project.get("dependencies", []))
    for group in groups:
        for line in group if isinstance(group, list) else []:
            yield from _requirement(line) if isinstance(line, str) else ()
    tool = _table(tables, "tool")
    yield from _poetry(_table(tool, "poetry"))
    yield from _pixi_tables(_table(tool, "pixi"))


def _table(tables: Mapping[str, object], key: str) -> dict[str, object]:
    found = tables.get(key)
    return found if isinstance(found, dict) else {}


def _poetry(table: Mapping[str, object]) -> Iterable[tuple[str, str]]:
    for group in _table(table, "group").values():
        if isinstance(group, dict):
            yield from _named(_table(group, "dependencies"))
    yield from _named(_table(table, "dev-dependencies"))
    yield from _named(_table(table, "dependencies"))


def _named(table: Mapping[str, object]) -> Iterable[tuple[str, str]]:
    """`torch = "^2.1"`, `torch = {version = "2.1"}`, `mine = {git = "https://...", rev = "v1"}`."""
    for name, value in table.items():
        row = value[0] if isinstance(value, list) and value else value
        if isinstance(row, dict):
            place = row.get("git") or row.get("url") or row.get("path")
            at = row.get("rev") or row.get("tag") or row.get("branch") or row.get("ref")
            whole = f"@ {place}" + (f"@{at}" if at else "")
            yield name, whole if place else _version(str(row.get("version", "")))
        else:
            text = str(row)
            yield name, "" if text == "*" else _version(text)


def _pixi_tables(table: Mapping[str, object]) -> Iterable[tuple[str, str]]:
    for feature in _table(table, "feature").values():
        if isinstance(feature, dict):
            yield from _pixi_tables(feature)
    for key in ("host-dependencies", "build-dependencies", "pypi-dependencies", "dependencies"):
        yield from _named(_table(table, key))


def _pixi(text: str) -> Iterable[tuple[str, str]]:
    yield from _pixi_tables(_toml(text))


def _pipfile_toml(text: str) -> Iterable[tuple[str, str]]:
    tables = _toml(text)
    yield from _named(_table(tables, "dev-packages"))
    yield from _named(_table(tables, "packages"))


def _setup_cfg(text: str) -> Iterable[tuple[str, str]]:
    """`install_requires` of `[options]`, and the extras."""
    tables = inifile.load(text)
    extras = _table(tables, "options.extras_require").values()
    needed = _table(tables, "options").get("install_requires")
    for group in (*extras, needed):
        for line in group.splitlines() if isinstance(group, str) else []:
            yield from _requirement(line)


def _pixi_lock(text: str) -> Iterable[tuple[str, str]]:
    """Packages are URLs, of conda or PyPI; those of PyPI have name and version beside."""
    for row in _rows(text, "packages:"):
        if "name" in row and "version" in row:
            yield row["name"], row["version"]
        elif url := row.get("conda") or row.get("pypi") or row.get("url"):
            yield from _from_url(url)


def _conda_lock(text: str) -> Iterable[tuple[str, str]]:
    """One row for each platform: the versions of all platforms, mostly one."""
    found: dict[str, dict[str, None]] = {}
    for row in _rows(text, "package:"):
        if "name" in row:
            found.setdefault(row["name"], {})[row.get("version", "")] = None
    for name, versions in found.items():
        yield name, ", ".join(versions)


def _rows(text: str, heading: str) -> Iterator[dict[str, str]]:
    """The list under a heading of a YAML file that a tool wrote: lock files have megabytes, for which `yaml12`
    is too slow. Only the scalars of each row itself are taken."""
    lines = iter(text.splitlines())
    row: dict[str, str] = {}
    inside = False
    for line in lines:
        if line[:1] not in ("-", " ", "", "#"):
            inside = line.strip() == heading
        match = _LOCK_LINE.fullmatch(line) if inside else None
        if match is None:
            continue
        if match["new"]:
            yield row
            row = {}
        row.setdefault(match["key"], match["value"].strip("'\""))
    yield row


def _conda(text: str) -> Iterable[tuple[str, str]]:
    for row in yaml12.load(text)["dependencies"]:
        if isinstance(row, dict):
            for line in row.get("pip", []):
                yield from _requirement(str(line))
        elif match := _CONDA.fullmatch(str(row).strip()):
            version = match["rest"].strip()
            plain = re.fullmatch(r"={1,2}([^=<>!,| ]+)(?:=.*)?", version)
            yield match["name"], plain[1] if plain else version


_BY_NAME: Mapping[str, Callable[[str], Iterable[tuple[str, str]]]] = {
    "pipfile.lock": _pipfile,
    "pipfile": _pipfile_toml,
    "pyproject.toml": _pyproject,
    "pixi.toml": _pixi,
    "pixi.lock": _pixi_lock,
    "setup.cfg": _setup_cfg,
}

_BY_FORM = (
    (_LOCKS, _lock),
    (
        re.compile(r"(?:(?:requirements|constraints).*|.*[-_.]requirements.*)\.(?:txt|in)"),
        _requirements,
    ),
    (re.compile(r"(?:.*[-_.])?conda-lock\.ya?ml"), _conda_lock),
    (re.compile(r"(?:.*[-_.])?(?:environment|conda)(?:[-_.].*)?\.ya?ml"), _conda),
    (re.compile(r"conda[-_.](?:explicit|spec|linux|osx|win)[\w.-]*\.(?:txt|lock)"), _requirements),
)
"""Readers by the form of a name, the first that fits."""
