"""GenConViT's networks and their ensemble, at a small size and with fresh weights."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the extra 'tools'")
pytest.importorskip("timm", reason="needs the extra 'tools'")

import torch

import dfedge_models
from dfedge_models import DetectorModel, GenConViTED, GenConViTEnsemble, GenConViTVAE

SIDE = 64
NETWORKS = ("genconvit_ed", "genconvit_vae")


@pytest.fixture(scope="module")
def ensemble() -> GenConViTEnsemble:
    """Both networks at 64 px with seeded weights, and a head that tells pictures apart."""
    torch.manual_seed(0)
    model = dfedge_models.create("genconvit", img_size=SIDE).eval()
    assert isinstance(model, GenConViTEnsemble)
    for network in (model.ed, model.vae):
        torch.nn.init.normal_(network.fc2.weight, std=2.0)
        torch.nn.init.normal_(network.fc2.bias)
    return model


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    """Six pictures of noise."""
    return torch.randn(6, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


def checkpoint_of(model: DetectorModel) -> dict[str, torch.Tensor]:
    """A published checkpoint with a model's weights, and zeros where it has none."""
    zeros = {name: torch.zeros(shape) for name, shape in model.official_entries().items()}
    return zeros | model.state_dict()


@pytest.mark.parametrize("name", [*NETWORKS, "genconvit"])
def test_the_signature_is_the_published_one(name: str) -> None:
    """Class 0 is fake, a sigmoid each, probabilities are averaged over frames, 224 px."""
    with torch.device("meta"):
        signature = dfedge_models.create(name).signature
    assert (signature.classes, signature.fake_index) == (("fake", "real"), 0)
    assert (signature.activation, signature.aggregation) == ("sigmoid", "mean_probability")
    assert signature.input_shape(2) == (2, 3, 224, 224)


@pytest.mark.parametrize("size", [0, 100])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_size_that_the_strides_do_not_divide_is_refused(name: str, size: int) -> None:
    """The auto-encoders halve the picture five times."""
    with pytest.raises(ValueError, match=f"img_size is {size}, it must be a multiple of 32"):
        dfedge_models.create(name, img_size=size)


@pytest.mark.parametrize("network", ["ed", "vae"])
def test_the_reconstruction_is_a_picture_of_the_input_size(
    ensemble: GenConViTEnsemble, pictures: torch.Tensor, network: str
) -> None:
    """It can be laid over the input, whatever size the decoder works at."""
    with torch.inference_mode():
        picture = getattr(ensemble, network).reconstruction(pictures)
    assert picture.shape == pictures.shape
    assert picture.min().item() >= (0.0 if network == "ed" else -0.1)


@pytest.mark.parametrize("network", ["ed", "vae"])
def test_a_picture_is_scored_as_alone(
    ensemble: GenConViTEnsemble, pictures: torch.Tensor, network: str
) -> None:
    """Features of a picture and of its reconstruction stay together in a batch."""
    model = getattr(ensemble, network)
    with torch.inference_mode():
        together = model(pictures)
        alone = torch.cat([model(picture[None]) for picture in pictures])
    assert torch.allclose(alone, together, atol=1e-4)
    assert together.std(dim=0).min().item() > 1e-2


def test_the_vae_gives_the_same_logits_each_time(
    ensemble: GenConViTEnsemble, pictures: torch.Tensor
) -> None:
    """The latent is its mean, no random number is drawn."""
    with torch.inference_mode():
        assert torch.equal(ensemble(pictures), ensemble(pictures))


