"""What GenConViT's published checkpoints hold beside the weights that take part in the result.

There a Swin Transformer (Tiny, as timm 0.6.5 laid it out) is attached to the ConvNeXt as its
``patch_embed``, which the ConvNeXt's forward pass never calls; the checkpoints carry it twice. A
loader must know these entries to tell a checkpoint of this model from another.
"""

from __future__ import annotations

from dfedge_models.detector import Shapes

WIDTH = 96
DEPTHS = (2, 2, 6, 2)
HEADS = (3, 6, 12, 24)
WINDOW = 7
SIDE = 56
"""Of the first stage's map: 224 px in patches of 4."""
CLASSES = 1000


def unused_embedder(backbone: str) -> Shapes:
    """Entries of the Swin Transformer by both its names, and of the projection after it.

    Args:
        backbone: name of the ConvNeXt in the checkpoint.
    """
    swin = _swin_tiny()
    inside = f"{backbone}.patch_embed."
    return {
        **{f"{inside}backbone.{name}": shape for name, shape in swin.items()},
        **_affine(f"{inside}proj", 8 * WIDTH, CLASSES, 1, 1),
        **{f"embedder.{name}": shape for name, shape in swin.items()},
    }


def unused_latent(features: int, latent: int) -> Shapes:
    """Entries of the VAE's encoder that its latent, a function of the mean alone, never asks for.

    Args:
        features: values of the encoder's flattened map.
        latent: values of the latent.
    """
    return {
        **_affine("encoder.fc1", 256, features),
        **_affine("encoder.fc2", 128, 256),
        **_affine("encoder.var", latent, features),
    }


def unused_head(features: int, hidden: int) -> Shapes:
    """Entries of a layer of the VAE for the features of one picture alone."""
    return _affine("fc3", hidden, features)


def _swin_tiny() -> Shapes:
    entries = _affine("patch_embed.proj", WIDTH, 3, 4, 4) | _affine("patch_embed.norm", WIDTH)
    for stage, depth in enumerate(DEPTHS):
        for block in range(depth):
            entries |= _swin_block(f"layers.{stage}.blocks.{block}", stage, shifted=block % 2 == 1)
        if stage < len(DEPTHS) - 1:  # merges four neighbours into one of twice the width
            width = WIDTH * 2**stage
            entries |= _affine(f"layers.{stage}.downsample.norm", 4 * width)
            entries[f"layers.{stage}.downsample.reduction.weight"] = (2 * width, 4 * width)
    return entries | _affine("norm", 8 * WIDTH) | _affine("head", CLASSES, 8 * WIDTH)


def _swin_block(name: str, stage: int, *, shifted: bool) -> Shapes:
    width, side, cells = WIDTH * 2**stage, SIDE // 2**stage, WINDOW**2
    entries: Shapes = {}
    if shifted and side > WINDOW:
        entries[f"{name}.attn_mask"] = ((side // WINDOW) ** 2, cells, cells)
    entries |= {
        f"{name}.attn.relative_position_bias_table": ((2 * WINDOW - 1) ** 2, HEADS[stage]),
        f"{name}.attn.relative_position_index": (cells, cells),
    }
    return (
        entries
        | _affine(f"{name}.norm1", width)
        | _affine(f"{name}.attn.qkv", 3 * width, width)
        | _affine(f"{name}.attn.proj", width, width)
        | _affine(f"{name}.norm2", width)
        | _affine(f"{name}.mlp.fc1", 4 * width, width)
        | _affine(f"{name}.mlp.fc2", width, 4 * width)
    )


def _affine(name: str, *shape: int) -> Shapes:
    """A weight of that shape, and a bias for its first dimension."""
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
