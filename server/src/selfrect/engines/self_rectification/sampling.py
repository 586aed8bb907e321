# SPDX-License-Identifier: GPL-3.0-or-later
"""Fine sampling: from step S on, the detail is the references' (paper, section 3.3)."""

from __future__ import annotations

import torch

from .background import Growth
from .inversion import Injected
from .network import Network


def fine_sampling(network: Network, z: torch.Tensor, references: Injected, s: int, growth: Growth | None = None) -> torch.Tensor:
    """Sample from the noisy latent z (1, C, h, w) in T steps; from step s on it attends to all references together."""
    for i in range(network.schedule.steps):
        timestep_index = network.schedule.steps - 1 - i
        eps = network.eps(z, timestep_index, references.at(i, timestep_index) if i >= s else None)
        z = network.schedule.down(z, eps, i) if growth is None else growth.down(network.schedule, z, eps, i)
    return z
