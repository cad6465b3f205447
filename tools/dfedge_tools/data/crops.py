"""Face crops of pictures: tight, expanded and with the scene around.

In the output folder: a folder a kind of crop, each a data set of its own with ``manifest.csv`` and
``faces.csv`` (where the face is in each crop), and in them the crops under the names of the
pictures; ``failures.csv``; and the journal by which cropping that was stopped goes on.

**Which face.** Of a still it is the one with the largest area times score. The frames of a clip are
looked at together: faces are joined to tracks as the detector does it (a cut ends all tracks), and
in each scene the track with the largest sum of area times score is followed, so that all crops of
a scene show one person. In a frame where that face was not found, none other is taken instead.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from dfedge.bundles.card import CropContract
from dfedge.bundles.store import FACE_MODEL
from dfedge.crops import crop_box, cut
from dfedge.errors import MediaError, UsageError
from dfedge.faces import FaceTracker, open_face_finder
from dfedge.types import Face, Frame, Image, TrackedFace
from dfedge_tools.data.faces import NO_FACE, FaceRecord, write_faces
from dfedge_tools.data.filling import Filled, Made, fill
from dfedge_tools.data.journal import Fingerprint, Record, unfinished_folder, writing_to
from dfedge_tools.data.manifest import MANIFEST, Manifest, Sample, read_manifest, write_manifest
from dfedge_tools.data.pictures import encode_image, names_of_outputs, read_image

CropKind: TypeAlias = Literal["tight", "expanded", "scene"]

CROP_SCALES: dict[CropKind, float] = {"tight": 1.1, "expanded": 1.5, "scene": 2.0}
"""Side of the square crop in longer sides of the face box."""

ALL_KINDS: tuple[CropKind, ...] = ("tight", "expanded", "scene")

OTHER_FACE = "the face followed in this scene was not found here"
IMAGES_KEPT = 24
"""Decoded frames of one clip that are kept between finding and cutting; more are read again."""

UNTIMED_FPS = 25.0
"""Of frames without a time, for the tracker."""


@dataclass(frozen=True, slots=True)
class CropReport:
    """What came of cropping.

    Attributes:
        done: pictures cropped by this run.
        reused: pictures found cropped already.
        failed: pictures without a crop.
        failures: CSV file with the path and the reason of each failure.
        manifests: a manifest a kind of crop, in the order of `kinds`.
    """

    done: int
    reused: int
    failed: int
    failures: Path
    manifests: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Clip:
    """Pictures of one clip in the order of their frames, or one still.

    Attributes:
        name: by which the journal knows it.
        samples: of the manifest.
        stems: what the crops of each are called, without suffix.
    """

    name: str
    samples: tuple[Sample, ...]
    stems: tuple[str, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """Of the pictures, as the manifest names them."""
        return tuple(sample.path for sample in self.samples)


class CropEntry(msgspec.Struct, frozen=True):
    """The face of one picture, and its crops.

    Attributes:
        path: of the picture, in the manifest.
        file: of the crops, in the folder of each kind.
        faces: where the face is in each crop, in its pixels, by kind.
    """

    path: str
    file: str
    faces: dict[CropKind, FaceRecord]


class ClipRecord(Record, frozen=True, kw_only=True):
    """What came of one clip or still."""

    crops: tuple[CropEntry, ...]


def crop_faces(
    manifest: Path,
    out: Path,
    *,
    kinds: Sequence[CropKind] = ALL_KINDS,
    workers: int = 1,
    progress: bool = False,
) -> CropReport:
    """Cut the faces of all pictures of a manifest into `out`, going on where a run has stopped.

    A crop is a square whose side is :data:`CROP_SCALES` times the longer side of BlazeFace's box,
    rounded as the runtime does it, not resized, black outside the picture, as PNG.

    Args:
        kinds: which crops to cut.
        workers: processes; with one the work is done in this process.
        progress: show a bar on stderr, if that is a terminal.

    Raises:
        UsageError: The manifest cannot be used or lists videos, `out` cannot be written or was
            filled otherwise, or a picture has changed since it was cropped.
    """
    listed = read_manifest(manifest)
    _check(manifest, listed, kinds)
    clips = list(_clips(listed))
    filled = fill(
        out,
        listed.root,
        clips,
        partial(_Cropper, listed.root, out, tuple(kinds)),
        ClipRecord,
        settings={"made by": "dfedge data crops", "kinds": " ".join(kinds)},
        label="cropping",
        unit="picture",
        workers=workers,
        progress=progress,
    )
    manifests = tuple(_write_manifest(out, kind, clips, filled) for kind in kinds)
    good = {name: len(record.crops) for name, record in filled.records.items()}
    reused = sum(count for name, count in good.items() if name in filled.reused)
    return CropReport(
        done=sum(good.values()) - reused,
        reused=reused,
        failed=len(listed.samples) - sum(good.values()),
        failures=filled.failures,
        manifests=manifests,
    )


def follow_faces(found: Sequence[tuple[Frame, Sequence[Face]]]) -> list[Face | None]:
    """For each frame of a clip the face to crop, as the top of this file tells; None without.

    Args:
        found: frames in order of time (their pixels are not looked at), and their faces.
    """
    tracker = FaceTracker()
    tracked = [tracker.update(faces, frame) for frame, faces in found]
    weights: dict[tuple[int, int], float] = defaultdict(float)
    for (frame, _), faces in zip(found, tracked, strict=True):
        for face in faces:
            weights[frame.scene, face.track_id] += face.face.box.area * face.face.score
    followed: dict[int, int] = {}
    for (scene, track), _ in sorted(weights.items(), key=lambda item: (item[1], -item[0][1])):
        followed[scene] = track
    return [
        _of_track(faces, followed.get(frame.scene))
        for (frame, _), faces in zip(found, tracked, strict=True)
    ]


class _Cropper:
    """Cuts the crops of one clip after the other."""

    def __init__(self, root: Path, out: Path, kinds: tuple[CropKind, ...]) -> None:
        self._root = root
        self._out = out
        self._kinds = kinds
        self._finder = open_face_finder(threads=1)

    def __call__(self, clip: Clip) -> Made[ClipRecord]:
        sources = {path: Fingerprint.of(self._root / path) for path in clip.paths}
        unfinished = unfinished_folder(self._out)
        images = _Images(self._root)
        faces, failures = self._find(clip, images)
        crops: list[CropEntry] = []
        files: dict[str, int] = {}
        for sample, stem in zip(clip.samples, clip.stems, strict=True):
            if face := faces.get(sample.path):
                crops.append(CropEntry(sample.path, f"{stem}.png", {}))
                for kind in self._kinds:
                    crop, crops[-1].faces[kind] = cut_face(images.read(sample.path), face, kind)
                    name = f"{kind}/{stem}.png"
                    files[name] = _write(self._out, unfinished / name, encode_image(crop, "png"))
        record = ClipRecord(
            item=clip.name,
            sources=sources,
            files=files,
            failures=tuple(failures),
            crops=tuple(crops),
        )
        return Made(record, unfinished)

    def _find(self, clip: Clip, images: _Images) -> tuple[dict[str, Face], list[tuple[str, str]]]:
        """The face to crop by path, and (path, reason) of the pictures without one."""
        readable: list[Sample] = []
        found: list[tuple[Frame, Sequence[Face]]] = []
        failures: list[tuple[str, str]] = []
        for sample in clip.samples:
            try:
                image = images.read(sample.path)
            except MediaError as error:
                failures.append((sample.path, error.problem))
                continue
            readable.append(sample)
            found.append((_timed(image, sample), self._finder.find(image)))
        faces: dict[str, Face] = {}
        for sample, (_, all_faces), face in zip(readable, found, follow_faces(found), strict=True):
            if face is not None:
                faces[sample.path] = face
            else:
                failures.append((sample.path, OTHER_FACE if all_faces else NO_FACE))
        return faces, failures

    def close(self) -> None:
        """Free the face finder."""
        self._finder.close()


def cut_face(image: Image, face: Face, kind: CropKind) -> tuple[Image, FaceRecord]:
    """A crop of a face, and where the face is in it."""
    contract = CropContract(
        box_source=FACE_MODEL,
        margin=(CROP_SCALES[kind] - 1) / 2,
        squaring="longer_side",
        resize="stretch",
    )
    area = crop_box(face.box, contract)
    return cut(image, area), FaceRecord.of(face, left=area.left, top=area.top)


class _Images:
    """Pictures of a clip, of which the first few are kept for a second look."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._kept: dict[str, Image] = {}

    def read(self, path: str) -> Image:
        """Decode, or take what was kept."""
        if path in self._kept:
            return self._kept[path]
        image = read_image(self._root / path)
        if len(self._kept) < IMAGES_KEPT:
            self._kept[path] = image
        return image


