"""A second opinion from a real server: what is sent, what comes back, and what when it does not."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest
from PIL import Image as Pictures
from tests.server.conftest import LiveServer, StartServer, live_server, settings

from dfedge.verdict import Verdict
from dfedge_server.security.principal import Scope
from dfedge_tools.demo import FRAMES_PER_SECOND, SIDE, make_clips

from .conftest import EXTENSION, Origin
from .piercing import SETTLED, Pierced

__all__ = ["live_server", "settings"]
"""Fixtures of the server's tests that are used here."""

SECONDS = 100.0
"""How long anything may take on a busy machine."""

FRAMES = 10
WORDS = json.loads((EXTENSION / "public/_locales/en/messages.json").read_text())

Start = Callable[..., Origin]

CHOOSE = "({serverKey, ...settings}) => chrome.storage.local.set({serverKey, settings})"
REPORTED = """async () => Object.values(await chrome.storage.session.get())
    .flatMap(({videos}) => videos ?? []).map(({escalationId}) => escalationId)"""
CONNECT = """async () => {
    await chrome.runtime.sendMessage({keeping: 'wake', request: {}});
    const port = chrome.runtime.connect({name: 'judge'});
    const waiting = new Map();
    let next = 0;
    port.onMessage.addListener((reply) => {
        const asked = waiting.get(reply.id);
        if ('progress' in reply) asked.progress.push(reply.progress);
        else if ('problem' in reply) asked.done({problem: reply.problem});
        else asked.done({answer: reply.answer});
    });
    window.progress = [];
    window.ask = (type, request) => new Promise((done) => {
        window.asked = next++;
        waiting.set(window.asked, {done, progress: window.progress});
        port.postMessage({id: window.asked, type, request});
    });
    window.abandon = () => port.postMessage({id: window.asked, abandon: true});
}"""
LOOK = """async ([url, source, count]) => {
    const video = document.createElement('video');
    video.src = URL.createObjectURL(await (await fetch(url)).blob());
    await new Promise((done) => video.addEventListener('loadeddata', done, {once: true}));
    const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
    window.canvas = canvas.getContext('2d', {willReadFrequently: true});
    let looked;
    for (let index = 0; index < count; index++) {
        video.currentTime = (index + 0.5) * video.duration / count;
        await new Promise((done) => video.addEventListener('seeked', done, {once: true}));
        window.canvas.drawImage(video, 0, 0);
        const {data: rgba, width, height} = window.canvas.getImageData(
            0, 0, canvas.width, canvas.height);
        looked = await window.ask('look', {
            source, index, ptsSeconds: video.currentTime, width, height, rgba,
        });
    }
    return looked;
}"""
START = """(source) => {
    window.opinion = window.ask('escalate', {source, unasked: false});
}"""
PIXELS = """({left, top, width, height}) =>
    Array.from(window.canvas.getImageData(left, top, width, height).data)"""


class Extension:
    """A page of the extension, from which the judge is asked.

    Attributes:
        page: of Playwright.
    """

    def __init__(self, page: Any) -> None:
        self.page = page

    def choose(self, server: LiveServer, **changes: Any) -> None:
        """A server in the options, with a new key of its own."""
        self.choose_address(server.url, server.key(Scope.ESCALATE).secret, **changes)

    def choose_address(self, url: str, key: str, **changes: Any) -> None:
        """What the options page keeps, with the user's consent unless ``changes`` are other."""
        consent = {"consentedAt": "2026-11-21T00:00:00Z"}
        self.page.evaluate(CHOOSE, {"serverUrl": url, "serverKey": key, **consent, **changes})

    def look(self, served: Origin) -> str:
        """Have the frames of the clip judged; the name of the video."""
        source = f"video {time.monotonic_ns()}"
        looked = self.page.evaluate(LOOK, [f"{served.url}/clip", source, FRAMES])
        assert "answer" in looked, looked
        return source

    def ask(self, question: str, request: dict[str, Any]) -> dict[str, Any]:
        """Ask the judge's host: its answer or problem."""
        result: dict[str, Any] = self.page.evaluate(
            "([question, request]) => window.ask(question, request)", [question, request]
        )
        return result

    def escalate(self, source: str) -> dict[str, Any]:
        """Ask for a second opinion: its answer or problem."""
        return self.ask("escalate", {"source": source, "unasked": False})

    def start_to_escalate(self, source: str) -> None:
        """Ask, and leave the answer in ``window.opinion``."""
        self.page.evaluate(START, source)


