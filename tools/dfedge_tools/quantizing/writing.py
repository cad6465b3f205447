"""The bundle of a smaller form: its card beside that of the bundle it was made from."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from dfedge.bundles.bundle import Bundle
from dfedge.bundles.card import Deployment, DetectorCard, Metric, Quantization
from dfedge.errors import UsageError
from dfedge_tools.exporting.bundle import Role, file_entries, write_bundle
from dfedge_tools.quantizing.recipes import Recipe


def form_card(bundle: Bundle, card: DetectorCard, recipe: Recipe, *, name: str) -> DetectorCard:
    """The card of a smaller form before it is made: no files, no figures.

    Calibration and thresholds are the large form's, since the logits are nearly the same; its
    measured figures are not taken over.

    Args:
        card: of `bundle`, the large form.
        name: of the smaller form.

    Raises:
        UsageError: the bundle is no float32 ONNX form, or its target cannot run the recipe.
    """
    if card.quantization is not None:
        raise UsageError(f"{bundle.path}: is itself a quantized bundle; give the float32 one")
    if bundle.entry("model").name.endswith(".ort"):
        raise UsageError(
            f"{bundle.path}: is of ONNX Runtime's format; give the .onnx bundle it was made from"
        )
    target = None if card.deployment is None else card.deployment.target
    if target is not None and target not in recipe.targets:
        raise UsageError(
            f"{bundle.path}: is for the target {target!r}, where recipe {recipe.name!r} does not "
            f"run ({', '.join(recipe.targets)} only); take a recipe of the method 'stored', or "
            "export the bundle for another target"
        )
    deployment = card.deployment
    if recipe.method == "half":
        deployment = replace(deployment or Deployment(target="jetson"), precision="float16")
    return replace(card, name=name, files=(), metrics=(), quantization=None, deployment=deployment)


def write_form(
    folder: Path,
    bundle: Bundle,
    card: DetectorCard,
    graph: bytes,
    quantization: Quantization,
    *,
    metrics: tuple[Metric, ...] = (),
) -> DetectorCard:
    """Write the bundle of a smaller form, whole or not at all.

    Args:
        bundle: the large form.
        card: by :func:`form_card`.
        metrics: of the smaller form itself.

    Returns:
        The card as it was written.

    Raises:
        UsageError: there is something else at `folder`.
    """
    files: dict[Role, bytes] = {"model": graph, "preprocess": bundle.read("preprocess")}
    card = replace(card, files=file_entries(files), metrics=metrics, quantization=quantization)
    write_bundle(folder, card, files)
    return card
