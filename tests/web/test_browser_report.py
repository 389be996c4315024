"""Reports in a real browser, from a file and below a path of a plain server; search, by keys and by a file."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mvc import Repo
from mvc.cli.page_shapes import shapes
from mvc.web.report import write_report
from tests.support.page import Served
from tests.web.conftest import HOSTILE_TEXT, VERSIONS
from tests.web.test_browser import accessible

if TYPE_CHECKING:
    from tests.support.browser import Browser

pytestmark = pytest.mark.page

SCREENS = [
    "/", "/models", "/v/v3", "/v/v5", "/diff/v4..v5", "/plots", "/plots?metric=val.loss&x=time&together=1",
    "/stages", "/storage", "/ops", "/v/nothing", "/diff/v1..v5",
]  # fmt: skip


class _Quiet(SimpleHTTPRequestHandler):
    timeout = 5  # seconds of silence: browsers open connections for what they may ask later

    def log_message(self, format: str, *words: Any) -> None:
        pass


@pytest.fixture(scope="module")
def report(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("site") / "some where" / "report"
    with Repo.open(made) as repo:
        write_report(repo, shapes(), str(directory), tensors=True)
    return directory


@pytest.fixture(scope="module", params=["file", "http"])
def origin(request: pytest.FixtureRequest, report: Path) -> Iterator[str]:
    """The address of the report: of the file, and below a path of Python's own server."""
    if request.param == "file":
        yield (report / "index.html").as_uri()
        return
    handler = partial(_Quiet, directory=str(report.parent.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/some%20where/report/"
        server.shutdown()
        thread.join()


def go(browser: Browser, address: str) -> None:
    """Opens an address anew: another fragment alone would not load the page again."""
    browser.driver.get("about:blank")
    browser.go(address)


# -------------------------------------------------------------------- reports


def test_every_screen_opens_and_nothing_is_asked_from_elsewhere(
    origin: str, browser: Browser
) -> None:
    browser.width(1280)
    browser.faults()
    for path in SCREENS:
        go(browser, f"{origin}#{path}")
        assert browser.faults() == [], path
        assert browser.script("return document.title") != "taken"
        assert not browser.all("#app script, #app img[src=x]")
        asked = browser.script("return performance.getEntriesByType('resource').map((e) => e.name)")
        within = origin.removesuffix("index.html")
        assert [name for name in asked if not name.startswith(within)] == [], path
    go(browser, origin)
    assert len(browser.all(".rows tbody tr:not([aria-hidden])")) == VERSIONS
    assert "Daemon" not in browser.one(".top nav").text


def test_links_keys_and_the_way_back_work(origin: str, browser: Browser) -> None:
    from tests.support.browser import until as wait

    go(browser, origin)
    browser.keys("j", "d")
    assert wait(lambda: "v5 \u2192 v6" in browser.one("h1").text)
    assert wait(lambda: browser.all(".strip [role=option]"))
    browser.driver.back()
    browser.settle()
    browser.all(".rows tbody tr a")[0].click()
    assert wait(lambda: "v7" in browser.one("h1").text)
    parent = next(a for a in browser.all(".panel a") if a.text == "v6")
    assert "#/v/" in (parent.get_attribute("href") or "")
    parent.click()
    assert wait(lambda: "v6" in browser.one("h1").text)
    browser.driver.refresh()
    browser.settle()
    assert "v6" in browser.one("h1").text
    browser.script("document.querySelector('.skip').click()")
    assert browser.script("return document.activeElement.id") == "main"
    assert "v6" in browser.one("h1").text


def test_what_would_act_is_not_there(origin: str, browser: Browser) -> None:
    for path in ("/v/v6", "/stages", "/ops", "/diff/v4..v5", "/"):
        go(browser, f"{origin}#{path}")
        labels = set(browser.texts("main button"))
        acts = {
            "Tag",
            "Describe",
            "Promote",
            "Roll back",
            "Undo",
            "Compare",
            "Measure every tensor",
            "Swap",
        }
        assert not labels & acts, path
    go(browser, f"{origin}#/diff/v1..v5")
    assert "mvc diff v1 v5" in browser.text()
    go(browser, f"{origin}#/v/nothing")
    assert "not in this report" in browser.text()


def test_columns_and_sorting(origin: str, browser: Browser) -> None:
    go(browser, f"{origin}#/?cols=epoch,lr&sort=-epoch")
    first = browser.one(".rows tbody tr:not([aria-hidden])").text
    assert first.startswith("v1")
    assert browser.texts(".rows th .key") == ["epoch", "lr"]


def test_hostile_texts_do_nothing(origin: str, browser: Browser) -> None:
    go(browser, f"{origin}#/v/v3")
    shown = HOSTILE_TEXT.replace("\u202e", "\\u202e").replace("\u0007", "\\u0007")
    assert shown in browser.one("h1").get_attribute("textContent").replace("  ", " ")
    for hash in (
        "#/v/%ff",
        "#/v/__proto__",
        "#/v/constructor",
        "#javascript:alert(1)",
        "#/plots?metric=constructor",
    ):
        go(browser, origin + hash)
        assert browser.script("return document.title") != "taken"


@pytest.mark.parametrize("path", SCREENS)
def test_reports_are_accessible_in_both_themes(
    report: Path, browser: Browser, axe: str, path: str
) -> None:
    for dark in (False, True):
        browser.dark(dark)
        for width in (1280, 360):
            browser.width(width)
            go(browser, f"{(report / 'index.html').as_uri()}#{path}")
            assert accessible(browser, axe) == [], (dark, width)
            assert browser.script("return document.documentElement.scrollWidth <= innerWidth"), (
                width
            )
    browser.dark(False)
    browser.width(1280)


def test_a_report_that_is_not_whole_says_so(report: Path, browser: Browser, tmp_path: Path) -> None:
    shutil.copytree(report, tmp_path / "half")
    for script in (tmp_path / "half" / "data").glob("v-*.js"):
        script.unlink()
    go(browser, f"{(tmp_path / 'half/index.html').as_uri()}#/v/v5")
    assert "not whole" in browser.text()
    browser.faults()


# -------------------------------------------------------------------- search


@pytest.fixture
def shown(made: Path, browser: Browser) -> Iterator[Served]:
    served = Served(made)
    browser.width(1280)
    browser.go(served.address)
    yield served
    browser.driver.get("about:blank")
    served.end()


def test_search_by_keyboard(shown: Served, browser: Browser) -> None:
    from tests.support.browser import Keys, until

    browser.go(f"{shown.origin}/plots")
    browser.keys("/")
    assert until(lambda: browser.path() == "/search")
    until(lambda: browser.script("return document.activeElement.type") == "search")
    browser.keys("layers.1")
    assert until(lambda: browser.path() == "/search?q=layers.1")
    hit = until(lambda: [a for a in browser.all(".hits li > a") if "layers.1.weight" in a.text])[0]
    assert browser.one(".hits mark").text == "layers.1"
    browser.press(Keys.TAB, Keys.TAB)
    assert until(lambda: browser.script("return document.activeElement === arguments[0]", hit))
    browser.press(Keys.ENTER)
    assert until(lambda: "part=tensors" in browser.path() and browser.all("h1"))
    browser.driver.back()
    assert until(lambda: browser.path() == "/search?q=layers.1")
    assert until(lambda: browser.all(".hits li > a"))
    assert browser.faults() == []


@pytest.mark.parametrize("way", ["chosen", "dropped"])
def test_which_version_is_a_file(shown: Served, browser: Browser, tmp_path: Path, way: str) -> None:
    from tests.support.browser import until

    def give(data: bytes) -> None:
        (tmp_path / "a file").write_bytes(data)
        if way == "chosen":
            browser.one("input[type=file]").send_keys(str(tmp_path / "a file"))
            return
        browser.script(
            "const data = new DataTransfer(); data.items.add(new File([arguments[0]], 'a file'));"
            "document.querySelector('.dropping').dispatchEvent("
            "new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true}))",
            data.decode(),
        )

    browser.go(f"{shown.origin}/search")
    give(b"layers = 2\n")
    assert until(lambda: "model.py" in browser.text())
    assert hashlib.sha256(b"layers = 2\n").hexdigest() in browser.text()
    assert f"in {VERSIONS} versions: v1 to v{VERSIONS}" in browser.text()
    give(b"layers = 3\n")
    assert until(lambda: "No version has this file" in browser.text())
    give(b"of no size that is known " * 50)
    assert until(lambda: "No version has a file of this size" in browser.text())


def test_a_large_file_is_hashed_in_pieces(shown: Served, browser: Browser) -> None:
    data = bytes(range(256)) * 40_000
    found = browser.driver.execute_async_script(
        "const done = arguments[0]; import('/static/sha256.js').then(async ({ sha256 }) => {"
        "const bytes = new Uint8Array(10_240_000).map((_, i) => i & 255), told = [];"
        "const whole = await sha256(new Blob([bytes]));"
        "const pieces = await sha256(new Blob([bytes]), (n) => told.push(n), null, 0);"
        "done([whole, pieces, told]); })"
    )
    digest = hashlib.sha256(data).hexdigest()
    assert found == [digest, digest, [4 << 20, 8 << 20, 10_240_000]]
