"""What docs/privacy.md promises, at the level of the browser's network and of the page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dfedge_tools.demo import make_clips

from .conftest import Origin, chromium_with
from .piercing import SETTLED, Pierced
from .proxy import Proxy, recording

MINUTES = 60
"""Pages that are visited, as one a minute would be in an hour; each is left after a moment."""
STAY_MILLISECONDS = 1500
PATIENCE = 90_000
"""Milliseconds."""
SILENT = (
    "--allow-browser-signin=false",
    "--gaia-url=https://127.0.0.1:1",
    "--gcm-checkin-url=data:,",
)
"""Flags that keep Chromium from errands of its own, beside those that Playwright sets."""

Start = Callable[..., Origin]
VIDEO = "<video src='{}' muted loop autoplay width='480' {}></video>"
WITNESS = """<script>
    function state() {
        const video = document.querySelector('video');
        const moving =
            /time|buffer|played|paused|seek|state|duration|src|ended|width|height|webkit/i;
        const values = {};
        for (const name in video) {
            const value = video[name];
            if (moving.test(name) || typeof value === 'function') continue;
            values[name] = typeof value === 'object' && value !== null ? String(value) : value;
        }
        return {
            values,
            own: Object.getOwnPropertyNames(video),
            attributes: Array.from(video.attributes, ({ name, value }) => [name, value]),
            markup: document.body.outerHTML,
            globals: Object.getOwnPropertyNames(window).sort(),
            native: [HTMLVideoElement, HTMLMediaElement, Element, Node].map(({ prototype }) =>
                Object.entries(Object.getOwnPropertyDescriptors(prototype)).map(([name, own]) =>
                    [name, String(own.value), String(own.get), String(own.set)])),
        };
    }
    // Before anything that is not the page's own can run.
    var changes = [], before = null;
    before = state();
    new MutationObserver((records) => {
        for (const { type, target, addedNodes, removedNodes } of records)
            for (const node of type === 'childList' ? [...addedNodes, ...removedNodes] : [target])
                changes.push(`${type} ${target.nodeName} ${node.nodeName}`.toLowerCase());
    }).observe(document, {
        subtree: true, childList: true, attributes: true, characterData: true,
    });
