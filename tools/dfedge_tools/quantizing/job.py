"""What one run of ``dfedge quantize`` does: from a bundle and faces to a smaller form."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace
from tqdm import tqdm

from dfedge.bundles.bundle import Bundle
from dfedge.bundles.card import DetectorCard, Metric, Quantization
from dfedge.bundles.store import resolve_detector
from dfedge.cli.outputs import OutputFile
from dfedge.errors import FidelityError, UsageError
from dfedge.runtime import default_threads
from dfedge_tools.exporting.bundle import read_json
from dfedge_tools.faceset import FaceSet, load_faces, noise_set, read_pictures
from dfedge_tools.fidelity import Agreement, Limits
from dfedge_tools.quantizing.measure import Judge
from dfedge_tools.quantizing.quantizer import Quantizer, describe
from dfedge_tools.quantizing.recipes import Recipe, find_recipe, recipe_json
from dfedge_tools.quantizing.search import PROBES, Found, search
from dfedge_tools.quantizing.writing import form_card, write_form

NOISE_INPUTS = 64
NOISE_CLIPS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked for; the options of the command by their names."""

    model: str
    faces: Path | None = None
    split: str | None = None
    limit: int | None = None
    calibration_split: str | None = None
    recipe: str | None = None
    exclude: tuple[str, ...] = ()
    search: bool = False
    probes: int = PROBES
    limits: Limits = field(default_factory=Limits)
    force: bool = False
    out: Path | None = None
    name: str | None = None
    metrics: Path | None = None
    save_recipe: OutputFile | None = None
    threads: int | None = None
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    """A smaller form that was written.

    Attributes:
        source: card of the large form.
        card: of the smaller form.
        folder: where it is.
        recipe: with all that was left out.
        agreement: of the two forms.
        problems: limits that it breaks, which ``--force`` let pass.
        found: by the search, if there was one.
    """

    source: DetectorCard
    card: DetectorCard
    folder: Path
    recipe: Recipe
    agreement: Agreement
    problems: tuple[str, ...]
    found: Found | None


def make(request: Request) -> Made:
    """Make a smaller form, measure it and write it.

    Raises:
        FidelityError: it breaks limits and is not forced; nothing is written.
        UsageError: something that was asked for cannot be.
    """
    if request.out is None:
        raise UsageError("--out: is missing; give a folder for the smaller form")
    if request.search and request.faces is None:
        raise UsageError("--search: needs faces, since noise tells little; give --faces FOLDER")
    metrics: tuple[Metric, ...] = ()
    if request.metrics is not None:
        metrics = read_json(request.metrics, tuple[Metric, ...], option="--metrics")
    recipe = _recipe(request)
    bundle, card = resolve_detector(request.model)
    name = request.name or f"{card.name}-{recipe.name}"
    form = form_card(bundle, card, recipe, name=name)
    faces, calibration = load_inputs(request, bundle, card, recipe)
    reference = bundle.read("model")
    quantizer = Quantizer(
        reference, recipe, inputs=calibration.inputs, card=form, label=str(bundle.path)
    )
    recipe = quantizer.recipe
    judge = Judge(reference, card, faces, threads=request.threads or default_threads())
    found = None
    if request.search:
        with progress(quiet=request.quiet) as report:
            found = search(quantizer, judge, request.limits, probes=request.probes, report=report)
        recipe = replace(
            recipe,
            summary=f"Found by --search on {found.agreement.data}.",
            exclude=(*recipe.exclude, *map(glob.escape, found.left_out)),
        )
        graph, agreement = found.graph, found.agreement
    else:
        graph = quantizer.build()
        agreement = judge.measure(graph)
    problems = request.limits.failures(agreement)
    if problems and not request.force:
        raise FidelityError(
            f"{bundle.path}: by recipe {recipe.name!r} on {agreement.data}: "
            f"{'; '.join(problems)}. It was not written: take another recipe, let --search leave "
            "layers out, loosen the limit, or --force it"
        )
    quantization = Quantization(
        recipe=describe(recipe, calibrated_on=calibration.data),
        reference_sha256=bundle.sha256,
        fidelity=agreement.for_card(),
    )
    made = write_form(request.out, bundle, form, graph, quantization, metrics=metrics)
    if request.save_recipe is not None:
        request.save_recipe.write(recipe_json(recipe))
    return Made(card, made, request.out, recipe, agreement, problems, found)


def load_inputs(
    request: Request, bundle: Bundle, card: DetectorCard, recipe: Recipe
) -> tuple[FaceSet, FaceSet]:
    """The faces to measure on, and those to calibrate on."""
    if request.faces is None:
        if request.split is not None or request.calibration_split is not None:
            raise UsageError("--split: is of --faces; give a folder of faces too")
        noise = noise_set(card, count=NOISE_INPUTS if card.input.frames == 1 else NOISE_CLIPS)
        return noise, noise
    pictures = read_pictures(request.faces, split=request.split, limit=request.limit)
    faces = load_faces(pictures, bundle, card, quiet=request.quiet)
    if request.calibration_split is None or recipe.ranges is None:
        return faces, faces
    count = recipe.ranges.count * card.input.frames
    others = read_pictures(request.faces, split=request.calibration_split, limit=count)
    return faces, load_faces(others, bundle, card, quiet=request.quiet)


@contextmanager
def progress(*, quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """A bar on stderr, told of a stage, the steps done in it and their number."""
    with tqdm(unit="layer", disable=quiet or None, leave=False) as bar:

        def report(stage: str, done: int, total: int) -> None:
            bar.set_description_str(stage, refresh=False)
            bar.total, bar.n = total, done
            bar.refresh()

        yield report


def _recipe(request: Request) -> Recipe:
    """The recipe with what is to be left out; a search begins with every layer."""
    recipe = find_recipe(request.recipe or ("weights-int8" if request.search else "small"))
    if request.search and not recipe.int8:
        raise UsageError(f"--search: recipe {recipe.name!r} has no layers in int8 to leave out")
    if request.search and request.recipe is None:
        recipe = replace(recipe, exclude=())
    if request.search:
        recipe = replace(recipe, name=f"{recipe.name}-searched"[:32].rstrip("-."))
    return replace(recipe, exclude=(*recipe.exclude, *request.exclude))
