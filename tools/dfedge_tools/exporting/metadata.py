"""What a model file says of itself where its card is lost: ``metadata_props`` of ONNX.

Only what the card says too: no path and no time, so equal weights still give equal bytes.
"""

from __future__ import annotations

import onnx

from dfedge.bundles.card import DetectorCard

PREFIX = "dfedge."


def write_metadata(proto: onnx.ModelProto, card: DetectorCard) -> None:
    """Put the entries of a card in place of any of ours that the graph has."""
    kept = [entry for entry in proto.metadata_props if not entry.key.startswith(PREFIX)]
    entries = [(entry.key, entry.value) for entry in kept]
    entries += [(f"{PREFIX}{key}", value) for key, value in describe(card).items()]
    del proto.metadata_props[:]
    for key, value in sorted(entries):
        proto.metadata_props.add(key=key, value=value)


def describe(card: DetectorCard) -> dict[str, str]:
    """The entries by name, without their prefix."""
    size = card.input
    frames = f"{size.frames} frames of " if size.frames > 1 else ""
    crop = card.crop
    target = card.deployment.target if card.deployment is not None else "cpu"
    return {
        "name": card.name,
        "version": card.version,
        "architecture": card.architecture,
        "licence": card.licence,
        "card": card.schema,
        "target": target,
        "input": f"{frames}{size.width} x {size.height} {size.colour_order}, "
        f"(x / 255 - mean) / std, mean {_numbers(size.mean)}, std {_numbers(size.std)}",
        "crop": f"{crop.box_source} box, margin {crop.margin:g}, squaring {crop.squaring}, "
        f"{crop.resize}, pad {crop.pad_value}",
        "output": f"{card.output.activation} of {', '.join(card.output.classes)}; "
        f"fake is number {card.output.fake_index}",
    }


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:g}" for value in values)
