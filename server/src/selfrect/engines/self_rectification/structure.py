# SPDX-License-Identifier: GPL-3.0-or-later
"""Structure-preserving inversion: the layout of the target is kept by its own inversion's keys and values (paper, section 3.3)."""

from __future__ import annotations

import torch

from .inversion import Injected
from .network import Network


def structure_preserving_inversion(network: Network, z: torch.Tensor, target: Injected, p: int) -> torch.Tensor:
    """Invert the latent z (1, C, h, w) in T steps; the first p attend to the first target's inversion, from its noisy end."""
    for i in range(network.schedule.steps):
        eps = network.eps(z, i, target.at(i, i) if i < p else None)
        z = network.schedule.up(z, eps, i)
    return z
