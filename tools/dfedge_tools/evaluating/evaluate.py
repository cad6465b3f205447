"""How well a bundle does on labelled frames, scored exactly as the SDK scores them.

    python -m dfedge_tools.evaluating.evaluate --bundle dfedge-b0 --frames ../shared/data/ffpp_frames

Each stored frame goes the runtime's way: BlazeFace, the crop of the card, ``preprocess.onnx``,
``model.onnx``. The score of a video is the mean logit of its frames. Of several faces the one
nearest the centre counts, since the stored frames are cut about one; where none is found, the
frame is searched again with a border, and else left out and counted.

Reported: video AUC over all, by method and by compression, with a 95% interval by bootstrap over
identities; the shares called FAKE, UNCERTAIN and REAL by the card; the calibration error. With
``--stills`` also the false alarms on genuine stills that were held back from training.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from tqdm import tqdm

from dfedge.bundles.card import Decision, DetectorCard, Metric
from dfedge.bundles.store import resolve_detector
from dfedge.crops import Preprocessor, crop_box, cut
from dfedge.errors import DfedgeError
from dfedge.faces import FaceFinder, open_face_finder
from dfedge.runtime import OnnxModel, open_model
from dfedge.scoring import calibrate, fake_logits, judge_probability
from dfedge.types import Box, Image
from dfedge_tools.data.manifest import Sample, read_clip_frames, read_stills
from dfedge_tools.data.pack import (
    HELD_FRACTION,
    SPLIT_SEED,
    central_face,
)
from dfedge_tools.data.store import read_image
from dfedge_tools.evaluating.metrics import (
    Scored,
    auc_table,
    bootstrap_interval,
    expected_calibration_error,
    videos,
)
from dfedge_tools.training.validate import write_scores


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What is reported; shares and probabilities 0 to 1.

    Attributes:
        video_auc: Over all, by method, by compression.
        interval: 95% of the AUC over all, by bootstrap over identities.
        calibration_error: Of the card's probabilities on videos, five bins.
        shares: Group -> share of videos (or stills) called FAKE, UNCERTAIN, REAL.
        counts: Group -> number of videos (or stills).
        frames: Frames scored.
        frames_without_face: Frames left out.
    """

    bundle: str
    video_auc: dict[str, float]
    interval: tuple[float, float]
    calibration_error: float
    shares: dict[str, dict[str, float]]
    counts: dict[str, int]
    frames: int
    frames_without_face: int


class BundleScorer:
    """Scores stored pictures through the SDK's own face finder, crops and runtime.

    Raises:
        BundleError: The bundle is not there, not sound, or no detector.
    """

    def __init__(self, bundle: str | Path) -> None:
        opened, self.card = resolve_detector(bundle)
        self._preprocess = Preprocessor(opened)
        self._model: OnnxModel = open_model(opened, device="cpu")
        self._finder: FaceFinder = open_face_finder()

    def logit(self, image: Image) -> float | None:
        """Log-odds of *fake* of the central face, or None where no face is found."""
        face = central_face(image, self._finder)
        if face is None:
            return None
        crop = cut(image, crop_box(Box(*face.box), self.card.crop), self.card.crop.pad_value)
        feeds = {self.card.input.name: self._preprocess([crop])}
        outputs = self._model.run(feeds)[self.card.output.name]
        return float(fake_logits(outputs, self.card.output)[0])

    def close(self) -> None:
        """Free the models."""
        self._preprocess.close()
        self._model.close()
        self._finder.close()


def score_samples(
    scorer: BundleScorer, folder: Path, samples: Sequence[Sample], *, quiet: bool = False
) -> tuple[list[Scored], int]:
    """Scores of the samples, and how many had no face."""
    scored: list[Scored] = []
    missed = 0
    for s in tqdm(samples, desc=folder.name, unit="frame", disable=quiet, mininterval=1):
        logit = scorer.logit(read_image(folder / s.path))
        if logit is None:
            missed += 1
            continue
        scored.append(
            Scored(s.video_id, s.label, s.method, s.compression, s.source, s.split, logit)
        )
    return scored, missed


def evaluate(
    scored: Sequence[Scored], targets: dict[str, str], card: DetectorCard, *, missed: int
) -> Evaluation:
    """The figures of scored frames; `targets` maps a video to its identity.

    Raises:
        ValueError: Genuine or fake clips are missing.
    """
    everything = videos(scored)
    clips = [v for v in everything if v.split != "held"]
    stated = [calibrate(v.logit, card.decision.calibration) for v in clips]
    return Evaluation(
        bundle=f"{card.name} {card.version}",
        video_auc=auc_table(clips),
        interval=bootstrap_interval(clips, targets, rounds=1000, seed=0),
        calibration_error=expected_calibration_error([v.label for v in clips], stated, bins=5),
        shares=_shares(everything, card.decision),
        counts=dict(sorted(Counter(_group(v) for v in everything).items())),
        frames=len(scored),
        frames_without_face=missed,
    )


