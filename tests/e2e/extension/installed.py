"""The installed extension from its own side: its pages, what it keeps, what it knows of tabs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

PATIENCE = 90_000
"""Milliseconds; the badge settles in seconds on an idle machine."""


def until(found: Callable[[], Any], seconds: float = PATIENCE / 1000) -> Any:
    """What is found, once there is something."""
    end = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.2)
    return value


class Installed:
    """The extension in a browser, from its own side."""

    def __init__(self, browser: Any) -> None:
        self._browser = browser
        workers = browser.service_workers
        self.worker = workers[0] if workers else browser.wait_for_event("serviceworker")
        self.root = self.worker.url.rpartition("/")[0]

    def choose(self, **changes: Any) -> None:
        """What the options keep."""
        self.worker.evaluate("settings => chrome.storage.local.set({settings})", changes)

    def kept(self, name: str) -> Any:
        """What is kept under a name; None where nothing is."""
        return self.worker.evaluate(
            "async name => (await chrome.storage.local.get(name))[name] ?? null", name
        )

    def wait_for_setting(self, name: str, value: Any) -> None:
        """Until it is kept: a page shows what was clicked before that."""
        end = time.monotonic() + PATIENCE / 1000
        while (kept := (self.kept("settings") or {}).get(name)) != value:
            assert time.monotonic() < end, f"{name} is still {kept!r}"
            time.sleep(0.1)

    def tab(self, url: str) -> int:
        """The number of the tab that shows an address."""
        found: int = self.worker.evaluate(
            "async url => (await chrome.tabs.query({})).find(tab => tab.url === url).id", url
        )
        return found

    def popup(self, shown: Any) -> Any:
        """The popup over a page, in a tab of its own."""
        return self.open(f"popup.html?tab={self.tab(shown.url)}")

    def options(self) -> Any:
        """The options page."""
        return self.open("options.html")

    def open(self, path: str) -> Any:
        """A page of the extension."""
        page = self._browser.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(f"{self.root}/{path}")
        return page
