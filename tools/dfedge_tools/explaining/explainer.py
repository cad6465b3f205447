"""Maps of a face by every method that was asked for, and how faithful each is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt
import torch

from dfedge.bundles.card import DetectorCard
from dfedge.saliency import CELLS, occlusion_map
from dfedge.types import Image, Tensor
from dfedge_models import DetectorModel
from dfedge_models.genconvit import GenConViT
from dfedge_models.genconvit_ensemble import GenConViTEnsemble
from dfedge_tools.explaining.cam import METHODS, UNSIGNED
from dfedge_tools.explaining.faithfulness import Faithfulness, measure, random_heat
from dfedge_tools.explaining.layers import Branch, LayerMap, MapLayer, layers_of, read_layers
from dfedge_tools.scorers import Scorer

Target = Literal["fake", "real"]
Floats = npt.NDArray[np.float64]

OCCLUSION = "occlusion"
LOW_METHODS = ("hirescam", "gradcam-elementwise", "layercam")
HIGH_METHODS = ("eigengradcam", "gradcam++", "xgradcam")
METHODS_BY_BRANCH: dict[Branch, tuple[str, ...]] = {
    "low": LOW_METHODS,
    "middle": HIGH_METHODS,
    "high": HIGH_METHODS,
}
"""The published pairing of methods and branches (DeepGuard's cards of MS-Eff-GCViT)."""
MAIN_BRANCH: Branch = "middle"
MAIN_METHOD = "eigengradcam"
"""The map that is shown where one is shown; docs/explain.md has the figures it was chosen by."""
RANDOM = "random"
_REVERSE = "random, reversed"
SHIFTS = ((0, 0), (1, 1), (-1, -1), (1, -1), (-1, 1))
"""Of the views a map is averaged over, down and right, in steps of :data:`SHIFT`."""
SHIFT = 1 / 20
"""In sides: half a cell of the main branch, so that views see between each other's cells."""


@dataclass(frozen=True, slots=True)
class FaceMap:
    """One map of one face.

    Attributes:
        name: layer and method, such as ``middle eigengradcam``; or the method alone.
        branch: None for a method that knows of no layers.
        cells: height and width before it was enlarged.
        signed: whether negative values mean something: evidence against the target.
        heat: at the model's input size, (S, S); what is positive speaks for the target.
    """

    name: str
    method: str
    branch: Branch | None
    cells: tuple[int, int]
    signed: bool
    heat: npt.NDArray[np.float32]

    @property
    def positive(self) -> npt.NDArray[np.float32]:
        """What speaks for the target: what is drawn, judged and summed."""
        return np.maximum(self.heat, 0)


@dataclass(frozen=True, slots=True)
class Explainer:
    """Explains a model's scores.

    Attributes:
        card: of the model.
        scorer: of the model; occlusion and faithfulness ask it alone.
        model: the same in torch, in eval mode; None leaves what needs no gradients.
        methods: those asked for, of all layers; None for the usual ones of each branch.
        target: what the maps speak for.
        one_view: maps are made of the input alone; else they are averaged over ten views of it,
            moved by half a cell and mirrored, which is steadier and finer and takes ten times as
            long. Occlusion has views enough of its own.
    """

    card: DetectorCard
    scorer: Scorer
    model: DetectorModel | None
    methods: tuple[str, ...] | None = None
    target: Target = "fake"
    one_view: bool = False

    def maps(self, x: Tensor) -> list[FaceMap]:
        """All maps of an input (3, S, S), from low layers to high, occlusion last."""
        found = []
        if self.model is not None and self._cam_methods("low"):
            views = _VIEWS[:1] if self.one_view else _VIEWS
            for layer_map in self._read(layers_of(self.model), x, views):
                found += [
                    _cam(layer_map, method, x.shape[-1], views)
                    for method in self._cam_methods(layer_map.layer.branch)
                ]
        if self.model is None or self.methods is None or OCCLUSION in self.methods:
            found.append(self._occlusion(x))
        return found

    def main_map(self, x: Tensor) -> FaceMap:
        """The one map to show where one is shown, of one view: cheap enough for each frame."""
        methods = self._cam_methods(MAIN_BRANCH)
        if self.model is None or not methods:
            return self._occlusion(x)
        layer = next(each for each in layers_of(self.model) if each.branch == MAIN_BRANCH)
        method = MAIN_METHOD if MAIN_METHOD in methods else methods[0]
        views = _VIEWS[:1]
        return _cam(self._read([layer], x, views)[0], method, x.shape[-1], views)

    def faithfulness(self, x: Tensor, maps: Sequence[FaceMap]) -> dict[str, Faithfulness]:
        """A score for each map by name, and for ``random``: a map that knows nothing.

        The latter is the mean of a random map and its reverse, so that it favours no place.
        """
        noise = random_heat(x.shape[-1])
        heats = {each.name: each.positive for each in maps}
        found = measure(self.probability, x, heats | {RANDOM: noise, _REVERSE: -noise})
        one, other = found[RANDOM], found.pop(_REVERSE)
        found[RANDOM] = Faithfulness(
            deletion=(one.deletion + other.deletion) / 2,
            insertion=(one.insertion + other.insertion) / 2,
            road=(one.road + other.road) / 2,
        )
        return found

    def probability(self, inputs: Tensor) -> Floats:
        """Calibrated probability of the target, (N,), for inputs (N, 3, S, S)."""
        calibration = self.card.decision.calibration
        odds = self.scorer.log_odds(inputs) / calibration.temperature + calibration.bias
        return np.asarray(0.5 * (1 + np.tanh(0.5 * self._sign * odds)), np.float64)

    def reconstruction(self, x: Tensor) -> Image | None:
        """What a model's auto-encoder makes of the input, to look at; None where it has none.

        Of GenConViT's two networks together it is network A's.
        """
        network = self.model.ed if isinstance(self.model, GenConViTEnsemble) else self.model
        if not isinstance(network, GenConViT):
            return None
        with torch.inference_mode():
            return self.picture(network.reconstruction(torch.from_numpy(x)[None])[0].numpy())

    def picture(self, x: Tensor) -> Image:
        """An input (3, S, S) to look at, (S, S, 3)."""
        mean, std = (
            np.array(part)[:, None, None] for part in (self.card.input.mean, self.card.input.std)
        )
        levels = np.clip(np.rint((x * std + mean) * 255), 0, 255).astype(np.uint8)
        return np.ascontiguousarray(levels.transpose(1, 2, 0))

    @property
    def _sign(self) -> float:
        return 1.0 if self.target == "fake" else -1.0

    def _cam_methods(self, branch: Branch) -> tuple[str, ...]:
        if self.methods is None:
            return METHODS_BY_BRANCH[branch]
        return tuple(method for method in self.methods if method in METHODS)

    def _read(
        self, layers: Sequence[MapLayer], x: Tensor, views: Sequence[_View]
    ) -> tuple[LayerMap, ...]:
        assert self.model is not None
        batch = np.stack([view.of(x) for view in views])
        return read_layers(self.model, layers, torch.from_numpy(batch), sign=self._sign)[1]

    def _occlusion(self, x: Tensor) -> FaceMap:
        heat = occlusion_map(lambda inputs: self._sign * self.scorer.log_odds(inputs), x)
        return FaceMap(OCCLUSION, OCCLUSION, None, (CELLS, CELLS), signed=True, heat=heat)


@dataclass(frozen=True, slots=True)
class _View:
    """A picture moved and perhaps mirrored, and the way back for a map of it."""

    down: int
    right: int
    mirrored: bool

    def of(self, x: Tensor) -> Tensor:
        """The view of an input (3, S, S); the edge's pixels fill what comes in."""
        moved = np.stack([_moved(plane, self.down, self.right) for plane in x])
        return np.ascontiguousarray(moved[:, :, ::-1] if self.mirrored else moved)

    def back(self, heat: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """A map of the view, (S, S), where it belongs in the picture."""
        return _moved(heat[:, ::-1] if self.mirrored else heat, -self.down, -self.right)


_VIEWS = tuple(_View(down, right, mirrored) for mirrored in (False, True) for down, right in SHIFTS)


def _moved(plane: npt.NDArray[np.float32], down: int, right: int) -> npt.NDArray[np.float32]:
    height, width = plane.shape
    to_view = np.array([[1, 0, round(right * SHIFT * width)], [0, 1, round(down * SHIFT * height)]])
    return np.asarray(
        cv2.warpAffine(
            np.ascontiguousarray(plane),
            to_view.astype(np.float32),
            (width, height),
            borderMode=cv2.BORDER_REPLICATE,
        ),
        np.float32,
    )


def _cam(layer_map: LayerMap, method: str, side: int, views: Sequence[_View]) -> FaceMap:
    """One map of one face, enlarged to the input's size: the mean over its views."""
    layer = layer_map.layer
    small = METHODS[method](layer_map.activations, layer_map.gradients).numpy()
    large = [cv2.resize(each, (side, side), interpolation=cv2.INTER_LINEAR) for each in small]
    heats = [
        view.back(np.asarray(each, np.float32)) for view, each in zip(views, large, strict=True)
    ]
    return FaceMap(
        name=f"{layer.name} {method}",
        method=method,
        branch=layer.branch,
        cells=(small.shape[1], small.shape[2]),
        signed=method not in UNSIGNED,
        heat=np.mean(heats, axis=0, dtype=np.float32),
    )
