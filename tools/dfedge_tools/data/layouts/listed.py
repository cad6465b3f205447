"""A list that is there already: ``manifest.csv`` with a column ``path`` and whatever else is known.

Documented in :mod:`dfedge_tools.data.manifest`; the list may have ``path``, ``label`` and
``source`` alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dfedge.errors import UsageError
from dfedge_tools.data.layouts.layout import Layout, LeftOut
from dfedge_tools.data.manifest import MANIFEST, Sample, read_manifest


def _read(root: Path, label: int | None) -> Iterator[Sample | LeftOut]:
    manifest = read_manifest(root, label=label)
    if manifest.root.resolve() != root.resolve():
        raise UsageError(f"{root / MANIFEST}: is a manifest of {manifest.root}; give that folder")
    yield from manifest.samples


LAYOUT = Layout(
    name="listed",
    title="A manifest.csv that is there already",
    expects=(
        "manifest.csv: path, label (1 fake, 0 real; or --label), and any column of a manifest",
    ),
    looks_for=(MANIFEST,),
    read=_read,
    takes_label=True,
    general=True,
)
