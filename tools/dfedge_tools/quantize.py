"""Make the small form of a bundle, and measure what that costs.

    python -m dfedge_tools.quantize --bundle edge_models/bundles/dfedge-b0 \
        --name dfedge-b0-int8 --out edge_models/bundles/dfedge-b0-int8 --crops FOLDER

Both models score the same inputs: the face crops in a folder through ``preprocess.onnx``, or seeded
noise when none is given. How well they agree goes into the card; a small form that changes a
probability by more than ``--max-change`` is not written.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
from PIL import Image as Pictures

from dfedge.bundles.bundle import Bundle
from dfedge.bundles.card import Calibration, DetectorCard, Fidelity, Metric, Quantization
from dfedge.bundles.store import resolve_detector
from dfedge.crops import Preprocessor
from dfedge.errors import DfedgeError, FidelityError, UsageError
from dfedge.types import Image
from dfedge_tools.exporting.bundle import Role, file_entries, read_json, write_bundle
from dfedge_tools.exporting.graph import CHECK_SEED, Floats, open_session, run
from dfedge_tools.exporting.shrink import RECIPE, shrink

MAX_CHANGE = 0.02
"""Of a probability; well under the width of any honest band between REAL and FAKE."""
NOISE_INPUTS = 64
BATCH = 8
PICTURE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".webp"})


@dataclass(frozen=True, slots=True)
class Sample:
    """Inputs of both models, (N, 3, S, S), and where they are from."""

    inputs: Floats
    data: str


def quantize_bundle(
    bundle: Bundle,
    card: DetectorCard,
    folder: Path,
    *,
    name: str,
    sample: Sample,
    max_change: float = MAX_CHANGE,
    metrics: tuple[Metric, ...] = (),
) -> DetectorCard:
    """Write the small form of a bundle; its card.

    Calibration and thresholds are the large form's, since the logits are the same.

    Args:
        card: of `bundle`.
        name: of the small form.
        max_change: of a calibrated probability on any input of the sample.
        metrics: of the small form itself; the large form's are not taken over.

    Raises:
        FidelityError: a probability changes by more; nothing is written.
        UsageError: there is something else at `folder`.
    """
    if card.quantization is not None:
        raise UsageError(f"{bundle.path}: is itself a quantized bundle; give the float32 one")
    original = bundle.read("model")
    small = shrink(original)
    fidelity = measure(original, small, sample, card.decision.calibration)
    if not fidelity.max_probability_change <= max_change:  # also when it is not a number
        raise FidelityError(
            f"{bundle.path}: the small form changes a probability by "
            f"{fidelity.max_probability_change:.3f}, over {max_change:g}; it was not written. "
            "Ship the float32 form, or allow more by --max-change"
        )
    files: dict[Role, bytes] = {"model": small, "preprocess": bundle.read("preprocess")}
    made = msgspec.structs.replace(
        card,
        name=name,
        files=file_entries(files),
        metrics=metrics,
        quantization=Quantization(recipe=RECIPE, reference_sha256=bundle.sha256, fidelity=fidelity),
    )
    write_bundle(folder, made, files)
    return made


def measure(original: bytes, small: bytes, sample: Sample, calibration: Calibration) -> Fidelity:
    """How well two graphs agree on a sample, by logits and by calibrated probabilities."""
    before, after = (_logits(graph, sample.inputs) for graph in (original, small))
    odds_before, odds_after = (_log_odds(logits, calibration) for logits in (before, after))
    change = np.abs(_sigmoid(odds_before) - _sigmoid(odds_after)).max()
    correlation = 1.0
    if before.std() > 0 and after.std() > 0:
        correlation = float(np.corrcoef(before, after)[0, 1])
    return Fidelity(
        logit_correlation=round(correlation, 6),
        sign_agreement=float(np.mean((odds_before >= 0) == (odds_after >= 0))),
        max_probability_change=round(float(change), 6),
        data=sample.data,
    )


def noise_sample(card: DetectorCard, *, count: int = NOISE_INPUTS) -> Sample:
    """Seeded standard normal inputs: they test the arithmetic, not how a face is judged."""
    generator = np.random.default_rng(CHECK_SEED)
    shape = (count, 3, card.input.height, card.input.width)
    inputs = generator.standard_normal(shape, dtype=np.float32)
    return Sample(inputs, f"{count} inputs of seeded normal noise (no faces)")


def crop_sample(bundle: Bundle, folder: Path, *, limit: int) -> Sample:
    """Face crops of a folder, evenly chosen by name, through the bundle's ``preprocess.onnx``.

    Raises:
        UsageError: the folder holds no picture, or one that cannot be read.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES)
    if not paths:
        raise UsageError(f"{folder}: holds no picture; give --crops a folder of face crops")
    count = min(limit, len(paths))
    chosen = [paths[index * len(paths) // count] for index in range(count)]
    preprocess = Preprocessor(bundle)
    try:
        inputs = preprocess([_read(path) for path in chosen])
    finally:
        preprocess.close()
    return Sample(inputs, f"{count} face crops of {folder.name}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Quantize one bundle; 0 done, 1 with a message when it cannot be."""
    options = _parser().parse_args(arguments)
    try:
        bundle, card = resolve_detector(options.bundle)
        sample = noise_sample(card)
        if options.crops is not None:
            sample = crop_sample(bundle, options.crops, limit=options.limit)
        metrics: tuple[Metric, ...] = ()
        if options.metrics is not None:
            metrics = read_json(options.metrics, tuple[Metric, ...], option="--metrics")
        made = quantize_bundle(
            bundle,
            card,
            options.out,
            name=options.name or f"{card.name}-int8",
            sample=sample,
            max_change=options.max_change,
            metrics=metrics,
        )
    except DfedgeError as error:
        print(f"quantize: {error}", file=sys.stderr)
        return 1
    _report(card, made)
    return 0


def _report(card: DetectorCard, made: DetectorCard) -> None:
    before, after = (
        next(entry.size_bytes for entry in each.files if entry.role == "model") / 1e6
        for each in (card, made)
    )
    assert made.quantization is not None
    fidelity = made.quantization.fidelity
    print(f"{made.name} {made.version}: {before:.1f} MB -> {after:.1f} MB")
    print(
        f"on {fidelity.data}: logit correlation {fidelity.logit_correlation:.6f}, same sign "
        f"{fidelity.sign_agreement:.1%}, largest change of a probability "
        f"{fidelity.max_probability_change:.4f}"
    )


def _logits(graph: bytes, inputs: Floats) -> npt.NDArray[np.float64]:
    session = open_session(graph)
    parts = [run(session, inputs[start : start + BATCH]) for start in range(0, len(inputs), BATCH)]
    return np.concatenate(parts)[:, 0].astype(np.float64)


def _log_odds(logits: npt.NDArray[np.float64], calibration: Calibration) -> npt.NDArray[np.float64]:
    return logits / calibration.temperature + calibration.bias


def _sigmoid(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -60, 60))), np.float64)


def _read(path: Path) -> Image:
    try:
        with Pictures.open(path) as picture:
            return np.asarray(picture.convert("RGB"), np.uint8)
    except OSError as error:
        raise UsageError(f"{path}: is no picture that can be read ({error})") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dfedge_tools.quantize",
        description="Make the small form of a bundle, and measure what that costs.",
    )
    add = parser.add_argument
    add("--bundle", required=True, help="name or folder of the float32 bundle")
    add("--out", required=True, type=Path, help="folder of the small form")
    add("--name", help="name of the small form (default: the bundle's with -int8)")
    add("--crops", type=Path, help="folder of face crops to compare on (default: seeded noise)")
    add("--limit", type=_positive, default=200, help="most crops to use (default: %(default)s)")
    add(
        "--metrics", type=Path, help="figures of the small form, by dfedge_tools.evaluate --metrics"
    )
    add(
        "--max-change",
        type=float,
        default=MAX_CHANGE,
        help="largest change of a probability that is accepted (default: %(default)s)",
    )
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value


if __name__ == "__main__":
    sys.exit(main())
