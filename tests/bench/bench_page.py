"""The page over 10,000 versions in Chromium: first rows, bytes of a cold start, heap, a row after a commit; a
chart of 100 curves that is moved; memory of the server while 50 pages are open.

The history is that of bench_search: eight hyperparameters and eight metrics a version. Each round is a new
browser with an empty cache, which has shown an empty page before: its own start takes a second. The time of
the first rows is the browser's own, from the start of the navigation to the first row in the document; the
heap is taken after all versions were scrolled through and a collection. On a machine that is busy with other
things look at the ratio to an empty page of the same server, which the same browser shows after it; and at the
processor's time for a frame. --size is the number of versions.

The curves have 10,000 points each and are moved by Shift and the pointer, six pixels a frame. Pages are counted
as their streams of events: one browser shares one among its tabs, so these are 50 browsers. What they cost is
memory that is the server's own, without files that are mapped.
Needs selenium, chromium and chromedriver.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from bench_search import build
from measure import Unmeasured
from report import Bench, main

from mvc import Repo
from tests.support.page import Served

if TYPE_CHECKING:
    from tests.support.browser import Browser

FIRST_ROWS_MS = 300
COLD_KB = 200
HEAP_MB = 50
LIVE_S = 1.0
EMPTY_PAGES = 2.0
"""First rows in the time of an empty page, which loads the same scripts and asks for one document less."""
FRAMES = 30
FRAME_MS = 1000 / FRAMES
SERVER_MIB = 150
PAGES = 50
_SEEN = """
new MutationObserver((_, seen) => {
  if (document.querySelector('.rows tbody tr:not([aria-hidden])') || document.querySelector('.empty')) {
    self.firstRows = performance.now(); seen.disconnect();
  }
}).observe(document, { childList: true, subtree: true });
"""
_SCROLL = """
const done = arguments[0], box = document.querySelector('.rows'), end = Date.now() + 120000;
const step = () => {
  const full = document.querySelector('table').getAttribute('aria-rowcount') !== '-1';
  if (full || Date.now() > end) return done(full);
  box.scrollTop = box.scrollHeight;
  setTimeout(step, 20);
};
step();
"""
_ROW = "return document.querySelector('.rows tbody tr:not([aria-hidden])').innerText"


_MOVE = (Path(__file__).parent / "moved_chart.js").read_text()
_MOVED_FRAMES = 90


@dataclass(frozen=True)
class Round:
    """Milliseconds, the same for an empty page, bytes, bytes, seconds; frames a second while a chart is moved,
    and the milliseconds of the browser's processor time that each took; bytes of the server."""

    first_rows: float
    empty: float
    cold: int
    heap: int
    live: float
    frames: float
    frame_ms: float
    server: int


def body(bench: Bench) -> None:
    repository = bench.scratch / "repository"
    build(repository, bench.size)
    rounds: list[Round] = []
    problem = ""
    try:
        rounds = [one_round(repository, number) for number in range(bench.rounds)]
    except Unmeasured as error:
        problem = str(error)

    def figure(of: Callable[[Round], float]) -> Callable[[], float]:
        def take() -> float:
            if not rounds:
                raise Unmeasured(problem)
            return median(map(of, rounds))

        return take

    said = f"over {bench.size:,} versions"
    bench.at_most(f"first rows {said}", FIRST_ROWS_MS, "ms", figure(lambda r: r.first_rows))
    bench.at_most(
        "bytes of a cold start, rows included", COLD_KB, "KB", figure(lambda r: r.cold / 1000)
    )
    bench.at_most(
        f"JavaScript heap, {said}, all of them read", HEAP_MB, "MB", figure(lambda r: r.heap / 1e6)
    )
    bench.at_most("a version's row after its commit", LIVE_S, "s", figure(lambda r: r.live))
    bench.at_most(
        f"first rows {said}, in times of an empty page", EMPTY_PAGES, "x",
        figure(lambda r: r.first_rows / r.empty),
    )  # fmt: skip
    moved = "while 100 curves of 10,000 points are moved"
    bench.at_least(f"frames {moved}", FRAMES, "a second", figure(lambda r: r.frames))
    bench.at_most(
        f"the browser's processor time a frame {moved}",
        FRAME_MS,
        "ms",
        figure(lambda r: r.frame_ms),
    )
    bench.at_most(
        f"memory of the server with {PAGES} pages open, {said}", SERVER_MIB, "MiB",
        figure(lambda r: r.server / 2**20),
    )  # fmt: skip


