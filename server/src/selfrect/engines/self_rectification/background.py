# SPDX-License-Identifier: GPL-3.0-or-later
"""Background: the places of the target where the artist put nothing (alpha 0). How they are filled, and how they may grow."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from .ddim import Schedule


def fill_background(image: np.ndarray, sources: list[np.ndarray], seed: int) -> np.ndarray:
    """(H, W, 3|4) → (H, W, 3): background becomes the sources' opaque pixels in random order; a soft alpha mixes both.

    image, sources: float32 in [0, 1]; a picture without alpha comes back as it is. Same seed, same order.
    """
    if image.shape[2] == 3:
        return image
    alpha = image[..., 3:]
    if np.all(alpha == 1):
        return np.ascontiguousarray(image[..., :3])
    shuffled = shuffled_pixels(sources, int(alpha.size), seed).reshape(*alpha.shape[:2], 3)
    return image[..., :3] * alpha + shuffled * (1 - alpha)


def shuffled_pixels(sources: list[np.ndarray], count: int, seed: int) -> np.ndarray:
    """(count, 3): opaque pixels of the sources in random order, each used once before any is used again."""
    pool = np.concatenate([_opaque(source) for source in sources])
    generator = np.random.default_rng(seed)
    rounds = -(-count // len(pool))
    order = np.concatenate([generator.permutation(len(pool)) for _ in range(rounds)])[:count]
    return pool[order]


def _opaque(image: np.ndarray) -> np.ndarray:
    if image.shape[2] == 3:
        return image.reshape(-1, 3)
    return image[image[..., 3] > 0.5][:, :3]


class Growth:
    """Stochastic sampling of the background alone (not in the paper, which has η = 0 everywhere).

    Deterministic sampling keeps the shuffled pixels as grain; fresh noise lets the texture grow around what was placed.
    alpha: (1, 1, H, W) of the target in [0, 1]; the map at the latent's size (h, w) is soft at the border.
    """

    def __init__(self, alpha: torch.Tensor, size: tuple[int, int], strength: float, seed: int):
        self.eta = (1 - F.interpolate(alpha, size=size, mode="area")).clamp(0, 1) * strength
        self._seed = seed
        self.begin(0)

    def begin(self, number: int) -> None:
        """Round `number` (from 0) begins: its noise does not depend on whether the rounds before it were run or kept.

        Noise is drawn on the CPU: the same seed gives the same picture on every device.
        """
        self._generator = torch.Generator("cpu").manual_seed(self._seed + number)

    def down(self, schedule: Schedule, z: torch.Tensor, eps: torch.Tensor, i: int) -> torch.Tensor:
        """Sampling step i of the latent z (1, C, h, w): stochastic where the background is, deterministic elsewhere."""
        noise = torch.randn(z.shape, generator=self._generator).to(z)
        return schedule.down_with_noise(z, eps, i, self.eta, noise)