def test_the_published_drawing_follows_its_generator(
    ensemble: GenConViTEnsemble, pictures: torch.Tensor
) -> None:
    """Equal seeds give equal logits, others differ, and both differ from the mean's."""

    def drawn(seed: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        with torch.inference_mode():
            return ensemble(pictures, sample_latent=True, generator=generator)

    with torch.inference_mode():
        plain = ensemble(pictures)
    assert torch.equal(drawn(1), drawn(1))
    assert not torch.allclose(drawn(1), drawn(2), atol=1e-6)
    assert not torch.allclose(drawn(1), plain, atol=1e-6)


def test_drawing_without_a_generator_is_refused(
    ensemble: GenConViTEnsemble, pictures: torch.Tensor
) -> None:
    """Randomness is passed in, never taken from a hidden state."""
    with pytest.raises(ValueError, match="give a generator with a seed"):
        ensemble.vae(pictures, sample_latent=True)


def test_the_ensemble_is_the_mean_of_probabilities(
    ensemble: GenConViTEnsemble, pictures: torch.Tensor
) -> None:
    """Class by class, so that the mean over frames is the paper's score."""
    with torch.inference_mode():
        mean = (ensemble.ed(pictures).sigmoid() + ensemble.vae(pictures).sigmoid()) / 2
        assert torch.allclose(mean, ensemble(pictures).sigmoid(), atol=1e-6)


@pytest.mark.parametrize("seed", range(20))
def test_the_verdict_on_a_frame_is_the_papers(seed: int) -> None:
    """The sign of our log-odds and the larger of the paper's two scores name the same class."""
    generator = torch.Generator().manual_seed(seed)
    ed, vae = 3 * torch.randn(2, 1, 2, generator=generator)
    signature = dfedge_models.create("genconvit_ed", img_size=32).signature
    both = dfedge_models.mixture_logit((ed, vae), (0.5, 0.5))
    for ours, theirs in (((ed), (ed,)), (both, (ed, vae))):
        label, score = dfedge_models.published_clip_score(*theirs)
        assert ("fake" if signature.fake_log_odds(ours).item() > 0 else "real") == label
        assert ours.sigmoid().max().item() == pytest.approx(score, abs=1e-6)


def test_the_published_score_averages_frames_and_networks() -> None:
    """(0.9 + 0.5 + 0.5 + 0.1) / 4 fake against 0.7 real."""
    ed = torch.tensor([[0.9, 0.7], [0.5, 0.7]]).logit()
    vae = torch.tensor([[0.5, 0.7], [0.1, 0.7]]).logit()
    label, score = dfedge_models.published_clip_score(ed, vae)
    assert (label, score) == ("real", pytest.approx(0.7))
    label, score = dfedge_models.published_clip_score(ed[:, [1, 0]])
    assert (label, score) == ("fake", pytest.approx(0.7))


@pytest.mark.parametrize("name", [*NETWORKS, "genconvit"])
def test_a_published_checkpoint_loads_and_what_is_unused_is_dropped(
    name: str, pictures: torch.Tensor
) -> None:
    """The Swin Transformer is known by name, and the model holds nothing of it."""
    donor = dfedge_models.create(name, img_size=SIDE).eval()
    model = dfedge_models.create(name, img_size=SIDE).eval()
    model.load_official(checkpoint_of(donor))
    with torch.inference_mode():
        assert torch.equal(donor(pictures), model(pictures))
    assert [n for n in model.state_dict() if "patch_embed" in n or "embedder" in n] == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fc.weight": None}, "GenConViTED as published: lacks fc.weight"),
        ({"embedder.norm.bias": None}, "lacks embedder.norm.bias"),
        ({"fc4.weight": torch.zeros(1)}, "has fc4.weight, which the model has not"),
        ({"embedder.norm.bias": torch.zeros(1)}, r"embedder.norm.bias is \(1,\), in the model \(7"),
    ],
)
def test_a_checkpoint_of_another_model_is_refused(change: dict[str, Any], message: str) -> None:
    """Missing, foreign and misshapen entries are named, the unused ones too; nothing is loaded."""
    model = dfedge_models.create("genconvit_ed", img_size=SIDE)
    before = model.state_dict()["fc.bias"].clone()
    state = checkpoint_of(model) | {"fc.bias": before + 1} | change
    with pytest.raises(ValueError, match=message):
        model.load_official({name: value for name, value in state.items() if value is not None})
    assert torch.equal(before, model.state_dict()["fc.bias"])


@pytest.mark.parametrize("kind", [GenConViTED, GenConViTVAE])
def test_every_parameter_takes_part(kind: type[DetectorModel], pictures: torch.Tensor) -> None:
    """No weight is dead, so none is dead in an export."""
    model = kind(img_size=SIDE).train()  # type: ignore[call-arg]
    for module in model.modules():  # fresh rectifiers may all be shut
        if isinstance(module, torch.nn.ReLU):
            module.register_forward_hook(lambda _m, inputs, out: out + 1e-3 * inputs[0])
    model(pictures).sum().backward()
    assert [n for n, p in model.named_parameters() if p.grad is None] == []
