"""Videos and pictures that are hard to look at, in Chromium: what is said, and who is asked.

A video that its page may not read is loaded again, without cookies, when the user wants it, or
judged by what the tab shows after a click; else it is said why it cannot be checked.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image as Pictures

from .conftest import Origin, chromium_with
from .piercing import Pierced

Start = Callable[..., Origin]
PATIENCE = 90_000
"""Milliseconds; the badge settles in seconds on an idle machine."""
VIDEO = "<video src='{}' muted loop autoplay width='480'></video>"
KEY = bytes(range(16))
KEY_ID = bytes(range(16, 32))
H264 = 'video/mp4; codecs="avc1.64001e"'

REPORTS = """() => chrome.storage.session.get(null).then((kept) =>
  Object.values(kept).flatMap((tab) => tab.videos ?? []))"""

APPEND = """
const append = async (video) => {
  const media = new MediaSource();
  video.src = URL.createObjectURL(media);
  await new Promise((opened) => media.addEventListener("sourceopen", opened, { once: true }));
  const buffer = media.addSourceBuffer(type);
  buffer.appendBuffer(await (await fetch("/clip")).arrayBuffer());
  await new Promise((done) => buffer.addEventListener("updateend", done, { once: true }));
  media.endOfStream();
};
"""

UNLOCK = """
const unlock = async (video) => {
  const access = await navigator.requestMediaKeySystemAccess("org.w3.clearkey", [
    { initDataTypes: ["keyids"], videoCapabilities: [{ contentType: type }] }]);
  const keys = await access.createMediaKeys();
  await video.setMediaKeys(keys);
  const session = keys.createSession();
  session.addEventListener("message", () =>
    session.update(new TextEncoder().encode(JSON.stringify({ keys: [key], type: "temporary" }))));
  await session.generateRequest(
    "keyids", new TextEncoder().encode(JSON.stringify({ kids: [key.kid] })));
};
"""

CLICK = """(async () => {
  for (let tries = 0; tries < 300; tries++) {
    const button = [...document.querySelectorAll("button")]
      .find((each) => each.checkVisibility() && each.textContent === %s);
    if (button) { button.click(); return true; }
    await new Promise((after) => setTimeout(after, 100));
  }
  return false;
})()"""


@pytest.fixture(scope="module")
def browser(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium with the extension, whose button in the toolbar can be clicked."""
    profile = tmp_path_factory.mktemp("profile")
    with chromium_with(built, profile, "--enable-unsafe-extension-debugging") as context:
        yield context


@pytest.fixture(scope="module")
def own(browser: Any) -> Any:
    """A page of the extension, which may ask what its background keeps."""
    workers = browser.service_workers or [browser.wait_for_event("serviceworker")]
    page = browser.new_page()
    page.goto(workers[0].url.replace("background.js", "options.html"))
    return page


@pytest.fixture(autouse=True)
def as_it_comes(own: Any) -> None:
    """The user has chosen nothing."""
    _choose(own, {})


@pytest.fixture
def loads_again(as_it_comes: None, own: Any) -> None:
    """The user lets videos be loaded again unasked."""
    _choose(own, {"loadAgain": True})


