"""The detector of several tasks: its frequency maps, its heads, its fused score."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra 'tools'")
pytest.importorskip("timm", reason="needs the extra 'tools'")
pytest.importorskip("scipy", reason="needs the extra 'tools'")

import torch
from scipy import fft, signal

import dfedge_models
from dfedge_models import IMAGENET_MEAN, IMAGENET_STD, MultiTaskDetector
from dfedge_models.frequency import MAPS, RESIDUAL, FrequencyMaps

NAME = "dfedge_convnext_tiny_multitask"
SIDE = 64


@pytest.fixture(scope="module")
def model() -> MultiTaskDetector:
    """A model for 64 px whose heads tell pictures apart."""
    torch.manual_seed(0)
    made = dfedge_models.create(NAME, img_size=SIDE).eval()
    assert isinstance(made, MultiTaskDetector)
    for head in made.heads.values():
        torch.nn.init.normal_(head.weight, std=2.0)  # type: ignore[arg-type]
    return made


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    """Five normalised pictures of noise."""
    return torch.randn(5, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("side", [SIDE, 256])
def test_the_maps_are_those_of_numpy_and_scipy(side: int) -> None:
    """FFT, DCT and residual of the grey picture before normalisation, to 1e-3."""
    rgb = np.random.default_rng(0).random((3, side, side))
    grey = np.tensordot([0.299, 0.587, 0.114], rgb, axes=1)
    mirrored = np.pad(grey, 2, mode="reflect")
    expected = {
        "fft": np.log1p(np.abs(np.fft.fftshift(np.fft.fft2(grey)))),
        "dct": np.log1p(np.abs(fft.dctn(grey))),
        "high_pass": signal.correlate2d(mirrored, np.divide(RESIDUAL, 12), mode="valid"),
    }
    mean, std = np.reshape(IMAGENET_MEAN, (3, 1, 1)), np.reshape(IMAGENET_STD, (3, 1, 1))
    normalised = torch.from_numpy(((rgb - mean) / std).astype(np.float32))[None]
    maps = FrequencyMaps(side, mean=IMAGENET_MEAN, std=IMAGENET_STD)(normalised)[0].numpy()
    for name, made in zip(MAPS, maps, strict=True):
        assert made == pytest.approx(expected[name], abs=1e-3), name


def test_a_flat_picture_has_finite_maps_and_slopes() -> None:
    """Nothing but frequency 0, no residual, and a gradient that is a number."""
    flat = torch.zeros(1, 3, SIDE, SIDE, requires_grad=True)
    maps = FrequencyMaps(SIDE, mean=IMAGENET_MEAN, std=IMAGENET_STD)(flat)
    maps.sum().backward()
    assert flat.grad is not None
    assert torch.isfinite(flat.grad).all()
    assert maps[0, 0].argmax().item() == SIDE // 2 * SIDE + SIDE // 2
    assert maps[0, 1].argmax().item() == 0
    assert maps[0, 2].abs().max().item() < 1e-5


def test_the_score_is_the_fused_one(model: MultiTaskDetector, pictures: torch.Tensor) -> None:
    """0.55 real/fake, 0.30 InSwapper, 0.15 boundary."""
    with torch.inference_mode():
        heads = {name: logits.sigmoid() for name, logits in model.forward_heads(pictures).items()}
        score = model(pictures).sigmoid()
    fused = 0.55 * heads["real_fake"] + 0.30 * heads["inswapper"] + 0.15 * heads["boundary"]
    assert torch.allclose(fused, score, atol=1e-6)
    assert score.std().item() > 1e-3


def test_the_heads_are_these(model: MultiTaskDetector, pictures: torch.Tensor) -> None:
    """Three of one logit, and three classes of quality."""
    with torch.inference_mode():
        shapes = {name: tuple(v.shape) for name, v in model.forward_heads(pictures).items()}
    single = dict.fromkeys(("real_fake", "inswapper", "boundary"), (5, 1))
    assert shapes == {**single, "quality": (5, 3)}


def test_sizes_are_the_described_ones() -> None:
    """768 of the picture and 256 of frequencies become 512; input 256 px."""
    with torch.device("meta"):
        model = dfedge_models.create(NAME)
    assert isinstance(model, MultiTaskDetector)
    assert model.signature.input_shape(1) == (1, 3, 256, 256)
    assert model.signature.aggregation == "mean_probability"
    assert (model.backbone.num_features, model.frequency.out.out_features) == (768, 256)
    assert tuple(model.fusion[0].weight.shape) == (512, 1024)


def test_maps_have_the_promised_strides_and_channels(
    model: MultiTaskDetector, pictures: torch.Tensor
) -> None:
    """Training aids of the other edge models work here."""
    with torch.inference_mode():
        logits, maps = model.forward_with_maps(pictures)
        assert torch.equal(model(pictures), logits)
    assert {stride: tuple(value.shape) for stride, value in maps.items()} == {
        stride: (5, channels, SIDE // stride, SIDE // stride)
        for stride, channels in {4: 96, 8: 192, 16: 384, 32: 768}.items()
    }


def test_training_reaches_every_parameter(pictures: torch.Tensor) -> None:
    """By all four heads together, with dropout and stochastic depth."""
    model = dfedge_models.create(NAME, img_size=SIDE, drop_rate=0.1, drop_path_rate=0.1).train()
    assert isinstance(model, MultiTaskDetector)
    torch.cat(list(model.forward_heads(pictures).values()), dim=1).sum().backward()
    assert [n for n, p in model.named_parameters() if p.grad is None] == []


def test_the_backbone_of_the_plain_detector_is_taken_over(model: MultiTaskDetector) -> None:
    """A ConvNeXt-Tiny trained before gives all but its classifier."""
    donor = dfedge_models.create("dfedge_convnext_tiny")
    taker = dfedge_models.create(NAME, img_size=SIDE)
    assert isinstance(taker, MultiTaskDetector)
    taker.load_backbone(donor.state_dict())
    theirs, ours = donor.state_dict(), taker.backbone.state_dict()
    assert [n for n in ours if not torch.equal(theirs[f"backbone.{n}"], ours[n])] == []
    with pytest.raises(ValueError, match=r"the backbone: lacks stem\.0\.weight"):
        taker.load_backbone({"backbone.other": torch.zeros(1)})


@pytest.mark.parametrize("size", [0, 100, 224])
def test_a_size_that_the_grid_does_not_divide_is_refused(size: int) -> None:
    """The frequency branch pools to a grid of 4 x 4 at stride 16."""
    with pytest.raises(ValueError, match=f"img_size is {size}, it must be a multiple of 64"):
        dfedge_models.create(NAME, img_size=size)
