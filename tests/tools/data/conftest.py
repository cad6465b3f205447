"""Small clips of the portrait, genuine and manipulated, and what compares two folders."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from dfedge.types import Image

CLIP_SIDE = 240
CLIP_FRAMES = 40
IDENTITIES = ("001", "002", "003", "004")


@pytest.fixture(scope="session")
def clips(portrait: Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Manifest of four genuine clips, a fake of each with other colours about the mouth, and one
    file that is no video."""
    folder = tmp_path_factory.mktemp("clips")
    lines = ["path,label,source,split,method,compression,target_id"]
    for number, identity in enumerate(IDENTITIES):
        side = 2 * CLIP_SIDE - 20 * number
        picture = cv2.resize(portrait[:400, 50:450], (side, side), interpolation=cv2.INTER_AREA)
        for label, method in enumerate(("original", "Deepfakes")):
            shown = np.asarray(picture, np.uint8).copy()
            if label:
                middle = slice(side // 3, side // 2)
                shown[middle, middle] = shown[middle, middle, ::-1]
            write_clip(folder / f"{method}_{identity}.mp4", shown)
            lines.append(f"{method}_{identity}.mp4,{label},test,train,{method},c23,{identity}")
    (folder / "broken.mp4").write_bytes(b"no video at all")
    lines.append("broken.mp4,0,test,train,original,c23,005")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder / "manifest.csv"


def write_clip(path: Path, picture: Image) -> None:
    """A window that moves over a picture, in H.264."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("h264", rate=25, options={"preset": "ultrafast"})
        stream.width = stream.height = CLIP_SIDE
        stream.pix_fmt = "yuv420p"
        small = np.asarray(cv2.resize(picture, (CLIP_SIDE + 40, CLIP_SIDE + 40)), np.uint8)
        for index in range(CLIP_FRAMES):
            window = np.ascontiguousarray(small[:CLIP_SIDE, index : index + CLIP_SIDE])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(window, format="rgb24")))
        container.mux(stream.encode())


def tree(folder: Path) -> dict[str, bytes]:
    """Content of every file below a folder, by its path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