class Tab:
    """A page of a site that is looked at, and what is reported of its videos."""

    def __init__(self, browser: Any, own: Any, served: Origin, body: str) -> None:
        self.own = own
        self.known = [report["source"] for report in own.evaluate(REPORTS)]
        served.pages["/"] = f"<!doctype html><title>page</title><body>{body}</body>"
        self.page = browser.new_page()
        self.page.goto(f"{served.url}/")

    def wait(self, saying: str, problem: str | None = None) -> None:
        """Until it is said of a video, for this reason."""
        for _ in range(PATIENCE // 200):
            reports = self.own.evaluate(REPORTS)
            new = [report for report in reports if report["source"] not in self.known]
            if any((saying, problem) == (each["saying"], each["problem"]) for each in new):
                return
            self.own.wait_for_timeout(200)
        pytest.fail(f"{saying} ({problem}) is not said, but {new}")


@pytest.fixture
def tab(browser: Any, own: Any) -> Iterator[Callable[[Origin, str], Tab]]:
    """Opens a page with a body."""
    opened: list[Tab] = []

    def open_tab(served: Origin, body: str) -> Tab:
        opened.append(Tab(browser, own, served, body))
        return opened[-1]

    yield open_tab
    for each in opened:
        each.page.close()


Open = Callable[[Origin, str], Tab]


def test_a_copy_is_loaded_without_cookies(
    browser: Any, own: Any, tab: Open, origin: Start, fake: Path
) -> None:
    """The site hears of the copy as of a stranger, and leaves no cookie behind."""
    _choose(own, {"loadAgain": True, "mode": "on_click"})
    other = origin(files={"/clip": fake}, headers={"Set-Cookie": "visit=first"})
    for address in ("/clip", "/clip?again"):
        at = tab(origin(), VIDEO.format(other.url + address))
        at.page.wait_for_function("document.querySelector('video').readyState === 4")
    assert any("visit=first" in heard.get("cookie", "") for heard in other.heard)
    other.headers["Set-Cookie"] = "visit=second"
    other.heard.clear()
    _tell(at, {"type": "check", "source": None})
    at.wait("suspicious")
    assert other.heard, "no copy was loaded"
    for headers in other.heard:
        assert "cors" == headers["sec-fetch-mode"]
        assert {"cookie", "referer", "origin", "authorization"}.isdisjoint(headers)
    assert ["first"] == [cookie["value"] for cookie in browser.cookies(other.url)]


def test_nothing_is_loaded_again_unasked(tab: Open, origin: Start, fake: Path) -> None:
    """Unless the user chose that, a video that its page may not read costs its site nothing."""
    other = origin(files={"/clip": fake})
    tab(origin(), VIDEO.format(f"{other.url}/clip")).wait("cannot_check", "cross_origin")
    assert {"no-cors"} == {heard["sec-fetch-mode"] for heard in other.heard}


def test_a_site_without_parts_of_files(
    tab: Open, origin: Start, fake: Path, loads_again: None
) -> None:
    """A clip that cannot be wound while it loads is loaded as a whole, and as by a stranger."""
    other = origin(files={"/clip": fake}, ranges=False)
    tab(origin(), VIDEO.format(f"{other.url}/clip")).wait("suspicious")
    wholes = [heard for heard in other.heard if heard["sec-fetch-dest"] == "empty"]
    assert 1 == len(wholes)
    assert {"cookie", "referer", "origin"}.isdisjoint(wholes[0])


def test_a_copy_that_is_refused(tab: Open, origin: Start, fake: Path, loads_again: None) -> None:
    """A site that gives its clip to its own visitors alone: it is said that it cannot be read."""
    other = origin(files={"/clip": fake})
    at = tab(origin(), VIDEO.format(f"{other.url}/clip"))
    at.page.wait_for_function("document.querySelector('video').readyState === 4")
    del other.files["/clip"]
    at.wait("cannot_check", "unreadable")


@pytest.mark.parametrize("inside", ["src='/inner'", 'srcdoc="{}"'])
def test_a_sandboxed_frame(
    inside: str, tab: Open, origin: Start, fake: Path, loads_again: None
) -> None:
    """It may not even read the clips of its own site; a copy can be."""
    served = origin(files={"/clip": fake})
    served.pages["/inner"] = "<!doctype html>" + VIDEO.format("/clip")
    attributes = inside.format(VIDEO.format("/clip"))
    frame = "<iframe sandbox='allow-scripts' allow='autoplay' width='600' height='600' {}></iframe>"
    tab(served, frame.format(attributes)).wait("suspicious")


def test_a_clip_in_parts(tab: Open, origin: Start, fake: Path, tmp_path: Path) -> None:
    """A player that appends parts of a clip (MSE) is looked at as any other."""
    served = origin(files={"/clip": _in_parts(fake, tmp_path / "parts.mp4")})
    script = f"const type = {json.dumps(H264)}; {APPEND} append(document.querySelector('video'));"
    tab(served, VIDEO.replace("src='{}'", "") + f"<script>{script}</script>").wait("suspicious")


def test_a_clip_in_parts_of_another_site(
    tab: Open, origin: Start, fake: Path, tmp_path: Path
) -> None:
    """In a frame of another site too."""
    inner = origin(files={"/clip": _in_parts(fake, tmp_path / "parts.mp4")})
    script = f"const type = {json.dumps(H264)}; {APPEND} append(document.querySelector('video'));"
    inner.pages["/inner"] = VIDEO.replace("src='{}'", "") + f"<script>{script}</script>"
    frame = f"<iframe src='{inner.url}/inner' allow='autoplay' width='600' height='600'></iframe>"
    tab(origin(), frame).wait("suspicious")


def test_an_encrypted_clip(
    tab: Open, origin: Start, fake: Path, tmp_path: Path, loads_again: None
) -> None:
    """It plays, and nothing is said of it but that it is protected."""
    encryption = {
        "encryption_scheme": "cenc-aes-ctr",
        "encryption_key": KEY.hex(),
        "encryption_kid": KEY_ID.hex(),
    }
    served = origin(files={"/clip": _in_parts(fake, tmp_path / "locked.mp4", encryption)})
    key = json.dumps({"kty": "oct", "kid": _base64url(KEY_ID), "k": _base64url(KEY)})
    script = f"""const type = {json.dumps(H264)}, key = {key}; {APPEND} {UNLOCK}
        const video = document.querySelector("video");
        unlock(video).then(() => append(video));"""
    at = tab(served, VIDEO.replace("src='{}'", "") + f"<script>{script}</script>")
    at.page.wait_for_function("document.querySelector('video').currentTime > 1")
    at.wait("cannot_check", "protected")


def test_a_captured_tab(browser: Any, tab: Open, origin: Start, fake: Path) -> None:
    """A click in the popup has a video judged by what the tab shows; its site is asked nothing."""
    other = origin(files={"/clip": fake})
    at = tab(origin(), VIDEO.format(f"{other.url}/clip"))
    at.wait("cannot_check", "cross_origin")
    _click_in_popup(browser, at)
    at.wait("suspicious")
    assert {"no-cors"} == {heard["sec-fetch-mode"] for heard in other.heard}


def test_a_capture_that_stays_black(browser: Any, tab: Open, origin: Start, tmp_path: Path) -> None:
    """It may be protected, so it is said to be, and not that there is no face."""
    other = origin(files={"/clip": _black(tmp_path / "black.mp4")})
    at = tab(origin(), VIDEO.format(f"{other.url}/clip"))
    at.wait("cannot_check", "cross_origin")
    _click_in_popup(browser, at)
    at.wait("cannot_check", "protected")


def test_a_capture_of_a_frame_of_another_site(
    browser: Any, tab: Open, origin: Start, fake: Path
) -> None:
    """Where it lies in the tab cannot be known, and that is said."""
    other = origin(files={"/clip": fake})
    inner = origin(pages={"/inner": VIDEO.format(f"{other.url}/clip")})
    frame = f"<iframe src='{inner.url}/inner' allow='autoplay' width='600' height='600'></iframe>"
    at = tab(origin(), frame)
    at.wait("cannot_check", "cross_origin")
    _click_in_popup(browser, at)
    at.wait("cannot_check", "place_unknown")


@pytest.mark.parametrize("readable", [True, False])
def test_a_picture(readable: bool, tab: Open, origin: Start, fake: Path, tmp_path: Path) -> None:
    """A panel tells of it; its site is asked for it again only where the page may not read it."""
    other = origin(files={"/picture.png": _picture(fake, tmp_path / "picture.png")})
    page_of = other if readable else origin()
    at = tab(page_of, f"<img src='{other.url}/picture.png' width='480'>")
    at.page.wait_for_function("document.querySelector('img').complete")
    _tell(at, {"type": "picture", "url": f"{other.url}/picture.png"})
    panel = Pierced(at.page, "dfedge-panel")
    panel.wait_saying("suspicious", seconds=PATIENCE / 1000)
    again = [heard for heard in other.heard if heard.get("sec-fetch-dest") == "empty"]
    assert (0 if readable else 1) == len(again)
    for headers in again:
        assert {"cookie", "referer", "origin"}.isdisjoint(headers)


def _choose(own: Any, settings: dict[str, Any]) -> None:
    """Have these settings, and the usual ones beside."""
    own.evaluate("(settings) => chrome.storage.local.set({ settings })", settings)


def _tell(at: Tab, message: dict[str, Any]) -> None:
    """Tell the scripts in a tab, as the background does when a menu or a key is used."""
    at.own.evaluate(
        """async ([page, message]) => {
            const tab = (await chrome.tabs.query({})).find((each) => each.url === page);
            for (let tries = 0; ; tries++) {
                try {
                    return await chrome.tabs.sendMessage(tab.id, message);
                } catch (error) {
                    // They run once the page is there, a moment later.
                    if (tries === 50) throw error;
                }
                await new Promise((after) => setTimeout(after, 100));
            }
        }""",
        [at.page.url, message],
    )


def _click_in_popup(browser: Any, at: Tab) -> None:
    """Click the extension's button for a tab, and in its popup the button that captures it."""
    words = at.own.evaluate("chrome.i18n.getMessage('popup_capture')")
    devtools = browser.browser.new_browser_cdp_session()
    targets = devtools.send("Target.getTargets", {"filter": [{}]})["targetInfos"]
    known = {target["targetId"] for target in targets}
    [shown] = [
        target["targetId"]
        for target in targets
        if target["type"] == "tab" and target["url"] == at.page.url
    ]
    extension = at.own.url.split("/")[2]
    devtools.send("Extensions.triggerAction", {"id": extension, "targetId": shown})
    answers: list[str] = []
    devtools.on("Target.receivedMessageFromTarget", lambda event: answers.append(event["message"]))
    popup = None
    while popup is None:
        at.own.wait_for_timeout(100)
        for target in devtools.send("Target.getTargets", {"filter": [{}]})["targetInfos"]:
            is_popup = target["type"] == "page" and target["url"].endswith("/popup.html")
            if is_popup and target["targetId"] not in known:
                popup = target["targetId"]
    attached = devtools.send("Target.attachToTarget", {"targetId": popup, "flatten": False})
    expression = CLICK % json.dumps(words)
    order = {"expression": expression, "awaitPromise": True, "userGesture": True}
    devtools.send(
        "Target.sendMessageToTarget",
        {
            "sessionId": attached["sessionId"],
            "message": json.dumps({"id": 1, "method": "Runtime.evaluate", "params": order}),
        },
    )
    while not answers:
        at.own.wait_for_timeout(100)
    assert True is json.loads(answers[0])["result"]["result"]["value"]
    devtools.detach()


def _in_parts(clip: Path, path: Path, options: dict[str, str] | None = None) -> Path:
    """The same pictures as fragmented MP4, as MediaSource takes it."""
    flags = {"movflags": "empty_moov+default_base_moof+frag_keyframe", **(options or {})}
    with av.open(str(clip)) as old, av.open(str(path), "w", options=flags) as new:
        source = old.streams.video[0]
        stream = new.add_stream_from_template(source)
        for packet in old.demux(source):
            if packet.dts is None:
                continue
            packet.stream = stream
            new.mux(packet)
    return path


def _black(path: Path) -> Path:
    """Half a minute in which nothing is seen."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=5)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for _ in range(150):
            frame = av.VideoFrame.from_ndarray(np.zeros((240, 320, 3), np.uint8), format="rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def _picture(clip: Path, path: Path) -> Path:
    """The first frame of a clip as a picture."""
    with av.open(str(clip)) as file:
        pixels = next(file.decode(video=0)).to_ndarray(format="rgb24")
    Pictures.fromarray(pixels).save(path)
    return path


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
