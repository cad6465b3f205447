"""Maps of a picture's frequencies, of nothing but matrix products and a convolution.

``torch.fft`` has no counterpart in most runtimes of ONNX graphs (WebGPU, TensorRT), so both
transforms are products with constant matrices: 0.1 billion multiply-adds each at 256 px.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import nn

LUMA = (0.299, 0.587, 0.114)
"""ITU-R BT.601: grey of R, G and B."""
MAPS = ("fft", "dct", "high_pass")
RESIDUAL = (
    (-1.0, 2.0, -2.0, 2.0, -1.0),
    (2.0, -6.0, 8.0, -6.0, 2.0),
    (-2.0, 8.0, -12.0, 8.0, -2.0),
    (2.0, -6.0, 8.0, -6.0, 2.0),
    (-1.0, 2.0, -2.0, 2.0, -1.0),
)
"""Over 12 the 5 x 5 "square" filter of Fridrich and Kodovsky, "Rich Models for Steganalysis of
Digital Images" (2012): what is left of a pixel that its neighbours do not foretell."""
SMALLEST = 1e-12
"""Power added before the root, whose slope at 0 is endless."""


class FrequencyMaps(nn.Module):
    """Log-magnitudes of the Fourier and the cosine transform, and a high-pass residual.

    Args:
        side: S, of the picture, pixels.
        mean: of RGB in [0, 1], that the input was normalised by; likewise `std`.
    """

    to_grey: torch.Tensor
    residual: torch.Tensor
    cosines: torch.Tensor
    sines: torch.Tensor
    dct: torch.Tensor

    def __init__(
        self, side: int, *, mean: tuple[float, float, float], std: tuple[float, float, float]
    ) -> None:
        super().__init__()
        self.grey_offset = float(np.dot(LUMA, mean))
        constants = {
            "to_grey": np.multiply(LUMA, std).reshape(1, 3, 1, 1),
            "residual": np.divide(RESIDUAL, 12).reshape(1, 1, 5, 5),
            "cosines": np.cos(_fourier_angles(side)),
            "sines": np.sin(_fourier_angles(side)),
            "dct": 2 * np.cos(_cosine_angles(side)),
        }
        for name, values in constants.items():  # not persistent: a checkpoint needs none of them
            tensor = torch.from_numpy(values.astype(np.float32))
            self.register_buffer(name, tensor, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 3, S, S), normalised -> (B, 3, S, S), one channel for each of :data:`MAPS`.

        Of the grey picture in [0, 1]: log(1 + |FFT|) with frequency 0 at (S // 2, S // 2), which is
        ``numpy.log1p(abs(fftshift(fft2(grey))))``; log(1 + |DCT-II|) with frequency 0 at (0, 0),
        ``numpy.log1p(abs(scipy.fft.dctn(grey)))``; and the residual, with mirrored borders.
        """
        grey = (x * self.to_grey).sum(dim=1, keepdim=True) + self.grey_offset  # (B, 1, S, S)
        residual = F.conv2d(F.pad(grey, (2, 2, 2, 2), mode="reflect"), self.residual)
        return torch.cat((self._fft(grey), self._dct(grey), residual), dim=1)

    def _fft(self, grey: torch.Tensor) -> torch.Tensor:
        # exp(-i(a + b)) over rows a and columns b, parted into cosines and sines.
        even, odd = self.cosines @ grey, self.sines @ grey
        real = even @ self.cosines.T - odd @ self.sines.T
        imaginary = even @ self.sines.T + odd @ self.cosines.T
        return torch.log1p((real**2 + imaginary**2 + SMALLEST).sqrt())

    def _dct(self, grey: torch.Tensor) -> torch.Tensor:
        return torch.log1p((self.dct @ grey @ self.dct.T).abs())


class FrequencyBranch(nn.Module):
    """A small CNN over the maps that keeps where in the spectrum something is, coarsely.

    Args:
        side: S, of the picture, pixels; a multiple of 64.
        features: length of the vector that comes out.
        options: of :class:`FrequencyMaps`.
    """

    GRID = 4

    def __init__(self, side: int, features: int, **options: Any) -> None:
        super().__init__()
        self.maps = FrequencyMaps(side, **options)
        self.norm = nn.BatchNorm2d(len(MAPS))  # the maps' ranges differ a hundredfold
        layers: list[nn.Module] = []
        before = len(MAPS)
        for after in (32, 64, 128, 64):
            convolution = nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False)
            layers += [convolution, nn.BatchNorm2d(after), nn.GELU()]
            before = after
        self.layers = nn.Sequential(*layers)
        self.pool = nn.AvgPool2d(side // (16 * self.GRID))
        self.out = nn.Linear(before * self.GRID**2, features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 3, S, S), normalised -> (B, features)."""
        deep = self.layers(self.norm(self.maps(x)))  # (B, 64, S / 16, S / 16)
        return F.gelu(self.out(self.pool(deep).flatten(1)))


def _fourier_angles(side: int) -> npt.NDArray[np.float64]:
    """Row k: the angles of frequency k - S // 2 at each pixel; reduced first, to be exact."""
    frequencies = np.arange(side) - side // 2
    turns: npt.NDArray[np.float64] = np.outer(frequencies, np.arange(side)) % side / side
    return 2 * math.pi * turns


def _cosine_angles(side: int) -> npt.NDArray[np.float64]:
    """Row k: the angles of the DCT's frequency k at each pixel."""
    period = 4 * side
    steps = np.outer(np.arange(side), 2 * np.arange(side) + 1) % period
    turns: npt.NDArray[np.float64] = steps / period
    return 2 * math.pi * turns
