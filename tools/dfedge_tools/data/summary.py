"""A manifest in a few lines, and the leaks between its splits, for the terminal."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import get_args

from dfedge_tools.data.layouts import LAYOUTS, LeftOut
from dfedge_tools.data.leaks import Leaks, Shared
from dfedge_tools.data.manifest import Sample, Split

SHOWN = 10
"""Files or leaks of a kind that are named on the terminal; --json names all."""


def counts(samples: Iterable[Sample]) -> list[dict[str, object]]:
    """Rows, real, fake, clips and people of each split, and rows of each method."""
    by_split: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        by_split[sample.split].append(sample)
    return [
        {
            "split": split,
            "rows": len(part),
            "real": sum(sample.label == 0 for sample in part),
            "fake": sum(sample.label == 1 for sample in part),
            "clips": len({(s.source, s.video_id) for s in part if s.kind == "clip"}),
            "people": len({(s.source, i) for s in part for i in (s.target_id, s.source_id) if i}),
            "methods": dict(sorted(Counter(sample.method for sample in part).items())),
        }
        for split, part in sorted(by_split.items(), key=lambda item: get_args(Split).index(item[0]))
    ]


def counts_text(samples: Sequence[Sample]) -> str:
    """The counts as a table."""
    columns = ("rows", "real", "fake", "clips", "people")
    lines = ["split   " + "".join(f"{name:>9}" for name in columns) + "  methods"]
    for row in counts(samples):
        numbers = "".join(f"{row[name]:>9,}" for name in columns)
        methods = row["methods"]
        assert isinstance(methods, dict)
        lines.append(f"{row['split'] or '(none)':<8}{numbers}  {', '.join(methods)}")
    return "\n".join(lines)


def left_out_text(left_out: Sequence[LeftOut]) -> str:
    """Which files have no row, and why."""
    lines = [f"left out: {item.path}: {item.reason}" for item in left_out[:SHOWN]]
    if len(left_out) > SHOWN:
        lines.append(f"left out: {len(left_out) - SHOWN} more; --json names all")
    return "\n".join(lines)


def layouts_text() -> str:
    """Every layout, with what it expects."""
    lines: list[str] = []
    for layout in LAYOUTS:
        lines += [f"{layout.name}: {layout.title}", *(f"    {text}" for text in layout.expects), ""]
    return "\n".join(lines[:-1])


def leaks_text(leaks: Leaks) -> str:
    """What was compared, what was found, and what was not looked at."""
    of = ", ".join(f"{split} {count:,}" for split, count in leaks.rows.items())
    lines = [f"compared: {of}"]
    for kind, found in (
        ("people", leaks.identities),
        ("clips", leaks.clips),
        ("equal files", leaks.files),
    ):
        lines.append(f"{kind} in several splits: {len(found):,}")
        lines += [f"    {_shared_text(item)}" for item in found[:SHOWN]]
        lines += _more(len(found))
    pairs = len(leaks.pictures) + leaks.more_pictures
    lines.append(f"pictures that look alike: {pairs:,}")
    lines += [
        f"    {pair.distance:>2} bits: {pair.splits[0]} {pair.paths[0]}, "
        f"{pair.splits[1]} {pair.paths[1]}"
        for pair in leaks.pictures[:SHOWN]
    ]
    lines += _more(pairs)
    if leaks.videos:
        lines.append(
            f"not compared: how {leaks.videos:,} videos look; check their frames after extraction"
        )
    if leaks.undivided:
        lines.append(f"not compared: {leaks.undivided:,} rows without a split")
    lines += [f"cannot be read: {path}: {why}" for path, why in leaks.unreadable[:SHOWN]]
    lines += _more(len(leaks.unreadable))
    lines.append(f"{leaks.count:,} leaks" if leaks.count else "no leaks")
    return "\n".join(lines)


def _shared_text(item: Shared) -> str:
    where = ", ".join(
        f"{split} {count:,} ({item.examples[split]})" for split, count in item.rows.items()
    )
    return f"{item.name}: {where}"


def _more(count: int) -> list[str]:
    return [f"    and {count - SHOWN:,} more; --json names them"] if count > SHOWN else []
