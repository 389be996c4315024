"""What may stand at the cursor: names of the repository for each kind of word.

What a parameter takes is what its help says: `--good REV` is completed with versions, `-o FILE` with files.
Where the help says no more than NAME or KEY, `_PLACES` has what is meant. Nothing here fails aloud: a person
who presses a key gets words, or none.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

import click
from click.shell_completion import CompletionItem

from mvc.api.glimpse import Glimpse, setting_keys
from mvc.cli.face import Face
from mvc.cli.options import COMPONENTS, PARTS
from mvc.cli.verbs import SUMMARIES

Item = CompletionItem[str]
Named = Iterator[tuple[str, str | None]]
"""Words, and what may be said beside each."""

_METAVARS: Mapping[str, str] = {
    **dict.fromkeys("REV A B BAD GOOD START".split(), "version"),
    **dict.fromkeys("PATH FILE FILENAME BUNDLE SRC ARG CMD COMMAND".split(), "file"),
    **dict.fromkeys("DIR REPO_DIR FROM TO STORE URL".split(), "dir"),
    "EXPR": "figure",
    "METRIC": "metric",
    "COMPONENT": "component",
    "BRANCH": "branch",
    "REF": "ref",
    "REMOTE": "remote",
    "STAGE": "stage",
    "TAG": "tag",
    "VERB": "verb",
}
"""What a word of a metavar stands for, everywhere."""

_PLACES: Mapping[str, str] = {
    "log touching": "figure file",
    "blame names": "figure file",
    "compare sort": "figure row",
    "compare columns": "figure row",
    "compare branches": "branch",
    "plot branches": "branch",
    "clone only": "part",
    "export only": "part",
    "switch name": "branch fetched",
    "branch words": "branch version",
    "tag words": "tag version",
    "tag delete": "tag",
    "stage history name": "stage",
    "stage rollback name": "stage",
    "stage withdraw name": "stage",
    "catalogue stage": "stage",
    "remote remove name": "remote",
    "remote set-url name": "remote",
    "remote rename old": "remote",
    "verify remote": "remote",
    "config get key": "config",
    "config set key": "config",
    "config set value": "flag",
    "config unset key": "config",
    "oci push address": "",
    "oci pull address": "",
}
"""What a parameter takes whose metavar does not say it: verb and parameter, then kinds."""


def items(context: click.Context, parameter: click.Parameter, word: str) -> list[Item]:
    """Completes a word of a parameter; "file" and "dir" ask the shell to add its own."""
    glimpse = Glimpse(os.path.join(".", *context.ensure_object(Face).directories))
    kinds = kinds_of(context, parameter)
    before, word = _split(word, kinds, listed=_is_list(context, parameter))
    names: dict[str, str | None] = {}
    for kind in kinds:
        if kind not in ("file", "dir"):
            names |= dict(_KINDS[kind](glimpse, word, context))
    found: list[Item] = [
        CompletionItem(before + name, help=said)
        for name, said in names.items()
        if name.startswith(word)
    ]
    inside = "content" in kinds and ":" in word and found
    if not before and not inside:
        found += [CompletionItem(word, type=k) for k in kinds if k in ("file", "dir")][:1]
    return found


def kinds_of(context: click.Context, parameter: click.Parameter) -> list[str]:
    """The kinds of words that a parameter takes; none for free text."""
    path = context.command_path.split(" ", 1)[1:]
    place = " ".join([*path, parameter.name or ""])
    said = _PLACES.get(place)
    if said is not None:
        return said.split()
    metavar = parameter.make_metavar(context)
    found = (_METAVARS.get(token) for token in re.findall(r"[A-Z][A-Z_]*", metavar))
    kinds = list(dict.fromkeys(kind for kind in found if kind))
    return [*kinds, "content"] if "REV:" in metavar else kinds


def verbs(context: click.Context, word: str) -> list[Item]:
    """Completes a verb, of mvc or of one's own, without loading any."""
    glimpse = Glimpse(os.path.join(".", *context.ensure_object(Face).directories))
    names = {**glimpse.aliases(), **SUMMARIES}
    return [CompletionItem(n, help=said) for n, said in names.items() if n.startswith(word)]


