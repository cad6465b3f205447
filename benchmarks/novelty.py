"""How often a bundle refuses inputs as unlike known faces: usual ones, and far-off ones.

    python -m benchmarks.novelty calibrated/

The bundle has a novelty limit, as ``dfedge calibrate --reference`` makes it. Usual inputs are the
portraits that training keeps back and the val clips of FaceForensics++; far-off ones are portraits
changed before the face is cut out, so that the runtime's own crop is what is changed. Research data
in ../shared/data is needed. The table of docs/decision.md was made with the same changes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from benchmarks.clips import REPOSITORY
from dfedge.bundles.bundle import Bundle
from dfedge.bundles.card import DetectorCard
from dfedge.bundles.store import resolve_detector
from dfedge.crops import Preprocessor, crop_box, cut
from dfedge.faces import open_face_finder
from dfedge.runtime import OnnxModel, open_model
from dfedge.types import Box, Image
from dfedge_tools.data.pack import central_face
from dfedge_tools.evaluating.inputs import Clip, read_data, read_held_stills

Change = Callable[[Image], Image]
Move = Callable[[Box], Box]
SIDE = 160
"""Pixels of noise and of flat colours."""


def _same(image: Image) -> Image:
    return image


def _still(box: Box) -> Box:
    return box


def _scaled(factor: float) -> Move:
    def move(box: Box) -> Box:
        x, y = box.center
        width, height = box.width * factor / 2, box.height * factor / 2
        return Box(x - width, y - height, x + width, y + height)

    return move


def _blurred(deviation: float) -> Change:
    return lambda image: np.asarray(cv2.GaussianBlur(image, (0, 0), deviation), np.uint8)


def _noisy(image: Image) -> Image:
    noise = np.random.default_rng(1).normal(0, 40, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def _cartoon(image: Image) -> Image:
    return np.asarray(cv2.stylization(image, sigma_s=60, sigma_r=0.45), np.uint8)


def _jpeg(image: Image) -> Image:
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 10])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


CHANGES: dict[str, tuple[Change, Move]] = {
    "strong noise": (_noisy, _still),
    "cartoon": (_cartoon, _still),
    "negative": (lambda image: np.asarray(255 - image, np.uint8), _still),
    "blurred, deviation 3": (_blurred(3), _still),
    "blurred, deviation 8": (_blurred(8), _still),
    "JPEG 10": (_jpeg, _still),
    "dark, a quarter": (lambda image: (image * 0.25).astype(np.uint8), _still),
    "crop twice too wide": (_same, _scaled(2.0)),
    "crop far too tight": (_same, _scaled(0.4)),
    "crop beside the face": (
        _same,
        lambda box: box.shifted(0.6 * box.width, 0.3 * box.height),
    ),
}
"""What is done to the picture, and to the box of its face."""


class Measure:
    """Novelties of crops by a bundle."""

    def __init__(self, bundle: Bundle, card: DetectorCard) -> None:
        if card.decision.novelty is None:
            raise SystemExit(
                f"{bundle.path}: has no limit of novelty; make one by dfedge calibrate"
            )
        self.limit = card.decision.novelty
        self.card = card
        self._preprocess = Preprocessor(bundle)
        self._model: OnnxModel = open_model(bundle, device="cpu")
        self._finder = open_face_finder()

    def crop(self, image: Image, change: Change = _same, move: Move = _still) -> Image | None:
        """The crop of the central face of the picture as it was, cut from the changed one."""
        face = central_face(image, self._finder)
        if face is None:
            return None
        box = crop_box(move(Box(*face.box)), self.card.crop)
        return cut(change(np.ascontiguousarray(image)), box, self.card.crop.pad_value)

    def novelty(self, crop: Image) -> float:
        """Of one crop."""
        outputs = self._model.run({self.card.input.name: self._preprocess([crop])})
        return float(outputs[self.limit.output][0, 0])


def clip_novelties(measure: Measure, clips: Sequence[Clip], what: str) -> list[float]:
    """The mean of each clip over the frames with a face."""
    found = []
    for clip in tqdm(clips, desc=what, disable=None):
        crops = [measure.crop(np.asarray(picture.load())) for picture in clip.pictures]
        values = [measure.novelty(crop) for crop in crops if crop is not None]
        if values:
            found.append(float(np.mean(values)))
    return found


def main() -> None:
    """Print the share above the limit for each kind of input."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("bundle", help="a bundle with a novelty limit")
    parser.add_argument("--count", type=int, default=60, help="portraits a change (%(default)s)")
    options = parser.parse_args()
    data: Path = REPOSITORY.parent / "shared" / "data"
    measure = Measure(*resolve_detector(options.bundle))
    stills = read_held_stills(data / "real_faces").clips
    chosen = stills[:: max(1, len(stills) // options.count)][: options.count]
    rows = {
        "portraits kept back": clip_novelties(measure, stills, "portraits"),
        "val clips": clip_novelties(measure, read_data(data / "ffpp_frames").clips, "clips"),
    }
    pictures = [np.asarray(clip.pictures[0].load()) for clip in chosen]
    for name, (change, move) in CHANGES.items():
        crops = [measure.crop(image, change, move) for image in pictures]
        rows[name] = [measure.novelty(crop) for crop in crops if crop is not None]
    turned = [crop for image in pictures if (crop := measure.crop(image)) is not None]
    rows["turned by 90 degrees"] = [measure.novelty(np.rot90(crop).copy()) for crop in turned]
    rng = np.random.default_rng(2)
    noise = [rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8) for _ in range(options.count)]
    rows["pure noise"] = [measure.novelty(crop) for crop in noise]
    flat = [np.full((SIDE, SIDE, 3), level, np.uint8) for level in range(0, 250, 10)]
    rows["one flat colour"] = [measure.novelty(crop) for crop in flat]
    limit = measure.limit.threshold
    print(f"{'input':24}{'count':>6}{'refused':>9}{'median':>8}    limit {limit:.2f}")
    for name, values in rows.items():
        share = float(np.mean(np.array(values) > limit))
        print(f"{name:24}{len(values):6}{share:9.1%}{np.median(values):8.2f}")


if __name__ == "__main__":
    main()
