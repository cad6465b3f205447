"""FaceForensics++ and the Deep Fake Detection (DFD) set that comes with it.

Documented in ``dataset/README.md`` of ondyari/FaceForensics (Roessler et al., ICCV 2019): folders,
names of the form ``TARGET_SOURCE``, for actors ``TARGET_SOURCE__SCENE__ID``; the official split is
``dataset/splits/{train,val,test}.json`` there, lists of pairs of numbers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

from dfedge.errors import UsageError
from dfedge_tools.data.layouts.layout import Layout, LeftOut, MediaFile, clip_sample, media_files
from dfedge_tools.data.manifest import Sample, Split

_KINDS = ("videos", "images", "frames")
_SEQUENCE = re.compile(r"(?P<target>\d{3})(_(?P<source>\d{3}))?")
_ACTORS = re.compile(r"(?P<target>\d\d)(_(?P<source>\d\d))?__(?P<scene>.+)")


def _read(root: Path, _label: int | None) -> Iterator[Sample | LeftOut]:
    splits = _official_splits(root)
    for top in ("original_sequences", "manipulated_sequences"):
        # Masks and models lie beside the videos and are no samples.
        for folder in sorted(path for kind in _KINDS for path in (root / top).glob(f"*/*/{kind}")):
            for file in media_files(root, folder):
                yield _sample(file, splits)


def _sample(file: MediaFile, splits: Mapping[str, Split]) -> Sample | LeftOut:
    top, method, compression = file.path.split("/")[:3]
    fake = top == "manipulated_sequences"
    actors = method in {"actors", "DeepFakeDetection"}
    match = (_ACTORS if actors else _SEQUENCE).fullmatch(file.clip)
    if match is None or fake != bool(match["source"]):
        wanted = ("01_02__SCENE__ID" if fake else "01__SCENE") if actors else ""
        wanted = wanted or ("033_097" if fake else "033")
        return LeftOut(file.path, f"its clip is not named as {wanted}")
    target, other = match["target"], match["source"] or ""
    # A fake's scene is followed by the number of the experiment, an original's is not.
    scene = f"__{match['scene'].rpartition('__')[0] if fake else match['scene']}" if actors else ""
    return clip_sample(
        file,
        source="dfd" if actors else "ffpp",
        label=int(fake),
        method=method,
        compression=compression,
        split="" if actors else _split_of(target, other, splits),
        video_id=f"{method if fake else 'original'}_{compression}_{file.clip}",
        original=f"original_{compression}_{target}{scene}",
        target_id=target,
        source_id=other,
    )


def _split_of(target: str, source: str, splits: Mapping[str, Split]) -> Split:
    """Of both sequences; none where they differ, as in fakes of other pairs than the official."""
    split = splits.get(target, "")
    return split if not source or splits.get(source, "") == split else ""


def _official_splits(root: Path) -> dict[str, Split]:
    found: dict[str, Split] = {}
    for split in get_args(Split):
        for file in (root / "splits" / f"{split}.json", root / f"{split}.json"):
            if not split or not file.is_file():
                continue
            try:
                found |= {f"{n:>03}": split for pair in json.loads(file.read_bytes()) for n in pair}
            except (ValueError, TypeError) as error:
                raise UsageError(f"{file}: is no list of pairs of sequences ({error})") from error
    return found


LAYOUT = Layout(
    name="faceforensics",
    title="FaceForensics++ and DFD",
    expects=(
        "original_sequences/{youtube,actors}/{raw,c23,c40}/videos/*.mp4",
        "manipulated_sequences/METHOD/{raw,c23,c40}/videos/TARGET_SOURCE.mp4",
        "(or images/TARGET_SOURCE/*.png in place of videos)",
        "splits/{train,val,test}.json: the official split, if there",
    ),
    looks_for=("original_sequences/*/*", "manipulated_sequences/*/*"),
    read=_read,
)
