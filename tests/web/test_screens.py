"""What screens show when they are asked for more: values of columns, distributions, drawings, records, sizes.

Each is opened in a browser by what a person clicks or presses, and checked by axe-core in both themes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mvc import Repo
from tests.support.commandline import AUTHOR, write
from tests.support.page import Served
from tests.web.test_browser import RULES, wait

if TYPE_CHECKING:
    from tests.support.browser import Browser

pytestmark = pytest.mark.page

NOTEBOOK = {
    "cells": [
        {"cell_type": "markdown", "source": ["# Iris"]},
        {
            "cell_type": "code", "execution_count": 3, "source": "fit()",
            "outputs": [
                {"output_type": "stream", "text": ["loss 0.1\n"]},
                {"output_type": "display_data", "data": {"text/html": "<script>document.title='taken'"}},
                {"output_type": "display_data", "data": {"image/png":
                    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="}},
            ],
        },
    ]
}  # fmt: skip


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
def accessible(browser: Browser, axe: str) -> Callable[[], None]:
    """Checks what is shown, in both themes."""

    def check() -> None:
        browser.script(axe)
        for dark in (False, True):
            browser.dark(dark)
            found = browser.driver.execute_async_script(
                "const done = arguments[1]; axe.run(document, arguments[0]).then((r) => done(r.violations.map("
                "(v) => [v.id, v.nodes.slice(0, 3).map((n) => n.html + ' ' + n.failureSummary)])))",
                RULES,
            )
            assert found == [], dark
        browser.dark(False)
        assert browser.script("return document.documentElement.scrollWidth <= innerWidth")

    return check


def press(browser: Browser, text: str) -> None:
    """Presses the first button with this text; a screen may be drawn anew at any moment."""
    find = (
        "[...document.querySelectorAll('button')].find((x) => x.innerText.trim() === arguments[0])"
    )
    wait(lambda: browser.script(f"const found = {find}; found?.click(); return !!found", text))


def test_how_far_the_values_of_columns_reach(
    shown: Served, browser: Browser, accessible: Callable[[], None]
) -> None:
    browser.go(f"{shown.origin}/?where=epoch%3E1")
    press(browser, "Values")
    text = wait(
        lambda: "val.loss" in browser.one("dialog").text and browser.one("dialog table").text
    )
    assert "0.142857 v7" in text and "0.5 v2" in text
    accessible()
    browser.go(f"{shown.origin}/")
    wait(lambda: browser.texts(".rows th")[-1] == "Stored")
    browser.script("document.querySelectorAll('.toolbar input[type=checkbox]')[1].click()")
    assert wait(lambda: browser.path() == "/?cols=differing")
    assert wait(lambda: "epoch" in browser.texts(".rows th .key"))


def test_a_click_on_a_tensor_shows_how_far_its_elements_moved(
    shown: Served, browser: Browser, accessible: Callable[[], None]
) -> None:
    from tests.support.browser import Keys

    browser.go(f"{shown.origin}/diff/v1..v5")
    press(browser, "Measure every tensor")
    wait(lambda: len(browser.all(".strip [role=option]")) == 4)
    browser.script("document.querySelectorAll('.strip [role=option]')[1].click()")
    wait(lambda: browser.all(".moved .histogram"))
    assert "100 % of 32 elements changed" in browser.one(".moved").text
    browser.script(
        "document.querySelectorAll('.moved details, .modules').forEach((d) => { d.open = true })"
    )
    assert "layers.1" in browser.one(".modules table").text
    assert len(browser.all(".moved tbody tr")) == 16
    accessible()
    browser.script("document.querySelector('.strip').focus()")
    browser.keys(Keys.HOME, Keys.ENTER)
    wait(lambda: "layers.0.weight" in browser.one(".moved h3").text)


def test_tensors_of_a_version_are_measured(
    shown: Served, browser: Browser, accessible: Callable[[], None]
) -> None:
    browser.go(f"{shown.origin}/v/v5?part=tensors")
    press(browser, "measure")
    press(browser, "distribution")
    wait(lambda: browser.all("dialog .histogram rect"))
    accessible()
    browser.go(f"{shown.origin}/v/v5")
    assert len(wait(lambda: browser.all(".lineage a"))) == 4
    assert "unsigned" in browser.text()
    press(browser, "curl")
    assert wait(lambda: "mvc -C" in browser.text() and "cat" in browser.text())


def test_versions_are_scattered_and_a_stages_record_opens(
    shown: Served, browser: Browser, accessible: Callable[[], None]
) -> None:
    browser.go(f"{shown.origin}/compare?v=v1&v=v3&v=v5&v=v7")
    assert len(wait(lambda: browser.all(".scatter circle"))) == 4
    press(browser, "None")
    assert wait(lambda: not browser.all(".scatter circle"))
    browser.go(f"{shown.origin}/stages")
    wait(
        lambda: browser.script(
            "const b = document.querySelector('tbody button'); b?.click(); return !!b"
        )
    )
    digest = wait(lambda: browser.texts("dialog dd code"))[-1]
    assert len(digest) == 64
    accessible()


def test_sizes_and_what_would_be_freed(
    shown: Served, browser: Browser, accessible: Callable[[], None]
) -> None:
    browser.go(f"{shown.origin}/storage")
    wait(lambda: "all that is here is needed" in browser.text())
    assert (
        wait(lambda: "Largest tensors" in browser.text()) and "model.safetensors" in browser.text()
    )
    accessible()


def test_a_chart_is_zoomed_and_moved_by_keys(
    shown: Served, browser: Browser, accessible: Callable[[], None]
) -> None:
    browser.go(f"{shown.origin}/plots?metric=val.loss")
    wait(lambda: browser.all(".chart .u-over"))
    accessible()
    browser.script("document.querySelector('.chart').focus()")

    def picture() -> Any:
        return browser.script("return document.querySelector('.chart canvas').toDataURL()")

    seen: list[Any] = []

    def still() -> Any:
        """The picture once two looks in a row are alike: a change of theme draws it anew."""
        seen.append(picture())
        return len(seen) > 1 and seen[-1] == seen[-2] and seen[-1]

    before = wait(still)
    browser.keys("+", "+")
    zoomed = wait(lambda: picture() != before and picture())
    browser.keys("\ue014")  # arrow right
    wait(lambda: picture() not in (before, zoomed))
    browser.keys("0")
    wait(lambda: picture() == before)


def test_a_notebook_shows_what_it_printed_and_runs_nothing(
    tmp_path: Path, serve: Callable[..., Served], browser: Browser, accessible: Callable[[], None]
) -> None:
    repo = Repo.init(tmp_path, author=AUTHOR)
    write(tmp_path, {"data/look.ipynb": json.dumps(NOTEBOOK), "train.py": "pass\n"})
    repo.add(".")
    repo.commit("first")
    browser.go(serve(tmp_path).address)
    part = next(str(file.component) for file in repo.ls("v1") if file.path == "data/look.ipynb")
    browser.go(f"{browser.script('return location.origin')}/v/v1?part={part}")
    press(browser, "data/look.ipynb")
    wait(lambda: "loss 0.1" in browser.text())
    assert wait(
        lambda: browser.script("return document.querySelector('dialog canvas')?.width") == 1
    )
    assert "text/html" in browser.one("dialog").text
    assert browser.script("return document.title") != "taken"
    assert not browser.faults()
    accessible()
    repo.close()
