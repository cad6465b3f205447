"""Videos and pictures of other sites in Firefox: the extension may read what pages may not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image as Pictures

from .conftest import Origin
from .installed import until
from .marionette import Firefox
from .test_escalation_firefox import HOST
from .test_firefox import PAGE, fake, firefox, proxy

__all__ = ["fake", "firefox", "proxy"]
"""Fixtures of other tests that are used here."""

REPORTS = """return browser.storage.session.get(null).then((kept) =>
    Object.values(kept).flatMap((tab) => tab.videos ?? []))"""
MENU_WORDS = "return browser.i18n.getMessage('menu_picture')"
FOLLOW = """const [url] = arguments;
    const request = { source: url, url, ptsSeconds: 0.5, index: 0 };
    const port = browser.runtime.connect({ name: "judge" });
    return new Promise((answered) => {
      port.onMessage.addListener(answered);
      port.postMessage({ id: 0, type: "follow", request });
    }).finally(() => port.disconnect())"""
CHOOSE_IN_MENU = """const [words] = arguments;
    const menu = document.getElementById("contentAreaContextMenu");
    const item = [...menu.querySelectorAll("menuitem")].find((one) => one.label === words);
    if (menu.state !== "open" || item === undefined) return false;
    menu.activateItem(item);
    return true"""
PANEL_SAYS = """const root = document.querySelector("dfedge-panel")?.openOrClosedShadowRoot;
    return root?.querySelector("[data-saying]")?.dataset.saying"""

Start = Callable[..., Origin]


class Own:
    """A page of the extension, in a tab behind the one with the page that is looked at."""

    def __init__(self, firefox: Firefox) -> None:
        self._firefox = firefox
        self._front = firefox.ask("WebDriver:GetWindowHandle")["value"]
        self._own = firefox.ask("WebDriver:NewWindow", type="tab", focus=False)["handle"]
        self._to(self._own)
        firefox.open(f"moz-extension://{firefox.run_in_browser(HOST)}/options.html")
        self._to(self._front)

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script returns there."""
        self._to(self._own)
        try:
            return self._firefox.run(script, *arguments)
        finally:
            self._to(self._front)

    def close(self) -> None:
        """Leave the other tab as it is."""
        self._to(self._own)
        self._firefox.ask("WebDriver:CloseWindow")
        self._to(self._front)

    def _to(self, handle: str) -> None:
        self._firefox.ask("WebDriver:SwitchToWindow", handle=handle, focus=False)


@pytest.fixture
def own(firefox: Firefox) -> Iterator[Own]:
    """A page of the extension."""
    opened = Own(firefox)
    yield opened
    opened.close()


def test_a_video_of_another_site_is_read_at_once(
    firefox: Firefox, own: Own, origin: Start, fake: Path
) -> None:
    """No copy is loaded of what the page itself may not read."""
    other = origin(files={"/clip": fake})
    served = origin(pages={"/": PAGE.replace("/clip", f"{other.url}/clip")})
    firefox.open(f"{served.url}/")
    said = {"page": f"{served.url}/", "saying": "suspicious"}
    until(lambda: any(said.items() <= report.items() for report in own.run(REPORTS)))
    assert {"no-cors"} == {heard["sec-fetch-mode"] for heard in other.heard}


@pytest.mark.parametrize("ranges", [True, False])
def test_a_copy_is_loaded_without_cookies(
    ranges: bool, firefox: Firefox, own: Own, origin: Start, fake: Path
) -> None:
    """Its site hears of it as of a stranger, and leaves no cookie behind."""
    other = origin(files={"/clip": fake}, pages={"/": PAGE}, ranges=ranges)
    other.headers["Set-Cookie"] = "visit=first"
    firefox.open(f"{other.url}/")
    until(lambda: "visit=first" in [heard.get("cookie") for heard in other.heard])
    other.headers["Set-Cookie"] = "visit=second"
    other.heard.clear()
    copy = own.run(FOLLOW, f"{other.url}/clip?copy")
    assert "FAKE" == copy["answer"]["verdict"]["label"]
    assert other.heard, "no copy was loaded"
    for headers in other.heard:
        assert {"cookie", "referer", "origin", "authorization"}.isdisjoint(headers)
    assert "visit=first" == firefox.run("return document.cookie")


def test_a_picture(firefox: Firefox, own: Own, origin: Start, fake: Path, tmp_path: Path) -> None:
    """Its menu has it judged; its site is not asked for it again."""
    other = origin(files={"/picture.png": _picture(fake, tmp_path / "picture.png")})
    image = f"<img src='{other.url}/picture.png' width='480'>"
    served = origin(pages={"/": f"<!doctype html><link rel='icon' href='data:,'>{image}"})
    firefox.open(f"{served.url}/")
    _right_click(firefox, 200, 200)
    words = own.run(MENU_WORDS)
    until(lambda: bool(firefox.run_in_browser(CHOOSE_IN_MENU, words)))
    until(lambda: "suspicious" == firefox.run_piercing(PANEL_SAYS))
    assert ["/picture.png"] == other.asked


def _right_click(firefox: Firefox, x: int, y: int) -> None:
    button = {"button": 2}
    moves = [
        {"type": "pointerMove", "x": x, "y": y},
        {"type": "pointerDown", **button},
        {"type": "pointerUp", **button},
    ]
    mouse = {"type": "pointer", "id": "mouse", "actions": moves}
    firefox.ask("WebDriver:PerformActions", actions=[mouse])


def _picture(clip: Path, path: Path) -> Path:
    """The first frame of a clip."""
    with av.open(str(clip)) as file:
        pixels = next(file.decode(video=0)).to_ndarray(format="rgb24")
    Pictures.fromarray(pixels).save(path)
    return path
