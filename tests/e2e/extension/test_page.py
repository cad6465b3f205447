"""Badge and panel on a page: where they lie, when they speak, what they tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from dfedge import Label

from .conftest import Origin
from .installed import PATIENCE, Installed, until
from .piercing import SETTLED, Pierced

Start = Callable[..., Origin]
VIDEO = "<video id='clip' src='{}' muted loop autoplay width='480' {}></video>"
LINK = (
    "<a href='#' style='position: absolute; left: {}px; top: {}px; width: 160px; height: 40px'>"
    "To somewhere</a>"
)
PLAIN = "<!doctype html><title>page</title><style>body {{ margin: 0 }}</style><body>{}</body>"


@pytest.fixture
def chosen(browser: Any) -> Iterator[Callable[..., None]]:
    """Choose settings, until the end of the test."""
    installed = Installed(browser)
    yield installed.choose
    installed.choose()


@pytest.fixture
def show(browser: Any, origin: Start, clips: dict[Label, Path]) -> Iterator[Callable[[str], Any]]:
    """Opens a page with a body; the fake clip lies at ``/fake``, the other at ``/other``."""
    [other] = [clip for label, clip in clips.items() if label != Label.FAKE]
    files = {"/fake": clips[Label.FAKE], "/other": other}
    pages = []

    def opened(body: str) -> Any:
        served = origin(files=files, pages={"/": PLAIN.format(body)})
        page = browser.new_page()
        page.goto(f"{served.url}/")
        pages.append(page)
        return page

    yield opened
    for page in pages:
        page.close()


def test_a_badge_lies_clear_of_what_can_be_clicked(show: Callable[[str], Any]) -> None:
    """Two links lie over the corners at the top: the badge takes one at the bottom."""
    page = show(VIDEO.format("/fake", "") + LINK.format(0, 0) + LINK.format(320, 0))
    _wait(page, "suspicious")
    badge = until(lambda: Pierced(page, "dfedge-badge").box("button"))
    left, top, right, bottom = badge
    assert top > 40
    assert left >= 0
    assert right <= 480
    assert bottom <= page.evaluate("clip.getBoundingClientRect().bottom")


def test_no_badge_where_none_has_a_place(show: Callable[[str], Any]) -> None:
    """With the browser's controls at the bottom and links at the top, nothing is covered."""
    page = show(VIDEO.format("/fake", "controls") + LINK.format(0, 0) + LINK.format(320, 0))
    _wait(page, "suspicious")
    assert None is Pierced(page, "dfedge-badge").box("button")
    page.evaluate("document.querySelectorAll('a').forEach(link => link.remove())")
    assert until(lambda: Pierced(page, "dfedge-badge").box("button"))[3] < 60


def test_a_badge_stays_with_a_video_that_moves(show: Callable[[str], Any]) -> None:
    """When the page is scrolled the badge goes with the video, and is gone when that is."""
    space = "<div style='height: {}px'></div>"
    page = show(space.format(200) + VIDEO.format("/fake", "") + space.format(3000))
    _wait(page, "suspicious")
    pierced = Pierced(page, "dfedge-badge")
    left, top, right, bottom = until(lambda: pierced.box("button"))
    page.evaluate("scrollTo({top: 100, behavior: 'instant'})")
    until(lambda: pierced.box("button") == (left, top - 100, right, bottom - 100))
    page.evaluate("scrollTo({top: 2000, behavior: 'instant'})")
    until(lambda: pierced.box("button") is None)


def test_a_badge_is_seen_in_full_screen(show: Callable[[str], Any]) -> None:
    """The video fills the screen, and the badge lies on it."""
    page = show(VIDEO.format("/fake", "onclick='this.requestFullscreen()'"))
    _wait(page, "suspicious")
    page.mouse.click(240, 300)
    page.wait_for_function("document.fullscreenElement === clip", timeout=PATIENCE)
    pierced = Pierced(page, "dfedge-badge")

    def colour() -> Any:
        left, top, _, _ = until(lambda: pierced.box("button"))
        clip = {"x": left + 2, "y": top + 9, "width": 1, "height": 1}
        return Image.open(BytesIO(page.screenshot(clip=clip))).convert("RGB").getpixel((0, 0))

    until(lambda: colour() == (0xB3, 0x26, 0x1E))


def test_a_badge_says_it_once(show: Callable[[str], Any]) -> None:
    """Over a clip that starts anew again and again it looks, speaks, and then is steady."""
    page = show(VIDEO.format("/fake", ""))
    badge = Pierced(page, "dfedge-badge")
    badge.wait_saying("waiting", "looking", seconds=PATIENCE / 1000)
    heard = badge.hear()
    _wait(page, "suspicious")
    page.wait_for_timeout(8000)
    assert ["looking", "suspicious"] == [saying for saying in heard if saying != "waiting"]
    status = [
        element for element in Pierced(page, "dfedge-badge").attributes("div") if "role" in element
    ]
    assert [{"role": "status"}] == status
    assert "dfedge on a video: Suspicious" in Pierced(page, "dfedge-badge").text()


