"""The detector of clips: its size, what its adapters do, and which checkpoints it takes.

Behaviour is tested on two blocks and small frames; the layout on the meta device.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the extra 'tools'")
pytest.importorskip("timm", reason="needs the extra 'tools'")

import torch

import dfedge_models
from dfedge_models import CLIPVideoDetector

SIDE, FRAMES, DEPTH = 56, 4, 2
POOLED = [0.4297045, 0.4741180, -0.6699665, -0.7040922]
"""First of transformers' pooled output, with ``interpolate_pos_encoding=True``."""


@pytest.fixture(scope="module")
def small() -> CLIPVideoDetector:
    """Two blocks, four frames of 56 px, fresh weights."""
    return fresh(0)


@pytest.fixture(scope="module")
def clips() -> torch.Tensor:
    """Two clips of noise."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, FRAMES, 3, SIDE, SIDE, generator=generator)


def fresh(seed: int) -> CLIPVideoDetector:
    """A small model whose adapters do something."""
    torch.manual_seed(seed)
    model = dfedge_models.create("dfd_clip_l", img_size=SIDE, frames=FRAMES, depth=DEPTH).eval()
    assert isinstance(model, CLIPVideoDetector)
    for adapter in model.adapters:
        torch.nn.init.normal_(adapter.up.weight, std=0.05)  # type: ignore[union-attr,arg-type]
    return model


def test_the_trainable_parameters_are_the_published_number() -> None:
    """5,255,938 of the adapters and the head; the tower is frozen."""
    with torch.device("meta"):
        model = dfedge_models.create("dfd_clip_l")
    trained = {name: p.numel() for name, p in model.named_parameters() if p.requires_grad}
    assert sum(trained.values()) == 5_255_938
    assert {name.partition(".")[0] for name in trained} == {"adapters", "head"}


def test_the_signature_is_the_published_one() -> None:
    """Twelve frames of 384 px, a softmax, class 1 is fake."""
    with torch.device("meta"):
        model = dfedge_models.create("dfd_clip_l")
        signature = model.signature
        logits = model(torch.zeros(signature.input_shape(1)))
    assert signature.input_shape(1) == (1, 12, 3, 384, 384)
    assert (signature.classes, signature.fake_index) == (("real", "fake"), 1)
    assert (signature.activation, signature.aggregation) == ("softmax", "mean_probability")
    assert logits.shape == (1, 2)


def test_a_new_model_sees_with_clip_alone(clips: torch.Tensor) -> None:
    """Fresh adapters add nothing: features are the tower's class tokens, frame by frame."""
    model = dfedge_models.create("dfd_clip_l", img_size=SIDE, frames=FRAMES, depth=DEPTH).eval()
    assert isinstance(model, CLIPVideoDetector)
    with torch.inference_mode():
        expected = model.tower(clips.flatten(0, 1)).unflatten(0, (2, FRAMES))
        assert torch.allclose(expected, model.frame_features(clips), atol=1e-5)


def test_an_adapter_reaches_one_frame_back_and_on(small: CLIPVideoDetector) -> None:
    """A change in one frame changes its neighbours, no frame beyond and no other clip."""
    tokens = torch.randn(2 * 5, 3, 1024, generator=torch.Generator().manual_seed(2))
    changed = tokens.clone()
    changed[2, 1] += 1.0  # clip 0, frame 2, token 1
    with torch.inference_mode():
        difference = small.adapters[0](changed, 5) - small.adapters[0](tokens, 5)
    moved = difference.abs().amax(dim=-1) > 1e-4
    assert moved.nonzero().tolist() == [[1, 1], [2, 1], [3, 1]]


def test_the_order_of_frames_counts(small: CLIPVideoDetector, clips: torch.Tensor) -> None:
    """With adapters at work a shuffled clip is another clip, and clips in a batch keep apart."""
    with torch.inference_mode():
        plain = small(clips)
        assert torch.allclose(torch.cat([small(clip[None]) for clip in clips]), plain, atol=1e-5)
        assert not torch.allclose(plain, small(clips[:, [0, 2, 1, 3]]), atol=1e-5)


def test_training_leaves_the_tower_alone(clips: torch.Tensor) -> None:
    """A gradient arrives at every adapter and at the head, and nowhere else."""
    model = fresh(0).train()
    model(clips).sum().backward()
    reached = {name for name, p in model.named_parameters() if p.grad is not None}
    assert reached == {n for n, _ in model.named_parameters() if not n.startswith("tower.")}


@pytest.mark.parametrize("prefix", ["clip.vision_model.", "vision_model."])
def test_a_checkpoint_with_the_names_of_transformers_loads(
    small: CLIPVideoDetector, clips: torch.Tensor, prefix: str
) -> None:
    """The layout of Hugging Face's CLIP gives the model that it was taken from."""
    state = transformers_state(small, prefix)
    assert state.keys() == small.official_layout(state).keys()
    model = fresh(1)
    model.load_official(state)
    with torch.inference_mode():
        assert torch.equal(small(clips), model(clips))


def test_a_checkpoint_with_our_names_loads(small: CLIPVideoDetector, clips: torch.Tensor) -> None:
    """What this project saved, it takes back."""
    model = fresh(1)
    model.load_official(small.state_dict())
    with torch.inference_mode():
        assert torch.equal(small(clips), model(clips))