</script>"""
"""Writes down what a page can know of its video and its own world, and every change of its DOM."""


SEEN = """() => Array.from(document.querySelectorAll('dfedge-badge'), (badge) => {
    const values = {};
    for (const name in badge) {
        // Where it stands among the others, which says nothing of its video.
        if (/sibling/i.test(name) || typeof badge[name] === 'function') continue;
        values[name] = String(badge[name]);
    }
    return {
        values,
        attributes: Array.from(badge.attributes, ({ name, value }) => [name, value]),
        own: Object.getOwnPropertyNames(badge),
        style: Array.from(getComputedStyle(badge), (name) =>
            [name, getComputedStyle(badge).getPropertyValue(name)]),
        box: JSON.stringify(badge.getBoundingClientRect()),
        text: [badge.outerHTML, badge.innerText, getSelection().toString()],
        animations: badge.getAnimations({ subtree: true }).length,
    };
})"""
"""All that a page's script can read of each badge."""


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A genuine clip, of which the model is unsure, and a fake one."""
    genuine, fake = make_clips(tmp_path_factory.mktemp("clips"))
    return genuine, fake


@pytest.fixture
def watched(built: Path, tmp_path: Path) -> Iterator[tuple[Any, Proxy]]:
    """Chromium with a fresh profile, and the proxy that all of it must pass."""
    with recording() as proxy:
        through = (f"--proxy-server=127.0.0.1:{proxy.port}", "--proxy-bypass-list=<-loopback>")
        with chromium_with(built, tmp_path / "profile", *through, *SILENT) as context:
            yield context, proxy


def test_the_proxy_sees_every_part(
    watched: tuple[Any, Proxy], origin: Start, clips: tuple[Path, Path]
) -> None:
    """Requests of service worker, offscreen page and worker pass the proxy and are no page's."""
    context, proxy = watched
    served = origin(files={"/fake": clips[1]}, pages={"/": _page(VIDEO.format("/fake", ""))})
    page = context.new_page()
    page.goto(f"{served.url}/")
    _wait(page, *SETTLED)
    devtools = context.browser.new_browser_cdp_session()
    heard: list[dict[str, Any]] = []
    devtools.on("Target.receivedMessageFromTarget", lambda event: heard.append(event))

    def tell(session: str, message: str) -> None:
        told = {"sessionId": session, "message": message}
        devtools.send("Target.sendMessageToTarget", told)

    def fetching(kind: str) -> str:
        expression = f"fetch('{served.url}/{kind}').catch(() => undefined)"
        return _told("Runtime.evaluate", {"expression": expression})

    offscreen = ""
    for target in devtools.send("Target.getTargets")["targetInfos"]:
        if target["type"] in ("service_worker", "background_page"):
            which = {"targetId": target["targetId"], "flatten": False}
            session = devtools.send("Target.attachToTarget", which)["sessionId"]
            tell(session, fetching(target["type"]))
            offscreen = session if target["type"] == "background_page" else offscreen
    every = {"autoAttach": True, "waitForDebuggerOnStart": False, "flatten": False}
    tell(offscreen, _told("Target.setAutoAttach", every))
    _until(page, lambda: _worker(heard) is not None)
    told = {"sessionId": _worker(heard), "message": fetching("worker")}
    tell(offscreen, _told("Target.sendMessageToTarget", told))
    expected = {f"{served.url}/{kind}" for kind in ("service_worker", "background_page", "worker")}
    _until(page, lambda: expected <= {asked.url for asked in proxy.asked})
    assert expected == {asked.url for asked in proxy.strange(served.url)}


@pytest.mark.timeout(900)
def test_an_hour_of_browsing(
    watched: tuple[Any, Proxy], origin: Start, clips: tuple[Path, Path]
) -> None:
    """A fresh profile, sixty pages of six kinds: no request but those that the pages make."""
    context, proxy = watched
    other = origin(
        files={"/genuine": clips[0]}, pages={"/inner": _page(VIDEO.format("/genuine", ""))}
    )
    served = origin(files={"/genuine": clips[0], "/fake": clips[1]})
    kinds = [
        "<h1>An article</h1><p>Without a video.</p>",
        VIDEO.format("/fake", ""),
        VIDEO.format("/genuine", "controls") + VIDEO.format("/fake", ""),
        VIDEO.format(f"{other.url}/genuine", ""),
        f"<iframe src='{other.url}/inner' allow='autoplay' width='600' height='600'></iframe>",
        VIDEO.format("/missing", ""),
    ]
    served.pages = {f"/{kind}": _page(body) for kind, body in enumerate(kinds)}
    root = _service(context).url.rpartition("/")[0]
    page = context.new_page()
    for minute in range(MINUTES):
        page.goto(f"{served.url}/{minute % len(kinds)}")
        page.wait_for_timeout(STAY_MILLISECONDS)
        if minute == MINUTES // 2:  # a tab is left open, playing, and another is used from here on
            page = context.new_page()
    for own in ("popup", "options", "privacy"):
        page.goto(f"{root}/{own}.html")
        page.wait_for_timeout(STAY_MILLISECONDS)
    assert [] == proxy.strange(served.url, other.url)
    opened = [asked for asked in proxy.asked if asked.destination == "document"]
    assert MINUTES == len(opened)


