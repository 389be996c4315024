"""Chromium as Debian has it, driven by selenium: one window, two colour schemes, any width."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

CHROMIUM = shutil.which("chromium")
DRIVER = shutil.which("chromedriver")
WAIT_SECONDS = 60.0
AXE = "axe-core@4.14.1"

T = TypeVar("T")


def axe_source(directory: Path) -> str | None:
    """axe-core from npm, as a script; None where there is no npm."""
    if shutil.which("npm") is None:
        return None
    done = subprocess.run(
        ["npm", "pack", "--silent", AXE], cwd=directory, capture_output=True, text=True, check=True
    )
    with tarfile.open(directory / done.stdout.split()[-1]) as archive:
        script = archive.extractfile("package/axe.min.js")
        assert script is not None
        return script.read().decode()


def until(what: Callable[[], T], seconds: float = WAIT_SECONDS) -> T:
    """What it answers once that is true; the last answer tells why it never was. What a page has drawn anew
    while it was looked at is looked at again."""
    end = time.monotonic() + seconds
    while True:
        found: T | None = None
        with contextlib.suppress(StaleElementReferenceException):
            found = what()
        if found:
            return found
        assert time.monotonic() < end, found
        time.sleep(0.05)


class Browser:
    """One window. What a page logs as an error fails the test that asks for `faults`."""

    def __init__(self) -> None:
        options = Options()
        options.binary_location = CHROMIUM or ""
        for word in (
            "headless=new",
            "no-sandbox",
            "disable-gpu",
            "disable-dev-shm-usage",
            "window-size=1280,900",
            "enable-precise-memory-info",
            "js-flags=--expose-gc",
        ):
            options.add_argument(f"--{word}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(DRIVER))

    def cdp(self, command: str, **fields: Any) -> Any:
        return self.driver.execute_cdp_cmd(command, fields)

    def width(self, pixels: int, height: int = 900) -> None:
        self.cdp(
            "Emulation.setDeviceMetricsOverride",
            width=pixels,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def dark(self, on: bool) -> None:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if on else "light"}
        motion = {"name": "prefers-reduced-motion", "value": "reduce"}
        self.cdp("Emulation.setEmulatedMedia", features=[scheme, motion])

    def go(self, address: str) -> None:
        self.driver.get(address)
        self.settle()

    def settle(self) -> None:
        """Waits until a screen is there and nothing on it is still being fetched."""
        until(
            lambda: self.script(
                "return !!document.querySelector('#app h1, #app .empty') && !document.querySelector('.waiting')"
            )
        )

    def script(self, text: str, *words: Any) -> Any:
        return self.driver.execute_script(text, *words)

    def text(self) -> str:
        return str(self.script("return document.body.innerText"))

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def texts(self, selector: str) -> list[str]:
        """What is written in each, as it is at one moment."""
        looked = (
            "return [...document.querySelectorAll(arguments[0])].map((e) => e.innerText.trim())"
        )
        return list(self.script(looked, selector))

    def one(self, selector: str) -> WebElement:
        return until(lambda: self.all(selector))[0]

    def button(self, text: str, within: str = "") -> WebElement:
        found = f"{within} button".strip()
        return until(
            lambda: [b for b in self.all(found) if b.is_displayed() and b.text.strip() == text]
        )[0]

    def keys(self, *keys: str) -> None:
        for key in keys:
            self.driver.switch_to.active_element.send_keys(key)

    def press(self, *keys: str) -> None:
        """The same for whatever has the focus then: sent to a field for files, a key would be a path."""
        ActionChains(self.driver).send_keys(*keys).perform()

    def path(self) -> str:
        return str(self.script("return location.pathname + location.search"))

    def faults(self) -> list[str]:
        """What the console got since the last time: refused scripts and styles, errors."""
        return [
            entry["message"]
            for entry in self.driver.get_log("browser")
            if entry["level"] in ("SEVERE", "WARNING")
        ]

    def received(self) -> int:
        """Bytes that came over the network since the last time, headers included."""
        events = [
            json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")
        ]
        return sum(
            round(e["params"]["encodedDataLength"])
            for e in events
            if e["method"] == "Network.loadingFinished"
        )

    def end(self) -> None:
        self.driver.quit()


__all__ = ["CHROMIUM", "DRIVER", "Browser", "Keys", "axe_source", "until"]
