"""Take the pictures for the stores: ``python -m extension.scripts.screenshots --out DIR``.

Of the extension as built for Chromium (``npm run build``), on a page and clips made here; dark and
light, 1280 by 800 as the stores want them. Needs Debian's chromium and the extras tools and demo.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Literal

from PIL import Image, ImageOps
from playwright.sync_api import sync_playwright
from tests.e2e.extension.piercing import Pierced

from dfedge_tools.demo import make_clips

BUILT = Path(__file__).resolve().parents[1] / ".output" / "chrome-mv3"
WIDTH, HEIGHT = 1280, 800
PATIENCE_SECONDS = 60
"""Until the badges speak."""
PAGE = """<!doctype html><meta charset="utf-8"><title>The evening news</title>
<style>
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
  body { max-width: 1120px; margin: 24px auto; }
  div { display: grid; grid-template-columns: 1fr 1fr; gap: 24px; }
  video { width: 100%; border-radius: 8px; }
</style>
<h1>The evening news</h1>
<div>
  <p><video src="self-blended.mp4" muted autoplay loop></video>A clip that was sent in.</p>
  <p><video src="genuine.mp4" muted autoplay loop></video>A clip of the archive.</p>
</div>
"""


def main() -> None:
    """Take them all."""
    parser = argparse.ArgumentParser(description="Take the pictures for the stores.")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        list(make_clips(Path(folder)))
        (Path(folder) / "index.html").write_text(PAGE)
        with _served(Path(folder)) as url:
            for scheme in ("light", "dark"):
                _take(url, out, scheme)


def _take(url: str, out: Path, scheme: Literal["light", "dark"]) -> None:
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as profile:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=shutil.which("chromium"),
            viewport={"width": WIDTH, "height": HEIGHT},
            color_scheme=scheme,
            args=[
                "--headless=new",
                "--no-sandbox",
                f"--disable-extensions-except={BUILT}",
                f"--load-extension={BUILT}",
                "--autoplay-policy=no-user-gesture-required",
            ],
        )
        page = context.new_page()
        page.goto(url)
        Pierced(page, "dfedge-badge").wait_saying("suspicious", seconds=PATIENCE_SECONDS)
        page.wait_for_timeout(8000)  # until the other badge has settled, and there is a timeline
        page.screenshot(path=out / f"badges-{scheme}.png")
        worker = context.service_workers[0]
        root = worker.url.rpartition("/")[0]
        tab = worker.evaluate("async () => (await chrome.tabs.query({active: true}))[0].id")
        own = context.new_page()
        own.goto(f"{root}/options.html")
        own.wait_for_timeout(1500)
        own.screenshot(path=out / f"options-{scheme}.png")
        own.goto(f"{root}/popup.html?tab={tab}")
        own.wait_for_timeout(1500)
        popup = own.locator("body").screenshot()
        own.close()
        _hang(popup, out / f"badges-{scheme}.png").save(out / f"popup-{scheme}.png")
        page.bring_to_front()
        Pierced(page, "dfedge-badge").click("Suspicious")
        page.wait_for_timeout(1500)
        page.screenshot(path=out / f"panel-{scheme}.png")
        context.close()


def _hang(popup: bytes, page: Path) -> Image.Image:
    """The popup where the browser shows it: over the page, under the toolbar's right end."""
    shown = Image.open(page)
    hung = ImageOps.expand(Image.open(BytesIO(popup)), border=1, fill="gray")
    shown.paste(hung, (WIDTH - hung.width - 16, 0))
    return shown


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    handler = partial(_Quiet, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    main()
