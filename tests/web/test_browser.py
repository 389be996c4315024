"""The page in a real browser: screens, keys, actions, what is live, hostile texts, accessibility."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mvc import Repo
from tests.support.commandline import write
from tests.support.page import Served
from tests.web.conftest import HOSTILE_NAME, VERSIONS, experiment

if TYPE_CHECKING:
    from tests.support.browser import Browser

pytestmark = pytest.mark.page

SCREENS = [
    "/", "/v/v3", "/v/v5", "/diff/v1..v5", "/diff/v7", "/compare?v=v1&v=v3&v=v5", "/plots",
    "/plots?metric=val.loss&log=1&together=1", "/stages", "/storage", "/ops", "/daemon", "/v/nothing",
    "/?where=val.loss%3E%3E1", "/models", "/search", "/search?q=layers",
]  # fmt: skip
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@pytest.fixture(scope="module")
def shown(made: Path, browser: Browser) -> Iterator[Served]:
    """The experiment, open in the browser."""
    served = Served(made)
    browser.width(1280)
    browser.dark(False)
    browser.go(served.address)
    yield served
    served.end()


@pytest.fixture
def live(
    tmp_path: Path, serve: Callable[..., Served], browser: Browser
) -> Iterator[tuple[Repo, Served]]:
    """An experiment of the test's own, open in the browser."""
    repo = experiment(tmp_path)
    served = serve(tmp_path)
    browser.width(1280)
    browser.go(served.address)
    wait(lambda: "Live" in browser.one(".pill").text)
    yield repo, served
    browser.driver.get("about:blank")
    repo.close()


def wait(what: Callable[[], Any], seconds: float = 60.0) -> Any:
    from tests.support.browser import until

    return until(what, seconds)


def accessible(browser: Browser, axe: str) -> list[object]:
    """What axe-core finds wrong on the screen that is shown."""
    browser.script(axe)
    found: list[object] = browser.driver.execute_async_script(
        "const done = arguments[1]; axe.run(document, arguments[0]).then((r) => done(r.violations.map("
        "(v) => [v.id, v.nodes.slice(0, 3).map((n) => n.html + ' ' + n.failureSummary)])))",
        RULES,
    )
    return found


def save(repo: Repo, loss: float, message: str) -> float:
    write(Path(repo.root), {"metrics.json": json.dumps({"val": {"accuracy": 0.9, "loss": loss}})})
    repo.commit(message)
    return time.monotonic()


def first_row(browser: Browser) -> str:
    return str(
        browser.script(
            "return document.querySelector('.rows tbody tr:not([aria-hidden])')?.innerText || ''"
        )
    )


# ---------------------------------------------------------------- what is shown


def test_the_address_opens_the_page_and_leaves_no_token(shown: Served, browser: Browser) -> None:
    browser.go(shown.origin)
    assert browser.script("return location.href") == f"{shown.origin}/"
    assert len(browser.all(".rows tbody tr:not([aria-hidden])")) == VERSIONS
    assert browser.script("return document.cookie") == ""
    assert not browser.faults()


def test_hostile_texts_are_shown_and_do_nothing(shown: Served, browser: Browser) -> None:
    for path in SCREENS[:12]:
        browser.go(shown.origin + path)
        assert browser.script("return document.title") != "taken"
        assert (
            browser.script(
                "return document.querySelectorAll('#app script, #app img[src=x], #app td i > b').length"
            )
            == 0
        )
        assert not [fault for fault in browser.faults() if "404" not in fault], path
    browser.go(f"{shown.origin}/v/v3")
    heading = browser.one("h1").text
    assert "<script>document.title='taken'</script>" in heading
    assert "\\u202e" in heading and "\u202e" not in heading
    for tab in browser.all("[role=tab]"):
        if tab.text.startswith("Data"):
            tab.click()
    names = wait(lambda: [b for b in browser.all(".link.mono") if "onerror" in b.text])
    assert "\\u202egpj.exe" in names[0].text
    names[0].click()
    assert wait(lambda: "evil" in browser.one("dialog pre").text)
    href = browser.one("dialog a[download]").get_attribute("href")
    assert href is not None and "%3Cimg" in href and HOSTILE_NAME.isprintable() is False


def test_values_get_better_and_worse_in_words(shown: Served, browser: Browser) -> None:
    browser.go(shown.origin)
    cell = browser.one(".rows td .better")
    assert (
        "better" in (cell.get_attribute("title") or "")
        and cell.get_attribute("textContent") == "\u25b2 better"
    )


