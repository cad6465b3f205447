"""The demo: two clips of one portrait, genuine and self-blended, and the report on both.

The portrait is NASA's official photograph of the astronaut Eileen Collins, which is in the public
domain and which scikit-image carries. The fake is the portrait blended into a changed copy of
itself inside the face (Shiohara and Yamasaki, "Detecting Deepfakes with Self-Blended Images",
CVPR 2022), the kind of fake the edge models are trained on. Both clips are filmed by the same
moving camera. What the report says of them is whatever the model says.

Run ``python -m dfedge_tools.demo --out demo``.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as Pictures

from dfedge.cli import main as run_dfedge
from dfedge.errors import DfedgeError, MissingExtraError
from dfedge.faces import open_face_finder
from dfedge.types import Face, Image
from dfedge_tools.fakes.blending import blend
from dfedge_tools.fakes.mismatch import mismatch
from dfedge_tools.fakes.regions import region_mask
from dfedge_tools.fakes.warps import move

SIDE = 480
"""Width and height of the clips, pixels."""
FRAMES_PER_SECOND = 25
SECONDS = 4
SEED = 20
NOISE_SIGMA = 1.5
"""Noise of the camera's sensor, in steps of 8-bit colour."""


def main(argv: Sequence[str] | None = None) -> int:
    """Make the clips, run ``dfedge detect`` on them and say where the report is."""
    parser = argparse.ArgumentParser(
        prog="python -m dfedge_tools.demo",
        description="Make a genuine and a self-blended clip of one portrait and judge both.",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    parser.add_argument("--model", metavar="NAME", help="as in dfedge detect")
    args = parser.parse_args(argv)
    report = args.out / "report.html"
    print(f"The report will be {report}\n", flush=True)
    try:
        clips = make_clips(args.out)
    except DfedgeError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2
    model = ["--model", args.model] if args.model else []
    code = run_dfedge(["detect", *map(str, clips), "--report", str(report), "--quiet", *model])
    if code == 0:
        print(f"\nOpen {report} in a browser.")
    return code


def make_clips(folder: Path) -> tuple[Path, Path]:
    """Write ``genuine.mp4`` and ``self-blended.mp4`` to the folder and return their paths.

    Raises:
        MissingExtraError: scikit-image, which carries the portrait, is not installed.
    """
    picture = portrait()
    finder = open_face_finder(threads=1)
    try:
        face = finder.find(picture)[0]
    finally:
        finder.close()
    folder.mkdir(parents=True, exist_ok=True)
    genuine, blended = folder / "genuine.mp4", folder / "self-blended.mp4"
    write_clip(genuine, film(picture))
    write_clip(blended, film(self_blended(picture, face)))
    return genuine, blended


def portrait() -> Image:
    """The portrait, RGB, (512, 512, 3).

    Raises:
        MissingExtraError: scikit-image is not installed.
    """
    package = importlib.util.find_spec("skimage")
    if package is None or not package.submodule_search_locations:
        raise MissingExtraError("The demo, whose portrait scikit-image carries,", "demo")
    path = Path(package.submodule_search_locations[0]) / "data" / "astronaut.png"
    with Pictures.open(path) as picture:
        return np.asarray(picture.convert("RGB"), np.uint8)


def self_blended(picture: Image, face: Face) -> Image:
    """The picture with its face replaced by a changed copy of itself; the rest is untouched."""
    rng = np.random.default_rng(SEED)
    points = [coordinate for point in face.keypoints for coordinate in point]
    height, width = picture.shape[:2]
    mask = region_mask(
        points,
        (height, width),
        "face",
        rng=rng,
        jitter=0.04,
        softness_pixels=0.02 * face.box.width,
    )
    changed, mask = move(mismatch(picture, rng=rng, strength=1.0), mask, rng=rng, strength=0.4)
    return blend(changed, picture, mask)


def film(picture: Image) -> Iterator[Image]:
    """Frames of a hand-held camera that drifts over the picture and comes a little closer."""
    rng = np.random.default_rng(SEED)
    frames = FRAMES_PER_SECOND * SECONDS
    tremor = _smooth_noise(rng, frames)
    height, width = picture.shape[:2]
    for index in range(frames):
        done = index / (frames - 1)
        view = min(width, height) * (0.86 - 0.10 * done)
        center_x = width * (0.5 - 0.05 * math.cos(math.pi * done)) + tremor[index, 0]
        center_y = view / 2 + 4 + height * 0.01 * math.sin(math.pi * done) + tremor[index, 1]
        scale = SIDE / view
        matrix = np.array(
            [
                [scale, 0, SIDE / 2 - scale * center_x],
                [0, scale, SIDE / 2 - scale * center_y],
            ]
        )
        frame = cv2.warpAffine(
            picture, matrix, (SIDE, SIDE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
        )
        noisy = frame + NOISE_SIGMA * rng.standard_normal(frame.shape, dtype=np.float32)
        yield np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def write_clip(path: Path, frames: Iterator[Image]) -> None:
    """Encode frames of ``SIDE`` x ``SIDE`` pixels as H.264 in MP4."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FRAMES_PER_SECOND, options={"crf": "20"})
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def _smooth_noise(rng: np.random.Generator, frames: int) -> npt.NDArray[np.float64]:
    """Tremor of a hand, (frames, 2) in pixels: slow random motion of about one pixel."""
    kernel = np.hanning(13)
    kernel /= kernel.sum()
    steps = rng.normal(0, 2.5, (frames + len(kernel) - 1, 2))
    columns = [np.convolve(steps[:, axis], kernel, mode="valid") for axis in range(2)]
    return np.stack(columns, axis=1)


if __name__ == "__main__":
    sys.exit(main())
