# SPDX-License-Identifier: GPL-3.0-or-later
"""Structure-preserving inversion: the layout of the target is kept by its own inversion's keys and values (paper, section 3.3)."""

from __future__ import annotations

import torch

from .inversion import Injected
from .network import Network
from .windows import Box, Grid


def structure_preserving_inversion(network: Network, z: torch.Tensor, target: Injected, p: int, grid: Grid) -> torch.Tensor:
    """Invert the latent z (1, C, h, w) in T steps; the first p attend to the first target's inversion, from its noisy end.

    Each window attends to the same window of the target.
    """
    for i in network.schedule.moving():

        def eps_of(part: torch.Tensor, box: Box, i: int = i) -> torch.Tensor:
            return network.eps(part, i, target.at(i, box) if i < p else None, grid.around)

        z = network.schedule.up(z, grid.blend(z, i, eps_of), i)
    return z
