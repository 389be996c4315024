"""The files of the page: others' as published, ours within their budget, and nothing from elsewhere."""

from __future__ import annotations

import gzip
import re
from hashlib import sha256
from pathlib import Path

import mvc.web
from mvc.web.assets import SCREENS, page_files
from tests.support.page import Served

STATIC = Path(mvc.web.__file__).parent / "static"
OWN_BYTES = 84_000
COLD_BYTES = 100_000
"""Bytes of the files before the first rows, as they are sent; the rows have another 100,000."""
VENDORED = {
    "htm-preact-3.1.1.js": "72284e8e9079c87817145df1110f74e8a2aa040b2fc384922e18dfcb46fc1fd7",
    "htm-LICENSE.txt": "740725f7252e750af735d0028cc534970772f513331e9f68150fede8fb3ce00f",
    "preact-LICENSE.txt": "1fe6958409c8c257a70c587a18b6f7f412b179b456630790d30b2ec9a8e4b7d4",
    "uPlot-1.6.32.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uPlot-1.6.32.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    "uPlot-LICENSE.txt": "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
}
"""SHA-256 of preact/standalone.module.js of npm's htm 3.1.1, of dist/uPlot.iife.min.js and uPlot.min.css of its
uplot 1.6.32, and of the licences in these packages and in preact's."""


def own() -> dict[str, str]:
    return {p.name: p.read_text() for p in STATIC.iterdir() if p.suffix in {".js", ".css", ".html"}}


def test_what_others_wrote_is_as_they_published_it() -> None:
    found = {p.name: sha256(p.read_bytes()).hexdigest() for p in (STATIC / "vendor").iterdir()}
    assert found == VENDORED


def test_our_files_keep_to_their_budget() -> None:
    sent = {name: len(gzip.compress(text.encode())) for name, text in own().items()}
    assert sum(sent.values()) <= OWN_BYTES, sent


def test_a_cold_start_keeps_to_its_budget(page: Served) -> None:
    index = own()["index.html"]
    paths = re.findall(r'(?:href|src)="(/static/[^"]+)"', index)
    sent = sum(len(page.get(path, Accept_Encoding="gzip").body) for path in ("/", *paths))
    assert sent <= COLD_BYTES


def test_nothing_is_asked_from_elsewhere() -> None:
    for name, text in own().items():
        outside = list(re.findall(r"\b(?:https?:)?//[\w.-]+\.[a-z]{2,}", text))
        assert outside == [], name
        assert not re.search(
            r"\bstyle=\"|\bon\w+=\"|innerHTML|insertAdjacentHTML|\beval\(", text
        ), name


def test_what_is_imported_and_linked_is_there() -> None:
    found = page_files()
    named = {
        path
        for text in own().values()
        for path in re.findall(r"['\"]/static/([\w./-]+)['\"]", text)
    }
    assert named <= found.keys()
    assert {p.name for p in STATIC.glob("*.js")} | {"style.css", "icon.svg"} <= named
    late = re.search(r"const LATE = \{(.*?)\n\};", own()["app.js"], re.DOTALL)
    assert late is not None
    assert {"", *re.findall(r"(\w+): \(\) =>", late[1])} == set(SCREENS)


def test_files_are_sent_packed_and_once(page: Served) -> None:
    plain = page.get("/static/style.css")
    packed = page.get("/static/style.css", Accept_Encoding="gzip, br")
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body == (STATIC / "style.css").read_bytes()
    assert page.get("/static/style.css", If_None_Match=plain.headers["etag"]).status == 304
    assert page.get("/static/vendor/uPlot-LICENSE.txt").status == 200
    for path in ("/static/../app.py", "/static/..%2Fapp.py", "/static/none", "/static/"):
        assert page.get(path).status == 404
    for screen in SCREENS:
        assert page.get(f"/{screen}").body == (STATIC / "index.html").read_bytes()
