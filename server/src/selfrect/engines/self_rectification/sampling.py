# SPDX-License-Identifier: GPL-3.0-or-later
"""Fine sampling: from step S on, the detail is the references' (paper, section 3.3)."""

from __future__ import annotations

from collections.abc import Callable

import torch

from .background import Growth
from .inversion import Injected
from .network import Network
from .windows import Grid

Show = Callable[[torch.Tensor, torch.Tensor, int], None]


def fine_sampling(
    network: Network,
    z: torch.Tensor,
    references: Injected,
    s: int,
    grid: Grid,
    growth: Growth | None = None,
    show: Show = lambda z, eps, j: None,
) -> torch.Tensor:
    """Sample from the noisy latent z (1, C, h, w) in T steps; from step s on all windows attend to all references together.

    show: is told the latent and its ε at timestep t_j, for previews.
    """
    schedule = network.schedule
    for j in reversed(schedule.moving()):
        i = schedule.steps - 1 - j
        inject = references.at(i) if i >= s else None
        eps = grid.blend(z, j, lambda part, _, j=j, inject=inject: network.eps(part, j, inject))
        show(z, eps, j)
        z = schedule.down(z, eps, i) if growth is None else growth.down(schedule, z, eps, i)
    return z
