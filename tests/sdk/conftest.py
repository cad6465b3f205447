"""Fixtures shared by the tests of the SDK: tiny bundles, whole and right, made on the spot."""

from __future__ import annotations

import hashlib
import io
import json
import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image as Pictures

from dfedge.analysis import Analysis, Evidence
from dfedge.bundles.card import DetectorCard
from dfedge.scoring import judge_clip, judge_track, timeline
from dfedge.types import Box
from dfedge.verdict import ModelInfo, Observation, Reason, SourceInfo, Timing, Verdict

TINY_SIDE = 16
"""Pixels of the tiny detector's input."""

TINY_MEAN, TINY_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class BundleMaker:
    """Makes bundles of two tiny models: a detector (mean colour to a logit) and a face detector."""

    def __init__(self, onnx: Any, folder: Path) -> None:
        self._onnx = onnx
        self._folder = folder

    def detector(self, *, folder: Path | None = None, opset: int = 20, **fields: Any) -> Path:
        """A deepfake detector bundle in a new folder; `fields` replace those of the card."""
        files = {"model.onnx": self.detector_model(opset), "preprocess.onnx": self.preprocess()}
        return self.write(folder or self._new_folder(), self.detector_card(**fields), files)

    def clip_detector(self, frames: int = 4, *, box_source: str, **fields: Any) -> Path:
        """A bundle of a detector that takes `frames` at once; `fields` replace the card's."""
        card = self.detector_card()
        card["input"] |= {"layout": "NTCHW", "frames": frames}
        card["crop"] |= {"box_source": box_source}
        card["decision"] |= {"min_usable_frames": 1}
        files = {"model.onnx": self.clip_model(frames), "preprocess.onnx": self.preprocess()}
        return self.write(self._new_folder(), {**card, **fields}, files)

    def wary_detector(self, threshold: float, **fields: Any) -> Path:
        """A detector whose novelty is the brightest mean colour, with a limit on it."""
        card = self.detector_card()
        card["crop"] |= {"box_source": "blazeface-full-range"}
        limit = {"output": "novelty", "threshold": threshold, "meaning": "none, a test"}
        card["decision"] |= {"novelty": limit, "min_usable_frames": 1}
        files = {"model.onnx": self.wary_model(), "preprocess.onnx": self.preprocess()}
        return self.write(self._new_folder(), {**card, **fields}, files)

    def face_detector(self, *, folder: Path | None = None, **fields: Any) -> Path:
        """A face detector bundle in a new folder; `fields` replace those of the card."""
        files = {"model.onnx": self.face_model()}
        return self.write(folder or self._new_folder(), self.face_card(**fields), files)

    def write(self, folder: Path, card: dict[str, Any], files: dict[str, bytes]) -> Path:
        """A folder with the card and its files; sizes and hashes are filled in."""
        folder.mkdir(parents=True, exist_ok=True)
        for entry in card["files"]:
            content = files[entry["name"]]
            entry["sha256"] = hashlib.sha256(content).hexdigest()
            entry["size_bytes"] = len(content)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        (folder / "card.json").write_text(json.dumps(card, indent=2), encoding="utf-8")
        return folder

    def zipped(self, folder: Path, *, method: int = zipfile.ZIP_DEFLATED) -> Path:
        """The files of a bundle folder as `FOLDER.zip` beside it."""
        path = folder.with_name(folder.name + ".zip")
        with zipfile.ZipFile(path, "w", method) as archive:
            for file in sorted(folder.iterdir()):
                archive.write(file, file.name)
        return path

    def detector_card(self, **fields: Any) -> dict[str, Any]:
        """A detector's card as plain values, hashes not yet filled in."""
        card: dict[str, Any] = {
            **_identity("deepfake_detector", "tiny-detector"),
            "files": [
                {"name": "model.onnx", "role": "model"},
                {"name": "preprocess.onnx", "role": "preprocess"},
            ],
            "input": {
                "name": "input",
                "layout": "NCHW",
                "width": TINY_SIDE,
                "height": TINY_SIDE,
                "mean": list(TINY_MEAN),
                "std": list(TINY_STD),
            },
            "crop": {
                "box_source": "tiny-faces",
                "margin": 0.2,
                "squaring": "longer_side",
                "resize": "stretch",
            },
            "output": {
                "name": "logit",
                "classes": ["fake"],
                "fake_index": 0,
                "activation": "sigmoid",
            },
            "decision": {
                "calibration": {"fitted_on": "nothing"},
                "fake": {"threshold": 0.8, "meaning": "none, a test"},
                "real": {"threshold": 0.2, "meaning": "none, a test"},
                "quality": {
                    "min_face_pixels": 32,
                    "min_sharpness": 10,
                    "min_brightness": 20,
                    "max_brightness": 235,
                },
                "min_usable_frames": 3,
            },
        }
        return {**card, **fields}

    def face_card(self, **fields: Any) -> dict[str, Any]:
        """A face detector's card as plain values, hashes not yet filled in."""
        card: dict[str, Any] = {
            **_identity("face_detector", "tiny-faces"),
            "files": [{"name": "model.onnx", "role": "model"}],
            "input": {
                "name": "input",
                "layout": "NCHW",
                "width": 64,
                "height": 64,
                "mean": [0.5, 0.5, 0.5],
                "std": [0.5, 0.5, 0.5],
            },
            "boxes_output": "boxes",
            "scores_output": "scores",
            "anchors": [{"stride": 16, "anchors_per_cell": 2}],
            "min_score": 0.5,
            "nms_iou": 0.3,
        }
        return {**card, **fields}

    def detector_model(self, opset: int = 20, *, side: int = TINY_SIDE, classes: int = 1) -> bytes:
        """(batch, 3, side, side) to the mean of all numbers, once a class: (batch, classes)."""
        weight = np.full((3, classes), 1 / 3, np.float32)
        return self.model(
            [
                ("GlobalAveragePool", ["input"], ["pooled"], {}),
                ("Flatten", ["pooled"], ["flat"], {"axis": 1}),
                ("Gemm", ["flat", "weight"], ["logit"], {}),
            ],
            inputs={"input": ("float32", ["batch", 3, side, side])},
            outputs={"logit": ("float32", ["batch", classes])},
            initializers={"weight": weight},
            opset=opset,
        )

    def clip_model(self, frames: int, *, side: int = TINY_SIDE) -> bytes:
        """(batch, frames, 3, side, side) to the mean of all numbers: (batch, 1)."""
        return self.model(
            [
                ("ReduceMean", ["input", "axes"], ["means"], {"keepdims": 0}),
                ("Gemm", ["means", "weight"], ["logit"], {}),
            ],
            inputs={"input": ("float32", ["batch", frames, 3, side, side])},
            outputs={"logit": ("float32", ["batch", 1])},
            initializers={
                "axes": np.array([2, 3, 4], np.int64),
                "weight": np.full((frames, 1), 1 / frames, np.float32),
            },
        )

    def wary_model(self, *, size: int = 1) -> bytes:
        """(batch, 3, side, side) to the mean of all numbers, and the largest of a colour plus 3."""
        return self.model(
            [
                ("GlobalAveragePool", ["input"], ["pooled"], {}),
                ("Flatten", ["pooled"], ["flat"], {"axis": 1}),
                ("Gemm", ["flat", "weight"], ["logit"], {}),
                ("ReduceMax", ["flat", "axes"], ["largest"], {"keepdims": 1}),
                ("Add", ["largest", "three"], ["novelty"], {}),
            ],
            inputs={"input": ("float32", ["batch", 3, TINY_SIDE, TINY_SIDE])},
            outputs={
                "logit": ("float32", ["batch", 1]),
                "novelty": ("float32", ["batch", size]),
            },
            initializers={
                "weight": np.full((3, 1), 1 / 3, np.float32),
                "axes": np.array([1], np.int64),
                "three": np.full(size, 3.0, np.float32),
            },
        )

    def preprocess(self, *, side: int = TINY_SIDE) -> bytes:
        """uint8 (height, width, 3) to the normalised (1, 3, side, side)."""
        scale = 1 / (255 * np.asarray(TINY_STD, np.float32))
        offset = -np.asarray(TINY_MEAN, np.float32) / np.asarray(TINY_STD, np.float32)
        return self.model(
            [
                ("Cast", ["crop"], ["float"], {"to": self._onnx.TensorProto.FLOAT}),
                ("Transpose", ["float"], ["planes"], {"perm": [2, 0, 1]}),
                ("Unsqueeze", ["planes", "axes"], ["batch"], {}),
                (
                    "Resize",
                    ["batch", "", "", "sizes"],
                    ["resized"],
                    {"mode": "linear", "antialias": 1},
                ),
                ("Mul", ["resized", "scale"], ["scaled"], {}),
                ("Add", ["scaled", "offset"], ["input"], {}),
            ],
            inputs={"crop": ("uint8", ["height", "width", 3])},
            outputs={"input": ("float32", [1, 3, side, side])},
            initializers={
                "axes": np.array([0], np.int64),
                "sizes": np.array([1, 3, side, side], np.int64),
                "scale": scale.astype(np.float32)[:, None, None],
                "offset": offset.astype(np.float32)[:, None, None],
            },
        )

    def face_model(self) -> bytes:
        """(batch, 3, 64, 64) to 32 anchors: boxes (batch, 32, 16) and scores (batch, 32, 1)."""
        pool = {"kernel_shape": [16, 16], "strides": [16, 16]}
        return self.model(
            [
                ("AveragePool", ["input"], ["cells"], pool),
                ("Conv", ["cells", "box_weight"], ["box_map"], {}),
                ("Reshape", ["box_map", "box_shape"], ["boxes"], {}),
                ("Conv", ["cells", "score_weight"], ["score_map"], {}),
                ("Reshape", ["score_map", "score_shape"], ["scores"], {}),
            ],
            inputs={"input": ("float32", ["batch", 3, 64, 64])},
            outputs={
                "boxes": ("float32", ["batch", 32, 16]),
                "scores": ("float32", ["batch", 32, 1]),
            },
            initializers={
                "box_weight": np.ones((32, 3, 1, 1), np.float32),
                "score_weight": np.ones((2, 3, 1, 1), np.float32),
                "box_shape": np.array([-1, 32, 16], np.int64),
                "score_shape": np.array([-1, 32, 1], np.int64),
            },
        )

    def model(
        self,
        nodes: list[tuple[str, list[str], list[str], dict[str, Any]]],
        *,
        inputs: dict[str, tuple[str, list[Any]]],
        outputs: dict[str, tuple[str, list[Any]]],
        initializers: dict[str, Any] | None = None,
        opset: int = 20,
    ) -> bytes:
        """The bytes of an ONNX model of these nodes (operator, inputs, outputs, attributes)."""
        helper = self._onnx.helper

        def info(name: str, kind: tuple[str, list[Any]]) -> Any:
            dtype = helper.np_dtype_to_tensor_dtype(np.dtype(kind[0]))
            return helper.make_tensor_value_info(name, dtype, kind[1])

        graph = helper.make_graph(
            [helper.make_node(op, ins, outs, **extra) for op, ins, outs, extra in nodes],
            "tiny",
            [info(name, kind) for name, kind in inputs.items()],
            [info(name, kind) for name, kind in outputs.items()],
            [
                self._onnx.numpy_helper.from_array(array, name)
                for name, array in (initializers or {}).items()
            ],
        )
        opsets = [helper.make_opsetid("", opset)]
        model: bytes = helper.make_model(
            graph, opset_imports=opsets, ir_version=9
        ).SerializeToString()
        return model

    def _new_folder(self) -> Path:
        return self._folder / f"bundle-{sum(1 for _ in self._folder.iterdir())}"


