"""Layouts of data sets: one file each, found by name or by what lies in a folder."""

from __future__ import annotations

from pathlib import Path

from dfedge.errors import UsageError
from dfedge_tools.data.layouts import (
    celebdf,
    deepfaketimit,
    dfdc,
    faceforensics,
    folders,
    inswapper,
    kodf,
    listed,
)
from dfedge_tools.data.layouts.layout import Layout, LeftOut
from dfedge_tools.data.manifest import Sample

__all__ = ["LAYOUTS", "Layout", "LeftOut", "find_layout", "read_layout"]

LAYOUTS = (
    faceforensics.LAYOUT,
    celebdf.LAYOUT,
    dfdc.LAYOUT,
    deepfaketimit.LAYOUT,
    kodf.LAYOUT,
    inswapper.LAYOUT,
    folders.LAYOUT,
    listed.LAYOUT,
)
"""General ones last: of several that are recognized the first is taken."""


def find_layout(root: Path, name: str = "auto") -> Layout:
    """The layout of a name, or the one that `root` has.

    Raises:
        UsageError: There is no such folder, or it does not have the layout, or none that is known,
            or several.
    """
    if not root.is_dir():
        raise UsageError(f"{root}: is no folder; give the folder that the data set lies in")
    names = [layout.name for layout in LAYOUTS]
    if name not in ("auto", *names):
        raise UsageError(f"--layout {name}: is none of auto, {', '.join(names)}")
    wanted = [layout for layout in LAYOUTS if name in ("auto", layout.name)]
    found = [layout for layout in wanted if layout.recognizes(root)]
    special = [layout for layout in found if not layout.general]
    if len(special) > 1:
        both = " and ".join(layout.name for layout in special)
        raise UsageError(f"{root}: looks like {both}; say which by --layout")
    if not found:
        looked = "".join(f"\n  {layout.name}: {' or '.join(layout.looks_for)}" for layout in wanted)
        raise UsageError(
            f"{root}: has nothing of {'any known layout' if name == 'auto' else name}; is it the "
            f"folder above or below? (dfedge data layouts tells more.) Looked for{looked}"
        )
    return (special or found)[0]


def read_layout(
    root: Path, layout: Layout, *, label: int | None = None
) -> tuple[list[Sample], list[LeftOut]]:
    """All rows, sorted by path, and the files that got none.

    Raises:
        UsageError: A list or table of the data set cannot be read, or there is no sample at all.
    """
    if label is not None and not layout.takes_label:
        raise UsageError(f"--label: the layout {layout.name} tells the label of every file")
    samples: list[Sample] = []
    left_out: list[LeftOut] = []
    for item in layout.read(root, label):
        if isinstance(item, Sample):
            samples.append(item)
        else:
            left_out.append(item)
    if not samples:
        why = f" ({left_out[0].path}: {left_out[0].reason})" if left_out else ""
        raise UsageError(f"{root}: holds no file that fits the layout {layout.name}{why}")
    return sorted(samples, key=lambda sample: sample.path), left_out
