"""Pictures of maps: overlays, a sheet of all maps of one face, and captions of video frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image as Pictures
from PIL import ImageDraw, ImageFont

from dfedge.saliency import overlay
from dfedge.types import Image
from dfedge_tools.explaining.explainer import RANDOM, FaceMap
from dfedge_tools.explaining.faithfulness import Faithfulness

OVERLAY_SIDE = 384
"""Of a written overlay, pixels, at least; a larger input keeps its size."""
COLUMNS = 3
CELL_INCHES = 2.55
DOTS_PER_INCH = 120
CAPTION_PIXELS = 64
BLUE = (0, 114, 178)
ORANGE = (230, 159, 0)
"""Of Okabe and Ito's palette, which the colour-blind tell apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetText:
    """The words of a sheet.

    Attributes:
        title: what face this is.
        score: of this face, as a sentence.
        target: what coloured places speak for.
    """

    title: str
    score: str
    target: str


def draw_overlay(picture: Image, heat: npt.NDArray[np.float32]) -> Image:
    """The picture with the map over it, both (S, S), enlarged to be looked at."""
    side = max(OVERLAY_SIDE, picture.shape[0])
    return overlay(_enlarged(picture, side), np.asarray(_enlarged_map(heat, side), np.float32))


def draw_sheet(
    text: SheetText,
    picture: Image,
    maps: Sequence[FaceMap],
    faithfulness: Mapping[str, Faithfulness],
    *,
    reconstruction: Image | None = None,
) -> Image:
    """All maps of a face side by side: the crop first, then a row for each layer.

    Args:
        faithfulness: by the name of the map; may be empty.
    """
    rows = _rows(picture, maps, reconstruction)
    columns = max(COLUMNS, max(len(row.cells) for row in rows))
    figure = Figure(
        figsize=(CELL_INCHES * columns + 0.3, (CELL_INCHES + 0.42) * len(rows) + 1.45),
        dpi=DOTS_PER_INCH,
        facecolor="white",
    )
    canvas = FigureCanvasAgg(figure)
    grid = figure.add_gridspec(
        len(rows), columns, left=0.04, right=0.985, bottom=0.9 / figure.get_figheight(),
        top=1 - 1.05 / figure.get_figheight(), wspace=0.06, hspace=0.17,
    )  # fmt: skip
    for number, row in enumerate(rows):
        for column, (name, image) in enumerate(row.cells):
            axes = figure.add_subplot(grid[number, column])
            axes.imshow(image, interpolation="nearest")
            axes.set_xticks([])
            axes.set_yticks([])
            label = name.removeprefix(row.label).strip()
            axes.set_title(_with_scores(label, faithfulness.get(name)), fontsize=8.5)
            if column == 0:
                axes.set_ylabel(row.label, fontsize=10)
    height = figure.get_figheight()
    figure.text(0.04, 1 - 0.28 / height, text.title, fontsize=11, weight="bold", va="center")
    figure.text(0.04, 1 - 0.52 / height, text.score, fontsize=9.5, va="center")
    figure.text(0.04, 0.42 / height, _legend(text, faithfulness), fontsize=8, va="center")
    _colour_bar(figure, height)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    return np.ascontiguousarray(pixels[:, :, :3])


def caption(picture: Image, line: str, probability: float) -> Image:
    """A frame with a line of text and a bar of P(fake) under it; even sides, as video needs."""
    height, width = picture.shape[:2]
    canvas = Pictures.new("RGB", (width + width % 2, height + CAPTION_PIXELS + height % 2), "black")
    canvas.paste(Pictures.fromarray(picture), (0, 0))
    draw = ImageDraw.Draw(canvas)
    font = _fitting_font(draw, line, width - 16)
    draw.text((8, height + 8), line, font=font, fill="white")
    left, right, top = 8, width - 8, height + 42
    draw.rectangle((left, top, right, top + 12), outline="white")
    draw.rectangle((left, top, left + probability * (right - left), top + 12), fill=ORANGE)
    draw.line(((left + right) // 2, top, (left + right) // 2, top + 12), fill="white")
    return np.asarray(canvas, np.uint8)


@dataclass(frozen=True, slots=True)
class _Row:
    """Pictures under one label, each with its name."""

    label: str
    cells: list[tuple[str, Image]]


def _rows(picture: Image, maps: Sequence[FaceMap], reconstruction: Image | None) -> list[_Row]:
    side = max(OVERLAY_SIDE, picture.shape[0])
    first = _Row("the model's input", [("crop", _enlarged(picture, side))])
    if reconstruction is not None:
        difference = cv2.absdiff(picture, reconstruction)
        first.cells.append(("reconstruction", _enlarged(reconstruction, side)))
        first.cells.append(("|difference|", _enlarged(np.asarray(difference, np.uint8), side)))
    rows = [first]
    for each in maps:
        label = each.name.removesuffix(each.method).strip()
        cell = (each.name, draw_overlay(picture, each.positive))
        if not label:
            first.cells.append(cell)
        elif rows[-1].label == label:
            rows[-1].cells.append(cell)
        else:
            rows.append(_Row(label, [cell]))
    return rows


def _with_scores(name: str, scores: Faithfulness | None) -> str:
    if scores is None:
        return name
    return f"{name}\ndel {scores.deletion:.2f}  ins {scores.insertion:.2f}  ROAD {scores.road:+.2f}"


def _legend(text: SheetText, faithfulness: Mapping[str, Faithfulness]) -> str:
    lines = f"Coloured: speaks for {text.target}. What speaks against it is not drawn."
    if RANDOM not in faithfulness:
        return lines
    scores = faithfulness[RANDOM]
    return (
        f"{lines}\nFaithful to the model: del(etion) low, ins(ertion) high, ROAD high. A random "
        f"map has\ndel {scores.deletion:.2f}  ins {scores.insertion:.2f}  ROAD {scores.road:+.2f} "
        "on this face."
    )


def _colour_bar(figure: Figure, height: float) -> None:
    axes = figure.add_axes((0.7, 0.5 / height, 0.27, 0.1 / height))
    axes.imshow(np.linspace(0, 1, 256)[None], aspect="auto", cmap="inferno")
    axes.set_yticks([])
    axes.set_xticks([0, 255], ["nothing", "strongest of its map"], fontsize=7.5)
    axes.xaxis.get_majorticklabels()[1].set_horizontalalignment("right")


def _fitting_font(draw: ImageDraw.ImageDraw, line: str, width: int) -> ImageFont.FreeTypeFont:
    size = 20
    while True:
        font = ImageFont.load_default(size)
        assert isinstance(font, ImageFont.FreeTypeFont), "Pillow's wheels come with FreeType"
        if size <= 9 or draw.textlength(line, font=font) <= width:
            return font
        size -= 1


def _enlarged(picture: Image, side: int) -> Image:
    return np.asarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_CUBIC), np.uint8)


def _enlarged_map(heat: npt.NDArray[np.float32], side: int) -> npt.NDArray[np.float32]:
    return np.asarray(cv2.resize(heat, (side, side), interpolation=cv2.INTER_LINEAR), np.float32)
