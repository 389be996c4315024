"""Model cards and catalogues: what they say, and that nothing hostile in them does anything."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from safetensors.numpy import save_file

from mvc import Repo
from mvc.api.page import Code, Page, PageTable, Section
from tests.support.commandline import AUTHOR, Mvc, write

HOSTILE = (
    "<script>alert(1)</script>",
    "[x](javascript:alert)",
    "![x](http://evil.example/x.png)",
    "| a | b |",
    "`code` **bold** _em_ ~~gone~~",
    "# heading",
    "1. item",
    "---",
    "<!-- hidden -->",
    "&lt;b&gt;",
    "http://evil.example www.evil.example a@evil.example",
    "\x1b[31mred\x1b[0m",
    "\u202egnp.exe",
    "a\nb\n\n    code",
    "\\| \\` \\<b>",
    "</td></table><img src=x onerror=alert(1)>",
    "\" onload='x'",
    "\udcff",
)


@pytest.fixture
def model(saved: Path) -> Repo:
    """Two versions published, with tensors, settings, data and results."""
    import numpy as np

    repo = Repo(saved, author=AUTHOR)
    save_file(
        {"a": np.zeros((3, 4), np.float32), "b": np.zeros(5, np.float32), "c": np.ones(7, np.int8)},
        saved / "model.safetensors",
    )
    write(saved, {"data/img/a.png": "1", "data/img/b.PNG": "22", "data/rows": "x"})
    repo.commit("third | with <b>markup</b>")
    repo.promote("v3", "production", require="val.accuracy>=0.7", reason="the best")
    repo.tag("v1.0", "v1")
    return repo


# -------------------------------------------------------------------- what they say


def test_a_card_has_everything(model: Repo) -> None:
    card = model.card("production")
    assert card.parameters == {"F32": 17, "I8": 7}
    assert [(w.path, w.format, w.tensors) for w in card.weights] == [
        ("model.safetensors", "safetensors", 3)
    ]
    assert [(k.kind, k.files, k.size) for k in card.data] == [
        ("csv", 2, 16), ("png", 2, 3), ("", 1, 1),
    ]  # fmt: skip
    assert [(t.path, t.rows, t.columns) for t in card.tables] == [
        ("data/more.csv", 1, ("x", "y")), ("data/train.csv", 1, ("x", "y")),
    ]  # fmt: skip
    assert model.catalogue("v3").cards[0].tables == ()
    assert [(r.stage, r.number) for r in card.stages] == [("production", 1)]
    for page in (card.markdown(), card.html()):
        for said in (
            card.version.id, *(c.digest or "" for c in card.version.components.values()),
            card.weights[0].recipe, "17 F32, 7 I8", "the best", "0.75", "epochs", "production 1", "None.",
        ):  # fmt: skip
            assert said in page
    assert "third \\| with &lt;b&gt;markup&lt;/b&gt;" in card.markdown()


def test_networks_are_counted_once_and_by_their_blocks(saved: Path) -> None:
    import numpy as np

    def blocks(count: int) -> dict[str, np.ndarray]:
        return {f"h.{i}.{m}.weight": np.zeros(10, np.float16) for i in range(count) for m in "ab"}

    write(saved, {"run/x": ""})
    save_file(blocks(3), saved / "run" / "model-00001-of-00002.safetensors")
    save_file(
        {"out.bias": np.zeros(4, np.float32)}, saved / "run" / "model-00002-of-00002.safetensors"
    )
    save_file(blocks(9), saved / "run" / "optimizer.safetensors")
    save_file(blocks(2), saved / "run" / "small.safetensors")
    save_file({f"m{i}.w": np.zeros(1) for i in range(50)}, saved / "run" / "wide.safetensors")
    repo = Repo(saved, author=AUTHOR)
    repo.commit("networks")
    card = repo.card()
    assert card.parameters == {"F16": 60, "F32": 4}
    whole, wide, small = card.networks
    assert [n.name for n in card.networks] == ["run/model", "run/wide", "run/small"]
    assert [(m.module, m.tensors, m.parameters) for m in whole.modules] == [
        ("h.*.a", 3, 30), ("h.*.b", 3, 30), ("out", 1, 4),
    ]  # fmt: skip
    assert [(m.module, m.tensors) for m in wide.modules] == [("", 50)]
    assert small.size == 40 and len(card.weights) == 6
    repo.close()


def test_a_bare_version_has_a_card(mvc: Mvc, work: Path) -> None:
    write(work, {"notes.txt": "x"})
    mvc("init")
    mvc("add", ".")
    mvc("commit", "-m", "bare")
    page = mvc("card").out
    assert "It never was on a stage." in page and "None were recorded." in page
    assert mvc("catalogue").out.startswith("Nothing was published yet.")
    assert "Nothing was published yet." in mvc("catalogue", "--md").out


def test_the_catalogue_has_a_row_a_model(model: Repo, mvc: Mvc) -> None:
    made = model.catalogue()
    assert [c.version.number for c in made.cards] == [3, 1]
    assert [c.version.number for c in model.catalogue(tags=True).cards] == [1]
    assert [c.version.number for c in model.catalogue(stage="production").cards] == [3]
    assert [c.version.number for c in model.catalogue("v2", "v1", "v2").cards] == [2, 1]
    for page in (made.markdown(), made.html()):
        for card in made.cards:
            assert f"mvc export {card.version.id} DIR" in page
    title, first, second = mvc("catalogue").out.splitlines()
    assert title.split() == ["model", "version", "parameters", "size", "results", "get", "it"]
    assert first.startswith("production  v3") and second.startswith("v1.0        v1")
    models = mvc("catalogue", "--json").json["models"]
    assert [m["number"] for m in models] == [3, 1]
    assert models[0]["parameters"] == {"F32": 17, "I8": 7}


def test_who_held_a_stage_is_called_so(model: Repo) -> None:
    model.promote("v2", "production")
    names = [
        row[:40]
        for row in model.catalogue(stage="production").markdown().splitlines()
        if "v3" in row
    ]
    assert "production until 20" in names[0]


def test_files_and_json(mvc: Mvc, model: Repo, tmp_path: Path) -> None:
    page = mvc("card", "v3").out
    target = tmp_path / "card.md"
    assert mvc("card", "v3", "-o", str(target)).out.startswith(f"Wrote {target}")
    assert target.read_text() == page == model.card("v3").markdown()
    mvc("catalogue", "--html", "-o", str(target))
    assert target.read_text().startswith("<!doctype html>")
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith("card")] == ["card.md"]
    document = mvc("card", "v3", "--json").json
    assert document["weight_files"][0]["tensors"] == 3
    (network,) = document["networks"]
    assert network["modules"] == [{"module": "", "tensors": 3, "parameters": 24}]
    assert document["stages"][0]["reason"] == "the best"
    assert "-o needs --md or --html" in mvc("catalogue", "-o", "x", code=2).err
    assert mvc("card", "-o", str(target / "card.md"), code=1).err.startswith("error: ")
    mvc("card", "-o", str(tmp_path / "new" / "card.md"))
    assert (tmp_path / "new" / "card.md").read_text().startswith("# work v3")


# -------------------------------------------------------------------- hostile words


class Elements(HTMLParser):
    """Every element and attribute of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[tuple[str, tuple[str, ...]]] = set()
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add((tag, tuple(name for name, _ in attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


ALLOWED = {
    ("html", ("lang",)), ("meta", ("charset",)), ("meta", ("http-equiv", "content")),
    ("meta", ("name", "content")), ("code", ("class",)), ("th", ("class",)), ("td", ("class",)),
    ("body", ("class",)),
    *((t, ()) for t in "head title style body h1 h2 p table thead tbody tr th td code br div footer".split()),
}  # fmt: skip


def hostile_page(words: tuple[str, ...]) -> Page:
    rows = [(w, Code(w), 3, (w, Code(w))) for w in words]
    sections = [Section(w, [w, Code(w)]) for w in words]
    table = Section(
        "table",
        [PageTable(rows, head=[words[0], "b", "c", "d"]), PageTable([(w, w) for w in words])],
    )
    return Page(words[0], [*words], [*sections, table], words[-1])


def elements(page: str) -> Elements:
    found = Elements()
    found.feed(page.encode("utf-8", "strict").decode())
    return found


def tokens(page: str) -> set[str]:
    parsed = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(page)
    return {t.type for t in parsed} | {c.type for t in parsed for c in t.children or ()}


HARMLESS = {
    "heading_open", "heading_close", "paragraph_open", "paragraph_close", "inline", "text", "softbreak",
    "hardbreak", "code_inline", "em_open", "em_close", "text_special", "table_open", "table_close",
    "thead_open", "thead_close", "tbody_open", "tbody_close", "tr_open", "tr_close", "th_open", "th_close",
    "td_open", "td_close", "html_inline",
}  # fmt: skip
"""`em`: the foot. `html_inline`: <br> between lines of a cell, and nothing else."""


def check(page: Page, rows: int) -> None:
    html, markdown = page.html(), page.markdown()
    assert elements(html).found <= ALLOWED
    assert tokens(markdown) <= HARMLESS
    parsed = MarkdownIt("commonmark").enable("table").parse(markdown)
    inner = [c for t in parsed for c in t.children or ()]
    assert {c.content for c in inner if c.type == "html_inline"} <= {"<br>"}
    assert sum(c.type == "em_open" for c in inner) <= 1
    assert sum(t.type == "tr_open" for t in parsed) == 2 * rows + 2
    assert not set(map(ord, html + markdown)) & {0x1B, 0x202E, 0}


def test_hostile_words_are_only_words() -> None:
    page = hostile_page(HOSTILE)
    check(page, len(HOSTILE))
    assert "<script>alert(1)</script>" in elements(page.html()).words
    assert "http://" not in page.markdown().replace("`", "").replace(HOSTILE[2], "").replace(
        HOSTILE[10], ""
    )


@given(st.lists(st.text(alphabet=st.sampled_from("|`<>[]()#*_~\\!&@:/-=+.1 \n\tab\x1b\u202e"), max_size=12),
                min_size=1, max_size=4).map(tuple))  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_no_words_become_markup(words: tuple[str, ...]) -> None:
    check(hostile_page(words), len(words))


def test_hostile_files_and_people(mvc: Mvc, work: Path) -> None:
    names = [
        "<img src=x>.py",
        "a|b.py",
        "`x`.csv",
        "[l](http:x).py".replace("/", ""),
        "\x1b[31m.py",
        "x.<b>",
    ]
    write(work, dict.fromkeys(names, "1"))
    write(
        work, {"data/t.csv": "<b>|x,`y`\n1,2\n", "data/bad.csv": b"\0\0", "data/l.jsonl": "[1]\n"}
    )
    write(work, {"params.yaml": json.dumps({"<b>|`": "<script>", "e": "\u202ex"})})
    mvc("init")
    mvc("add", ".")
    mvc("commit", "-m", "# <b>m</b>\n\n| x |", "--author", "Eve <script>\x1b <e@e>")
    mvc("promote", "HEAD", "production", "-m", "<b>|why|</b>")
    for words in (("card",), ("card", "--html"), ("catalogue",), ("catalogue", "--md")):
        out = mvc(*words).out
        assert (
            "\x1b" not in out
            and "\u202e" not in out
            and "<img" not in out.replace("`<img src=x>", "")
        )
    assert elements(mvc("card", "--html").out).found <= ALLOWED
    assert elements(mvc("catalogue", "--html").out).found <= ALLOWED
    assert tokens(mvc("card").out) <= HARMLESS


def test_a_page_loads_nothing(model: Repo) -> None:
    for page in (model.card().html(), model.catalogue().html()):
        assert "default-src 'none'" in page
        assert not any(
            word in page
            for word in ("src=", "href=", "url(", "@import", "<script", "http:", "https:")
        )