@pytest.fixture
def extension(browser: Any) -> Iterator[Extension]:
    """The extension with nothing but what a test chooses."""
    worker = browser.service_workers or [browser.wait_for_event("serviceworker")]
    page = browser.new_page()
    page.goto(f"chrome-extension://{worker[0].url.split('/')[2]}/manifest.json")
    page.evaluate(CONNECT)
    yield Extension(page)
    page.evaluate("() => chrome.storage.local.clear()")
    page.close()


@pytest.fixture
def served(origin: Start, portrait_clip: Path) -> Origin:
    """An origin with a clip of a face."""
    return origin(files={"/clip": portrait_clip})


@pytest.fixture(scope="module")
def unsure_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of a genuine and a second of a blended face, in turn: on the whole, neither."""
    folder = tmp_path_factory.mktemp("unsure")
    genuine, blended = make_clips(folder)
    path = folder / "unsure.mp4"
    with av.open(str(genuine)) as one, av.open(str(blended)) as two, av.open(str(path), "w") as out:
        stream = out.add_stream("h264", rate=FRAMES_PER_SECOND)
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "yuv420p"
        for index, frames in enumerate(zip(one.decode(video=0), two.decode(video=0), strict=True)):
            picture = frames[index // FRAMES_PER_SECOND % 2].to_ndarray(format="rgb24")
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode())
    return path


def visit(browser: Any, served: Origin) -> Any:
    """A page that plays the clip of an origin."""
    served.pages["/"] = "<!doctype html><video src=/clip muted loop autoplay width=640></video>"
    page = browser.new_page()
    page.goto(f"{served.url}/")
    return page


def the_escalation(client: httpx.Client, state: str) -> dict[str, Any]:
    """The only one of the server, once it stands there."""
    end = time.monotonic() + SECONDS
    items: list[dict[str, Any]] = []
    while time.monotonic() < end:
        items = client.get("/v1/escalations").raise_for_status().json()["items"]
        if [state] == [item["state"] for item in items]:
            return items[0]
        time.sleep(0.1)
    pytest.fail(f"it did not come to that: {items}")


def test_the_faces_are_sent_and_the_opinions_joined(
    extension: Extension, served: Origin, live_server: StartServer
) -> None:
    """Exactly the frame's own pixels, no name, and a verdict that both took part in."""
    server = live_server(heatmaps=0)
    extension.choose(server)
    source = extension.look(served)
    sent = extension.escalate(source)["answer"]

    verdict = Verdict.from_json(json.dumps(sent["verdict"]))
    assert ["edge", "heavy"] == [opinion.tier for opinion in verdict.opinions]
    assert "stream" == verdict.source.kind
    stages = [told["stage"] for told in extension.page.evaluate("window.progress")]
    assert ["waiting", "sending"] == stages[:2]

    with server.client() as client:
        kept = the_escalation(client, "done")
        assert kept["id"] == sent["escalationId"]
        assert (kept["kind"], kept["name"]) == ("crops", "")
        assert f"{server.url}/review/{kept['id']}" == sent["reviewUrl"]
        assert kept["thresholds"] == sent["thresholds"]
        assert kept["verdict"]["label"] == sent["verdict"]["label"]
        assert FRAMES == kept["verdict"]["source"]["frames_sampled"]
        seen = kept["verdict"]["tracks"][0]["observations"][-1]
        last = client.get(kept["media"][-1]["href"]).raise_for_status().content
    picture = np.asarray(Pictures.open(io.BytesIO(last)).convert("RGB"))
    box = seen["box"]
    half = max(box["right"] - box["left"], box["bottom"] - box["top"])
    left = max(0, int((box["left"] + box["right"]) / 2 - half))
    top = max(0, int((box["top"] + box["bottom"]) / 2 - half))
    height, width = picture.shape[:2]
    region = {"left": left, "top": top, "width": width, "height": height}
    frame = np.array(extension.page.evaluate(PIXELS, region), np.uint8)
    assert np.array_equal(picture, frame.reshape(height, width, 4)[..., :3])


