# SPDX-License-Identifier: GPL-3.0-or-later
"""Regions: where the mask says that nothing may change, the latents of the target's own inversion are put back at each step.

Blended latents (Avrahami, Fried, Lischinski: Blended Latent Diffusion, SIGGRAPH 2023, arXiv 2206.02779); but what is put back is
the inversion itself and no fresh noise, so that what grows inside meets a surrounding that leads back to the target.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from .inversion import InvertedImage
from .network import Network


class Region:
    """free: (1, 1, h, w) bool, latent pixels of which anything may change. All or nothing: a mean of two noises is less than noise."""

    def __init__(self, free: torch.Tensor, network: Network, target: InvertedImage):
        self.free, self.network, self.target = free, network, target

    def kept(self, z: torch.Tensor, j: int) -> torch.Tensor:
        """The latent z (1, C, h, w) that sampling reached at level t_{j−1}, outside the region as the target's inversion was there."""
        return torch.where(self.free, z, self.target.latent(self.network, j))


def free_latents(mask: torch.Tensor, factor: int) -> torch.Tensor:
    """(1, 1, H, W) in [0, 1], above 0 where the picture may change → (1, 1, H / factor, W / factor) bool."""
    return F.max_pool2d((mask > 0).float(), factor) > 0
