"""From sources to a folder of explanations."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pictures
from tqdm import tqdm

from dfedge import __version__
from dfedge.bundles.bundle import Bundle
from dfedge.crops import Preprocessor
from dfedge.errors import MediaError, MediaFormatError, UsageError
from dfedge.faces import open_face_finder
from dfedge.media import open_media
from dfedge.report.wording import clock, percent, person
from dfedge.types import Image
from dfedge_tools.explaining.drawing import SheetText, draw_overlay, draw_sheet
from dfedge_tools.explaining.explainer import RANDOM, Explainer
from dfedge_tools.explaining.faces import Looker, Person, SeenFace
from dfedge_tools.explaining.results import (
    Explanations,
    FaceResult,
    FailureResult,
    MapResult,
    SourceResult,
    write_results,
)
from dfedge_tools.explaining.video import map_frames, write_video

VIDEO_FRAMES = 48
"""Frames of a clip that are looked at, spread evenly; they also make its video."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is made of each source.

    Attributes:
        frames: of a clip that are explained in full, spread evenly over those with the person.
        track: of the person explained; None for the most suspicious.
        scores: whether maps are judged.
        video: whether clips give a video.
        save_maps: whether maps are written as arrays too.
    """

    frames: int
    track: int | None = None
    scores: bool = True
    video: bool = True
    save_maps: bool = False
    quiet: bool = False


@contextmanager
def output_folder(out: Path) -> Iterator[Path]:
    """A folder that takes its place when all is done, unless it is empty then.

    Nothing of it stays where the work breaks off.

    Raises:
        UsageError: something is there already, or it cannot be made.
    """
    try:
        if out.is_symlink() or (out.exists() and (not out.is_dir() or any(out.iterdir()))):
            raise UsageError(f"--out {out}: there is something already; name a new folder")
        parent = out.absolute().parent
        parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".dfedge-explain-", dir=parent))
    except OSError as error:
        raise UsageError(f"--out {out}: {error.strerror}; choose another place") from error
    try:
        inside = scratch / "out"
        inside.mkdir()
        yield inside
        if any(inside.iterdir()):
            if out.is_dir():
                out.rmdir()
            inside.rename(out)
    except OSError as error:
        raise UsageError(f"--out {out}: {error.strerror or error}; choose another place") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def explain_all(
    sources: Sequence[str],
    folder: Path,
    bundle: Bundle,
    explainer: Explainer,
    options: Options,
    *,
    tell: Callable[[str], object],
) -> Explanations:
    """Explain each source into a subfolder, and write what is said of all of them.

    Nothing is written when no source could be explained.

    Args:
        tell: is told why a source could not be, as soon as that is known.
    """
    done: list[SourceResult] = []
    failures: list[FailureResult] = []
    finder = open_face_finder()
    looker = Looker(explainer.card, finder, Preprocessor(bundle), explainer.scorer)
    try:
        for source, name in zip(sources, _folder_names(sources), strict=True):
            try:
                done.append(_explain(source, folder / name, looker, explainer, options))
            except MediaError as problem:
                tell(str(problem))
                failures.append(FailureResult(source=problem.source, problem=str(problem)))
    finally:
        finder.close()
        looker.preprocess.close()
    results = Explanations(
        model=f"{explainer.card.name} {explainer.card.version}",
        architecture=explainer.card.architecture,
        model_sha256=bundle.sha256,
        target=explainer.target,
        sources=tuple(done),
        failures=tuple(failures),
        dfedge_version=__version__,
    )
    if done:
        write_results(folder, results)
    return results


def _explain(
    source: str, folder: Path, looker: Looker, explainer: Explainer, options: Options
) -> SourceResult:
    wanted = max(options.frames, VIDEO_FRAMES) if options.video else options.frames
    with open_media(source, frames=wanted) as reader:
        with _bar("faces", "frame", reader.expected_frames, options) as bar:
            people = looker.people(reader, progress=bar.update)
        info = reader.info
    chosen = _choose(people, options.track, info.name)
    folder.mkdir()
    explained = _spread(chosen.faces, options.frames)
    faces = []
    with _bar("maps", "face", len(explained), options) as bar:
        for face in explained:
            faces.append(_explain_face(face, info.name, chosen, folder, explainer, options))
            bar.update()
    video = None
    if options.video and info.kind != "image" and len(chosen.faces) > 1:
        video = folder / "video.mp4"
        with _bar("video", "frame", len(chosen.faces), options) as bar:
            write_video(video, map_frames(chosen.faces, explainer, progress=bar.update))
    return SourceResult(
        name=info.name,
        people=len(people),
        track_id=chosen.verdict.track_id,
        label=chosen.verdict.label,
        fake_probability=chosen.verdict.fake_probability,
        faces=tuple(faces),
        video=None if video is None else _relative(video),
    )


def _explain_face(
    face: SeenFace, source: str, whose: Person, folder: Path, explainer: Explainer, options: Options
) -> FaceResult:
    """Write the pictures of one face and say what they are."""
    seen = face.observation
    maps = explainer.maps(face.x)
    scores = explainer.faithfulness(face.x, maps) if options.scores else {}
    picture = explainer.picture(face.x)
    remade = explainer.reconstruction(face.x)
    stem = f"frame-{seen.frame_index:06d}"
    text = SheetText(
        title=f"{Path(source).name}, {clock(seen.pts_seconds, tenths=True)}, "
        f"{person(whose.verdict.track_id)}",
        score=f"{explainer.card.name}: P(fake) {percent(seen.fake_probability)} in this frame, "
        f"{percent(whose.verdict.fake_probability)} over all looked at "
        f"({whose.verdict.label.value})",
        target=explainer.target,
    )
    sheet = draw_sheet(text, picture, maps, scores, reconstruction=remade)
    results = []
    for each in maps:
        name = f"{stem}-{_file_name(each.name)}"
        array = folder / f"{name}.npy"
        if options.save_maps:
            np.save(array, each.heat)
        results.append(
            MapResult(
                name=each.name,
                method=each.method,
                branch=each.branch,
                cells=each.cells,
                signed=each.signed,
                overlay=_write(folder / f"{name}.png", draw_overlay(picture, each.positive)),
                array=_relative(array) if options.save_maps else None,
                faithfulness=scores.get(each.name),
            )
        )
    return FaceResult(
        frame_index=seen.frame_index,
        pts_seconds=seen.pts_seconds,
        box=seen.box,
        logit=seen.logit,
        fake_probability=seen.fake_probability,
        sheet=_write(folder / f"{stem}-sheet.png", sheet),
        reconstruction=None
        if remade is None
        else _write(folder / f"{stem}-reconstruction.png", remade),
        maps=tuple(results),
        random=scores.get(RANDOM),
    )


def _choose(people: Sequence[Person], track: int | None, source: str) -> Person:
    """The most suspicious person, or the one of a track."""
    if track is None:
        return people[0]
    for each in people:
        if each.verdict.track_id == track:
            return each
    known = ", ".join(sorted(str(each.verdict.track_id) for each in people))
    raise MediaFormatError(source, f"has no track {track}; its tracks are {known}")


def _spread(faces: Sequence[SeenFace], count: int) -> list[SeenFace]:
    count = min(count, len(faces))
    return [faces[(2 * step + 1) * len(faces) // (2 * count)] for step in range(count)]


def _folder_names(sources: Sequence[str]) -> list[str]:
    """A folder for each source: its file's name, with a number where that is taken."""
    names: list[str] = []
    for source in sources:
        plain = _file_name(Path(source.split("?")[0]).stem) or "source"
        name, number = plain, 1
        while name in names:
            number += 1
            name = f"{plain}-{number}"
        names.append(name)
    return names


def _file_name(text: str) -> str:
    """Letters, digits and little else, so that it is a file name and an address everywhere."""
    return re.sub(r"[^A-Za-z0-9_.+-]+", "-", text).strip("-.")[:80]


def _relative(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _write(path: Path, picture: Image) -> str:
    Pictures.fromarray(picture).save(path, compress_level=3)
    return _relative(path)


def _bar(what: str, unit: str, total: int | None, options: Options) -> Any:
    hidden = options.quiet or None  # None: hidden where stderr is no terminal
    return tqdm(desc=what, unit=unit, total=total, leave=False, disable=hidden)
