"""Model cards and catalogues: what a version is, for people who did not make it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mvc.api.metric_names import is_aside, ranked, without_copies
from mvc.api.page import Block, Cell, Code, Page, PageTable, Section
from mvc.api.public import made_from
from mvc.api.results import Value
from mvc.api.signatures import SignatureReport
from mvc.api.stages import StageRecord
from mvc.api.versions import ComponentRoot, Version
from mvcd import __version__
from mvcd.inspect.checkpoints import leading
from mvcd.inspect.modelnotes import NO_NOTES, ModelNotes
from mvcd.objects.version import Component
from mvcd.repo.contents.overlaps import SplitOverlaps
from mvcd.repo.records.annotations import DESCRIPTION
from mvcd.repo.release.card import CardFile, DataKind, DataTable, NetworkSummary, WeightFile

__all__ = [
    "Card",
    "CardFile",
    "Catalogue",
    "DataKind",
    "DataTable",
    "ModelNotes",
    "NetworkSummary",
    "SplitOverlaps",
    "WeightFile",
]

_ABSENT = "Its files are not here: pruned, or never fetched. The digest above still names them."
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_SHORT_CHARACTERS = 12
_MAX_NETWORKS = 3
_LISTED_FILES = 100
_SHOWN_COLUMNS = 12
_SHOWN_VALUES = 8
"""Settings, and metrics, on one row of a catalogue."""


@made_from(version="history")
@dataclass(frozen=True, slots=True)
class Card:
    """A version's card. `markdown()` and `html()` make one page of it.

    `networks` are the models in its files, largest first, and then their other checkpoints. `stages` has the
    records by which it came to a stage or left it; `signatures` is None where nobody looked; `project` is the
    name of the workspace's directory; `shared` tells which files of its data two splits have;
    `background` are settings that only a library wrote down, as transformers does all its defaults. Of
    components in `absent` no files are named: their lists are not here, pruned or never fetched. `notes` has
    what people wrote: the licence, what it is for, the path of a picture in the version; "" for what nobody
    said.
    """

    project: str
    version: Version
    architecture: tuple[CardFile, ...]
    networks: tuple[NetworkSummary, ...]
    weights: tuple[WeightFile, ...]
    data: tuple[DataKind, ...]
    tables: tuple[DataTable, ...]
    shared: SplitOverlaps
    stages: tuple[StageRecord, ...]
    signatures: SignatureReport | None
    absent: tuple[Component, ...] = ()
    background: frozenset[str] = frozenset()
    notes: ModelNotes = NO_NOTES

    @property
    def parameters(self) -> Mapping[str, int]:
        """Elements by dtype of the largest model, most first, in its final or newest checkpoint; {} if no file
        has tensors."""
        return self.networks[0].parameters if self.networks else {}

    def markdown(self) -> str:
        """Returns the card as Markdown."""
        return _card_page(self).markdown()

    def html(self) -> str:
        """Returns the card as one page of HTML."""
        return _card_page(self).html()


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Cards in one table, a row each. `markdown()` and `html()` make a page of it."""

    project: str
    cards: tuple[Card, ...]

    def markdown(self) -> str:
        """Returns the table as Markdown."""
        return _catalogue_page(self).markdown()

    def html(self) -> str:
        """Returns the table as one page of HTML."""
        return _catalogue_page(self).html()


# -------------------------------------------------------------------- the card


def _card_page(card: Card) -> Page:
    version = card.version
    sections = [
        Section("Get it", [Code(_download(card)), Code(f"mvc verify-deploy DIR {version.id}")]),
        Section("Parts", [_parts(version)]),
        Section("Architecture", list(_architecture(card))),
        Section("Weights", list(_weights(card))),
        Section(
            "Hyperparameters",
            list(_settings(card)),
        ),
        Section("Data", list(_data(card))),
        Section("Results", [_values(_results(version), "none were recorded")]),
        *_annotations(version),
        Section("Provenance", [PageTable(list(_provenance(version)))]),
        Section("Stages", [_stages(card)]),
        Section("Signatures", [_signatures(card)]),
    ]
    lead: list[Block] = [version.message.strip() or "(no message)"]
    if said := version.annotations.get(DESCRIPTION, "").strip():
        lead.append(said)
    lead.append(PageTable(list(_facts(card))))
    foot = f"Made by mvc {__version__} from the version's record; every digest can be checked."
    return Page(f"{card.project} v{version.number}", lead, sections, foot)


