"""The card of a bundle as text for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from dfedge.bundles.bundle import Bundle
from dfedge.bundles.card import WHOLE_FRAME, DetectorCard, FaceDetectorCard, Metric
from dfedge.report.wording import printable
from dfedge.scoring import usable_frames_needed

_WIDTH = 88
_LABEL = 14


def render_card(bundle: Bundle) -> str:
    """Everything a person should know before trusting the model, ending in a newline."""
    card = bundle.card
    lines = [f"{card.name} {card.version}", *_wrap(card.summary), ""]
    lines += _line("architecture", card.architecture)
    lines += _line("licence", card.licence)
    lines += _line("path", str(bundle.path))
    lines += _line("opset", str(card.opset))
    for entry in card.files:
        size = f"{entry.size_bytes / 1e6:.2f} MB"
        lines += _line("file", f"{entry.name} ({entry.role}, {size}, sha256 {entry.sha256})")
    lines += _line("input", _input_text(card))
    if isinstance(card, DetectorCard):
        lines += _decision_lines(card)
    lines += _provenance_lines(card)
    if card.metrics:
        lines += _metric_lines(card.metrics)
    if card.limits:
        lines += ["", "not to be relied on"]
        for limit in card.limits:
            lines += textwrap.wrap(
                printable(limit), _WIDTH, initial_indent="  - ", subsequent_indent="    "
            )
    return "\n".join(lines) + "\n"


def _decision_lines(card: DetectorCard) -> Iterator[str]:
    decision = card.decision
    yield from _line("crop", _crop_text(card))
    yield from _line("FAKE", f"P(fake) >= {decision.fake.threshold:g}: {decision.fake.meaning}")
    yield from _line("REAL", f"P(fake) <= {decision.real.threshold:g}: {decision.real.meaning}")
    if decision.novelty is not None:
        limit = decision.novelty
        yield from _line("UNCERTAIN", f"novelty > {limit.threshold:g}: {limit.meaning}")
    yield from _line("calibration", f"fitted on {decision.calibration.fitted_on}")
    yield from _line(
        "needs",
        f"{usable_frames_needed(decision, card.input.frames)} usable frames of a video; a face of "
        f"{decision.quality.min_face_pixels:g} pixels, sharpness "
        f"{decision.quality.min_sharpness:g}, brightness {decision.quality.min_brightness:g} to "
        f"{decision.quality.max_brightness:g}",
    )
    if card.quantization is not None:
        fidelity = card.quantization.fidelity
        yield from _line(
            "quantized",
            f"{card.quantization.recipe}; against fp32 on {fidelity.data}: logit correlation "
            f"{fidelity.logit_correlation:.4f}, same sign {fidelity.sign_agreement:.3f}, "
            f"probability changes by at most {fidelity.max_probability_change:.3f}",
        )


def _crop_text(card: DetectorCard) -> str:
    if card.crop.box_source == WHOLE_FRAME:
        return "the whole frame; a face in it decides whether it counts"
    return f"{card.crop.box_source} box, margin {card.crop.margin:g} of its side each way"


def _provenance_lines(card: DetectorCard | FaceDetectorCard) -> Iterator[str]:
    provenance = card.provenance
    yield from _line("trained on", provenance.training_data)
    for label, value in (
        ("made by", provenance.command),
        ("from", provenance.source_url),
        ("its sha256", provenance.source_sha256),
    ):
        if value is not None:
            yield from _line(label, value)


def _metric_lines(metrics: tuple[Metric, ...]) -> Iterator[str]:
    """The figures, those on the same data together under its name."""
    name_width = max(len(metric.name) for metric in metrics)
    subset_width = max(len(metric.subset) for metric in metrics)
    for data in dict.fromkeys(metric.data for metric in metrics):
        yield from ("", *_wrap(f"measured on {data}"))
        for metric in metrics:
            if metric.data == data:
                count = "" if metric.count is None else f" ({metric.count})"
                yield printable(
                    f"  {metric.name:{name_width}}  {metric.subset:{subset_width}}  "
                    f"{metric.value:.4g}{count}"
                )


def _input_text(card: DetectorCard | FaceDetectorCard) -> str:
    size = f"{card.input.width} x {card.input.height} {card.input.colour_order}"
    return size if card.input.frames == 1 else f"{card.input.frames} frames of {size}"


def _line(label: str, text: str) -> list[str]:
    return textwrap.wrap(
        printable(text),
        _WIDTH,
        initial_indent=f"{label:{_LABEL}}",
        subsequent_indent=" " * _LABEL,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _wrap(text: str) -> list[str]:
    return textwrap.wrap(printable(text), _WIDTH)
