"""The clips that are measured: one each at 1080p, 720p and 480p, and long ones made by looping."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import cv2
import numpy as np
from skimage import data

REPOSITORY = Path(__file__).resolve().parent.parent
RESEARCH_CLIPS = REPOSITORY.parent / "shared" / "data" / "clips"
RESEARCH_NAMES = {
    "1080p": "original_c40_866.mp4",
    "720p": "original_c40_599.mp4",
    "480p": "Face2Face_c23_339_392.mp4",
}
SIZES = {"1080p": (1920, 1080), "720p": (1280, 720), "480p": (640, 480)}
MADE_SECONDS = 12
MADE_FPS = 30


@contextmanager
def measured_clips() -> Iterator[dict[str, Path]]:
    """The three clips by resolution: research data where it is, else made from a portrait."""
    if RESEARCH_CLIPS.is_dir():
        yield {size: RESEARCH_CLIPS / name for size, name in RESEARCH_NAMES.items()}
        return
    with TemporaryDirectory(prefix="dfedge-bench-") as folder:
        made = {size: Path(folder) / f"{size}.mp4" for size in SIZES}
        for size, path in made.items():
            make_clip(path, *SIZES[size])
        yield made


def make_clip(path: Path, width: int, height: int) -> None:
    """A pan over the astronaut's portrait (public domain), H.264, with grain so that it costs."""
    portrait = cv2.resize(data.astronaut(), (height * 5 // 4, height * 5 // 4))
    canvas = np.full((portrait.shape[0], width + height // 2, 3), 90, np.uint8)
    left = (canvas.shape[1] - portrait.shape[1]) // 2
    canvas[:, left : left + portrait.shape[1]] = portrait
    random = np.random.default_rng(0)
    grain = random.integers(-6, 7, canvas.shape, dtype=np.int16)
    canvas = np.clip(canvas + grain, 0, 255).astype(np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("h264", rate=MADE_FPS, options={"crf": "23"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        count = MADE_SECONDS * MADE_FPS
        for index in range(count):
            x = round((canvas.shape[1] - width) * (0.5 + 0.5 * np.sin(index / 40)))
            y = round((canvas.shape[0] - height) * index / count)
            picture = np.ascontiguousarray(canvas[y : y + height, x : x + width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def loop_clip(source: Path, target: Path, seconds: float) -> None:
    """Repeat the packets of a clip, without encoding again, until it is ``seconds`` long."""
    with av.open(str(target), "w") as output:
        shift = 0
        stream = None
        while True:
            with av.open(str(source)) as clip:
                video = clip.streams.video[0]
                assert video.time_base is not None
                if stream is None:
                    stream = output.add_stream_from_template(video)
                end = shift
                for packet in clip.demux(video):
                    if packet.dts is None or packet.pts is None:
                        continue
                    end = max(end, shift + packet.pts + (packet.duration or 1))
                    packet.pts += shift
                    packet.dts += shift
                    packet.stream = stream
                    output.mux(packet)
                shift = end
                if shift * video.time_base >= seconds:
                    return
