"""The formulas of the maps, against numbers worked out by hand."""

from __future__ import annotations

import pytest
import torch

from dfedge_tools.commands import explain as command
from dfedge_tools.explaining import cam
from dfedge_tools.explaining.explainer import OCCLUSION

# One picture, two channels, a row of two cells.
A = torch.tensor([[[[1.0, 3.0]], [[2.0, -1.0]]]])
G = torch.tensor([[[[0.5, 1.0]], [[-1.0, -2.0]]]])


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        # 1 x .5 + 2 x -1; 3 x 1 + -1 x -2
        ("hirescam", [-1.5, 5.0]),
        # the same without the product -2
        ("gradcam-elementwise", [0.5, 5.0]),
        # channel 2 has no positive gradient
        ("layercam", [0.5, 3.0]),
        # sum(A) = 4 in channel 1: .5 / (2 + 2) + 1 / (2 + 4) = 7/24; channel 2 has weight 0
        ("gradcam++", [7 / 24, 3 * 7 / 24]),
        # weights (.5 + 3) / 4 = .875 and (-2 + 2) / 1 = 0
        ("xgradcam", [0.875, 2.625]),
    ],
)
def test_each_formula_gives_what_its_paper_says(method: str, expected: list[float]) -> None:
    """Two cells and two channels, worked out by hand."""
    found = cam.METHODS[method](A, G)
    torch.testing.assert_close(found, torch.tensor([[expected]]))


def test_eigengradcam_is_the_first_component_and_points_to_the_evidence() -> None:
    """Products that lie along one direction come back as their distance from the mean."""
    amounts = torch.tensor([0.0, 1.0, 2.0, 5.0])
    direction = torch.tensor([0.6, 0.8])
    products = (direction[:, None] * amounts).view(1, 2, 2, 2)
    found = cam.eigengradcam(products, torch.ones_like(products))
    torch.testing.assert_close(found.flatten(), amounts - 2, atol=1e-5, rtol=0)
    turned = cam.eigengradcam(-products, torch.ones_like(products))
    torch.testing.assert_close(turned.flatten(), 2 - amounts, atol=1e-5, rtol=0)


def test_gradcam_plus_plus_keeps_finite_where_activations_sum_below_zero() -> None:
    """The paper knows no negative activations; alpha stays within 0 to 1/2."""
    activations = torch.tensor([[[[-3.0, 1.0]]]])
    gradients = torch.tensor([[[[1.0, 1.0]]]])  # 2 + sum(A) G would be 0
    found = cam.gradcam_plus_plus(activations, gradients)
    torch.testing.assert_close(found, torch.tensor([[[-3.0, 1.0]]]))


@pytest.mark.parametrize("method", cam.METHODS)
def test_pictures_of_a_batch_do_not_touch_each_other(method: str) -> None:
    """A map is the same alone and in company."""
    torch.manual_seed(0)
    activations, gradients = torch.randn(3, 8, 5, 5), torch.randn(3, 8, 5, 5)
    together = cam.METHODS[method](activations, gradients)
    alone = cam.METHODS[method](activations[1:2], gradients[1:2])
    assert (3, 5, 5) == together.shape
    torch.testing.assert_close(together[1:2], alone, atol=1e-4, rtol=1e-4)


def test_the_command_knows_all_methods() -> None:
    """``--methods`` offers what there is."""
    assert (*cam.METHODS, OCCLUSION) == command.METHODS