def one_round(repository: Path, number: int) -> Round:
    try:
        from tests.support.browser import CHROMIUM, DRIVER, Browser, until
    except ImportError:
        raise Unmeasured("no selenium: pip install -e '.[page]'") from None
    if CHROMIUM is None or DRIVER is None:
        raise Unmeasured("no browser: apt-get install chromium chromium-driver")
    os.environ.setdefault("MVC_AUTHOR", "bench")
    page = Served(repository)
    browser = Browser()
    try:
        browser.cdp("Page.addScriptToEvaluateOnNewDocument", source=_SEEN)
        browser.cdp("Performance.enable")
        browser.driver.get(f"{page.origin}/none")
        browser.received()
        browser.go(page.address)
        first_rows = until(lambda: browser.script("return self.firstRows"))
        until(lambda: "Live" in browser.one(".pill").text)
        time.sleep(0.5)  # what else the start asks for has come
        cold = browser.received()
        with Repo.open(repository) as repo:
            (repository / "README.md").write_text(f"round {number}\n")
            repo.commit(f"row of round {number}")
            saved = time.monotonic()
        until(lambda: f"row of round {number}" in browser.script(_ROW))
        live = time.monotonic() - saved
        browser.driver.set_script_timeout(180)
        if not browser.driver.execute_async_script(_SCROLL):
            raise Unmeasured("the end of the list was not reached")
        browser.cdp("HeapProfiler.collectGarbage")
        metrics = browser.cdp("Performance.getMetrics")["metrics"]
        heap = next(m["value"] for m in metrics if m["name"] == "JSHeapUsedSize")
        empty = an_empty_page(browser, page)
        frames, frame_ms = a_moved_chart(browser)
        server = memory_with_pages(page, browser)
    finally:
        with suppress(Exception):
            browser.end()
        page.end()
    return Round(first_rows, empty, cold, heap, live, frames, frame_ms, server)


def an_empty_page(browser: Browser, page: Served) -> float:
    """Milliseconds until a screen without rows says that it has none, from an empty cache."""
    from tests.support.browser import until

    browser.cdp("Network.clearBrowserCache")
    browser.driver.get(f"{page.origin}/compare")
    return float(until(lambda: browser.script("return self.firstRows")))


def a_moved_chart(browser: Browser) -> tuple[float, float]:
    """Frames a second, and milliseconds of processor time a frame."""
    browser.driver.set_script_timeout(300)
    move = browser.driver.execute_async_script
    move(_MOVE, 1)
    before = processor_seconds(browser.driver.service.process.pid)
    move(_MOVE, 1)
    made = processor_seconds(browser.driver.service.process.pid)
    frames = float(move(_MOVE, _MOVED_FRAMES))
    moved = processor_seconds(browser.driver.service.process.pid)
    spent = (moved - made) - (made - before)
    return frames, 1000 * spent / (_MOVED_FRAMES - 1)


def processor_seconds(pid: int) -> float:
    """Of a process and all below it."""
    total = 0.0
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            total += sum(processor_seconds(int(child)) for child in task.read_text().split())
    return total


def memory_with_pages(page: Served, browser: Browser) -> int:
    """Bytes of the server's own memory while many pages listen, each of which has asked for its first rows."""
    cookie = browser.driver.get_cookies()[0]
    page.cookie = f"{cookie['name']}={cookie['value']}"
    opened = [page.open("GET", "/api/v1/events") for _ in range(PAGES)]
    try:
        for _, answer in opened:
            answer.readline()
            page.api("/r/versions?columns=auto&limit=60")
        page.api("/r/keys?limit=1000")
        page.api("/r/series?metric=val_acc&metric=val_loss&limit=4000")
        rows = Path(f"/proc/{page.process.pid}/status").read_text().splitlines()
        return next(int(row.split()[1]) << 10 for row in rows if row.startswith("RssAnon:"))
    finally:
        for connection, _ in opened:
            connection.close()


if __name__ == "__main__":
    sys.exit(main(body, __doc__ or "", size="10000", quick="1000", rounds=5, unit=0))