class AnalysisMaker:
    """Makes analyses from the scores a test names, judged by the SDK's own rules."""

    def card(self, **fields: Any) -> DetectorCard:
        """A detector's card, FAKE from 80% and REAL up to 20%; `fields` replace its own."""
        card = BundleMaker(None, Path()).detector_card(**fields)
        for entry in card["files"]:
            entry |= {"sha256": "ab" * 32, "size_bytes": 1000}
        return msgspec.convert(card, DetectorCard)

    def analysis(
        self,
        name: str,
        *people: Sequence[float | None],
        blurred: Sequence[int] = (),
        kind: str = "video",
        card: DetectorCard | None = None,
        **source: Any,
    ) -> Analysis:
        """Each of `people` is P(fake) at 0, 0.5, 1 ... seconds, None where the person is not seen.

        The frames numbered in `blurred` do not count; `source` replaces fields of SourceInfo.
        """
        card = card or self.card()
        length = max((len(scores) for scores in people), default=1)
        seen = [
            [
                self._observation(index, score, blurred=index in blurred)
                for index, score in enumerate(scores)
                if score is not None
            ]
            for scores in people
            if set(scores) != {None}
        ]
        tracks = tuple(
            judge_track(number, observations, card.decision, frames_sampled=length)
            for number, observations in enumerate(seen)
        )
        judged = judge_clip(tracks, card.decision, frames_sampled=length)
        everything = [observation for observations in seen for observation in observations]
        facts: dict[str, Any] = {
            "width": 640,
            "height": 360,
            "duration_seconds": length / 2 if kind == "video" else None,
            "sampling": "even",
            "frames_sampled": length,
            "frames_with_face": len({observation.frame_index for observation in everything}),
            **source,
        }
        verdict = Verdict(
            source=msgspec.convert({"name": name, "kind": kind, **facts}, SourceInfo),
            label=judged.label,
            fake_probability=judged.fake_probability,
            confidence=judged.confidence,
            reasons=judged.reasons,
            tracks=tracks,
            timeline=timeline([index / 2 for index in range(length)], everything),
            opinions=(),
            models=(
                ModelInfo(name=card.name, version=card.version, sha256="ab" * 32, role="edge"),
            ),
            timing=Timing(
                total_seconds=1.25, decode_seconds=1.0, faces_seconds=0.1, classify_seconds=0.2
            ),
            dfedge_version="0.1.0",
        )
        evidence = tuple(
            self._evidence(number, observation)
            for number, observations in enumerate(seen)
            for observation in observations
        )
        return Analysis(verdict, evidence, card)

    def _observation(self, index: int, score: float, *, blurred: bool) -> Observation:
        return Observation(
            pts_seconds=index / 2,
            frame_index=index * 12,
            box=Box(100, 50, 200, 150),
            detection_score=0.9,
            logit=math.log(score / (1 - score)),
            fake_probability=score,
            issues=(Reason.TOO_BLURRY,) if blurred else (),
        )

    def _evidence(self, track_id: int, observation: Observation) -> Evidence:
        buffer = io.BytesIO()
        Pictures.new("RGB", (160, 120), (90, 120, 150)).save(buffer, "JPEG")
        return Evidence(
            track_id=track_id,
            frame_index=observation.frame_index,
            pts_seconds=observation.pts_seconds,
            jpeg=buffer.getvalue(),
            box=Box(40, 30, 120, 90),
        )


@pytest.fixture
def analysis_maker() -> AnalysisMaker:
    """Makes analyses by hand."""
    return AnalysisMaker()


@pytest.fixture
def bundle_maker(tmp_path: Path) -> BundleMaker:
    """Makes tiny bundles under a folder of the test's own."""
    onnx = pytest.importorskip(
        "onnx", reason="needs the package onnx (extra dfedge[tools]) to make tiny models"
    )
    folder = tmp_path / "made"
    folder.mkdir()
    return BundleMaker(onnx, folder)


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A DFEDGE_HOME of the test's own, empty."""
    home = tmp_path / "home"
    monkeypatch.setenv("DFEDGE_HOME", str(home))
    return home


def _identity(kind: str, name: str) -> dict[str, Any]:
    return {
        "kind": kind,
        "schema": "dfedge.card/1",
        "name": name,
        "version": "0.1.0",
        "architecture": "tiny",
        "summary": "A tiny model for tests.",
        "licence": "Apache-2.0",
        "opset": 20,
        "provenance": {"training_data": "none"},
        "limits": ["Knows nothing."],
    }
