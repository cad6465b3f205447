"""How much of a map's energy lies where a fake was really changed, against blobs in the middle.

    python -m benchmarks.explanations --checkpoint b0.pt --json shares.json --picture examples.png

Fakes of FaceForensics++ are laid over the frames they were made from; what differs is the region
that was changed. The share of a map's energy (its positive part) inside it is averaged over the
frames of a clip, then over clips; the interval is a bootstrap over clips. Below are maps that know
nothing of the model: centred Gaussians of several widths, a uniform map, and the outline of the
face by its key points. "best blob" is the Gaussian with the highest share on the same faces.

Take --split train to choose a method and val to judge it. Research data in ../shared/data is
needed. Weights of the bundle are recovered unless --checkpoint
gives them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from tqdm import tqdm

from benchmarks.clips import REPOSITORY
from dfedge.bundles.store import resolve_detector
from dfedge.errors import DfedgeError
from dfedge.types import Image
from dfedge_tools.explaining.cam import METHODS
from dfedge_tools.explaining.drawing import draw_overlay
from dfedge_tools.explaining.explainer import OCCLUSION, Explainer
from dfedge_tools.explaining.regions import (
    FakeFaces,
    baselines,
    bootstrap_mean,
    clip_means,
    energy_share,
    load_fakes,
)
from dfedge_tools.explaining.weights import check_weights, open_weights
from dfedge_tools.scorers import OnnxScorer

FRAMES = REPOSITORY.parent / "shared" / "data" / "ffpp_frames"
EXAMPLES = 4

Floats = npt.NDArray[np.float64]
Heat = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Shares:
    """Energy shares by map, and faithfulness of some, over the same faces.

    Attributes:
        shares: by map, one value a face; baselines among them.
        probabilities: P(fake) of each face.
        faithfulness: by map, rows of (deletion, insertion, ROAD) of the faces that were judged.
        examples: maps of the first faces, kept for the picture.
    """

    shares: dict[str, Floats]
    probabilities: Floats
    faithfulness: dict[str, Floats]
    examples: dict[int, dict[str, Heat]]


def measure(
    fakes: FakeFaces, explainer: Explainer, *, judged: int, examples: Sequence[int]
) -> Shares:
    """All maps of all faces; `judged` of them, spread evenly, for faithfulness too."""
    shares: dict[str, list[float]] = {}
    scores: dict[str, list[tuple[float, float, float]]] = {}
    kept: dict[int, dict[str, Heat]] = {}
    count = len(fakes.samples)
    to_judge = {index * count // judged for index in range(judged)} if judged else set()
    for index in tqdm(range(count), desc="maps", unit="face", disable=None):
        maps = explainer.maps(fakes.inputs[index])
        for each in maps:
            share = energy_share(each.heat, fakes.regions[index])
            shares.setdefault(each.name, []).append(share)
        if index in examples:
            kept[index] = {each.name: each.positive for each in maps}
        if index in to_judge:
            for name, found in explainer.faithfulness(fakes.inputs[index], maps).items():
                values = (found.deletion, found.insertion, found.road)
                scores.setdefault(name, []).append(values)
    known = {
        name: np.array([energy_share(*pair) for pair in zip(maps, fakes.regions, strict=True)])
        for name, maps in baselines(fakes).items()
    }
    return Shares(
        shares=known | {name: np.array(values) for name, values in shares.items()},
        probabilities=explainer.probability(fakes.inputs),
        faithfulness={name: np.array(values) for name, values in scores.items()},
        examples=kept,
    )


def groups(fakes: FakeFaces, probabilities: Floats) -> dict[str, npt.NDArray[np.bool_]]:
    """Which faces belong to each column of the table."""
    methods = np.array([sample.method for sample in fakes.samples])
    rates = np.array([sample.compression for sample in fakes.samples])
    chosen = {"all": np.ones(len(methods), bool), "P(fake)>.5": probabilities > 0.5}
    chosen |= {name: methods == name for name in sorted(set(methods))}
    return chosen | {name: rates == name for name in sorted(set(rates))}


def summary(fakes: FakeFaces, found: Shares) -> dict[str, dict[str, dict[str, object]]]:
    """Group -> map -> mean and interval, of the share and of its lead over the best blob."""
    table: dict[str, dict[str, dict[str, object]]] = {}
    for group, inside in groups(fakes, found.probabilities).items():
        samples = [s for s, here in zip(fakes.samples, inside, strict=True) if here]
        if not samples:
            continue
        means = {name: clip_means(list(v[inside]), samples) for name, v in found.shares.items()}
        blobs = {name: v for name, v in means.items() if name.startswith("gaussian")}
        best = max(blobs, key=lambda name: float(blobs[name].mean()))
        table[group] = {
            name: {
                "share": bootstrap_mean(values),
                "lead": bootstrap_mean(values - blobs[best]),
                "best_blob": best,
                "clips": len(values),
                "faces": len(samples),
            }
            for name, values in means.items()
        }
    return table


def render(table: dict[str, dict[str, dict[str, object]]], found: Shares) -> str:
    """The table as text: shares by group, and how the lead over the best blob stands."""
    lines = []
    names = list(table)
    head = table["all"]
    first = next(iter(head.values()))
    lines.append(
        f"share of the map's energy inside the changed region; {first['faces']} faces of "
        f"{first['clips']} clips; best blob: {first['best_blob']}"
    )
    lines.append(f"{'map':32}{'all (95%)':>21}{'lead (95%)':>24}" + _cells(names[1:]))
    order = sorted(head, key=lambda name: -_three(head[name]["share"])[0])
    for name in order:
        mean, low, high = _three(head[name]["share"])
        lead = "{:+.3f} ({:+.3f} to {:+.3f})".format(*_three(head[name]["lead"]))
        others = [f"{_three(table[group][name]['share'])[0]:.3f}" for group in names[1:]]
        lines.append(
            f"{name:32}{f'{mean:.3f} ({low:.3f} to {high:.3f})':>21}{lead:>26}" + _cells(others)
        )
    if found.faithfulness:
        count = len(next(iter(found.faithfulness.values())))
        lines.append(f"\nfaithfulness, mean of {count} faces{'':5}deletion  insertion   ROAD")
        ranked = sorted(found.faithfulness.items(), key=lambda item: -item[1][:, 2].mean())
        for name, values in ranked:
            deletion, insertion, road = values.mean(axis=0)
            lines.append(f"{name:32}{deletion:13.3f}{insertion:11.3f}{road:+9.3f}")
    return "\n".join(lines)


def draw(fakes: FakeFaces, found: Shares, names: Sequence[str]) -> Image:
    """A row for each example: the crop, the region that was changed, and maps over it."""
    rows = sorted(found.examples)
    figure = Figure(figsize=(2.1 * (len(names) + 2), 2.35 * len(rows) + 0.3), dpi=100)
    canvas = FigureCanvasAgg(figure)
    grid = figure.subplots(len(rows), len(names) + 2, squeeze=False)
    known = baselines(fakes)
    for line, index in zip(grid, rows, strict=True):
        crop, region, sample = fakes.crops[index], fakes.regions[index], fakes.samples[index]
        pictures = [("crop", crop), ("changed", _with_outline(crop, region))]
        for name in names:
            heat = known[name][index] if name in known else found.examples[index][name]
            heat = np.asarray(heat, np.float32)
            share = energy_share(heat, region)
            pictures.append((f"{name}\n{share:.2f} inside", draw_overlay(crop, heat)))
        for axes, (title, picture) in zip(line, pictures, strict=True):
            axes.imshow(picture)
            axes.set_xticks([])
            axes.set_yticks([])
            axes.set_title(title, fontsize=8)
        probability = found.probabilities[index]
        line[0].set_ylabel(
            f"{sample.method} {sample.compression}\nP(fake) {probability:.2f}", fontsize=8
        )
    figure.tight_layout()
    canvas.draw()  # type: ignore[no-untyped-call]
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[:, :, :3])  # type: ignore[no-untyped-call]


def main() -> None:
    """Print the table; ``--json`` and ``--picture`` write the rest."""
    args = _parser().parse_args()
    torch.set_num_threads(1)
    try:
        bundle, card = resolve_detector(args.model)
        fakes = load_fakes(args.frames, bundle, card, split=args.split, frames=args.per_clip)
        model = open_weights(bundle, card, args.checkpoint)
        with OnnxScorer(bundle, card) as scorer:
            check_weights(model, scorer, card)
            methods = (*METHODS, *([] if args.no_occlusion else [OCCLUSION]))
            explainer = Explainer(card, scorer, model, methods=methods, one_view=args.one_view)
            shown = _examples(fakes, explainer)
            found = measure(fakes, explainer, judged=args.judged, examples=shown)
    except DfedgeError as error:
        raise SystemExit(f"explanations: {error}") from error
    table = summary(fakes, found)
    left = ", ".join(f"{number} {reason}" for reason, number in fakes.left_out.items() if number)
    print(f"{card.name} {card.version}, {args.split} fakes; left out: {left or 'none'}")
    print(render(table, found))
    if args.json:
        scores = {
            name: dict(zip(("deletion", "insertion", "road"), values.mean(axis=0), strict=True))
            for name, values in found.faithfulness.items()
        }
        content = {"model": f"{card.name} {card.version}", "split": args.split}
        content |= {"left_out": dict(fakes.left_out), "shares": table, "faithfulness": scores}
        args.json.write_text(json.dumps(content, indent=2) + "\n")
    if args.picture:
        best = max(
            (name for name in found.shares if name not in baselines(fakes)),
            key=lambda name: _three(table["all"][name]["share"])[0],
        )
        names = ["gaussian 0.2", best, "low hirescam", "high xgradcam"]
        if not args.no_occlusion:
            names.append(OCCLUSION)
        names = [name for name in names if name in found.shares]
        cv2.imwrite(str(args.picture), cv2.cvtColor(draw(fakes, found, names), cv2.COLOR_RGB2BGR))


def _examples(fakes: FakeFaces, explainer: Explainer) -> list[int]:
    """One face of each manipulation: that with the median P(fake)."""
    probabilities = explainer.probability(fakes.inputs)
    chosen = []
    for method in sorted({sample.method for sample in fakes.samples}):
        places = [i for i, sample in enumerate(fakes.samples) if sample.method == method]
        places.sort(key=lambda place: float(probabilities[place]))
        chosen.append(places[len(places) // 2])
    return chosen[:EXAMPLES]


def _with_outline(crop: Image, region: npt.NDArray[np.bool_]) -> Image:
    outlines, _ = cv2.findContours(
        region.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    return np.asarray(cv2.drawContours(crop.copy(), outlines, -1, (86, 180, 233), 1), np.uint8)


def _three(value: object) -> tuple[float, float, float]:
    assert isinstance(value, tuple)
    mean, low, high = value
    return float(mean), float(low), float(high)


def _cells(texts: Sequence[str]) -> str:
    return "".join(f"{text[:10]:>12}" for text in texts)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.explanations",
        description=(__doc__ or "").split("\n\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--model", default="dfedge-b0", help="name, folder or .zip of a bundle")
    add("--checkpoint", type=Path, help="torch weights of the bundle")
    add("--frames", type=Path, default=FRAMES, help="FaceForensics++ frames with manifest.csv")
    add("--split", choices=("train", "val"), default="val", help="which clips")
    add("--per-clip", type=int, default=10, help="frames of each clip")
    add("--judged", type=int, default=0, help="faces to judge the maps' faithfulness on")
    add("--one-view", action="store_true", help="maps of one view in place of ten")
    add("--no-occlusion", action="store_true", help="leave out occlusion, which takes longest")
    add("--json", type=Path, help="write all figures here")
    add("--picture", type=Path, help="write examples here, a .png")
    return parser


if __name__ == "__main__":
    main()
