# SPDX-License-Identifier: GPL-3.0-or-later
"""Sums of products of a block with all places of some pictures, by Fourier transform: blocks are large, and one asks for many."""

from __future__ import annotations

import torch

_EVEN = 32  # px: sides that are multiples of it are transformed quickly


class Correlation:
    """layers (S, C, h, w) of any precision. In double: small differences of large sums are asked for."""

    def __init__(self, layers: torch.Tensor):
        self.height, self.width = layers.shape[2:]
        self.size = tuple(-(-side // _EVEN) * _EVEN for side in layers.shape[2:])
        self.spectra = self._transformed(layers)

    def with_block(self, block: torch.Tensor, more: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Σ layers · block + Σ more · weights at all places, (S, h − b + 1, w − b + 1) float64.

        block (C, b, b), or (0, b, b): none. more (S, h, w), weights (b, b).
        """
        side = weights.shape[-1]
        product = self._transformed(more) * self._transformed(weights).conj()
        if len(block):
            product = product + (self.spectra * self._transformed(block).conj()).sum(1)
        return torch.fft.irfft2(product, s=self.size)[:, : self.height - side + 1, : self.width - side + 1]

    def _transformed(self, x: torch.Tensor) -> torch.Tensor:
        return torch.fft.rfft2(x.double(), s=self.size)
