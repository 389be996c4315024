"""The three shapes of the log: whole entries, one line each, a table of metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import click

from mvc.api.metric_names import by_weight, is_axis, ranked, short_name, without_copies
from mvc.cli import text
from mvc.cli.screens import notes, pruning, signature

if TYPE_CHECKING:
    from mvc.api.results import Version
    from mvc.api.signatures import SignatureStatus

Signatures = Callable[["Version"], Sequence["SignatureStatus"]]

_MAX_METRICS = 6
"""Metrics on the line of a whole entry."""
_INDENT_COLUMNS = 4
_SHORT_RUN_VERSIONS = 5
"""Automatic versions in a row that are still shown one by one."""
_MESSAGE_COLUMNS = 40
"""Columns of the message in the table of metrics."""
_BESIDE_COLUMNS = 41
"""Columns that number, id and half a message take beside the metrics."""


def heading(version: Version) -> str:
    """ "v12 1f2e3d4c5b (HEAD -> main, tag: best)"; without the number where that names another version."""
    number = f"v{version.number} " if version.numbered else ""
    name = click.style(f"{number}{text.short(version.id)}", fg="yellow")
    if not version.refs:
        return name
    return f"{name} ({', '.join(map(_ref, version.refs))})"


def _ref(ref: str) -> str:
    color = (
        "magenta"
        if ref.startswith(("tag: ", "stage: "))
        else "cyan"
        if ref.startswith("HEAD")
        else "green"
    )
    return click.style(ref, fg=color, bold=True)


class Folded(NamedTuple):
    """A run of automatic versions that no name points to, newest first."""

    versions: int
    newest: int
    oldest: int

    def __str__(self) -> str:
        run = f"{self.versions} automatic versions, v{self.newest} to v{self.oldest}"
        return click.style(f"... {run}  (mvc log --every)", dim=True)


def fold(versions: Iterable[Version], *, every: bool = False) -> Iterator[Version | Folded]:
    """The versions, with long runs of automatic ones as one line, unless `every` one is asked for."""
    run: list[Version] = []
    for version in versions:
        if version.trigger == "auto" and not version.refs and not every:
            run.append(version)
            continue
        yield from _folded(run)
        run = []
        yield version
    yield from _folded(run)


def _folded(run: Sequence[Version]) -> Iterator[Version | Folded]:
    if len(run) <= _SHORT_RUN_VERSIONS:
        yield from run
    else:
        yield Folded(len(run), run[0].number, run[-1].number)


def full(
    versions: Iterable[Version | Folded],
    now: datetime,
    *,
    verbose: bool,
    signatures: Signatures | None = None,
) -> Iterator[str]:
    columns = text.room()
    for index, version in enumerate(versions):
        if index:
            yield ""
        if isinstance(version, Folded):
            yield str(version)
            continue
        yield heading(version)
        trigger = "" if version.trigger == "manual" else f"  [{version.trigger}]"
        time = text.moment(version.time) if verbose else text.when(version.time, now)
        yield click.style(
            _made(time, version.author, trigger, None if verbose else columns), dim=True
        )
        if version.pruned is not None:
            for name, said in pruning.facts(version.pruned, now):
                yield click.style(f"    {name} {said}", dim=True)
        if signatures is not None:
            yield from (f"    {line}" for line in signature.lines(signatures(version)))
        for line in version.message.strip().split("\n"):
            yield f"    {text.safe(line)}".rstrip()
        yield from (f"    {line}" for line in notes.short(version.annotations))
        if metrics := _some_metrics(version, None if verbose else _MAX_METRICS, columns):
            yield f"    {metrics}"


def _made(time: str, author: str, trigger: str, columns: int | None) -> str:
    """When, by whom and how; an author's mail address only where it has room."""
    line = f"    {time}  {text.safe(author)}{trigger}"
    if columns is None or text.width(line) <= columns:
        return line
    name = author.partition(" <")[0] or author
    return f"    {time}  {text.safe(name)}{trigger}"


def _some_metrics(version: Version, limit: int | None, columns: int | None) -> str:
    """As many as `limit` allows and the terminal has room for, at least one, and how many more there are."""
    found = without_copies(version.metrics)
    keys = ranked(key for key in found if not is_axis(key))
    every = [f"{text.safe(k)} {click.style(text.number(found[k]), bold=True)}" for k in keys]
    shown = every[:limit]
    while limit is not None and columns and len(shown) > 1:
        if text.width(_counted(every, shown)) + _INDENT_COLUMNS <= columns:
            break
        shown.pop()
    return _counted(every, shown)