def _facts(card: Card) -> Iterator[tuple[Cell, Cell]]:
    version = card.version
    yield "version", Code(version.id)
    if version.refs:
        yield "names", ", ".join(r.removeprefix("HEAD -> ") for r in version.refs)
    yield "author", version.author
    yield "time", f"{version.time:%Y-%m-%d %H:%M:%S %z}"
    yield "parameters", _parameters(card.parameters) or "unknown"
    yield "size", f"{_size(version.size)} in {_plural(version.files, 'file')}"
    if card.notes.license:
        yield "license", card.notes.license
    if card.notes.intended_use:
        yield "intended use", card.notes.intended_use


def _parts(version: Version) -> PageTable:
    rows: list[tuple[Cell, ...]] = [
        (name.value, part.files, _size(part.size), Code(part.digest) if part.digest else "-")
        for name, part in version.components.items()
    ]
    return PageTable(rows, head=["part", "files", "size", "digest"])


def _architecture(card: Card) -> Iterator[Block]:
    models = leading(f"{network.name}.ckpt" for network in card.networks)
    shown = [n for n in card.networks if f"{n.name}.ckpt" in models]
    for network in shown[:_MAX_NETWORKS]:
        if len(card.networks) > 1:
            others = len(models[f"{network.name}.ckpt"])
            beside = f", and {_plural(others, 'more checkpoint')} of it" if others else ""
            yield f"{network.name}: {_parameters(network.parameters)}{beside}"
        modules: list[tuple[Cell, ...]] = [
            (m.module or "(top)", m.tensors, m.parameters) for m in network.modules
        ]
        yield PageTable(modules, head=["module", "tensors", "parameters"])
    if len(shown) > _MAX_NETWORKS:
        yield f"... and {_plural(len(shown) - _MAX_NETWORKS, 'smaller network')}."
    if Component.ARCHITECTURE in card.absent:
        yield _ABSENT
        return
    rows: list[tuple[Cell, ...]] = [
        (f.path, _size(f.size), Code(f.recipe)) for f in card.architecture
    ]
    if rows:
        yield PageTable(rows, head=["file", "size", "digest"])
    total = card.version.components[Component.ARCHITECTURE].files
    if total > len(rows):
        yield f"... and {_plural(total - len(rows), 'more file')}."
    if not rows and not card.networks:
        yield "No files."


def _weights(card: Card) -> Iterator[Block]:
    if not card.weights:
        yield _ABSENT if Component.WEIGHTS in card.absent else "No files."
        return
    if card.parameters:
        total = sum(card.parameters.values())
        counts: list[tuple[Cell, ...]] = [
            (dtype, count, f"{100 * count / total:.1f} %" if total else "-")
            for dtype, count in card.parameters.items()
        ]
        yield PageTable(counts, head=["dtype", "parameters", "share"])
    rows: list[tuple[Cell, ...]] = [
        (f.path, f.format or "-", f.tensors, _size(f.size), Code(f.recipe))
        for f in card.weights
        if not f.state
    ]
    rows += _state(card)
    yield PageTable(rows[:_LISTED_FILES], head=["file", "format", "tensors", "size", "digest"])
    if len(rows) > _LISTED_FILES:
        yield f"... and {_plural(len(rows) - _LISTED_FILES, 'more file')}."


def _state(card: Card) -> list[tuple[Cell, ...]]:
    """Training state on one row: what goes on with a training is of no use to who gets the model."""
    files = [f for f in card.weights if f.state]
    if not files:
        return []
    tensors, size = sum(f.tensors for f in files), sum(f.size for f in files)
    name = f"(training state, {_plural(len(files), 'file')})"
    return [(name, "-", tensors, _size(size), "-")]