@pytest.mark.parametrize("path", SCREENS)
def test_each_screen_is_accessible_in_both_themes_and_three_widths(
    shown: Served, browser: Browser, axe: str, path: str
) -> None:
    for dark in (False, True):
        browser.dark(dark)
        for width in (1280, 360):
            browser.width(width)
            browser.go(shown.origin + path)
            if path == "/diff/v1..v5":
                browser.button("Measure every tensor").click()
                browser.one(".strip")
            assert accessible(browser, axe) == [], (dark, width)
            assert browser.script("return document.documentElement.scrollWidth <= innerWidth"), (
                width
            )
    browser.dark(False)
    for width in (1280, 3840):
        browser.width(width)
        assert browser.script("return document.documentElement.scrollWidth <= innerWidth"), width
    browser.width(1280)


@pytest.mark.parametrize("path", ["/ops", "/stages"])
def test_no_row_and_no_action_is_beyond_the_edge_of_a_telephone(
    shown: Served, browser: Browser, path: str
) -> None:
    browser.width(360)
    browser.go(shown.origin + path)
    browser.one("table.folds td")
    cells = browser.all("table.folds td, table.folds button")
    seen = [cell.rect for cell in cells if cell.is_displayed()]
    assert seen and max(at["x"] + at["width"] for at in seen) <= 360
    assert browser.script(
        "return [...document.querySelectorAll('.scroll')].every((one) => one.scrollWidth <= one.clientWidth)"
    )
    browser.width(1280)


def test_a_value_is_shown_as_it_was_written(shown: Served, browser: Browser) -> None:
    """A seed is no quantity whose digits are grouped, and 1e-05 has no more digits than were written."""
    browser.go(shown.origin)
    assert browser.driver.execute_async_script(
        "const [values, done] = arguments;"
        "import('/static/parts.js').then((parts) => done(values.map(parts.number)))",
        [1936, -65536, 1e-5, 2.5e-7, 0.0003, 0.1234567, 12345678.5, 1e300],
    ) == ["1936", "-65536", "1e-5", "2.5e-7", "0.0003", "0.123457", "1.235e+7", "1e+300"]


# ---------------------------------------------------------------- keys


def test_versions_by_keyboard(shown: Served, browser: Browser) -> None:
    from tests.support.browser import Keys

    browser.go(shown.origin)
    browser.keys("j", "j")
    assert wait(lambda: browser.one("tr.active").get_attribute("id") == "row-2")
    browser.keys("k")
    assert wait(lambda: browser.script("return document.activeElement.id") == "row-1")
    browser.keys("x", "j", "x")
    assert wait(lambda: "2 ticked" in browser.one(".ticked").text)
    browser.keys("d")
    assert wait(lambda: browser.path().startswith("/diff/"))
    assert wait(lambda: "v5 \u2192 v6" in browser.one("h1").text)
    browser.driver.back()
    browser.settle()
    browser.keys("j", Keys.ENTER)
    assert wait(lambda: browser.path().startswith("/v/"))
    browser.driver.back()
    browser.settle()
    browser.keys("?")
    assert "next and previous version" in browser.one("dialog[open]").text
    browser.keys(Keys.ESCAPE)
    assert wait(lambda: not browser.all("dialog[open]"))
    browser.keys("d")
    assert wait(lambda: "v6 \u2192 v7" in browser.one("h1").text)


def test_a_condition_is_completed_and_its_mistake_marked(shown: Served, browser: Browser) -> None:
    from tests.support.browser import Keys

    browser.go(shown.origin)
    browser.keys("/")
    assert browser.script("return document.activeElement.id") == "where"
    browser.keys("val.acc")
    wait(lambda: browser.all("#where-keys li"))
    browser.keys(Keys.ARROW_DOWN, Keys.ENTER)
    assert browser.one("#where").get_attribute("value") == "val.accuracy"
    browser.keys(" >", Keys.ENTER)
    assert wait(lambda: browser.all("#where-wrong mark"))
    browser.keys(" 0.7", Keys.ENTER)
    assert wait(lambda: len(browser.all(".rows tbody tr:not([aria-hidden])")) == 3)
    assert browser.path() == "/?where=val.accuracy+%3E+0.7"


def test_tensors_are_measured_and_read_by_keyboard(shown: Served, browser: Browser) -> None:
    from tests.support.browser import Keys

    browser.go(f"{shown.origin}/diff/v1..v5")
    browser.button("Measure every tensor").click()
    strip = browser.one(".strip")
    wait(lambda: len(browser.all(".strip [role=option]")) == 4)
    browser.script("arguments[0].focus()", strip)
    browser.keys(Keys.HOME, Keys.ARROW_RIGHT)
    assert wait(lambda: "layers.1.weight" in browser.one(".now").text)
    assert browser.all(".strip .h0") and browser.all("tr.active")


