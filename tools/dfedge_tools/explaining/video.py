"""A short video of a clip: the map over the face, and the score under it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import av
import cv2
import numpy as np

from dfedge.crops import CropBox
from dfedge.report.wording import clock, percent
from dfedge.saliency import map_to_view, overlay
from dfedge.types import Image
from dfedge_tools.explaining.drawing import BLUE, caption
from dfedge_tools.explaining.explainer import Explainer
from dfedge_tools.explaining.faces import SeenFace

FRAMES_PER_SECOND = 8


def map_frames(
    faces: Sequence[SeenFace], explainer: Explainer, *, progress: Callable[[], object]
) -> Iterator[Image]:
    """The frames of one person with the main map over the face, captioned.

    Colours mean the same in all frames: the last one is a frame's usual strongest value.
    """
    maps = []
    for face in faces:
        maps.append(explainer.main_map(face.x))
        progress()
    peak = float(np.median([each.heat.max() for each in maps]))
    height = max(face.picture.shape[0] for face in faces)
    width = max(face.picture.shape[1] for face in faces)
    for face, each in zip(faces, maps, strict=True):
        rows, columns = face.picture.shape[:2]
        frame = CropBox(0, 0, round(columns / face.scale), round(rows / face.scale))
        resize = explainer.card.crop.resize
        heat = map_to_view(each.positive, face.crop_box, frame, (rows, columns), resize=resize)
        picture = overlay(face.picture, heat, peak=peak)
        _outline(picture, face)
        # A source may change its size half way; a video may not.
        canvas = np.zeros((height, width, 3), np.uint8)
        canvas[:rows, :columns] = picture
        seen = face.observation
        line = (
            f"{clock(seen.pts_seconds, tenths=True)}  P(fake) {percent(seen.fake_probability)}  "
            f"{each.name}, speaks for {explainer.target}"
        )
        yield caption(canvas, line, seen.fake_probability)


def write_video(path: Path, frames: Iterator[Image]) -> None:
    """Frames of one even size as H.264 in MP4, which all browsers play."""
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=FRAMES_PER_SECOND, options={"crf": "20"})
        stream.pix_fmt = "yuv420p"
        for number, frame in enumerate(frames):
            if number == 0:
                stream.height, stream.width = frame.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def _outline(picture: Image, face: SeenFace) -> None:
    """Mark the crop, in place."""
    box = face.crop_box
    corners = [
        (round(x * face.scale), round(y * face.scale))
        for x, y in ((box.left, box.top), (box.right, box.bottom))
    ]
    cv2.rectangle(picture, corners[0], corners[1], BLUE, 1)