def _data(card: Card) -> Iterator[Block]:
    if not card.data:
        yield _ABSENT if Component.DATA in card.absent else "No files."
        return
    kinds: list[tuple[Cell, ...]] = [
        (f".{k.kind}" if k.kind else "(no ending)", k.files, _size(k.size)) for k in card.data
    ]
    yield PageTable(kinds, head=["kind", "files", "size"])
    tables: list[tuple[Cell, ...]] = [
        (_table_name(t), "-" if t.rows is None else f"{t.rows:,}", t.problem or _columns(t.columns))
        for t in card.tables
    ]
    if tables:
        yield PageTable(tables, head=["table", "rows", "columns"])
    yield from _shared(card.shared)


def _shared(found: SplitOverlaps) -> Iterator[Block]:
    for equal in found.equal:
        a, b = equal.splits
        rest = "; ".join(f"{one} = {other}" for one, other in equal.examples)
        yield f"{a} and {b} share {_plural(equal.files, 'file')}: {rest}"
    for near in found.near:
        a, b = near.splits
        which = "file shares" if near.files == 1 else "files share"
        rest = "; ".join(f"{one} ~ {other} ({int(100 * s)} %)" for one, other, s in near.examples)
        yield f"{near.files:,} {which} most bytes between {a} and {b}: {rest}"
    if found.unlooked:
        count = f"{found.unlooked:,}"
        yield f"Near-equal files between splits: {count} files are too many to look for them."


def _table_name(table: DataTable) -> str:
    return (
        table.path if table.shards is None else f"{table.path} ({_plural(table.shards, 'shard')})"
    )


def _columns(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN_COLUMNS])
    more = len(names) - _SHOWN_COLUMNS
    return shown + (f" (+{more:,})" if more > 0 else "")


def _results(version: Version) -> dict[str, Value]:
    """Metrics, those with a direction first; of timings and the like each name once."""
    found = without_copies(version.metrics)
    return {key: found[key] for key in ranked(found) if not is_aside(key, found)}


def _chosen(card: Card) -> dict[str, Value]:
    """Settings without what only a library wrote down."""
    found = without_copies(card.version.hyperparameters)
    return {key: value for key, value in found.items() if key not in card.background}


def _settings(card: Card) -> Iterator[Block]:
    chosen = _chosen(card)
    left = len(without_copies(card.version.hyperparameters)) - len(chosen)
    if chosen or not left:
        yield _values(chosen, "none were recorded")
    if left:
        yield f"... and {left:,} more that a library wrote down and no source sets: mvc show -v."


def _values(values: Mapping[str, Value], none: str) -> Block:
    if not values:
        return none[:1].upper() + none[1:] + "."
    return PageTable([(key, _value(value)) for key, value in values.items()])


def _annotations(version: Version) -> Iterator[Section]:
    """What was written beside the version, less the description, which stands at the top."""
    rows: list[tuple[Cell, ...]] = [
        (key, said) for key, said in version.annotations.items() if key != DESCRIPTION
    ]
    if rows:
        yield Section("Annotations", [PageTable(rows)])


def _provenance(version: Version) -> Iterator[tuple[Cell, Cell]]:
    made = version.provenance
    yield "parents", tuple(Code(p) for p in version.parents) or "none, it is the first"
    yield "saved", version.trigger
    if made.git_commit:
        yield "git commit", made.git_commit + (" with changes" if made.git_dirty else "")
    if made.command:
        yield "command", Code(" ".join(made.command))
    if made.host:
        yield "host", made.host
    if made.python:
        yield "Python", made.python
    if made.packages_digest:
        yield (
            "packages",
            (Code(made.packages_digest), "SHA-256 over the sorted name==version lines"),
        )


