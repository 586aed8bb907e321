# SPDX-License-Identifier: GPL-3.0-or-later
"""Fine sampling: from step S on, the detail is the references' (paper, section 3.3)."""

from __future__ import annotations

from collections.abc import Callable

import torch

from .background import Growth
from .inversion import Injected
from .kv_injection import Offered
from .network import Network
from .region import Region
from .windows import Box, Grid

Show = Callable[[torch.Tensor, torch.Tensor, int], None]


def fine_sampling(
    network: Network,
    z: torch.Tensor,
    references: Injected,
    s: int,
    grid: Grid,
    growth: Growth | None = None,
    region: Region | None = None,
    show: Show = lambda z, eps, j: None,
) -> torch.Tensor:
    """Sample from the noisy latent z (1, C, h, w) in T steps; from step s on all windows attend to all references together.

    region: where the picture may change; the rest is put back after each step. show: is told the latent and its ε at timestep t_j,
    for previews.
    """
    schedule = network.schedule
    for j in reversed(schedule.moving()):
        i = schedule.steps - 1 - j
        inject = references.at(i) if i >= s else None

        def eps_of(part: torch.Tensor, box: Box, j: int = j, inject: Offered | None = inject) -> torch.Tensor:
            return network.eps(part, j, inject and inject.within(box), grid.around)

        eps = grid.blend(z, j, eps_of)
        show(z, eps, j)
        z = schedule.down(z, eps, i) if growth is None else growth.down(schedule, z, eps, i)
        z = z if region is None else region.kept(z, j)
    return z
