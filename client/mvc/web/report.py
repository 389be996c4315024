"""The page of a repository as files: a report to attach or to publish (REPORT.md)."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from mvc.api.durable import make_directories, settle, sync_directories, sync_files, workplace
from mvc.api.errors import Failure, MvcError, __version__
from mvc.api.repo import Repo
from mvc.api.versions import Version
from mvc.web.answers import Answers
from mvc.web.assets import page_files
from mvc.web.bundle import bundle
from mvc.web.lines import lines
from mvc.web.remembered import Remembered
from mvc.web.site import MAX_LIMIT_ROWS, Json, Server, Shapes, Site
from mvc.web.walks import Walks

MANIFEST = "mvc-report.json"
"""By this file a directory is known as a report, which another one may replace."""
OPERATIONS_ROWS = 1000
"""Operations that a report has at most, the newest."""
_ROWS = 200
_COLUMNS_ROWS = 60
"""Rows by which the page chooses its columns."""
_SHARED_BYTES = 1024
"""From this size on, what several versions have alike is a file of its own."""
_NAME_CHARACTERS = 20
_PICTURES = {
    "png": rb"\x89PNG\r\n\x1a\n",
    "jpg": rb"\xff\xd8\xff",
    "gif": rb"GIF8[79]a",
    "webp": rb"RIFF....WEBP",
}
"""How pictures begin, by the end of their name, by which servers tell browsers the kind: nothing of a
repository may come to be a page."""


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """What was written: `size` in bytes; `partly` says that the history has more versions."""

    directory: str
    versions: int
    files: int
    size: int
    partly: bool


def write_report(
    repo: Repo,
    shapes: Shapes,
    directory: str,
    *,
    where: str | None = None,
    last: int | None = None,
    tensors: bool = False,
) -> WrittenReport:
    """Writes the page of a repository into a new directory, or in the place of an older report.

    It has the versions that meet `where`, of these the `last` newest, and in any case all that were published.
    With `tensors`, the data of those that changed is read. Raises Failure (kind "not-empty",
    "not-a-directory"), Busy while another one is written there, ExpressionError.
    """
    target = os.path.abspath(directory)
    replaces = _judge(target)
    site = Site(repo, Server(shapes), Walks(), Remembered(), can=())
    chosen = _chosen(site, where, last)
    make_directories(os.path.dirname(target))
    with workplace(target) as beside, repo.steady():
        place = os.path.join(beside, "content")
        files = _Files(place)
        _write_page(files)
        _Record(site, files, chosen, tensors=tensors).write()
        files.write_manifest()
        files.make_durable()
        settle(place, target, beside, replaces=replaces)
    return WrittenReport(
        target, len(chosen.versions), len(files.sizes), sum(files.sizes.values()), chosen.partly
    )


# -------------------------------------------------------------------- where to


def _judge(target: str) -> bool:
    """Whether an older report is there. Raises Failure for anything else that is."""
    if os.path.islink(target) or (os.path.exists(target) and not os.path.isdir(target)):
        raise Failure(f"{target} is not a directory", kind="not-a-directory")
    if not os.path.isdir(target) or not os.listdir(target):
        return os.path.isdir(target)
    foreign = _foreign(target)
    if foreign is not None:
        raise Failure(
            f"{target} is not empty",
            kind="not-empty",
            cause=foreign,
            help="mvc ui --export NEW-DIR",
        )
    return True


def _foreign(target: str) -> str | None:
    """Why a directory is no report with nothing added to it; None if it is."""
    try:
        with open(os.path.join(target, MANIFEST), "rb") as file:
            found = json.load(file)
        known = {MANIFEST, *found["files"]}
    except (OSError, ValueError, TypeError, KeyError):
        return f"it has no {MANIFEST} of an earlier report"
    for at, _, names in os.walk(target):
        for name in names:
            path = os.path.relpath(os.path.join(at, name), target).replace(os.sep, "/")
            if path not in known:
                return f"{path} is not of the report that it was"
    return None


class _Files:
    """The files of a report while it is written. `sizes`: bytes, by path."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._made: set[str] = set()
        self.sizes: dict[str, int] = {}

    def put(self, path: str, content: bytes) -> None:
        whole = os.path.join(self._place, path)
        if (directory := os.path.dirname(whole)) not in self._made:
            os.makedirs(directory, exist_ok=True)
            self._made.add(directory)
        with open(whole, "wb") as file:
            file.write(content)
        self.sizes[path] = len(content)

    def script(self, name: str, text: str) -> None:
        """A script that hands the page a document in JSON: plain ASCII, with no tag in it."""
        self.put(f"data/{name}.js", b"mvcReport('%s', '%s');\n" % (name.encode(), literal(text)))

    def shared(self, text: str) -> str:
        """The name of a script that all versions with an equal document name."""
        name = f"s-{sha256(text.encode()).hexdigest()[:_NAME_CHARACTERS]}"
        if f"data/{name}.js" not in self.sizes:
            self.script(name, text)
        return name

    def picture(self, content: bytes) -> str | None:
        """The path of a picture, which has a name of our own; None for what is none."""
        end = next(
            (end for end, begins in _PICTURES.items() if re.match(begins, content, re.DOTALL)), None
        )
        if end is None:
            return None
        path = f"pictures/{sha256(content).hexdigest()[:_NAME_CHARACTERS]}.{end}"
        if path not in self.sizes:
            self.put(path, content)
        return path

    def write_manifest(self) -> None:
        about = {"schema_version": 1, "kind": "report", "mvc": __version__}
        text = json.dumps({**about, "files": sorted(self.sizes)}, indent=1)
        self.put(MANIFEST, text.encode() + b"\n")

    def make_durable(self) -> None:
        sync_files([os.path.join(self._place, path) for path in self.sizes])
        sync_directories([at for at, _, _ in os.walk(self._place)])