def test_a_server_without_consent_is_not_asked(
    watched: tuple[Any, Proxy], origin: Start, clips: tuple[Path, Path]
) -> None:
    """Its address and key are there, and the wish to ask it unasked, but not the user's consent."""
    context, proxy = watched
    server = origin()
    _service(context).evaluate(
        """url => chrome.storage.local.set({
            settings: {serverUrl: url, consentedAt: null, escalateUnasked: true, enabled: true,
                sitesOff: [], mode: 'automatic', sensitivity: 'standard', loadAgain: false,
                history: true, modelKey: ''},
            serverKey: 'a key',
        })""",
        server.url,
    )
    served = origin(files={"/genuine": clips[0]}, pages={"/": _page(VIDEO.format("/genuine", ""))})
    page = context.new_page()
    page.goto(f"{served.url}/")
    _wait(page, *SETTLED)
    page.wait_for_timeout(3 * STAY_MILLISECONDS)
    assert [] == server.asked
    assert [] == proxy.strange(served.url)


def test_the_page_is_not_changed(
    watched: tuple[Any, Proxy], origin: Start, clips: tuple[Path, Path]
) -> None:
    """A page sees an element of ours beside its body, else only its own: DOM, video and world."""
    context, _ = watched
    served = origin(files={"/fake": clips[1]})
    served.pages["/"] = _page(VIDEO.format("/fake", "") + WITNESS)
    page = context.new_page()
    page.goto(f"{served.url}/")
    _wait(page, "suspicious")
    now = page.evaluate("state()")
    before = page.evaluate("before")
    assert before["markup"] == now["markup"]
    assert before == now
    ours = "childlist html dfedge-"
    changes = page.evaluate("changes")
    assert changes
    assert [] == [change for change in changes if not change.startswith(ours)]


def test_a_page_cannot_read_what_is_said(
    watched: tuple[Any, Proxy], origin: Start, clips: tuple[Path, Path]
) -> None:
    """To the page's scripts the badge of a suspicious video is that of any other, and unchanged."""
    context, _ = watched
    served = origin(files={"/genuine": clips[0], "/fake": clips[1]})
    videos = VIDEO.format("/genuine", "") + VIDEO.format("/fake", "")
    served.pages["/"] = _page(videos + WITNESS)
    page = context.new_page()
    page.goto(f"{served.url}/")
    badges = Pierced(page, "dfedge-badge")
    _until(page, lambda: 2 == len(badges.sayings()))
    first = page.evaluate(SEEN)
    assert set(SETTLED).isdisjoint(badges.sayings())
    _until(page, lambda: set(SETTLED).issuperset(badges.sayings()))
    said = badges.sayings()
    assert "suspicious" in said
    assert 2 == len(set(said))
    one, other = page.evaluate(SEEN)
    assert one == other
    assert first == [one, other]
    assert [] == one["attributes"]
    assert "null" == one["values"]["shadowRoot"]
    changes = page.evaluate("changes")
    assert [] == [change for change in changes if change.startswith("attributes")]


def _page(body: str) -> str:
    head = "<title>page</title><link rel='icon' href='data:,'>"
    return f"<!doctype html><html><head>{head}</head><body>{body}</body></html>"


def _service(context: Any) -> Any:
    """The extension's service worker."""
    running = context.service_workers
    return running[0] if running else context.wait_for_event("serviceworker")


def _wait(page: Any, *sayings: str) -> None:
    """Until a badge says one of these."""
    Pierced(page, "dfedge-badge").wait_saying(*sayings, seconds=PATIENCE / 1000)


def _worker(heard: list[dict[str, Any]]) -> str | None:
    """The session of the worker that a page tells of."""
    for event in heard:
        message = json.loads(event["message"])
        if message.get("method") != "Target.attachedToTarget":
            continue
        if message["params"]["targetInfo"]["type"] == "worker":
            return str(message["params"]["sessionId"])
    return None


def _told(method: str, parameters: dict[str, Any]) -> str:
    """A message to a target of DevTools."""
    return json.dumps({"id": 1, "method": method, "params": parameters})


def _until(page: Any, holds: Callable[[], bool]) -> None:
    for _ in range(PATIENCE // 100):
        if holds():
            return
        page.wait_for_timeout(100)
    pytest.fail("in vain")