def test_positions_of_224_px_are_interpolated(small: CLIPVideoDetector) -> None:
    """A slope stays one, to a twentieth of a patch, and the class token keeps its own."""
    state = transformers_state(small, "clip.vision_model.")
    rows = torch.arange(16.0).repeat_interleave(16)
    plane = torch.cat((torch.tensor([-7.0]), rows))[:, None].repeat(1, 1024)
    state["clip.vision_model.embeddings.position_embedding.weight"] = plane
    model = dfedge_models.create("dfd_clip_l", img_size=448, frames=1, depth=DEPTH)
    model.load_official(state)
    positions = model.state_dict()["tower.pos_embed"][0, :, 0]
    assert positions[0].item() == -7.0
    inner = positions[1:].reshape(32, 32)[4:28]
    expected = (torch.arange(4, 28) + 0.5) / 2 - 0.5
    assert torch.allclose(expected[:, None].expand(24, 32), inner, atol=0.05)


def test_the_row_of_numbers_of_older_versions_is_dropped(small: CLIPVideoDetector) -> None:
    """`position_ids` was saved once, and holds nothing."""
    state = transformers_state(small, "vision_model.")
    state["vision_model.embeddings.position_ids"] = torch.arange(17)[None]
    fresh(1).load_official(state)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"head.0.bias": None}, "lacks head.0.bias"),
        (
            {"clip.vision_model.encoder.layers.1.self_attn.k_proj.bias": None},
            "lacks clip.vision_model.encoder.layers.1.self_attn.k_proj.bias",
        ),
        ({"clip.logit_scale": torch.zeros(1)}, "has clip.logit_scale, which the model has not"),
        (
            {"clip.vision_model.embeddings.position_embedding.weight": torch.zeros(50, 1024)},
            r"position_embedding.weight is \(50, 1024\), in the model \(257, 1024\)",
        ),
    ],
)
def test_another_checkpoint_is_refused_by_its_own_names(
    small: CLIPVideoDetector, change: dict[str, Any], message: str
) -> None:
    """Entries are named as in the file, and nothing is loaded."""
    state = transformers_state(small, "clip.vision_model.") | {"head.2.bias": torch.ones(2)}
    model = fresh(1)
    before = model.state_dict()["head.2.bias"].clone()
    with pytest.raises(ValueError, match=message):
        model.load_official(
            {name: value for name, value in (state | change).items() if value is not None}
        )
    assert torch.equal(before, model.state_dict()["head.2.bias"])


def test_the_tower_of_clip_alone_is_taken_over(small: CLIPVideoDetector) -> None:
    """Of a whole CLIP the text side is left out; adapters and head stay."""
    theirs = transformers_state(small, "vision_model.")
    clip = {name: value for name, value in theirs.items() if name.startswith("vision_model.")}
    model = fresh(1)
    head = model.state_dict()["head.0.weight"].clone()
    model.load_backbone({**clip, "text_model.final_layer_norm.bias": torch.zeros(1)})
    wanted, loaded = small.tower.state_dict(), model.tower.state_dict()
    assert [name for name in wanted if not torch.equal(wanted[name], loaded[name])] == []
    assert torch.equal(head, model.state_dict()["head.0.weight"])
    del clip["vision_model.post_layernorm.bias"]
    with pytest.raises(ValueError, match=r"CLIP tower: lacks vision_model.post_layernorm.bias"):
        model.load_backbone(clip)


def test_clips_tower_is_that_of_transformers(seeded_weight: Callable[..., Any]) -> None:
    """Numbers of transformers 5.23, `CLIPVisionModel` of two layers, under weights from names."""
    torch.manual_seed(0)
    model = dfedge_models.create("dfd_clip_l", img_size=SIDE, frames=1, depth=DEPTH).eval()
    assert isinstance(model, CLIPVideoDetector)
    layout = {n: s for n, s in model.official_entries().items() if n.startswith("clip.")}
    model.load_backbone({n: seeded_weight(n, shape, 1.0) for n, shape in layout.items()})
    picture = torch.linspace(-2, 2, 3 * SIDE * SIDE).reshape(1, 1, 3, SIDE, SIDE)
    with torch.inference_mode():
        features = model.frame_features(picture)[0, 0]
    assert features[:4].tolist() == pytest.approx(POOLED, abs=1e-4)


def transformers_state(model: CLIPVideoDetector, prefix: str) -> dict[str, torch.Tensor]:
    """A model's weights by the names of transformers, written out for the tests alone."""
    own = model.state_dict()
    state = {name: value for name, value in own.items() if not name.startswith("tower.")}
    tower = {
        "embeddings.class_embedding": own["tower.cls_token"][0, 0],
        "embeddings.patch_embedding.weight": own["tower.patch_embed.proj.weight"],
        "embeddings.position_embedding.weight": own["tower.pos_embed"][0],
    }
    for kind in ("weight", "bias"):
        tower[f"pre_layrnorm.{kind}"] = own[f"tower.norm_pre.{kind}"]
        tower[f"post_layernorm.{kind}"] = own[f"tower.norm.{kind}"]
        for index in range(DEPTH):
            layer, block = f"encoder.layers.{index}.", f"tower.blocks.{index}."
            joint = own[f"{block}attn.qkv.{kind}"].chunk(3)
            for part, value in zip("qkv", joint, strict=True):
                tower[f"{layer}self_attn.{part}_proj.{kind}"] = value
            tower[f"{layer}self_attn.out_proj.{kind}"] = own[f"{block}attn.proj.{kind}"]
            tower[f"{layer}layer_norm1.{kind}"] = own[f"{block}norm1.{kind}"]
            tower[f"{layer}layer_norm2.{kind}"] = own[f"{block}norm2.{kind}"]
            tower[f"{layer}mlp.fc1.{kind}"] = own[f"{block}mlp.fc1.{kind}"]
            tower[f"{layer}mlp.fc2.{kind}"] = own[f"{block}mlp.fc2.{kind}"]
    return state | {prefix + name: value for name, value in tower.items()}
