# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain DDIM inversion, and what of it is kept: the inversion reference (paper, section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from .kv_injection import KeyValues
from .network import Network


@dataclass
class Inversion:
    """What a plain inversion leaves.

    latents: z_0 … z_n, each (1, C, h, w) float32; n = T unless it was stopped early.
    key_values: what call j left, by j, where it was asked for.
    """

    latents: list[torch.Tensor]
    key_values: dict[int, KeyValues] = field(default_factory=dict)


def invert(network: Network, z: torch.Tensor, calls: int, record: range = range(0)) -> Inversion:
    """Plain inversion of the latent z (1, C, h, w): the first `calls` of T steps, keys and values kept of the calls in `record`."""
    kept = Inversion([z])
    for i in range(calls):
        if i in record:
            eps, kept.key_values[i] = network.eps_and_key_values(z, i)
        else:
            eps = network.eps(z, i)
        z = network.schedule.up(z, eps, i)
        kept.latents.append(z)
    return kept


class Injected:
    """The keys and values that one or several inverted images offer to a running image, in either reading.

    current: the stored latent z_{T−i} goes through the network at the running timestep; one call per image and step.
    recorded: those that inversion call T − 1 − i left at its own timestep; no further call. Call T − 1 − i is the one
    that made z_{T−i}, and its timestep is the one at which sampling step i runs.
    """

    def __init__(self, network: Network, images: list[Inversion], reading: str):
        self.network, self.images, self.recorded = network, images, reading == "recorded"

    def at(self, i: int, timestep_index: int) -> KeyValues:
        """For step i of the running image, whose network call is at t_{timestep_index}."""
        joined = KeyValues()
        for image in self.images:
            joined = joined.joined(self._of(image, i, timestep_index))
        return joined

    def _of(self, image: Inversion, i: int, timestep_index: int) -> KeyValues:
        steps = self.network.schedule.steps
        if self.recorded:
            return image.key_values[steps - 1 - i]
        return self.network.eps_and_key_values(image.latents[steps - i], timestep_index)[1]
