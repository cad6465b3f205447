"""The videos by what they have in common: method, compression, source, face size, blur, light."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np

from dfedge.verdict import Label
from dfedge_tools.evaluating.bootstrap import group_numbers, ranking_figures
from dfedge_tools.evaluating.estimates import Estimate, estimates, share
from dfedge_tools.evaluating.results import GroupFigures, Shares
from dfedge_tools.evaluating.units import Video, video_units

FACE_PIXELS = (64.0, 96.0, 128.0, 192.0, 256.0)
"""Shorter side of the face box."""
SHARPNESS = (50.0, 100.0, 200.0, 400.0, 800.0)
"""Variance of the Laplacian at 112 x 112 (`dfedge.crops.measure_quality`)."""
BRIGHTNESS = (60.0, 90.0, 120.0, 150.0, 180.0)
"""Mean grey, 0 to 255."""

LABELS = (Label.FAKE, Label.UNCERTAIN, Label.REAL, Label.NO_FACE)


def group_figures(videos: Sequence[Video], *, least: int) -> tuple[GroupFigures, ...]:
    """The clips by each of their properties that is known and not the same for all.

    A method is set against the genuine clips of all of them; the rest compares within itself.
    """
    rows = [
        row
        for by, names in _NAMES.items()
        for row in _of_one(by, [(video, names(video)) for video in videos], least)
    ]
    for by, edges, value in _MEASURES:
        named = [(video, _bin(value(video), edges)) for video in videos]
        order = {name: place for place, name in enumerate(_bin_names(edges))}
        found = _of_one(by, named, least)
        rows += sorted(found, key=lambda row: order[row.name])
    return tuple(rows)


def shares(videos: Sequence[Video], *, least: int = 1) -> tuple[Shares, ...]:
    """What the videos of each method, and the stills of each source, were called."""
    named: dict[tuple[str, int, str], list[Video]] = {}
    for video in videos:
        first = video.first
        kind = "still" if video.is_still else "clip"
        name = first.source if video.is_still else first.method or "unknown"
        named.setdefault((kind, first.label, name), []).append(video)
    return tuple(
        Shares(
            kind="still" if kind == "still" else "clip",
            name=name,
            label=label,
            count=len(members),
            called=called(members, least=least),
        )
        for (kind, label, name), members in sorted(named.items())
    )


def called(videos: Sequence[Video], *, least: int = 1) -> dict[str, Estimate]:
    """The shares of the four labels."""
    groups = group_numbers([video.first.person for video in videos])
    return {
        label.value: share(
            np.array([video.label is label for video in videos], np.bool_),
            groups,
            least=least,
            what="videos",
        )
        for label in LABELS
    }


def _of_one(by: str, named: Sequence[tuple[Video, str]], least: int) -> Iterator[GroupFigures]:
    names = sorted({name for _, name in named if name})
    if by == "method":
        names = sorted({name for video, name in named if name and video.first.label})
    if len(names) < 2 and by != "method":
        return
    for name in names:
        genuine_of_all = by == "method"
        members = [
            video
            for video, own in named
            if own == name or (genuine_of_all and not video.first.label)
        ]
        yield _figures(by, name, members, least)


def _figures(by: str, name: str, members: Sequence[Video], least: int) -> GroupFigures:
    fakes = [video for video in members if video.first.label]
    reals = [video for video in members if not video.first.label]
    found = estimates(video_units(members), ranking_figures, least=least)
    return GroupFigures(
        by=by,
        name=name,
        fakes=len(fakes),
        reals=len(reals),
        figures={
            "auc": found.get("auc", Estimate(why="no video has a face")),
            "fpr": _share_called(reals, Label.FAKE, least, "genuine"),
            "fnr": _share_called(fakes, Label.REAL, least, "fake"),
        },
    )


def _share_called(videos: Sequence[Video], label: Label, least: int, what: str) -> Estimate:
    chosen = np.array([video.label is label for video in videos], np.bool_)
    return share(
        chosen, group_numbers([video.first.person for video in videos]), least=least, what=what
    )


def _bin(value: float | None, edges: Sequence[float]) -> str:
    if value is None:
        return ""
    return _bin_names(edges)[sum(value >= edge for edge in edges)]


def _bin_names(edges: Sequence[float]) -> list[str]:
    between = [f"{a:g} to {b:g}" for a, b in pairwise(edges)]
    return [f"under {edges[0]:g}", *between, f"from {edges[-1]:g}"]


_NAMES: dict[str, Callable[[Video], str]] = {
    "method": lambda video: video.first.method,
    "compression": lambda video: video.first.compression,
    "source": lambda video: video.first.source,
}
_MEASURES: tuple[tuple[str, Sequence[float], Callable[[Video], float | None]], ...] = (
    ("face size", FACE_PIXELS, lambda video: video.face_pixels),
    ("sharpness", SHARPNESS, lambda v: None if v.quality is None else v.quality.sharpness),
    ("light", BRIGHTNESS, lambda v: None if v.quality is None else v.quality.brightness),
)
