"""The second output: what it computes, and what its limit promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs the extra 'tools'")
pytest.importorskip("torch", reason="needs the extra 'tools'")

import onnx

from dfedge import Detector
from dfedge.bundles.bundle import load_bundle
from dfedge.bundles.card import DetectorCard
from dfedge.bundles.store import resolve_detector
from dfedge.cli import main
from dfedge.crops import Preprocessor
from dfedge.errors import UsageError
from dfedge.types import Image
from dfedge_tools.deciding.novelty import add_novelty, fit_classes
from dfedge_tools.deciding.reference import FaceInputs, Reference
from dfedge_tools.deciding.surgery import (
    feature_tensor,
    usual_tensors,
    with_features,
    with_novelty,
    without_novelty,
)
from dfedge_tools.evaluating.scores import Labelled
from dfedge_tools.exporting.graph import open_session, serialize
from dfedge_tools.exporting.half import to_half
from dfedge_tools.exporting.weights import store_weights
from dfedge_tools.quantizing.quantizer import Quantizer
from dfedge_tools.quantizing.recipes import find_recipe


@pytest.fixture(scope="module")
def graph(own_bundle: Path) -> Any:
    """The graph of the tiny bundle."""
    return onnx.load_from_string(load_bundle(own_bundle).read("model"))


@pytest.fixture(scope="module")
def reference(own_bundle: Path) -> Reference:
    """Crops of coloured noise: portraits of two sources, and genuine and fake clips."""
    preprocess = Preprocessor(load_bundle(own_bundle))
    rng = np.random.default_rng(0)

    def face(kind: str, number: int, label: int) -> FaceInputs:
        still = kind != "ffpp"
        video = f"{kind}{label}-{number if still else number // 2}"
        row = Labelled(video, label, "", "", kind, "", identity="" if still else video[-2:])
        tint = 60 * (kind == "meb") + 40 * label
        crop = np.clip(rng.normal(100 + tint, 30, (64, 64, 3)), 0, 255).astype(np.uint8)
        return FaceInputs(row, (crop,), still, preprocess)

    def some(count: int) -> tuple[FaceInputs, ...]:
        kinds = (("meb", 0), ("aaf", 0), ("ffpp", 0), ("ffpp", 1))
        return tuple(face(kind, n, label) for kind, label in kinds for n in range(count))

    return Reference(some(24), some(20), ("noise",), 0)


def _inputs(count: int) -> Any:
    return np.random.default_rng(1).standard_normal((count, 3, 64, 64)).astype(np.float32)


def test_it_is_the_distance_from_the_nearest_centre(graph: Any) -> None:
    """As numpy works it out from the same features, for any batch; the logits stay to the bit."""
    tensors = usual_tensors(graph, "logit", maps=True)
    inner = open_session(with_features(graph, tensors).SerializeToString())
    rng = np.random.default_rng(2)
    features = inner.run(["novelty.features"], {"input": _inputs(5)})[0]
    whiten = rng.normal(size=(features.shape[1], 7)).astype(np.float32)
    centres = rng.normal(size=(3, 7)).astype(np.float32)
    content = serialize(with_novelty(graph, tensors, whiten, centres))
    plain, session = open_session(graph.SerializeToString()), open_session(content)
    away = (features @ whiten)[:, np.newaxis] - centres
    expected = np.sqrt((away**2).mean(axis=2).min(axis=1))
    for count in (5, 1, 2):
        feeds = {"input": _inputs(5)[:count]}
        logits, novelty = session.run(["logit", "novelty"], feeds)
        assert plain.run(["logit"], feeds)[0].tobytes() == logits.tobytes()
        assert (count, 1) == novelty.shape
        np.testing.assert_allclose(novelty[:, 0], expected[:count], rtol=1e-4)


def test_the_logits_stay_the_first_output(graph: Any) -> None:
    """Runtimes that read outputs by place keep reading logits."""
    made = with_novelty(graph, [feature_tensor(graph, "logit")], *_anything(graph))
    assert ["logit", "novelty"] == [entry.name for entry in made.graph.output]


def test_a_second_fit_replaces_the_first(graph: Any) -> None:
    """Nothing is added twice, and taking it out gives the graph back."""
    tensors = [feature_tensor(graph, "logit")]
    once = with_novelty(graph, tensors, *_anything(graph))
    twice = with_novelty(once, tensors, *_anything(graph))
    assert once.SerializeToString(deterministic=True) == twice.SerializeToString(deterministic=True)
    assert graph.SerializeToString(deterministic=True) == without_novelty(once).SerializeToString(
        deterministic=True
    )


@pytest.mark.parametrize("recipe", ["small", "fp16"])
def test_weights_stored_short_are_no_hindrance(graph: Any, recipe: str) -> None:
    """In a graph that restores its weights the same tensors are found, and the sum is right."""
    short, _ = store_weights(graph, recipe)
    tensors = usual_tensors(short, "logit", maps=True)
    assert usual_tensors(graph, "logit", maps=True) == tensors
    assert feature_tensor(graph, "logit") == feature_tensor(short, "logit")
    content = serialize(with_novelty(short, [feature_tensor(short, "logit")], *_anything(graph)))
    feeds = {"input": _inputs(3)}
    plain = open_session(short.SerializeToString()).run(["logit"], feeds)[0]
    assert plain.tobytes() == open_session(content).run(["logit"], feeds)[0].tobytes()


def test_a_model_of_clips_has_no_maps_of_its_own_rows(graph: Any) -> None:
    """Without maps it is what the last linear layer reads."""
    assert (feature_tensor(graph, "logit"),) == usual_tensors(graph, "logit", maps=False)
    assert 3 == len(usual_tensors(graph, "logit", maps=True))


def test_an_unknown_tensor_is_named(graph: Any) -> None:
    """The message says which option to correct."""
    with pytest.raises(UsageError, match=r"--layer nowhere: the graph has no such tensor"):
        with_features(graph, ["nowhere"])


def test_usual_faces_are_about_one_away() -> None:
    """Of normal classes with any covariance, also where one source is much larger."""
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(20, 20)) * np.geomspace(0.01, 10, 20)
    names = ["a"] * 900 + ["b"] * 300 + ["c"] * 5
    shift = np.array([{"a": 0.0, "b": 40.0, "c": 900.0}[name] for name in names])
    features = rng.normal(size=(1205, 20)) @ mix + shift[:, np.newaxis]
    whiten, centres, classes = fit_classes(features, names)
    assert {"a": 900, "b": 300} == classes
    away = (features @ whiten)[:, np.newaxis] - centres
    novelty = np.sqrt((away**2).mean(axis=2).min(axis=1))
    assert 0.7 < np.median(novelty[:1200]) < 1.1
    assert novelty[1200:].min() > 3


def test_features_that_do_not_vary_are_refused() -> None:
    """A distance from one point says nothing."""
    with pytest.raises(UsageError, match="do not vary"):
        fit_classes(np.ones((50, 4)), ["a"] * 50)
    with pytest.raises(UsageError, match="no source has 20 faces"):
        fit_classes(np.ones((10, 4)), ["a"] * 10)


def test_the_limit_keeps_its_promise(own_bundle: Path, reference: Reference) -> None:
    """No more than was asked of faces kept back are above it; noise of another kind is."""
    bundle, card = resolve_detector(own_bundle)
    found = add_novelty(bundle, card, reference, share=0.1)
    assert {"fake ffpp": 24, "genuine aaf": 24, "genuine ffpp": 24, "genuine meb": 24} == (
        found.classes
    )
    assert ["clips", "stills"] == [group.name for group in found.groups]
    assert all(group.flagged.low <= 0.1 for group in found.groups)
    assert "novelty" == found.limit.output
    assert "at most 10% of new stills (40; checked" in found.limit.meaning
    stripes = np.zeros((3, 3, 64, 64), np.float32)
    stripes[:, :, ::2] = 4.0
    novelty = open_session(found.model).run(["novelty"], {"input": stripes})[0]
    assert novelty.min() > found.limit.threshold


def test_too_few_faces_widen_the_promise(own_bundle: Path, reference: Reference) -> None:
    """Twenty clips of ten people cannot support 1%, and it is told."""
    bundle, card = resolve_detector(own_bundle)
    found = add_novelty(bundle, card, reference, share=0.01)
    assert any("novelty of clips: 1% was asked for" in said for said in found.problems)


def test_the_command_writes_a_bundle_that_tells_novelty(
    own_bundle: Path, portrait: Image, tmp_path: Path, capsys: Any
) -> None:
    """From a folder of faces to a verdict: the number stands in it, and a limit is obeyed."""
    folder = tmp_path / "faces"
    folder.mkdir()
    rng = np.random.default_rng(0)
    lines = ["path,source"]
    for number in range(60):
        x, y = rng.integers(0, 60, 2)
        cut = portrait[y : y + 300, 60 + x : 360 + x].astype(np.float32) * rng.uniform(0.7, 1.2)
        picture = np.clip(cut, 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{number}.jpg"), np.ascontiguousarray(picture[:, :, ::-1]))
        lines.append(f"{number}.jpg,astronaut")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    out = tmp_path / "wary"
    arguments = ["calibrate", str(own_bundle), "--reference", str(folder), "--out", str(out)]
    assert 1 == main(arguments)
    assert "a face is out of distribution" in capsys.readouterr().out
    card = load_bundle(out).card
    assert isinstance(card, DetectorCard)
    assert card.decision.novelty is not None
    assert load_bundle(own_bundle).read("preprocess") == load_bundle(out).read("preprocess")
    with Detector(out) as detector:
        (usual,) = detector.detect(portrait).tracks
        (strange,) = detector.detect(255 - portrait).tracks or (usual,)
    assert usual.novelty is not None
    assert usual.novelty == usual.observations[0].novelty
    assert 0 < usual.novelty < 3 * card.decision.novelty.threshold
    assert strange.novelty is not None


def _anything(graph: Any) -> tuple[Any, Any]:
    """A matrix and centres for what the last layer reads."""
    session = open_session(
        with_features(graph, [feature_tensor(graph, "logit")]).SerializeToString()
    )
    count = session.run(["novelty.features"], {"input": _inputs(1)})[0].shape[1]
    rng = np.random.default_rng(3)
    return (
        rng.normal(size=(count, 4)).astype(np.float32),
        rng.normal(size=(2, 4)).astype(np.float32),
    )


@pytest.mark.parametrize("recipe", ["small", "weights-int8", "fp16"])
def test_smaller_forms_keep_the_output(own_bundle: Path, reference: Reference, recipe: str) -> None:
    """Quantized after the fit, a graph tells nearly the same novelty, as its second output."""
    bundle, card = resolve_detector(own_bundle)
    found = add_novelty(bundle, card, reference, share=0.1)
    small = Quantizer(found.model, find_recipe(recipe)).build()
    inputs = np.stack([face.inputs() for face in reference.kept_back[::10]])
    large_session, small_session = open_session(found.model), open_session(small)
    assert ["logit", "novelty"] == [entry.name for entry in small_session.get_outputs()]
    (expected,) = large_session.run(["novelty"], {"input": inputs})
    (actual,) = small_session.run(["novelty"], {"input": inputs})
    np.testing.assert_allclose(actual, expected, rtol=0.1)
    stored = {entry.name: entry for entry in onnx.load_from_string(small).graph.initializer}
    assert onnx.TensorProto.FLOAT == stored["novelty.whiten"].data_type


def test_half_precision_keeps_the_output(own_bundle: Path, reference: Reference) -> None:
    """Also where the arithmetic is float16, with float32 at both ends."""
    bundle, card = resolve_detector(own_bundle)
    found = add_novelty(bundle, card, reference, share=0.1)
    half = open_session(serialize(to_half(onnx.load_from_string(found.model))))
    assert ["tensor(float)", "tensor(float)"] == [entry.type for entry in half.get_outputs()]
    inputs = np.stack([face.inputs() for face in reference.kept_back[::10]])
    (expected,) = open_session(found.model).run(["novelty"], {"input": inputs})
    (actual,) = half.run(["novelty"], {"input": inputs})
    np.testing.assert_allclose(actual, expected, rtol=0.1)
