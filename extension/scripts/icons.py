"""Draw the extension's icons: ``python extension/scripts/icons.py``, with Debian's chromium.

A face of two halves that do not quite fit, in the brackets of a viewfinder. The plate behind it has
a rim, so that it stands out from light and from dark toolbars.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

FOLDER = Path(__file__).resolve().parents[1] / "public" / "icon"
SIZES = (16, 32, 48, 96, 128)
PLATE = "#14323f"
RIM = "#6fd3e3"
LEFT = "#ffffff"
RIGHT = "#ffb454"


def svg(size: int) -> str:
    """The icon in a grid of 32 by 32; small ones show the face alone."""
    small = size < 32
    corners = "".join(
        f'<path d="M {x} {y + dy * 5} V {y} H {x + dx * 5}"/>'
        for x, dx in ((6, 1), (26, -1))
        for y, dy in ((6, 1), (26, -1))
    )
    eyes = '<circle cx="13" cy="14" r="1.2"/><circle cx="19" cy="16" r="1.2"/>'
    return f"""<svg xmlns="http://www.w3.org/2000/svg" width="{size}" height="{size}"
        viewBox="0 0 32 32">
        <rect x="0.75" y="0.75" width="30.5" height="30.5" rx="7" fill="{PLATE}" stroke="{RIM}"
            stroke-width="1.5"/>
        <g fill="none" stroke="{RIM}" stroke-width="2" stroke-linecap="round">
            {"" if small else corners}
        </g>
        <g transform="translate(16 16.5) scale({1.35 if small else 1}) translate(-16 -16.5)">
            <path d="M 15.5 7 A 7 8.5 0 0 0 15.5 24 Z" fill="{LEFT}"/>
            <path d="M 16.5 9 A 7 8.5 0 0 1 16.5 26 Z" fill="{RIGHT}"/>
            <g fill="{PLATE}">{"" if small else eyes}</g>
        </g>
    </svg>"""


def main() -> None:
    """Write them all."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for size in SIZES:
            page = browser.new_page(viewport={"width": size, "height": size})
            page.set_content(f"<style>body {{ margin: 0 }}</style>{svg(size)}")
            page.screenshot(path=FOLDER / f"{size}.png", omit_background=True)
        browser.close()


if __name__ == "__main__":
    main()
