"""The page over 10,000 versions in Chromium: first rows, bytes of a cold start, heap, a row after a commit.

The history is that of bench_search: eight hyperparameters and eight metrics a version. Each round is a new
browser with an empty cache, which has shown an empty page before: its own start takes a second. The time of
the first rows is the browser's own, from the start of the navigation to the first row in the document; the
heap is taken after all versions were scrolled through and a collection. --size is the number of versions.
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

from bench_search import build
from measure import Unmeasured
from report import Bench, main

from mvc import Repo
from tests.support.page import Served

FIRST_ROWS_MS = 300
COLD_KB = 200
HEAP_MB = 50
LIVE_S = 1.0
_SEEN = """
new MutationObserver((_, seen) => {
  if (document.querySelector('.rows tbody tr:not([aria-hidden])')) {
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


@dataclass(frozen=True)
class Round:
    """Milliseconds, bytes, bytes, seconds."""

    first_rows: float
    cold: int
    heap: int
    live: float


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
    finally:
        with suppress(Exception):
            browser.end()
        page.end()
    return Round(first_rows, cold, heap, live)


if __name__ == "__main__":
    sys.exit(main(body, __doc__ or "", size="10000", quick="1000", rounds=5, unit=0))