def _counted(every: Sequence[str], shown: Sequence[str]) -> str:
    more = len(every) - len(shown)
    return "  ".join([*shown, *([f"(+{more:,})"] if more else [])])


def oneline(
    versions: Iterable[Version | Folded], *, signatures: Signatures | None = None
) -> Iterator[str]:
    columns = text.room()
    for version in versions:
        if isinstance(version, Folded):
            yield str(version)
        else:
            signed = "" if signatures is None else f" [{signature.best(signatures(version))}]"
            gone = " [pruned]" if version.pruned is not None else ""
            noted = " [annotated]" if version.annotations else ""
            head = f"{heading(version)}{signed}{gone}{noted}"
            yield f"{head} {_fitting(text.first_line(version.message), text.width(head), columns)}"


def _fitting(message: str, taken: int, columns: int | None) -> str:
    """As much as a terminal has beside what is taken; half of it at least, on a next line if need be."""
    return message if columns is None else text.cut(message, max(columns - taken - 1, columns // 2))


def metrics(
    versions: Sequence[Version], *, settled: bool = False, width: int | None = None
) -> list[str]:
    """One row a version, one column a metric; what a version does not have is '-'.

    Metrics of which it is known what is better come first, and of the others as many as `width` columns have
    room for. Steps and times are no metrics and have no column. A name of which several files of one version
    say different things has their number beside it, unless `mvc.toml` has `settled` whose it is.
    """
    sources = _sources(versions)
    if not sources:
        return ["No version has metrics (metrics*.json, .csv, .jsonl, ...)"] if versions else []
    ambiguous = [key for key, count in sources.items() if count > 1 and not settled]
    titles = {
        key: f"{text.safe(key)} ({sources[key]} sources)" if key in ambiguous else text.safe(key)
        for key in sources
    }
    shown, message_columns = _with_room(versions, titles, width)
    head = ["version", "", *(titles[key] for key in shown), "message"]
    rows = [[click.style(cell, bold=True) for cell in head]]
    for version in versions:
        message = text.cut(text.first_line(version.message), message_columns)
        name = click.style(text.short(version.id), fg="yellow")
        number = f"v{version.number}" if version.numbered else ""
        rows.append([number, name, *_cells(version, shown), message])
    lines = text.table(rows, right=range(2, 2 + len(shown)))
    if more := len(titles) - len(shown):
        lines.append(click.style(f"{text.plural(more, 'more metric')}: mvc show", dim=True))
    if seen := [key for key in shown if key in ambiguous]:
        lines.append(click.style(_ambiguity(versions, seen[0]), dim=True))
    return lines


def _cells(version: Version, keys: Sequence[str]) -> list[str]:
    found = version.metrics
    return [text.number(found[key]) if key in found else "-" for key in keys]


def _with_room(
    versions: Sequence[Version], titles: Mapping[str, str], width: int | None
) -> tuple[list[str], int]:
    """The first metrics that fit beside number, id and half a message, at least one; and how many columns
    messages have beside them."""
    keys = list(titles)
    if width is None:
        return keys, _MESSAGE_COLUMNS
    half = _MESSAGE_COLUMNS // 2
    left = width - _BESIDE_COLUMNS
    shown: list[str] = []
    for key in keys:
        cells = [titles[key], *(_cells(version, [key])[0] for version in versions)]
        needed = 2 + max(map(text.width, cells))
        if shown and needed > left:
            break
        left -= needed
        shown.append(key)
    return shown, min(_MESSAGE_COLUMNS, half + max(left, 0))


def _sources(versions: Sequence[Version]) -> dict[str, int]:
    """Metrics by name, and how many files of one version say something of their own of each. What stands apart
    as `path:name` has no column where the short name has one."""
    keys = dict.fromkeys(key for version in versions for key in version.metrics)
    shown = by_weight(key for key in keys if not is_axis(key)) or list(keys)
    sources = {key: 1 for key in shown if short_name(key) == key or short_name(key) not in keys}
    for version in versions:
        own = without_copies(version.metrics)
        apart = Counter(short_name(key) for key in own if short_name(key) != key)
        for key in sources.keys() & apart.keys():
            sources[key] = max(sources[key], apart[key] + 1)
    return sources


def _ambiguity(versions: Sequence[Version], name: str) -> str:
    other = next(
        key
        for version in versions
        for key in without_copies(version.metrics)
        if key != name and short_name(key) == name
    )
    path = text.safe(other.partition(":")[0])
    return (
        f"{text.safe(name)} is in several files: here it is always the same one's; mvc show has the others'.\n"
        f'To choose, mvc.toml: [metrics] main = "{path}"'
    )
