"""The judge in Chromium, asked as the extension's own pages ask it: verdicts, faces, backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import Origin, chromium_with
from .installed import Installed

Start = Callable[..., Origin]

FRAMES = 8
SOFTWARE_GPU = (
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--enable-features=Vulkan",
)

ASK = """
async () => {
    await new Promise(woken =>
        chrome.runtime.sendMessage({keeping: 'wake', request: {}}, woken));
    const port = chrome.runtime.connect({name: 'judge'});
    const waiting = new Map();
    let next = 0;
    port.onMessage.addListener(reply => waiting.get(reply.id)(reply));
    window.ask = (type, request) => new Promise(answered => {
        const id = next++;
        waiting.set(id, reply => answered(reply.problem?.code ?? reply.answer));
        port.postMessage({id, type, request});
    });
    window.disconnect = () => port.disconnect();
}
"""
"""Put into a page of the extension: asks the judge, and gives its answer or a problem's code."""

LOOK = """
async ([url, frames]) => {
    const video = document.createElement('video');
    video.src = URL.createObjectURL(await (await fetch(url)).blob());
    await new Promise(loaded => { video.onloadeddata = loaded; });
    const [width, height] = [video.videoWidth, video.videoHeight];
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext('2d', {willReadFrequently: true});
    let looked;
    for (let index = 0; index < frames; index++) {
        const ptsSeconds = (index + 0.5) * video.duration / frames;
        video.currentTime = ptsSeconds;
        await new Promise(sought => { video.onseeked = sought; });
        context.drawImage(video, 0, 0);
        const rgba = context.getImageData(0, 0, width, height).data;
        looked = await ask('look', {source: 'test', ptsSeconds, index, width, height, rgba});
    }
    return looked;
}
"""


@pytest.fixture(scope="module")
def browser(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium with the extension and a GPU that is none."""
    profile = tmp_path_factory.mktemp("profile")
    with chromium_with(built, profile, *SOFTWARE_GPU) as context:
        yield context


def test_faces_are_shown_until_their_video_is_gone(browser: Any, origin: Start, fake: Path) -> None:
    """A verdict comes with at most six faces of a person, which go with the page that had it."""
    page = _extension_page(browser)
    looked = page.evaluate(LOOK, [f"{origin(files={'/clip': fake}).url}/clip", FRAMES])
    assert "FAKE" == looked["verdict"]["label"]
    assert FRAMES == looked["verdict"]["source"]["frames_sampled"]
    faces = page.evaluate(
        "async () => (await ask('faces', {source: 'test'}))"
        ".map(({width, height, rgba, ...face}) => ({...face, size: [width, height, rgba.length]}))"
    )
    assert 6 == len(faces)
    assert sorted(face["ptsSeconds"] for face in faces) == [face["ptsSeconds"] for face in faces]
    assert all([96, 96, 96 * 96 * 4] == face["size"] for face in faces)
    page.evaluate("disconnect()")
    page.evaluate(ASK)
    page.wait_for_function(
        "async () => 'unknown_source' === await ask('faces', {source: 'test'})", timeout=30_000
    )
    page.close()


def test_a_gpu_in_software_is_not_used(browser: Any, origin: Start, fake: Path) -> None:
    """WebGPU that some CPU plays is slower than WASM, so that the models stay there."""
    page = _extension_page(browser)
    adapter = "navigator.gpu.requestAdapter().then(found => found?.info.isFallbackAdapter)"
    assert page.evaluate(adapter) is True
    page.evaluate(LOOK, [f"{origin(files={'/clip': fake}).url}/clip", 2])
    state = page.evaluate("ask('models', {})")
    assert "wasm" == state["backend"]
    assert ["face_detector", "edge"] == [model["role"] for model in state["models"]]
    page.close()


def _extension_page(browser: Any) -> Any:
    """A page of the extension with a way to its judge."""
    page = Installed(browser).open("manifest.json")
    page.evaluate(ASK)
    return page