def test_the_panel_by_keyboard(show: Callable[[str], Any]) -> None:
    """Tab and Enter open it with the focus inside, Escape closes it, and the focus is back."""
    page = show(VIDEO.format("/fake", ""))
    _wait(page, "suspicious")
    focused = "document.activeElement.localName"
    for _ in range(5):
        page.keyboard.press("Tab")
        if "dfedge-badge" == page.evaluate(focused):
            break
    page.keyboard.press("Enter")
    page.wait_for_selector("dfedge-panel", state="attached", timeout=PATIENCE)
    assert "dfedge-panel" == page.evaluate(focused)
    page.keyboard.press("Escape")
    page.wait_for_selector("dfedge-panel", state="detached", timeout=PATIENCE)
    assert "dfedge-badge" == page.evaluate(focused)


def test_what_the_panel_tells(show: Callable[[str], Any]) -> None:
    """Scores over time, the faces, why, and what it does not mean."""
    page = show(VIDEO.format("/fake", ""))
    _wait(page, "suspicious")
    Pierced(page, "dfedge-badge").click("Suspicious")
    panel = Pierced(page, "dfedge-panel")
    for words in (
        "Suspicious: the faces look manipulated",
        "The score is ",
        "Scores over time",
        "Person 1",
        "not a proof",
        "Nothing leaves this browser.",
    ):
        panel.wait(words, PATIENCE / 1000)
    assert any(one.get("class") == "scores" and one["d"] for one in panel.attributes("path"))
    assert panel.attributes("canvas")


def test_a_paused_video_is_left_alone(show: Callable[[str], Any]) -> None:
    """Nothing is looked at before it plays."""
    page = show("<video id='clip' src='/fake' muted loop width='480'></video>")
    _wait(page, "waiting")
    page.wait_for_timeout(3000)
    assert None is Pierced(page, "dfedge-badge").box("button")
    page.evaluate("clip.play()")
    _wait(page, "suspicious")


def test_another_clip_in_the_same_element(show: Callable[[str], Any]) -> None:
    """What was said of the one does not stay for the next."""
    page = show(VIDEO.format("/fake", ""))
    _wait(page, "suspicious")
    page.evaluate("clip.src = '/other'")
    # Which of the two hangs on the frames that are looked at: its score lies near the threshold.
    Pierced(page, "dfedge-badge").wait_saying("real", "unsure", seconds=PATIENCE / 1000)


def test_on_click(show: Callable[[str], Any], chosen: Callable[..., None]) -> None:
    """Where the user wants to be asked first, a click on the badge checks the video."""
    chosen(mode="on_click")
    page = show(VIDEO.format("/fake", ""))
    _wait(page, "waiting")
    badge = Pierced(page, "dfedge-badge")
    badge.wait("Check this video", PATIENCE / 1000)
    page.wait_for_timeout(2000)
    assert ["waiting"] == badge.sayings()
    badge.click("Check this video")
    _wait(page, "suspicious")


def test_low_sensitivity(show: Callable[[str], Any], chosen: Callable[..., None]) -> None:
    """A badge is seen on the suspicious video only."""
    chosen(sensitivity="low")
    page = show(VIDEO.format("/other", ""))
    badge = Pierced(page, "dfedge-badge")
    badge.wait_saying(*SETTLED, seconds=PATIENCE / 1000)
    assert None is badge.box("button")
    chosen(sensitivity="standard")
    until(lambda: badge.box("button"))


def test_switched_off_while_it_plays(
    show: Callable[[str], Any], chosen: Callable[..., None]
) -> None:
    """All badges go at once, and come back when it is on again."""
    page = show(VIDEO.format("/fake", ""))
    _wait(page, "suspicious")
    chosen(enabled=False)
    page.wait_for_selector("dfedge-badge", state="detached", timeout=PATIENCE)
    chosen(enabled=True)
    _wait(page, "suspicious")


def test_a_page_with_thirty_videos(show: Callable[[str], Any]) -> None:
    """Each that is seen is judged in its turn, and those that are removed leave nothing behind."""
    body = "".join(
        f"<video src='/fake?{number}' muted loop autoplay width='150'></video>"
        for number in range(30)
    )
    page = show(body)
    badges = Pierced(page, "dfedge-badge")
    until(lambda: 30 * ["suspicious"] == badges.sayings(), 3 * PATIENCE / 1000)
    page.evaluate("document.querySelectorAll('video').forEach(video => video.remove())")
    page.wait_for_selector("dfedge-badge", state="detached", timeout=PATIENCE)


def _wait(page: Any, saying: str) -> None:
    """Until the badge says it."""
    Pierced(page, "dfedge-badge").wait_saying(saying, seconds=PATIENCE / 1000)