def _stages(card: Card) -> Block:
    if not card.stages:
        return "It never was on a stage."
    rows: list[tuple[Cell, ...]] = []
    for r in card.stages:
        checks = tuple(
            f"{q.expression} ({', '.join(f'{k} {_value(v)}' for k, v in q.found.items())})"
            for q in r.requirements
        )
        now = "live" if r.live else "-" if r.until is None else f"{r.until:%Y-%m-%d %H:%M %z}"
        rows.append(
            (f"{r.stage} {r.number}", r.step, f"{r.time:%Y-%m-%d %H:%M %z}", now, r.author,
             (r.reason or "-", *checks), Code(r.digest[:_SHORT_CHARACTERS]))
        )  # fmt: skip
    return PageTable(
        rows, head=["record", "step", "from", "until", "by", "why, and what was met", "digest"]
    )


def _signatures(card: Card) -> Block:
    if card.signatures is None:
        return "Not looked at."
    found = card.signatures.signatures
    if not found:
        return "None."
    rows: list[tuple[Cell, ...]] = [
        (s.state.value, s.principal or "-", s.key_type, Code(s.fingerprint or "-"), s.reason or "-")
        for s in found
    ]
    return PageTable(rows, head=["state", "by", "key", "fingerprint", "why not"])


# -------------------------------------------------------------------- the catalogue


def _catalogue_page(catalogue: Catalogue) -> Page:
    head = [
        "model",
        "version",
        "architecture",
        "weights",
        "hyperparameters",
        "data",
        "results",
        "get it",
    ]
    rows = [_row(card) for card in catalogue.cards]
    count = _plural(len(rows), "model")
    blocks: list[Block] = [PageTable(rows, head=head)] if rows else ["Nothing was published yet."]
    foot = (
        f"{count}. Made by mvc {__version__}. Equal digests, equal content; mvc verify-deploy DIR ID checks "
        "what was got."
    )
    return Page(f"{catalogue.project}: models", [], [Section("Models", blocks)], foot, wide=True)


def _row(card: Card) -> tuple[Cell, ...]:
    version = card.version

    def digest(component: Component) -> Cell:
        root = version.components[component]
        return Code(root.digest[:_SHORT_CHARACTERS]) if root.digest else "-"

    data = version.components[Component.DATA]
    return (
        model_name(card),
        (f"v{version.number}", Code(version.id[:_SHORT_CHARACTERS]), f"{version.time:%Y-%m-%d}"),
        (_parameters(card.parameters) or "-", digest(Component.ARCHITECTURE)),
        (_size(version.components[Component.WEIGHTS].size), digest(Component.WEIGHTS)),
        _some(_chosen(card)),
        (_files(data), digest(Component.DATA)),
        _some(_results(version)),
        Code(_download(card)),
    )


def model_name(card: Card) -> str:
    """Names a model by its stages and tags, else the last stage that it held, else its branches, else its
    number."""
    refs = card.version.refs
    given = [r.partition(": ")[2] for r in refs if r.startswith(("stage: ", "tag: "))]
    former = [f"{r.stage} until {r.until:%Y-%m-%d}" for r in card.stages if r.until][:1]
    branches = [r.removeprefix("HEAD -> ") for r in refs if ": " not in r and r != "HEAD"]
    return ", ".join(given or former or branches) or f"v{card.version.number}"


def _some(values: Mapping[str, Value]) -> Cell:
    lines = [f"{key} {_value(value)}" for key, value in list(values.items())[:_SHOWN_VALUES]]
    if len(values) > _SHOWN_VALUES:
        lines.append(f"(+{len(values) - _SHOWN_VALUES})")
    return tuple(lines) or "-"


def _download(card: Card) -> str:
    return f"mvc export {card.version.id} DIR"


def _parameters(parameters: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {dtype}" for dtype, count in parameters.items())


def _value(value: Value) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _files(part: ComponentRoot) -> str:
    return f"{_plural(part.files, 'file')}, {_size(part.size)}" if part.files else "-"


def _plural(count: int, one: str) -> str:
    return f"{count:,} {one}" if count == 1 else f"{count:,} {one}s"


def _size(count: float) -> str:
    unit = 0
    while count >= 999.5 and unit < len(_UNITS) - 1:
        count, unit = count / 1024, unit + 1
    return f"{count:.0f} B" if unit == 0 else f"{count:.3g} {_UNITS[unit]}"
