"""Makes ``crop_boxes.json``: ``python tests/golden/make_crop_boxes.py``.

The contract of ``CropContract`` written a second time, in the plainest arithmetic of double
precision, for the vectors that the SDK and the browser are both checked against.
"""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

HOW = [
    "Made by tests/golden/make_crop_boxes.py (seed 2026). All numbers are IEEE 754 doubles.",
    "width = right - left, height = bottom - top; with squaring longer_side both become the larger",
    "scale = 1 + 2 * margin; width = width * scale; height = height * scale",
    "x = floor((left + right) / 2 - width / 2 + 0.5), y the same with top, bottom, height",
    "crop = [x, y, x + max(1, floor(width + 0.5)), y + max(1, floor(height + 0.5))]",
]

EDGES = [
    # corners on halves, below zero, tiny, long and thin, larger than any frame
    [0.0, 0.0, 100.0, 100.0],
    [0.5, 0.5, 100.5, 100.5],
    [-0.5, -1.5, 99.5, 98.5],
    [-80.25, -40.75, 10.5, 33.0],
    [10.0, 10.0, 10.25, 10.5],
    [3.0, 5.0, 3.001, 5.001],
    [0.0, 0.0, 640.0, 2.0],
    [200.0, 300.0, 300.0, 380.0],
    [1919.5, 1079.5, 1990.0, 1100.0],
    [0.0, 0.0, 7680.0, 4320.0],
    [12.49999999999, 7.50000000001, 44.5, 39.5],
    [100.1, 100.2, 200.3, 200.4],
]


def crop(box: list[float], margin: float, squaring: str) -> list[int]:
    """The crop of a box by the contract."""
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    if squaring == "longer_side":
        width = height = max(width, height)
    scale = 1 + 2 * margin
    width, height = width * scale, height * scale
    x = math.floor((left + right) / 2 - width / 2 + 0.5)
    y = math.floor((top + bottom) / 2 - height / 2 + 0.5)
    return [x, y, x + max(1, math.floor(width + 0.5)), y + max(1, math.floor(height + 0.5))]


def boxes() -> list[list[float]]:
    """The edge cases, boxes as a detector gives them, and boxes on quarter pixels."""
    numbers = random.Random(2026)
    found = [list(edge) for edge in EDGES]
    for index in range(48):
        left, top = numbers.uniform(-200, 1900), numbers.uniform(-200, 1000)
        width, height = numbers.lognormvariate(4.5, 1), numbers.lognormvariate(4.5, 1)
        box = [left, top, left + width, top + height]
        if index % 2:
            box = [round(4 * edge) / 4 for edge in box]
        if box[2] > box[0] and box[3] > box[1]:
            found.append(box)
    return found


def main() -> None:
    """Write the file beside this one, a case a line."""
    cases: list[dict[str, Any]] = [
        {"box": box, "margin": margin, "squaring": squaring, "crop": crop(box, margin, squaring)}
        for box in boxes()
        for margin, squaring in (
            (0.2, "longer_side"),
            (0.0, "longer_side"),
            (0.25, "none"),
            (0.15, "longer_side"),
            (0.3, "none"),
        )
    ]
    head = json.dumps({"how": HOW}, indent=2)[:-2]
    lines = ",\n".join("    " + json.dumps(case) for case in cases)
    path = Path(__file__).with_name("crop_boxes.json")
    path.write_text(f'{head},\n  "cases": [\n{lines}\n  ]\n}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
