"""What the user sees and chooses: popup, toolbar button, options, history."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.server.conftest import MakeKey, StartServer, live_server, make_key, settings

from dfedge_server.security.principal import Scope

from .conftest import EXTENSION, Origin
from .installed import PATIENCE, Installed
from .piercing import Pierced

__all__ = ["live_server", "make_key", "settings"]
"""Fixtures of the server's tests that are used here."""

WORDS = json.loads((EXTENSION / "public/_locales/en/messages.json").read_text())
VIDEO = "<video src='/clip' muted loop autoplay width='480'></video>"
LEAST_CONTRAST = 4.5
"""Of text to what is behind it: WCAG 2.2, level AA."""

CONTRASTS = """() => {
    const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
    const light = (color) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = color;
        canvas.fillRect(0, 0, 1, 1);
        const [red, green, blue] = [...canvas.getImageData(0, 0, 1, 1).data].map((byte) => {
            const part = byte / 255;
            return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const behind = (element) => {
        const color = getComputedStyle(element).backgroundColor;
        return color === 'rgba(0, 0, 0, 0)' ? behind(element.parentElement) : color;
    };
    const texts = [...document.querySelectorAll('body *')].filter((element) =>
        element.checkVisibility() && !element.disabled &&
        [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== ''));
    return texts.map((element) => {
        const lights = [light(getComputedStyle(element).color), light(behind(element))].sort();
        const [dark, bright] = lights[0] < lights[1] ? lights : lights.reverse();
        return [element.textContent.trim(), (bright + 0.05) / (dark + 0.05)];
    });
}"""

Start = Callable[..., Origin]


@pytest.fixture
def installed(browser: Any) -> Iterator[Installed]:
    """The extension with nothing chosen and no pages open."""
    made = Installed(browser)
    made.worker.evaluate("chrome.storage.local.clear()")
    yield made
    for page in browser.pages[1:]:
        page.close()


def test_popup_tells_of_the_tab(
    browser: Any, installed: Installed, origin: Start, fake: Path
) -> None:
    """What is said of a video, in popup and toolbar, until the tab shows another page."""
    page = _open(browser, origin(files={"/clip": fake}))
    popup = installed.popup(page)
    popup.wait_for_selector(".said[data-saying=suspicious]")
    assert 1 == popup.locator("#videos li").count()
    tab = installed.tab(page.url)
    assert "1" == installed.worker.evaluate("tabId => chrome.action.getBadgeText({tabId})", tab)
    page.goto(f"{page.url}empty")
    popup.wait_for_selector("#videos li", state="detached")
    assert _words("popup_no_videos") == popup.inner_text("#nothing")


def test_popup_opens_the_panel(
    browser: Any, installed: Installed, origin: Start, fake: Path
) -> None:
    """ "Show" opens the video's panel in the page."""
    page = _open(browser, origin(files={"/clip": fake}))
    popup = installed.popup(page)
    popup.wait_for_selector(".said[data-saying=suspicious]")
    popup.click(f"text={_words('popup_show')}")
    page.bring_to_front()
    Pierced(page, "dfedge-panel").wait(_words("panel_meaning"), PATIENCE / 1000)


def test_a_site_is_switched_off_and_on(
    browser: Any, installed: Installed, origin: Start, fake: Path
) -> None:
    """In the popup, with effect at once on pages that are open."""
    page = _open(browser, origin(files={"/clip": fake}))
    page.wait_for_selector("dfedge-badge", state="attached", timeout=PATIENCE)
    popup = installed.popup(page)
    popup.wait_for_selector("#videos li")
    popup.click("#site")
    page.wait_for_selector("dfedge-badge", state="detached", timeout=PATIENCE)
    popup.wait_for_selector("#videos li", state="detached")
    assert _words("popup_site_off") == popup.inner_text("#nothing")
    assert ["127.0.0.1"] == installed.kept("settings")["sitesOff"]
    popup.click("#site")
    page.wait_for_selector("dfedge-badge", state="attached", timeout=PATIENCE)
    assert [] == installed.kept("settings")["sitesOff"]


def test_on_click_nothing_is_judged_before_it_is_asked(
    browser: Any, installed: Installed, origin: Start, fake: Path
) -> None:
    """With that mode a video waits, until the popup's button."""
    options = installed.options()
    options.select_option("#mode", "on_click")
    page = _open(browser, origin(files={"/clip": fake}))
    popup = installed.popup(page)
    popup.wait_for_selector(".said[data-saying=waiting]")
    assert [] == (installed.kept("history") or [])
    page.bring_to_front()
    popup.evaluate("document.querySelector('#check').click()")
    popup.wait_for_selector(".said[data-saying=suspicious]")