def _is_list(context: click.Context, parameter: click.Parameter) -> bool:
    return parameter.name == "columns" or ",..." in parameter.make_metavar(context)


def _split(word: str, kinds: Iterable[str], *, listed: bool) -> tuple[str, str]:
    """What of a word stays as it is, and the rest, which is completed: behind the last comma of a list, the
    dots of a range, the last operator of an expression."""
    at = 0
    if listed:
        at = word.rfind(",") + 1
    elif "version" in kinds and ".." in word and "/" not in word:
        at = word.rfind("..") + 2
    elif "figure" in kinds:
        at = max(word.rfind(mark) for mark in " (<>=") + 1
    return word[:at], word[at:]


def _plain(names: Iterable[str]) -> Named:
    return ((name, None) for name in names)


def _versions(glimpse: Glimpse, word: str, context: click.Context) -> Named:  # noqa: ARG001
    if word.startswith("@"):
        return _plain(f"@{name}" for name in glimpse.stages())
    names = ["HEAD", *glimpse.branches(), *glimpse.tags(), *glimpse.stages(), *glimpse.fetched()]
    if re.fullmatch(r"v\d*", word):  # the only ones that take an open repository
        names += glimpse.numbers()
    return _plain(names)


def _figures(glimpse: Glimpse, word: str, context: click.Context) -> Named:  # noqa: ARG001
    return _plain([*glimpse.metrics(), *glimpse.hyperparameters()])


def _content(glimpse: Glimpse, word: str, context: click.Context) -> Named:  # noqa: ARG001
    """Paths of a version, REV:PATH, a directory at a time."""
    rev, colon, inside = word.partition(":")
    if not colon or os.path.lexists(word):
        return iter(())
    depth = inside.count("/")
    paths = (path.split("/") for path in glimpse.paths(rev) if path.startswith(inside))
    return _plain(
        f"{rev}:{'/'.join(parts[: depth + 1])}{'/' * (len(parts) > depth + 1)}" for parts in paths
    )


def _config_keys(glimpse: Glimpse, word: str, context: click.Context) -> Named:  # noqa: ARG001
    names = {"alias": glimpse.aliases(), "remote": glimpse.remotes()}
    for key, said, _ in setting_keys():
        section, _, rest = key.partition(".")
        for name in names.get(section, ("",)):
            yield (f"{section}.{rest.replace('NAME', name)}" if name else key), said


def _flag(glimpse: Glimpse, word: str, context: click.Context) -> Named:  # noqa: ARG001
    """The values of a setting that is true or false."""
    flags = {key for key, _, flag in setting_keys() if flag}
    return _plain(("true", "false") if context.params.get("key") in flags else ())


def _of(
    names: Callable[[Glimpse], Iterable[str]],
) -> Callable[[Glimpse, str, click.Context], Named]:
    return lambda glimpse, word, context: _plain(names(glimpse))  # noqa: ARG005


_KINDS: Mapping[str, Callable[[Glimpse, str, click.Context], Named]] = {
    "version": _versions,
    "content": _content,
    "figure": _figures,
    "config": _config_keys,
    "flag": _flag,
    "metric": _of(Glimpse.metrics),
    "branch": _of(Glimpse.branches),
    "fetched": _of(lambda glimpse: [name.partition("/")[2] for name in glimpse.fetched()]),
    "tag": _of(Glimpse.tags),
    "stage": _of(Glimpse.stages),
    "remote": _of(Glimpse.remotes),
    "ref": _of(lambda glimpse: [*glimpse.branches(), *glimpse.tags()]),
    "component": _of(lambda _: COMPONENTS),
    "part": _of(lambda _: PARTS),
    "row": _of(lambda _: ("time", "version")),
    "verb": _of(lambda _: SUMMARIES),
}