def _write(out: Path, path: Path, data: bytes) -> int:
    with writing_to(out):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return len(data)


def _check(manifest: Path, listed: Manifest, kinds: Sequence[CropKind]) -> None:
    if not kinds or len(set(kinds)) < len(kinds) or not set(kinds) <= set(ALL_KINDS):
        raise UsageError(f"kinds must be some of {', '.join(ALL_KINDS)}, got {', '.join(kinds)}")
    videos = [sample.path for sample in listed.samples if sample.media == "video"]
    if videos:
        raise UsageError(
            f"{manifest}: lists {len(videos)} videos, the first is {videos[0]}; take their frames "
            "first (dfedge data extract) and give the manifest of those"
        )


def _clips(listed: Manifest) -> Iterator[Clip]:
    stems = names_of_outputs([sample.path for sample in listed.samples])
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in listed.samples:
        still = sample.kind == "still"
        groups[sample.path if still else f"{sample.source}:{sample.video_id}"].append(sample)
    for name, samples in groups.items():
        ordered = sorted(samples, key=lambda sample: (sample.frame, sample.path))
        yield Clip(name, tuple(ordered), tuple(stems[sample.path] for sample in ordered))


def _timed(image: Image, sample: Sample) -> Frame:
    seconds = sample.pts_seconds
    # One pixel: the tracker wants the time and the scene, and frames are kept for a whole clip.
    return Frame(
        image[:1, :1].copy(),
        sample.frame,
        sample.frame / UNTIMED_FPS if seconds is None else seconds,
        sample.scene,
    )


def _of_track(faces: Sequence[TrackedFace], track: int | None) -> Face | None:
    return next((face.face for face in faces if face.track_id == track), None)


def _write_manifest(
    out: Path, kind: CropKind, clips: Sequence[Clip], filled: Filled[ClipRecord]
) -> Path:
    samples: list[Sample] = []
    faces: dict[str, FaceRecord] = {}
    for clip in clips:
        record = filled.records.get(clip.name)
        crops = {crop.path: crop for crop in record.crops} if record else {}
        for sample in clip.samples:
            if crop := crops.get(sample.path):
                samples.append(replace(sample, path=crop.file, crop=kind))
                faces[crop.file] = crop.faces[kind]
    with writing_to(out):
        (out / kind).mkdir(exist_ok=True)
    write_faces(out / kind, faces)
    write_manifest(out / kind / MANIFEST, Manifest(out / kind, tuple(samples)))
    return out / kind / MANIFEST
