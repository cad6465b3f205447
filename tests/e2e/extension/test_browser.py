"""The extension in Chromium: what a visitor of a page with videos sees."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from dfedge import Detector, Label

from .conftest import Origin
from .piercing import Pierced

SAYS = {
    Label.FAKE: "suspicious",
    Label.REAL: "real",
    Label.UNCERTAIN: "unsure",
    Label.NO_FACE: "no_face",
}
PATIENCE = 90_000
"""Milliseconds; the badge settles in seconds on an idle machine."""

Start = Callable[..., Origin]
VIDEO = "<video src='{}' muted loop autoplay width='480' {}></video>"


def test_research_clips_get_the_labels_of_the_sdk(
    browser: Any, origin: Start, shared_data: Path
) -> None:
    """A fake and its original are called what ``dfedge detect`` calls them."""
    with Detector() as detector:
        for name in ("Deepfakes_c23_055_147", "original_c23_055"):
            clip = shared_data / "clips" / f"{name}.mp4"
            page = _open(browser, origin(files={"/clip": clip}), VIDEO.format("/clip", ""))
            _wait(page, SAYS[detector.detect(clip).label])
            page.close()


def test_videos_come_and_go(browser: Any, origin: Start, clips: dict[Label, Path]) -> None:
    """A video that is put into an open shadow root gets a badge, which goes with the video."""
    fake = clips[Label.FAKE]
    page = _open(browser, origin(files={"/clip": fake}), "<div id='host'></div>")
    page.evaluate(
        """markup => {
            const root = document.querySelector('#host').attachShadow({mode: 'open'});
            root.innerHTML = markup;
        }""",
        VIDEO.format("/clip", ""),
    )
    _wait(page, "suspicious")
    page.evaluate("document.querySelector('#host').remove()")
    page.wait_for_function("!document.querySelector('dfedge-badge')", timeout=PATIENCE)
    page.close()


def test_another_origin(browser: Any, origin: Start, clips: dict[Label, Path]) -> None:
    """With CORS a clip of another origin is judged; without, it is said that it cannot be."""
    fake = clips[Label.FAKE]
    for cors, attribute, said in ((True, "crossorigin", "suspicious"), (False, "", "cannot_check")):
        other = origin(files={"/clip": fake}, cors=cors)
        page = _open(browser, origin(), VIDEO.format(f"{other.url}/clip", attribute))
        _wait(page, said)
        page.close()


def test_a_strict_page_in_a_frame(browser: Any, origin: Start, clips: dict[Label, Path]) -> None:
    """In a frame of another origin, under a policy that allows no script and no style."""
    inner = origin(
        files={"/clip": clips[Label.FAKE]},
        pages={"/inner": "<!doctype html>" + VIDEO.format("/clip", "")},
        headers={"Content-Security-Policy": "default-src 'none'; media-src 'self'"},
    )
    frame = f"<iframe src='{inner.url}/inner' width='600' height='600' allow='autoplay'></iframe>"
    page = _open(browser, origin(), frame)
    _wait(page, "suspicious")
    page.close()


def test_the_page_stays_as_it_is(browser: Any, origin: Start, clips: dict[Label, Path]) -> None:
    """Body and video are what the page made them, and nobody is asked but the page's own server."""
    served = origin(files={"/clip": clips[Label.FAKE]})
    page = _open(browser, served, VIDEO.format("/clip", ""))
    asked: list[str] = []
    browser.on("request", lambda request: asked.append(request.url))
    before = page.evaluate("document.body.outerHTML")
    _wait(page, "suspicious")
    assert before == page.evaluate("document.body.outerHTML")
    own = ("chrome-extension://", served.url)
    assert [] == [url for url in asked if not url.startswith(own)]
    page.close()


def _open(browser: Any, served: Origin, body: str) -> Any:
    served.pages["/"] = f"<!doctype html><title>page</title><body>{body}</body>"
    page = browser.new_page()
    page.goto(f"{served.url}/")
    return page


def _wait(page: Any, saying: str) -> None:
    """Until the badge says it."""
    Pierced(page, "dfedge-badge").wait_saying(saying, seconds=PATIENCE / 1000)
