"""The extension in Firefox: the core flow, from the same source as Chromium's."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import pytest

from dfedge import Detector, Label
from dfedge_tools.demo import make_clips

from .conftest import EXTENSION, Origin, lacking
from .installed import until
from .marionette import Firefox, through
from .proxy import Proxy, recording

IDLE_SECONDS = 2
"""After which Firefox may put the background page to sleep; 30 outside of tests."""
PAGE = """<!doctype html><title>page</title><link rel="icon" href="data:,">
<body><video src="/clip" muted loop autoplay width="480"></video></body>"""
SAID = """return document.querySelector('dfedge-badge')?.openOrClosedShadowRoot
    .querySelector('[data-saying]')?.dataset.saying"""

Start = Callable[..., Origin]


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip that the SDK calls fake, in a format that every Firefox plays."""
    folder = tmp_path_factory.mktemp("clips")
    with Detector() as detector:
        for clip in make_clips(folder):
            webm = _as_webm(clip)
            if detector.detect(webm).label is Label.FAKE:
                return webm
    pytest.fail("none of the made clips is called fake")


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    """What all of Firefox asks for passes here."""
    with recording() as running:
        yield running


@pytest.fixture(scope="module")
def firefox(node: str, proxy: Proxy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    """Firefox with the extension as it is now."""
    command = shutil.which("firefox-esr") or shutil.which("firefox")
    if command is None:
        lacking("needs firefox-esr")
    assert command is not None
    done = subprocess.run(
        [node, "node_modules/wxt/bin/wxt.mjs", "build", "-b", "firefox"],
        cwd=EXTENSION,
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    running = Firefox(
        command,
        tmp_path_factory.mktemp("profile"),
        {**through(proxy.port), "extensions.background.idle.timeout": IDLE_SECONDS * 1000},
    )
    try:
        assert "dfedge@dfedge" == running.install(EXTENSION / ".output" / "firefox-mv3")
        yield running
    finally:
        running.quit()


def test_a_fake_is_called_suspicious(
    firefox: Firefox, proxy: Proxy, origin: Start, fake: Path
) -> None:
    """The badge says so; body and video stay what the page made them; nobody else is asked."""
    served = origin(files={"/clip": fake}, pages={"/": PAGE})
    firefox.open(f"{served.url}/")
    before = firefox.run("return document.body.outerHTML")
    _wait(firefox, "suspicious")
    assert before == firefox.run("return document.body.outerHTML")
    assert f"{served.url}/clip" in [asked.url for asked in proxy.asked]
    assert [] == proxy.strange(served.url)


def test_the_background_sleeps_and_wakes(firefox: Firefox, origin: Start, fake: Path) -> None:
    """A paused video lets the judge sleep; when it plays again, it is judged again."""
    served = origin(files={"/clip": fake}, pages={"/": PAGE})
    firefox.open(f"{served.url}/")
    _wait(firefox, "suspicious")
    firefox.run("document.querySelector('video').pause()")
    until(lambda: "stopped" == _background(firefox))
    firefox.run("document.querySelector('video').play()")
    until(lambda: "running" == _background(firefox))
    _wait(firefox, "suspicious")


def _wait(firefox: Firefox, saying: str) -> None:
    """Until the badge says it."""
    until(lambda: saying == firefox.run_piercing(SAID))


def _background(firefox: Firefox) -> Any:
    """Whether the extension's background runs."""
    return firefox.run_in_browser(
        "return WebExtensionPolicy.getByID('dfedge@dfedge').extension.backgroundState"
    )


def _as_webm(clip: Path) -> Path:
    """The clip in VP8: Firefox plays H.264 only where the system can."""
    made = clip.with_suffix(".webm")
    with av.open(str(clip)) as source, av.open(str(made), "w") as target:
        film = source.streams.video[0]
        written = target.add_stream("libvpx", rate=film.average_rate)
        written.width, written.height = film.width, film.height
        written.pix_fmt = "yuv420p"
        written.bit_rate = 4_000_000
        for frame in source.decode(film):
            target.mux(written.encode(frame))
        target.mux(written.encode(None))
    return made
