"""Make ready what is measured, in a process of its own: it takes memory that must not linger."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from dfedge.bundles.bundle import Bundle, load_bundle
from dfedge.bundles.card import DetectorCard
from dfedge.errors import DfedgeError
from dfedge_tools.benching.messages import Prepare, Prepared
from dfedge_tools.benching.runners import SEED

if TYPE_CHECKING:
    from dfedge_models import DetectorModel


def prepare(job: Prepare) -> Prepared:
    """A bundle as it is; or an architecture, exported if wanted.

    Raises:
        DfedgeError: the bundle is not sound, or the architecture cannot be exported.
    """
    if job.bundle is None:
        return _prepare_architecture(job)
    bundle = load_bundle(job.bundle)
    prepared = Prepared(input_shape=_shape(bundle), flops=_flops(bundle), bundle=job.bundle)
    return _add_torch(prepared, bundle) if job.torch else prepared


def _prepare_architecture(job: Prepare) -> Prepared:
    import torch

    import dfedge_models
    from dfedge_tools.benching.flops import torch_flops

    torch.manual_seed(SEED)
    with torch.device("cpu" if job.export else "meta"):  # to be counted it needs no weights
        model = dfedge_models.create(job.architecture).eval()
    prepared = Prepared(
        input_shape=model.signature.input_shape(1)[1:],
        flops=torch_flops(model),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
    )
    if not job.export:
        return prepared
    folder = Path(job.folder) / "bundle"
    _export(model, job.architecture, folder)
    return msgspec.structs.replace(prepared, bundle=str(folder))


def _add_torch(prepared: Prepared, bundle: Bundle) -> Prepared:
    """How the bundle's architecture is built in torch at the bundle's size, if it can be."""
    import dfedge_models

    card = bundle.card
    replace = msgspec.structs.replace
    if not isinstance(card, DetectorCard) or card.architecture not in dfedge_models.names():
        return replace(prepared, no_torch="it is of no torch architecture of this project")
    size, options = card.input.width, {}
    try:
        model = dfedge_models.create(card.architecture)
        if model.signature.img_size != size:
            options = {"img_size": size}
            model = dfedge_models.create(card.architecture, **options)
    except (TypeError, ValueError) as error:
        return replace(prepared, no_torch=f"{card.architecture} at {size} px: {error}")
    if model.signature.input_shape(1)[1:] != prepared.input_shape:
        return replace(prepared, no_torch=f"{card.architecture} in torch takes another input")
    return replace(prepared, img_size=options.get("img_size"))


def _export(model: DetectorModel, architecture: str, folder: Path) -> None:
    """A bundle for measuring only."""
    from dfedge.bundles.card import Provenance, Quality
    from dfedge_tools.exporting.bundle import Description
    from dfedge_tools.exporting.exporter import export_bundle

    description = Description(
        name=architecture.replace("_", "-"),
        version="0.0.0",
        summary="Seeded random weights, to be measured.",
        licence="LicenseRef-none",
        provenance=Provenance(training_data="none"),
        limits=("It has learnt nothing.",),
        quality=Quality(
            min_face_pixels=0.0, min_sharpness=0.0, min_brightness=0.0, max_brightness=255.0
        ),
        min_usable_frames=1,
    )
    export_bundle(model, folder, architecture=architecture, description=description)


def _shape(bundle: Bundle) -> tuple[int, ...]:
    """Of one input."""
    card_input = bundle.card.input
    picture = (3, card_input.height, card_input.width)
    return picture if card_input.layout == "NCHW" else (card_input.frames, *picture)


def _flops(bundle: Bundle) -> float | None:
    """Counted on the graph; None where that is in ONNX Runtime's own format or too odd to count."""
    from dfedge_tools.benching.flops import graph_flops

    if bundle.entry("model").name.endswith(".ort"):
        return None
    try:
        return graph_flops(bundle.read("model"))
    except DfedgeError:
        return None
