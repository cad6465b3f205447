"""Class-activation maps: from a layer's activations and their gradients to a map of evidence.

Each method takes activations A and the gradients G of the target by them, both (B, C, H, W), and
gives maps (B, H, W). What is positive speaks for the target. Written from the papers:

- HiResCAM: Draelos and Carin, "Use HiResCAM instead of Grad-CAM for faithful explanations of
  convolutional neural networks" (2020), https://arxiv.org/abs/2011.08891
- Grad-CAM: Selvaraju et al. (ICCV 2017), https://arxiv.org/abs/1610.02391; its element-wise form
  keeps the positive part of each product before it sums
- LayerCAM: Jiang et al. (IEEE TIP 2021), https://doi.org/10.1109/TIP.2021.3089943
- Grad-CAM++: Chattopadhay et al. (WACV 2018), https://arxiv.org/abs/1710.11063
- XGrad-CAM: Fu et al. (BMVC 2020), https://arxiv.org/abs/2008.02312
- EigenGradCAM: Eigen-CAM, Muhammad and Yeasin (IJCNN 2020), https://arxiv.org/abs/2008.00299, with
  the products of activations and gradients in place of the activations
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

EPSILON = 1e-7

CamMethod = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def hirescam(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    """Sum of A x G: for a linear rest of the network, each cell's share of the score. Signed."""
    return (activations * gradients).sum(dim=1)


def gradcam_elementwise(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    """Sum of the positive products A x G; what speaks against the target takes nothing away."""
    return (activations * gradients).clamp(min=0).sum(dim=1)


def layercam(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    """Sum of A weighted, cell by cell, by the positive part of G. Signed where A is."""
    return (activations * gradients.clamp(min=0)).sum(dim=1)


def eigengradcam(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    """First principal component of A x G over the cells, around its mean. Signed.

    A principal component has no sign of its own; it gets the one that goes with HiResCAM.
    """
    cells = (activations * gradients).flatten(2).transpose(1, 2)  # (B, HW, C)
    centred = cells - cells.mean(dim=1, keepdim=True)
    _, _, directions = torch.linalg.svd(centred, full_matrices=False)
    projected = (centred @ directions[:, 0, :, None]).squeeze(2)  # (B, HW)
    together = (projected * centred.sum(dim=2)).sum(dim=1, keepdim=True)
    signed = torch.where(together < 0, -projected, projected)
    return signed.reshape(-1, *activations.shape[2:])


def gradcam_plus_plus(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    """A weighted by channel: positive G, each cell by the paper's alpha. Signed where A is.

    For the exponential of a score alpha is G^2 / (2 G^2 + sum(A) G^3) = 1 / (2 + sum(A) G); the
    factor that all weights share is left out. The paper's activations are never negative; a
    negative sum counts as none, so that alpha stays within 0 to 1/2.
    """
    total = activations.sum(dim=(2, 3), keepdim=True).clamp(min=0)
    positive = gradients.clamp(min=0)
    weights = (positive / (2 + total * positive)).sum(dim=(2, 3), keepdim=True)
    return (weights * activations).sum(dim=1)


def xgradcam(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    """A weighted by channel: the mean of G, each cell counting by its share of A. Signed.

    Made for activations that are never negative: where a channel's sum comes near zero, its weight
    runs away.
    """
    total = activations.sum(dim=(2, 3), keepdim=True)
    weights = (activations * gradients).sum(dim=(2, 3), keepdim=True) / (total + EPSILON)
    return (weights * activations).sum(dim=1)


METHODS: Mapping[str, CamMethod] = {
    "hirescam": hirescam,
    "gradcam-elementwise": gradcam_elementwise,
    "layercam": layercam,
    "eigengradcam": eigengradcam,
    "gradcam++": gradcam_plus_plus,
    "xgradcam": xgradcam,
}

UNSIGNED = frozenset({"gradcam-elementwise"})
"""Methods whose maps are never negative."""