def test_a_mistake_is_told_to_the_server(
    extension: Extension, served: Origin, live_server: StartServer
) -> None:
    """Once there is a verdict to speak of; what the server refuses is said."""
    server = live_server(heatmaps=0)
    extension.choose(server)
    sent = extension.escalate(extension.look(served))["answer"]
    told = {"escalationId": sent["escalationId"], "mistake": "false_alarm", "note": "It is me."}
    assert {"answer": None} == extension.ask("feedback", told)
    with server.client() as client:
        page = client.get(f"/v1/escalations/{sent['escalationId']}").raise_for_status()
    assert "done" == page.json()["state"]
    unknown = told | {"escalationId": "01a1ff41-bc76-7704-a200-b394df8ec573"}
    assert "server_refused" == extension.ask("feedback", unknown)["problem"]["code"]


def test_who_waits_no_longer_cancels_the_servers_job(
    extension: Extension, served: Origin, live_server: StartServer
) -> None:
    """Without a worker it would wait for ever."""
    server = live_server("api", ready=False)
    extension.choose(server)
    source = extension.look(served)
    extension.start_to_escalate(source)
    with server.client() as client:
        the_escalation(client, "queued")
        extension.page.evaluate("window.abandon()")
        the_escalation(client, "cancelled")


def test_nothing_leaves_without_consent_or_with_a_wrong_key(
    extension: Extension, served: Origin, live_server: StartServer
) -> None:
    """What is wrong is said, and the server has taken nothing."""
    server = live_server("api", ready=False)
    source = extension.look(served)
    extension.choose(server, consentedAt=None)
    assert "no_consent" == extension.escalate(source)["problem"]["code"]
    for url, key, code in (
        (server.url, "dfe_wrong", "key_refused"),
        (server.url, server.key(Scope.READ).secret, "key_refused"),
        ("http://dfedge.example", "dfe_any", "no_consent"),
        ("http://127.0.0.1:1", "dfe_any", "server_unreachable"),
    ):
        extension.choose_address(url, key)
        assert code == extension.escalate(source)["problem"]["code"]
    extension.choose(server)
    assert "unknown_source" == extension.escalate("never seen")["problem"]["code"]
    with server.client() as client:
        assert [] == client.get("/v1/escalations").raise_for_status().json()["items"]


def test_a_server_that_goes_away_is_waited_for_and_then_given_up(
    extension: Extension, served: Origin, live_server: StartServer
) -> None:
    """kill -9 while it is asked: the problem is said, and the judge works on."""
    server = live_server("api", ready=False)
    extension.choose(server)
    source = extension.look(served)
    extension.start_to_escalate(source)
    with server.client() as client:
        the_escalation(client, "queued")
    server.kill()
    lost = extension.page.evaluate("() => window.opinion")
    assert "server_unreachable" == lost["problem"]["code"]
    extension.look(served)


def test_a_visitor_asks_the_server_in_the_panel(
    extension: Extension, browser: Any, served: Origin, live_server: StartServer
) -> None:
    """Badge, panel, a click: progress, the fused verdict, the server's page, and a mistake told."""
    server = live_server(heatmaps=0)
    extension.choose(server)
    page = visit(browser, served)
    badge = Pierced(page, "dfedge-badge")
    badge.click(word(f"badge_{badge.wait_saying(*SETTLED, seconds=SECONDS)}"))

    panel = Pierced(page, "dfedge-panel")
    panel.wait(word("panel_ask"), SECONDS)
    with server.client() as client:
        assert [] == client.get("/v1/escalations").raise_for_status().json()["items"]
    assert server.url.removeprefix("http://") in panel.text()
    panel.click(word("panel_ask"))
    panel.wait(word("panel_together"), SECONDS)
    assert f"{word('panel_by_server')}, " in panel.text()
    panel.click(word("panel_mistake"))
    panel.click(word("panel_mistake_send"))
    panel.wait(word("panel_mistake_sent"), SECONDS)
    with server.client() as client:
        assert "" == the_escalation(client, "done")["name"]
    page.close()


def test_an_unsure_video_is_sent_unasked_where_the_user_wants_that(
    extension: Extension, browser: Any, origin: Start, unsure_clip: Path, live_server: StartServer
) -> None:
    """Nobody clicks; what is known of the video then names the escalation."""
    server = live_server(heatmaps=0)
    extension.choose(server, escalateUnasked=True)
    page = visit(browser, origin(files={"/clip": unsure_clip}))
    with server.client() as client:
        known = the_escalation(client, "done")["id"]
    end = time.monotonic() + SECONDS
    while [known] != (reported := extension.page.evaluate(REPORTED)):
        assert time.monotonic() < end, reported
        time.sleep(0.2)
    page.close()


def word(key: str) -> str:
    """What the extension says, in English."""
    words: str = WORDS[key]["message"]
    return words
