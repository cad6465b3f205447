"""What one run of ``dfedge calibrate`` does: from scores and faces to a decision."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from dfedge.bundles.bundle import Bundle
from dfedge.bundles.card import DetectorCard, Metric
from dfedge.bundles.store import resolve_detector
from dfedge.cli.outputs import OutputFile
from dfedge.errors import UsageError
from dfedge_tools.deciding.calibrate import DecisionNumbers, decide, percent
from dfedge_tools.deciding.novelty import NoveltyFound, add_novelty
from dfedge_tools.deciding.picture import draw
from dfedge_tools.deciding.platt import Fit
from dfedge_tools.deciding.promises import Limits
from dfedge_tools.deciding.quality import QualityFound, measure_quality_limits
from dfedge_tools.deciding.reference import read_reference
from dfedge_tools.deciding.table import WIDTH, render
from dfedge_tools.deciding.writing import Change, NewParts, write_decided
from dfedge_tools.evaluating.inputs import read_data, read_held_stills
from dfedge_tools.evaluating.scores import Scored, read_scores
from dfedge_tools.evaluating.scoring import BundleScorer
from dfedge_tools.exporting.bundle import read_json

SCHEMA = "dfedge.calibration/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked for; the options of the command by their names."""

    out: str
    bundle: str | None = None
    scores: Path | None = None
    clips: Path | None = None
    stills: Path | None = None
    split: str | None = None
    limits: Limits = field(default_factory=Limits)
    fit: Fit = "likelihood"
    fitted_on: str | None = None
    references: tuple[Path, ...] = ()
    novel: float = 0.01
    count: int = 2000
    layers: tuple[str, ...] = ()
    set_quality: bool = False
    name: str | None = None
    metrics: Path | None = None
    plot: OutputFile | None = None
    quiet: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What was decided and written.

    Attributes:
        out: the file of the decision, or the folder of the bundle.
        changes: of the card, where a bundle was written.
    """

    out: Path
    numbers: DecisionNumbers | None
    novelty: NoveltyFound | None
    quality: QualityFound | None
    changes: tuple[Change, ...]

    @property
    def problems(self) -> tuple[str, ...]:
        """Promises that were widened or are contradicted, a sentence each."""
        said = () if self.numbers is None else self.numbers.problems
        return said if self.novelty is None else (*said, *self.novelty.problems)

    def as_json(self) -> str:
        """One ``dfedge.calibration/1`` object, ending in a newline."""
        novelty = self.novelty
        values = {
            "schema": SCHEMA,
            "out": str(self.out),
            "decision": self.numbers,
            "novelty": novelty
            and {
                "limit": novelty.limit,
                "tensors": novelty.tensors,
                "dimensions": novelty.dimensions,
                "classes": novelty.classes,
                "groups": novelty.groups,
            },
            "quality": self.quality
            and {"limits": self.quality.limits(), "measures": self.quality.measures},
            "changes": self.changes,
            "problems": self.problems,
        }
        return msgspec.json.format(msgspec.json.encode(values), indent=2).decode() + "\n"

    def as_text(self) -> str:
        """For a terminal."""
        parts = [] if self.numbers is None else [render(self.numbers)]
        if self.novelty is not None:
            parts.append("\n".join(_novelty_lines(self.novelty)) + "\n")
        if self.quality is not None:
            parts.append("\n".join(_quality_lines(self.quality)) + "\n")
        parts.append("\n".join(_change_lines(self.changes, self.out)) + "\n")
        return "\n".join(parts)


def decide_all(request: Request) -> Done:
    """Decide, draw and write; nothing is written when any of it cannot be done.

    Raises:
        UsageError: something that was asked for cannot be.
        FidelityError: the second output would change the logits.
    """
    bundle, card = None, None
    if request.bundle is not None:
        bundle, card = resolve_detector(request.bundle)
    _check(request)
    frames, fitted_on = _frames(request)
    numbers, quality = None, None
    if frames:
        numbers = decide(frames, request.limits, fitted_on=fitted_on, fit=request.fit)
        quality = measure_quality_limits(frames, temperature=numbers.temperature, bias=numbers.bias)
    if request.set_quality and quality is None:
        raise UsageError(
            "--set-quality: the scores tell too little of size, blur and light; make them by "
            "dfedge evaluate --scores"
        )
    picture = None
    if request.plot is not None and numbers is not None:
        picture = draw(numbers, frames, request.plot.path.suffix.lower().removeprefix("."))
    changes: tuple[Change, ...] = ()
    if bundle is None or card is None:
        assert numbers is not None
        novelty = None
        _decision_file(request).write_bytes(
            msgspec.json.format(msgspec.json.encode(numbers), indent=2) + b"\n"
        )
    else:
        novelty = _novelty(request, bundle, card)
        changes = _write(request, bundle, card, numbers, novelty, quality)
    if request.plot is not None and picture is not None:
        request.plot.write_bytes(picture)
    return Done(
        out=Path(request.out),
        numbers=numbers,
        novelty=novelty,
        quality=quality,
        changes=changes,
    )


def _check(request: Request) -> None:
    """What options need of each other."""
    if request.scores is not None and request.clips is not None:
        raise UsageError("--scores and --clips: give one of them")
    if request.stills is not None and request.clips is None:
        raise UsageError("--stills: is scored beside --clips; give that too")
    if request.split is not None and request.clips is None:
        raise UsageError("--split: is of --clips, which was not given")
    if request.bundle is None:
        for name, value in (
            ("--clips", request.clips),
            ("--reference", request.references),
            ("--set-quality", request.set_quality),
            ("--name", request.name),
            ("--metrics", request.metrics),
        ):
            if value:
                raise UsageError(f"{name}: needs a bundle; give its name or folder first")
        if request.scores is None:
            raise UsageError("--scores: is missing; give a table of scores (see --help)")
        _decision_file(request)
    elif request.scores is None and request.clips is None and not request.references:
        raise UsageError("nothing to do: give --scores, --clips or --reference")
    if request.plot is not None and request.scores is None and request.clips is None:
        raise UsageError("--plot: draws scores; give --scores or --clips")


def _decision_file(request: Request) -> OutputFile:
    inputs = [] if request.scores is None else [str(request.scores)]
    return OutputFile.prepare("--out", request.out, inputs)


def _frames(request: Request) -> tuple[list[Scored], str]:
    """Scores that were given or are made now, and what the card is to call them."""
    if request.scores is not None:
        return read_scores(request.scores), request.fitted_on or request.scores.name
    if request.clips is None or request.bundle is None:
        return [], ""
    data = read_data(request.clips, split=request.split)
    clips, named = list(data.clips), data.name
    if request.stills is not None:
        stills = read_held_stills(request.stills)
        clips += stills.clips
        named = f"{named}; {stills.name}"
    scorer = BundleScorer(request.bundle)
    try:
        table, unreadable = scorer.score(clips, what="scores", quiet=request.quiet)
    finally:
        scorer.close()
    if unreadable:
        raise UsageError(f"{len(unreadable)} inputs cannot be read, the first: {unreadable[0]}")
    return list(table.frames), request.fitted_on or named


def _novelty(request: Request, bundle: Bundle, card: DetectorCard) -> NoveltyFound | None:
    if not request.references:
        return None
    reference = read_reference(
        request.references, bundle, card, count=request.count, quiet=request.quiet
    )
    return add_novelty(bundle, card, reference, share=request.novel, layers=request.layers)


def _write(
    request: Request,
    bundle: Bundle,
    card: DetectorCard,
    numbers: DecisionNumbers | None,
    novelty: NoveltyFound | None,
    quality: QualityFound | None,
) -> tuple[Change, ...]:
    metrics = None
    if request.metrics is not None:
        metrics = read_json(request.metrics, tuple[Metric, ...], option="--metrics")
    parts = NewParts(
        numbers=numbers,
        novelty=None if novelty is None else novelty.limit,
        quality=quality.limits() if request.set_quality and quality is not None else None,
        model=None if novelty is None else novelty.model,
        metrics=metrics,
    )
    return write_decided(Path(request.out), bundle, card, parts, name=request.name)


def _novelty_lines(found: NoveltyFound) -> Iterator[str]:
    learned = ", ".join(f"{count} {name}" for name, count in found.classes.items())
    numbers, kept = found.dimensions
    yield from textwrap.wrap(
        f"novelty: distance of {', '.join(found.tensors)} ({kept} of {numbers} dimensions) from "
        f"{learned}",
        WIDTH,
        subsequent_indent="  ",
    )
    yield f"above {found.limit.threshold:g} a face is out of distribution"
    for group in found.groups:
        share = group.flagged
        yield (
            f"  {group.name:8}{share.count:6}  median {group.median:.2f}, flagged on people left "
            f"out {percent(share.value)} ({percent(share.low)} to {percent(share.high)})"
        )
    for said in found.problems:
        yield from textwrap.wrap(f"note: {said}", WIDTH, subsequent_indent="      ")


def _quality_lines(found: QualityFound) -> Iterator[str]:
    limits = found.limits()
    yield f"quality of {found.frames} frames, and the share on the wrong side of 0.5 in each band"
    for entry in found.measures:
        yield f"  {entry.name}"
        for band in entry.bands:
            error = band.error
            yield (
                f"    {band.low:9.1f} to {band.high:9.1f}{error.count:7}  {percent(error.value)} "
                f"({percent(error.low)} to {percent(error.high)})"
            )
    yield (
        f"proposed limits: face {limits.min_face_pixels:g} pixels, sharpness "
        f"{limits.min_sharpness:g}, brightness {limits.min_brightness:g} to "
        f"{limits.max_brightness:g} (--set-quality writes them)"
    )


def _change_lines(changes: tuple[Change, ...], out: Path) -> Iterator[str]:
    if not changes:
        yield f"written to {out}"
        return
    yield f"written to {out}; changed in the card:"
    for change in changes:
        yield from textwrap.wrap(
            f"{change.field}: {change.before} -> {change.after}",
            WIDTH,
            initial_indent="  ",
            subsequent_indent="    ",
        )