def card_metrics(result: Evaluation, *, clips: str, stills: str) -> tuple[Metric, ...]:
    """The figures as a card states them.

    Args:
        clips, stills: what the data are called.
    """
    count = sum(number for group, number in result.counts.items() if group.startswith("clip "))
    metrics = [
        Metric(name="video_auc", value=value, data=clips, subset=name, count=None)
        for name, value in result.video_auc.items()
    ]
    metrics[0] = msgspec.structs.replace(metrics[0], count=count)
    for name, value in zip(("video_auc_low_95", "video_auc_high_95"), result.interval, strict=True):
        metrics.append(Metric(name=name, value=value, data=clips, count=count))
    error = result.calibration_error
    metrics.append(Metric(name="calibration_error", value=error, data=clips, count=count))
    for group, shares in result.shares.items():
        kind, subset = group.split(" ", 1)
        data = stills if kind == "still" else clips
        for label, share in shares.items():
            metrics.append(
                Metric(
                    name=f"called_{label.lower()}",
                    value=share,
                    data=data,
                    subset=subset,
                    count=result.counts[group],
                )
            )
    return tuple(
        msgspec.structs.replace(metric, value=round(metric.value, 4)) for metric in metrics
    )


def render(result: Evaluation) -> str:
    """The figures as text for a terminal."""
    low, high = result.interval
    lines = [f"{result.bundle}: {result.frames} frames, {result.frames_without_face} without face"]
    lines.append(f"video AUC {result.video_auc['all']:.3f} (95% {low:.3f} to {high:.3f})")
    lines += [f"  {name:16}{v:.3f}" for name, v in result.video_auc.items() if name != "all"]
    lines.append(f"calibration error {result.calibration_error:.3f}")
    lines.append(f"{'':24}{'count':>6}    FAKE  UNCERTAIN    REAL")
    for group, shares in result.shares.items():
        told = f"{shares['FAKE']:7.1%} {shares['UNCERTAIN']:10.1%} {shares['REAL']:7.1%}"
        lines.append(f"{group:24}{result.counts[group]:6} {told}")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line: 0 done, 2 usage or unreadable input."""
    options = _parser().parse_args(argv)
    try:
        result = _run(options)
    except (DfedgeError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.metrics is not None:
        stills = f"{options.stills.name}, the tenth held back" if options.stills else ""
        metrics = card_metrics(
            result, clips=f"{options.frames.name} {options.split}", stills=stills
        )
        options.metrics.write_bytes(msgspec.json.format(msgspec.json.encode(metrics), indent=2))
    if options.json:
        print(msgspec.json.format(msgspec.json.encode(result), indent=2).decode())
    else:
        print(render(result))
    return 0


def _run(options: argparse.Namespace) -> Evaluation:
    scorer = BundleScorer(options.bundle)
    try:
        samples = [s for s in read_clip_frames(options.frames) if s.split == options.split]
        scored, missed = score_samples(scorer, options.frames, samples, quiet=options.json)
        if options.stills is not None:
            stills = read_stills(options.stills, held_fraction=HELD_FRACTION, seed=SPLIT_SEED)
            held = [s for s in stills if s.split == "held"]
            more, unseen = score_samples(scorer, options.stills, held, quiet=options.json)
            scored, missed = scored + more, missed + unseen
    finally:
        scorer.close()
    if options.scores is not None:
        write_scores(options.scores, scored)
    targets = {s.video_id: s.target_id for s in samples}
    return evaluate(scored, targets, scorer.card, missed=missed)


def _shares(scored: Sequence[Scored], decision: Decision) -> dict[str, dict[str, float]]:
    labels: dict[str, list[str]] = {}
    for item in scored:
        probability = calibrate(item.logit, decision.calibration)
        called = judge_probability(probability, decision).label.value
        labels.setdefault(_group(item), []).append(called)
    return {
        group: {
            name: sum(label == name for label in called) / len(called)
            for name in ("FAKE", "UNCERTAIN", "REAL")
        }
        for group, called in sorted(labels.items())
    }


def _group(item: Scored) -> str:
    return f"still {item.source}" if item.split == "held" else f"clip {item.method}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dfedge_tools.evaluating.evaluate",
        description=(__doc__ or "").split("\n\n")[0],
    )
    add = parser.add_argument
    add("--bundle", required=True, help="name, folder or .zip of a detector bundle")
    add("--frames", type=Path, required=True, help="frames of clips with manifest.csv")
    add("--split", choices=("train", "val"), default="val", help="which clips (default: val)")
    add("--stills", type=Path, help="genuine stills with manifest.csv: their held-back tenth")
    add(
        "--scores",
        type=Path,
        help="also write a line a frame here, for dfedge_tools.deciding.calibrate",
    )
    add("--metrics", type=Path, help="also write the figures here, for dfedge export")
    add("--json", action="store_true", help="one JSON object instead of text")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