def test_history(
    browser: Any, installed: Installed, origin: Start, fake: Path, tmp_path: Path
) -> None:
    """What was said is shown, contradicted, exported and erased; switched off, it is not kept."""
    page = _open(browser, origin(files={"/clip": fake}), "?secret=1#part")
    options = installed.options()
    options.on("dialog", lambda dialog: dialog.accept())
    page.bring_to_front()
    options.wait_for_selector("#history .said[data-saying=suspicious]")
    assert page.url.partition("?")[0] in options.inner_text("#history")
    page.close()

    options.click(f"text={_words('options_wrong')}")
    options.click(f".mistake >> text={_words('options_mistake_keep')}")
    options.wait_for_selector(f"text={_words('panel_mistake_false_alarm')}")

    rows = json.loads(_download(options, "#export-json", tmp_path))
    assert [("page", "suspicious", "false_alarm")] == [
        (row["title"], row["saying"], row["mistake"]) for row in rows
    ]
    assert "secret" not in json.dumps(rows)
    table = csv.DictReader(_download(options, "#export-csv", tmp_path).splitlines())
    assert [rows[0]["at"]] == [row["at"] for row in table]

    options.click("#erase")
    options.wait_for_selector("#history li", state="detached")
    assert [] == installed.kept("history")
    options.click("#history-kept")
    options.wait_for_function("document.querySelector('#history-kept').checked === false")
    again = _open(browser, origin(files={"/clip": fake}))
    installed.popup(again).wait_for_selector(".said[data-saying=suspicious]")
    assert [] == installed.kept("history")


def test_a_server_is_kept_when_it_answers(
    installed: Installed, live_server: StartServer, make_key: MakeKey
) -> None:
    """Not without https, not with a wrong key; with the right one, and consent for it alone."""
    server = live_server("api", ready=False)
    key = make_key(Scope.ESCALATE, settings=server.settings).secret
    options = installed.options()
    for url, typed, said in (
        ("http://192.0.2.1", key, _words("options_server_not_https")),
        ("mailto:someone", key, _words("options_server_no_url")),
        (server.url, "wrong", _words("problem_key_refused")),
    ):
        _try_server(options, url, typed, said)
        assert "" == (installed.kept("settings") or {}).get("serverUrl", "")
    answers = _words("options_server_answers").partition("$1")[0]
    _try_server(options, f"{server.url}/", key, answers)
    assert key == installed.kept("serverKey")
    assert server.url == installed.kept("settings")["serverUrl"]
    assert None is installed.kept("settings")["consentedAt"]

    host = server.url.removeprefix("http://")
    assert host in options.inner_text("#consent-what")
    options.click("#consented")
    options.click("#unasked")
    installed.wait_for_setting("escalateUnasked", True)
    _try_server(options, server.url.replace("127.0.0.1", "localhost"), key, answers)
    changed = installed.kept("settings")
    assert (None, False) == (changed["consentedAt"], changed["escalateUnasked"])
    options.click("#server-remove")
    options.wait_for_selector("#consent", state="hidden")
    assert ("", "") == (installed.kept("settings")["serverUrl"], installed.kept("serverKey"))


def test_pages_cannot_read_what_is_kept(browser: Any, installed: Installed, origin: Start) -> None:
    """Not even the extension's own script in a page sees the server's key."""
    page = browser.new_page()
    devtools = browser.new_cdp_session(page)
    worlds: list[dict[str, Any]] = []
    devtools.on("Runtime.executionContextCreated", lambda event: worlds.append(event["context"]))
    devtools.send("Runtime.enable")
    page.goto(origin(pages={"/": "<p>page</p>"}).url)
    page.wait_for_timeout(500)
    world = next(world["id"] for world in worlds if world["origin"] == installed.root)
    answer = devtools.send(
        "Runtime.evaluate",
        {
            "expression": "chrome.storage.local.get().then(() => 'read', String)",
            "contextId": world,
            "awaitPromise": True,
        },
    )
    assert "Access to storage is not allowed" in answer["result"]["value"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["popup.html", "options.html"])
def test_text_can_be_read(installed: Installed, path: str, scheme: str) -> None:
    """All text stands out from what is behind it."""
    installed.choose(serverUrl="https://dfedge.example", consentedAt="2026-01-01T00:00:00Z")
    page = installed.open(path)
    page.emulate_media(color_scheme=scheme)
    texts = page.evaluate(CONTRASTS)
    assert len(texts) > 3
    assert [] == [(text, ratio) for text, ratio in texts if ratio < LEAST_CONTRAST]


def _open(browser: Any, served: Origin, query: str = "") -> Any:
    served.pages["/"] = f"<!doctype html><title>page</title><body>{VIDEO}</body>"
    served.pages["/empty"] = "<!doctype html><title>empty</title>"
    page = browser.new_page()
    page.goto(f"{served.url}/{query}")
    return page


def _words(key: str) -> str:
    words: str = WORDS[key]["message"]
    return words


def _try_server(options: Any, url: str, key: str, said: str) -> None:
    options.fill("#server-url", url)
    options.fill("#server-key", key)
    options.click("#server button.chief")
    options.wait_for_function(
        "said => document.querySelector('#server-said').textContent.startsWith(said)", arg=said
    )


def _download(options: Any, button: str, folder: Path) -> str:
    with options.expect_download() as started:
        options.click(button)
    path = folder / str(started.value.suggested_filename)
    started.value.save_as(path)
    return path.read_text(encoding="utf-8")
