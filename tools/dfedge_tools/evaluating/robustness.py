"""What happens to a detector when the same pictures are compressed, shrunk, blurred or cut askew.

Each disturbance is applied to the picture, and the picture goes the SDK's whole way again: a face
that is no longer found is lost, as it would be in use. Every level is compared with the undisturbed
scores of the same videos, identity by identity, so that the interval of the change is far narrower
than that of either AUC.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import cv2
import numpy as np

from dfedge.types import Box, Image
from dfedge_tools.evaluating.bootstrap import ranking_figures
from dfedge_tools.evaluating.estimates import Estimate, difference, estimates
from dfedge_tools.evaluating.evaluation import Rule
from dfedge_tools.evaluating.groups import LABELS
from dfedge_tools.evaluating.inputs import Clip
from dfedge_tools.evaluating.results import Robustness
from dfedge_tools.evaluating.scores import ScoreTable
from dfedge_tools.evaluating.scoring import BundleScorer, Disturbance
from dfedge_tools.evaluating.units import Video, judge_videos, video_units
from dfedge_tools.fakes.camera import noisy, resized
from dfedge_tools.fakes.codecs import jpeg, video

SAMPLE = 40
"""Videos the sweep takes unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """One kind of disturbance.

    Attributes:
        levels: from mild to strong.
        make: a level to what it does.
    """

    kind: str
    levels: tuple[float, ...]
    make: Callable[[float], Disturbance]


def run_sweeps(
    scorer: BundleScorer,
    clips: Sequence[Clip],
    clean: ScoreTable,
    rule: Rule,
    *,
    least: int,
    quiet: bool,
) -> tuple[Robustness, ...]:
    """Every level of every sweep on the clips, whose undisturbed rows are in `clean`."""
    chosen = {clip.row.clip for clip in clips}
    kept = ScoreTable(
        tuple(row for row in clean.frames if row.clip in chosen),
        tuple(row for row in clean.faceless if row.clip in chosen),
    )
    before = judge_videos(kept, rule.decision, clip_frames=rule.clip_frames)
    out = []
    for sweep in SWEEPS:
        for level in sweep.levels:
            what = f"{sweep.kind} {level:g}"
            table, _ = scorer.score(clips, sweep.make(level), what=what, quiet=quiet)
            after = judge_videos(table, rule.decision, clip_frames=rule.clip_frames)
            out.append(compare(sweep.kind, level, before, after, least=least))
    return tuple(out)


def compare(
    kind: str, level: float, before: Sequence[Video], after: Sequence[Video], *, least: int
) -> Robustness:
    """What a disturbance did to the videos that had a face before it."""
    then = {video.first.clip: video for video in after}
    pairs = [
        (video, then[video.first.clip])
        for video in before
        if video.logit is not None and video.first.clip in then
    ]
    scored = [(a, b) for a, b in pairs if b.logit is not None]
    clean, changed = (video_units([pair[side] for pair in scored]) for side in (0, 1))
    none = Estimate(why="no face was found in any video")
    return Robustness(
        kind=kind,
        level=level,
        videos=len(pairs),
        lost=len(pairs) - len(scored),
        auc=estimates(changed, ranking_figures, least=least).get("auc", none),
        change=difference(clean, changed, least=least) if scored else none,
        called={
            label.value: sum(b.label is label for _, b in pairs) / len(pairs) for label in LABELS
        }
        if pairs
        else {},
    )


def stratified(clips: Sequence[Clip], count: int, *, seed: int = 0) -> list[Clip]:
    """As many clips, taken in turn from each label, method and compression, chosen by hash."""
    strata: dict[tuple[int, str, str], list[Clip]] = {}
    for clip in clips:
        row = clip.row
        strata.setdefault((row.label, row.method, row.compression), []).append(clip)
    ranked = {key: sorted(part, key=lambda c: _rank(c, seed)) for key, part in strata.items()}
    by_label = [
        _by_turns([part for key, part in sorted(ranked.items()) if key[0] == label])
        for label in (0, 1)
    ]
    chosen = {id(clip) for clip in _by_turns(by_label)[:count]}
    return [clip for clip in clips if id(clip) in chosen]


def _by_turns(parts: Sequence[Sequence[Clip]]) -> list[Clip]:
    return [clip for turn in zip_longest(*parts) for clip in turn if clip is not None]


def _rank(clip: Clip, seed: int) -> int:
    return zlib.crc32(f"{seed}:{clip.row.source}/{clip.row.video_id}".encode())


def _changing(change: Callable[[Image, int], Image]) -> Disturbance:
    return Disturbance(change=change)


def _jpeg(quality: float) -> Disturbance:
    return _changing(lambda image, _: jpeg(image, int(quality)))


def _h264(quantizer: float) -> Disturbance:
    return _changing(lambda image, _: video([image], "h264", quantizer=int(quantizer))[0])


def _resize(factor: float) -> Disturbance:
    return _changing(lambda image, _: resized(image, factor, cv2.INTER_AREA, cv2.INTER_LINEAR))


def _blur(sigma: float) -> Disturbance:
    return _changing(lambda image, _: np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8))


def _noise(sigma: float) -> Disturbance:
    return _changing(lambda image, number: noisy(image, sigma, seed=number))


def _shift(part: float) -> Disturbance:
    """By a part of the face's longer side: right, down, left, up by turns."""

    def move(box: Box, number: int) -> Box:
        by = part * max(box.width, box.height)
        right, down = ((1, 0), (0, 1), (-1, 0), (0, -1))[number % 4]
        return box.shifted(by * right, by * down)

    return Disturbance(move=move)


def _scale(factor: float) -> Disturbance:
    def move(box: Box, number: int) -> Box:
        x, y = box.center
        half_width, half_height = box.width * factor / 2, box.height * factor / 2
        return Box(x - half_width, y - half_height, x + half_width, y + half_height)

    return Disturbance(move=move)


SWEEPS = (
    Sweep("JPEG quality", (90, 70, 50, 30, 15), _jpeg),
    Sweep("H.264 quantizer", (18, 23, 28, 33, 38, 43), _h264),
    Sweep("resize factor", (0.75, 0.5, 0.35, 0.25), _resize),
    Sweep("blur sigma (pixels)", (0.5, 1, 2, 3), _blur),
    Sweep("noise sigma (grey levels)", (2, 5, 10, 20), _noise),
    Sweep("crop shift (share of the face)", (0.05, 0.1, 0.2), _shift),
    Sweep("crop scale", (0.8, 0.9, 1.1, 1.25), _scale),
)
