"""The networks of the two stages fit together."""

from __future__ import annotations

import pytest
import torch

from dfedge_tools.training.networks import DetectorTrainer


def test_backbone_goes_into_the_detector() -> None:
    """The second stage starts with backbone and mask head of the first, to the bit."""
    torch.manual_seed(0)
    first, second = DetectorTrainer("dfedge_efficientnet_b0"), DetectorTrainer()
    second.start_from(first.state_dict())
    for mine, other in ((first.backbone, second.backbone), (first.mask_head, second.mask_head)):
        ours, theirs = mine.state_dict(), other.state_dict()
        assert list(ours) == list(theirs)
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_both_give_a_logit_and_a_mask() -> None:
    """A logit a picture and a mask logit for every 8 x 8 cell."""
    for name in ("dfedge_efficientnet_b0", "ms_eff_gcvit_b0"):
        with torch.inference_mode():
            logits, masks = DetectorTrainer(name, side=64).eval()(torch.zeros(2, 3, 64, 64))
        assert (2,) == tuple(logits.shape)
        assert (2, 1, 8, 8) == tuple(masks.shape)


def test_foreign_backbone_is_refused() -> None:
    """A state without the backbone's entries is not taken over in part."""
    with pytest.raises(ValueError, match="backbone"):
        DetectorTrainer().start_from({"backbone.conv_stem.weight": torch.zeros(1)})
