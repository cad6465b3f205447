"""Frames of videos: up to six of each scene, named by video and frame number.

In the output folder: ``frames/VIDEO/NUMBER.png``, ``manifest.csv`` (the columns of the videos, with
frame number, scene and time of each frame), ``failures.csv`` and the journal by which an extraction
that was stopped goes on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import msgspec

from dfedge.errors import MediaError, UsageError
from dfedge.media import open_media
from dfedge.media.sampling import FRAMES_A_SCENE
from dfedge_tools.data.filling import Filled, Made, fill
from dfedge_tools.data.journal import Fingerprint, Record, unfinished_folder, writing_to
from dfedge_tools.data.manifest import MANIFEST, Manifest, Sample, read_manifest, write_manifest
from dfedge_tools.data.pictures import ImageFormat, encode_image, names_of_outputs

MAX_FRAMES = 100_000
"""Of one video; only there because the sampler wants a number."""


@dataclass(frozen=True, slots=True)
class ExtractReport:
    """What came of an extraction.

    Attributes:
        done: videos extracted by this run.
        reused: videos found extracted already.
        failed: videos that gave no frame.
        failures: CSV file with the path and the reason of each failure, also of videos of which
            only a part could be read.
        frames: pictures in the manifest.
        manifest: the manifest of the frames.
    """

    done: int
    reused: int
    failed: int
    failures: Path
    frames: int
    manifest: Path


@dataclass(frozen=True, slots=True)
class Video:
    """A video to extract.

    Attributes:
        path: as in the manifest.
        folder: for its frames, in the output folder.
    """

    path: str
    folder: str

    @property
    def name(self) -> str:
        """By which the journal knows it."""
        return self.path

    @property
    def paths(self) -> tuple[str, ...]:
        """The video alone."""
        return (self.path,)


class FrameEntry(msgspec.Struct, frozen=True):
    """One frame of a video: its file in the output folder, and where in the video it was."""

    path: str
    index: int
    pts_seconds: float
    scene: int


class VideoRecord(Record, frozen=True, kw_only=True):
    """What came of one video."""

    frames: tuple[FrameEntry, ...]


def extract_frames(
    manifest: Path,
    out: Path,
    *,
    per_scene: int = FRAMES_A_SCENE,
    image_format: ImageFormat = "png",
    workers: int = 1,
    progress: bool = False,
) -> ExtractReport:
    """Extract frames of all videos of a manifest into `out`, going on where a run has stopped.

    Cuts are found by HSV histograms; of each scene at most `per_scene` frames are taken, evenly
    spaced. A picture in the manifest is a video of one frame.

    Args:
        workers: processes; with one the work is done in this process.
        progress: show a bar on stderr, if that is a terminal.

    Raises:
        UsageError: The manifest cannot be used, `out` cannot be written or was filled otherwise, or
            a video has changed since its frames were taken.
    """
    if per_scene < 1:
        raise UsageError(f"per_scene must be at least 1, got {per_scene}")
    listed = read_manifest(manifest)
    names = names_of_outputs([sample.path for sample in listed.samples])
    filled = fill(
        out,
        listed.root,
        [Video(path, f"frames/{name}") for path, name in names.items()],
        partial(_Extractor, listed.root, out, per_scene, image_format),
        VideoRecord,
        settings={
            "made by": "dfedge data extract",
            "frames of a scene": str(per_scene),
            "format": image_format,
        },
        label="extracting",
        unit="video",
        workers=workers,
        progress=progress,
    )
    frames = [
        _frame_sample(sample, entry)
        for sample in listed.samples
        if sample.path in filled.records
        for entry in filled.records[sample.path].frames
    ]
    write_manifest(out / MANIFEST, Manifest(out, tuple(frames)))
    return _report(out, filled, len(listed.samples), len(frames))


class _Extractor:
    """Takes the frames of one video after the other."""

    def __init__(self, root: Path, out: Path, per_scene: int, image_format: ImageFormat) -> None:
        self._root = root
        self._out = out
        self._per_scene = per_scene
        self._format: ImageFormat = image_format

    def __call__(self, video: Video) -> Made[VideoRecord]:
        path = self._root / video.path
        unfinished = unfinished_folder(self._out)
        fingerprint = Fingerprint.of(path)
        problems: list[str] = []
        frames: list[FrameEntry] = []
        files: dict[str, int] = {}
        try:
            with open_media(
                path, sampling="scene", frames=MAX_FRAMES, frames_per_scene=self._per_scene
            ) as reader:
                for frame in reader:
                    name = f"{video.folder}/{frame.index:06d}.{self._format}"
                    data = encode_image(frame.image, self._format)
                    with writing_to(self._out):
                        (unfinished / name).parent.mkdir(parents=True, exist_ok=True)
                        (unfinished / name).write_bytes(data)
                    files[name] = len(data)
                    seconds = round(frame.pts_seconds, 6)
                    frames.append(FrameEntry(name, frame.index, seconds, frame.scene))
                problems += reader.problems
        except MediaError as error:
            problems.append(error.problem)
        record = VideoRecord(
            item=video.path,
            sources={video.path: fingerprint},
            files=files,
            failures=tuple((video.path, problem) for problem in problems),
            frames=tuple(frames),
        )
        return Made(record, unfinished)

    def close(self) -> None:
        """Nothing is held."""


def _frame_sample(sample: Sample, entry: FrameEntry) -> Sample:
    return replace(
        sample,
        path=entry.path,
        media="picture",
        frame=entry.index,
        scene=entry.scene,
        pts_seconds=entry.pts_seconds,
    )


def _report(out: Path, filled: Filled[VideoRecord], videos: int, frames: int) -> ExtractReport:
    good = {name for name, record in filled.records.items() if record.frames}
    return ExtractReport(
        done=len(good - filled.reused),
        reused=len(good & filled.reused),
        failed=videos - len(good),
        failures=filled.failures,
        frames=frames,
        manifest=out / MANIFEST,
    )
