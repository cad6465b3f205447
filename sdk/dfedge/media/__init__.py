"""Media: any source to upright RGB frames with exact times, decoded in a thread of its own."""

from __future__ import annotations

from dfedge.media.info import MediaInfo, MediaLimits, Sampling, Source
from dfedge.media.inputs import expand_inputs
from dfedge.media.open import open_live, open_media
from dfedge.media.reader import MediaReader

__all__ = [
    "MediaInfo",
    "MediaLimits",
    "MediaReader",
    "Sampling",
    "Source",
    "expand_inputs",
    "open_live",
    "open_media",
]