def test_columns_and_sorting_are_in_the_address(shown: Served, browser: Browser) -> None:
    browser.go(shown.origin)
    browser.button("Columns").click()
    for label in wait(lambda: browser.all(".picks label")):
        if ("epoch" in label.text) or ("note" in label.text):
            label.click()
    browser.script("document.querySelector('dialog form').requestSubmit()")
    assert wait(lambda: "epoch" in browser.path())
    browser.settle()
    heads = browser.texts(".rows th .key")
    assert "epoch" in heads and "note" not in heads
    next(b for b in browser.all(".rows th button") if b.text == "epoch").click()
    assert wait(lambda: "sort=epoch" in browser.path())
    assert wait(lambda: "v7" in first_row(browser))


# ---------------------------------------------------------------- what happens


def test_a_row_appears_within_a_second_of_a_save(
    live: tuple[Repo, Served], browser: Browser
) -> None:
    repo, _ = live
    saved = save(repo, 0.01, "a new one")
    wait(lambda: "a new one" in first_row(browser))
    assert time.monotonic() - saved < 1.0
    assert f"v{VERSIONS + 1}" in browser.one(".top .at").text or wait(
        lambda: f"v{VERSIONS + 1}" in browser.one(".top .at").text
    )


def test_rows_do_not_jump_under_a_reader(live: tuple[Repo, Served], browser: Browser) -> None:
    repo, _ = live
    browser.width(1280, 320)
    browser.script("document.querySelector('.rows').scrollTop = 150")
    save(repo, 0.02, "unseen")
    browser.one("button.fresh").click()
    assert wait(lambda: "unseen" in first_row(browser))


def test_what_was_missed_comes_after_a_lost_connection(
    live: tuple[Repo, Served], browser: Browser
) -> None:
    repo, _ = live
    browser.cdp("Network.enable")
    offline = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    browser.cdp("Network.emulateNetworkConditions", offline=True, **offline)
    browser.script("document.querySelector('.pill').dataset.seen = ''")
    save(repo, 0.03, "meanwhile one")
    save(repo, 0.02, "meanwhile two")
    browser.cdp("Network.emulateNetworkConditions", offline=False, **offline)
    wait(lambda: "meanwhile two" in first_row(browser))
    assert "meanwhile one" in browser.text()


def test_two_pages_share_one_stream(live: tuple[Repo, Served], browser: Browser) -> None:
    repo, served = live
    first = browser.driver.current_window_handle
    browser.driver.switch_to.new_window("tab")
    try:
        browser.go(served.origin)
        wait(lambda: browser.one(".pill").text == "Live")
        held = "return navigator.locks.query().then((q) => [q.held.length, q.pending.length])"
        assert browser.script(held) == [1, 1]
        save(repo, 0.04, "for both")
        for handle in (browser.driver.current_window_handle, first):
            browser.driver.switch_to.window(handle)
            wait(lambda: "for both" in first_row(browser))
    finally:
        browser.driver.switch_to.window(browser.driver.window_handles[-1])
        if len(browser.driver.window_handles) > 1:
            browser.driver.close()
        browser.driver.switch_to.window(first)


def test_actions_ask_and_then_act(live: tuple[Repo, Served], browser: Browser) -> None:
    repo, served = live
    browser.go(f"{served.origin}/v/v6")
    browser.button("Tag").click()
    browser.one("dialog input").send_keys("good")
    browser.button("Make the tag", "dialog").click()
    wait(lambda: "tag: good" in [ref.get_attribute("title") for ref in browser.all(".head .ref")])
    assert "good" in [tag.name for tag in repo.tags()]

    browser.button("Describe").click()
    browser.one("dialog textarea").send_keys("first line")
    browser.button("Save", "dialog").click()
    wait(lambda: "first line" in browser.text() and not browser.all("dialog"))
    assert repo.annotations("v6")["description"] == "first line"

    browser.button("Promote").click()
    browser.one("dialog input").send_keys("production")
    browser.one("dialog textarea").send_keys("val.accuracy > 0.99")
    browser.button("Check the gate", "dialog").click()
    assert "not met" in wait(lambda: browser.one(".gate.shut").text)
    assert repo.resolve("production") == repo.resolve("v5")
    area = browser.one("dialog textarea")
    area.clear()
    area.send_keys("val.accuracy > 0.5")
    browser.button("Check the gate", "dialog").click()
    browser.button("Promote v6 to production", "dialog").click()
    wait(lambda: repo.resolve("production") == repo.resolve("v6"))

    browser.go(f"{served.origin}/ops")
    browser.script("document.querySelector('tbody button').click()")
    wait(lambda: "is taken back" in browser.one("dialog").text)  # once it was asked what would move
    browser.button("Undo it", "dialog").click()
    wait(lambda: repo.resolve("production") == repo.resolve("v5"))
    wait(lambda: "undone by" in browser.text())


def test_a_page_that_is_not_let_in_says_how(shown: Served, made: Path, browser: Browser) -> None:
    browser.cdp("Network.clearBrowserCookies")
    browser.driver.get(f"{shown.origin}/#token=wrong")
    assert wait(lambda: "mvc ui" in browser.text())
    assert not browser.all("table")