def written(document: object) -> str:
    """A document as JSON, ASCII alone."""
    return json.dumps(document, allow_nan=False, separators=(",", ":"))


def literal(text: str) -> bytes:
    """JSON in ASCII as a string of JavaScript between single quotes."""
    for raw, kept in (("\\", "\\\\"), ("'", "\\'"), ("<", "\\x3c")):
        text = text.replace(raw, kept)
    return text.encode("ascii")


def _write_page(files: _Files) -> None:
    found = page_files()
    scripts = {path: a.content.decode() for path, a in found.items() if path.endswith(".js")}
    whole = bundle(scripts, "app.js", {"source.js": "report/source.js"})
    files.put("index.html", found["report/index.html"].content)
    files.put("page/page.js", whole.replace("/static/", "page/").encode())
    for path, asset in found.items():
        if (
            path in ("style.css", "icon.svg")
            or path.startswith("vendor/uPlot")
            or path.endswith(".txt")
        ):
            files.put(f"page/{path}", asset.content)


# -------------------------------------------------------------------- which versions


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Versions of a report, newest first; `here` are those that HEAD grew from."""

    versions: tuple[Version, ...]
    here: frozenset[str]
    partly: bool
    where: str | None
    last: int | None


def _chosen(site: Site, where: str | None, last: int | None) -> _Chosen:
    repo = site.repo
    wanted = {version.id for version in repo.find(where, all_refs=True, limit=last)}
    wanted |= {card.version.id for card in repo.catalogue().cards}
    every = tuple(repo.find(all_refs=True))
    versions = tuple(version for version in every if version.id in wanted)
    here = frozenset(version.id for version in repo.find())
    return _Chosen(versions, here, len(versions) < len(every), where, last)


# -------------------------------------------------------------------- what is recorded


class _Record:
    """Writes what the interface answers about the chosen versions."""

    def __init__(self, site: Site, files: _Files, chosen: _Chosen, *, tensors: bool) -> None:
        self._site, self._files, self._chosen, self._tensors = site, files, chosen, tensors
        self._answers = Answers(site)
        self._places = {version.id: at for at, version in enumerate(chosen.versions)}
        self._lists: dict[tuple[str, str], str | None] = {}

    def write(self) -> None:
        for version in self._chosen.versions:
            self._write_version(version)
        self._files.script("report", written(self._report()))

    def _document(self, address: str) -> Any:
        return self._answers.document(address)

    def _report(self) -> Json:
        versions = self._chosen.versions
        names = self._names()
        return {
            "versions": [
                [v.id, v.number, v.numbered, v.id in self._chosen.here, v.time.isoformat()]
                for v in versions
            ],
            "partly": self._chosen.partly,
            "names": _resolvable(names),
            "columns": self._document(f"/r/versions?columns=auto&limit={_COLUMNS_ROWS}")["columns"],
            "rows": list(self._rows()),
            "keys": self._keys(),
            "series": dict(self._series(names)),
            "answers": {
                "/repos": self._repos(),
                "/r/names": names,
                "/r/stages": self._document("/r/stages"),
                "/r/catalogue": self._catalogue(),
                "/r/storage": self._storage(),
                "/r/ops": {**self._document(f"/r/ops?limit={OPERATIONS_ROWS}"), "next": None},
            },
        }

    def _repos(self) -> Json:
        found: Json = self._document("/repos")
        about = {"versions": len(self._chosen.versions), "last": self._chosen.last}
        found["repos"][0]["report"] = {**about, "where": self._chosen.where}
        return found

    def _catalogue(self) -> Json:
        """With pictures beside it, as far as they are what their names say."""
        found: Json = self._document("/r/catalogue")
        for model in found["models"]:
            if model["picture"] is not None:
                model["picture_address"] = self._picture(model["picture"], model["version"])
                if model["picture_address"] is None:
                    model["picture"] = None
        return found

    def _picture(self, path: str, rev: str) -> str | None:
        try:
            return self._files.picture(self._site.repo.read(path, rev))
        except MvcError:  # pruned, or never fetched
            return None

    def _names(self) -> Json:
        found: Json = self._document("/r/names")
        kept = {id: names for id, names in found["names"].items() if id in self._places}
        return {**found, "names": kept}

    def _storage(self) -> Json:
        found: Json = self._document("/r/storage")
        found["disk"]["free"] = None  # of a disk, and not of the repository
        found["versions"] = [v for v in found["versions"] if v["version"] in self._places]
        return found

    def _rows(self) -> Iterator[str]:
        """The names of the scripts that have the rows."""
        left, rows = set(self._places), list[Json]()
        cursor: str | None = ""
        while left and cursor is not None:
            page = self._document(f"/r/versions?all=1&limit={MAX_LIMIT_ROWS}{cursor}")
            rows += [row for row in page["versions"] if row["version"] in left]
            left -= {row["version"] for row in page["versions"]}
            cursor = None if page["next"] is None else f"&cursor={page['next']}"
        for at, start in enumerate(range(0, len(rows), _ROWS)):
            self._files.script(f"rows-{at}", written(rows[start : start + _ROWS]))
            yield f"rows-{at}"

    def _keys(self) -> list[Json]:
        counts: dict[tuple[str, str], int] = {}
        for version in self._chosen.versions:
            for kind, values in (
                ("metric", version.metrics),
                ("hyperparameter", version.hyperparameters),
            ):
                for key in values:
                    counts[kind, key] = counts.get((kind, key), 0) + 1
        every = self._document(f"/r/keys?all=1&limit={1 << 20}")["keys"]
        return [
            {**one, "versions": count}
            for one in every
            if (count := counts.get((one["kind"], one["key"])))
        ]

    def _series(self, names: Json) -> Iterator[tuple[str, str]]:
        """Metrics, with the names of the scripts that have their points."""
        metrics = {key for version in self._chosen.versions for key in version.metrics}
        branches = {n.removeprefix("HEAD -> ") for found in names["names"].values() for n in found}
        plain = sorted(name for name in branches if ": " not in name and name != "HEAD")
        for at, (metric, found) in enumerate(
            lines(self._site, sorted(metrics), plain, self._places)
        ):
            self._files.script(f"m-{at}", written(found))
            yield metric, f"m-{at}"

    # ---------------------------------------------------------------- one version

    def _write_version(self, version: Version) -> None:
        answers: list[str] = []
        shared: dict[str, str] = {}
        for key, text in self._of(version):
            if text is None:
                continue  # what is pruned has a record, and nothing else here
            if key.startswith(("files", "tensors")) and len(text) >= _SHARED_BYTES:
                shared[key] = self._files.shared(text)
            else:
                answers.append(f"{written(key)}:{text}")
        whole = f'{{"answers":{{{",".join(answers)}}},"shared":{written(shared)}}}'
        self._files.script(f"v-{version.id[:_NAME_CHARACTERS]}", whole)

    def _of(self, version: Version) -> Iterator[tuple[str, str | None]]:
        """Answers about a version in JSON, by what the page asks for."""
        id, ask = version.id, self._answers.text
        yield "v?changes=values", ask(f"/r/v/{id}?changes=values")
        parent = version.parents[0] if version.parents else "v0"
        pair = f"/r/diff/{quote(parent)}/{id}"
        difference = ask(pair)
        if difference is not None:
            measured = ask(f"{pair}/tensors") if self._tensors else None
            told = written({"measured": measured is not None})
            yield f"diff {parent}", f"{difference[:-1]},{told[1:]}"
            yield f"diff {parent}/tensors", None if measured is None else written(measured)
        yield "lineage", ask(f"/r/lineage/{id}")
        for part, root in version.components.items():
            if root.files:
                yield (
                    f"files?component={part.value}",
                    self._listed(part.value, root.digest or id, id),
                )
        yield "tensors", ask(f"/r/tensors/{id}")

    def _listed(self, component: str, digest: str, id: str) -> str | None:
        """Files of a part. Versions that have it alike are asked about once: most change one or two of five."""
        if (component, digest) not in self._lists:
            asked = f"/r/files/{id}?component={component}"
            self._lists[component, digest] = self._answers.text(asked)
        return self._lists[component, digest]


def _resolvable(names: Json) -> dict[str, str]:
    """Words that name a version, with its id: branches, tags, stages, HEAD."""
    found = {
        name.removeprefix("HEAD -> ").removeprefix("tag: ").removeprefix("stage: "): id
        for id, every in names["names"].items()
        for name in every
    }
    return found | {"HEAD": names["head"]["version"]}
