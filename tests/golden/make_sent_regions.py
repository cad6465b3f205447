"""Makes ``sent_regions.json``: ``python tests/golden/make_sent_regions.py``.

What is sent of a frame for a face, written a second time, for the vectors that the SDK and the
browser are both checked against.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

HOW = [
    "Made by tests/golden/make_sent_regions.py, of the boxes in crop_boxes.json.",
    "side = 2 * max(right - left, bottom - top), about the middle of the box",
    "region = the square rounded outwards and clipped to the frame; null where nothing is left",
]
FRAMES = ((640, 360), (1920, 1080))


def region(box: list[float], width: int, height: int) -> list[int] | None:
    """The whole pixels that are sent."""
    left, top, right, bottom = box
    reach = max(right - left, bottom - top)
    x, y = (left + right) / 2, (top + bottom) / 2
    near = [max(0, math.floor(x - reach)), max(0, math.floor(y - reach))]
    far = [min(width, math.ceil(x + reach)), min(height, math.ceil(y + reach))]
    return near + far if near[0] < far[0] and near[1] < far[1] else None


def main() -> None:
    """Write the file beside this one, a case a line."""
    crops = json.loads(Path(__file__).with_name("crop_boxes.json").read_text(encoding="utf-8"))
    boxes = [list(box) for box in dict.fromkeys(tuple(case["box"]) for case in crops["cases"])]
    cases = [
        {"box": box, "frame": frame, "region": region(box, *frame)}
        for box in boxes
        for frame in FRAMES
    ]
    head = json.dumps({"how": HOW}, indent=2)[:-2]
    lines = ",\n".join("    " + json.dumps(case) for case in cases)
    path = Path(__file__).with_name("sent_regions.json")
    path.write_text(f'{head},\n  "cases": [\n{lines}\n  ]\n}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
