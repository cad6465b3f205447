"""Private windows, where the user has allowed the extension."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import Origin, chromium_with
from .installed import Installed, until

CALLED_SUSPICIOUS = """async privately => {
    const tabs = (await chrome.tabs.query({})).filter(({incognito}) => incognito === privately);
    const states = await chrome.storage.session.get();
    return tabs.some(({id}) =>
        (states[`tab${id}`]?.videos ?? []).some(({saying}) => saying === 'suspicious'));
}"""
HISTORY = "async () => (await chrome.storage.local.get()).history ?? []"


@pytest.fixture(scope="module")
def allowed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium with the extension, which is allowed in private windows."""
    profile = tmp_path_factory.mktemp("profile")
    chosen = {"extensions": {"settings": {_identity(built): {"incognito": True}}}}
    (profile / "Default").mkdir()
    (profile / "Default" / "Preferences").write_text(json.dumps(chosen))
    with chromium_with(built, profile) as context:
        yield context


def test_a_private_window_leaves_no_trace(
    allowed: Any, origin: Callable[..., Origin], fake: Path
) -> None:
    """A video is judged there, and nothing of it is kept on the disk; of another window it is."""
    served = origin(files={"/clip": fake})
    page = "<!doctype html><video src='/clip' muted loop autoplay width='480'></video>"
    served.pages |= {"/private": page, "/open": page}
    options = Installed(allowed).options()

    def watch(path: str, *, privately: bool) -> None:
        options.evaluate(
            "({url, incognito}) => void chrome.windows.create({url, incognito})",
            {"url": served.url + path, "incognito": privately},
        )
        until(lambda: options.evaluate(CALLED_SUSPICIOUS, privately))

    watch("/private", privately=True)
    assert {} == options.evaluate("chrome.storage.local.get()")
    watch("/open", privately=False)
    (kept,) = until(lambda: options.evaluate(HISTORY))
    assert served.url + "/open" == kept["page"]


def _identity(folder: Path) -> str:
    """What Chromium calls the unpacked extension of a folder: by its path, in letters a to p."""
    digest = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:32]
    return "".join(chr(ord("a") + int(digit, 16)) for digit in digest)
