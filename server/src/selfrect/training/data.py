# SPDX-License-Identifier: GPL-3.0-or-later
"""Random crops of textures, and pairs of crops of one texture, cut on the device that trains.

Every batch is a function of (seed, step) alone: a run that was interrupted continues as if it had not been. Pictures are
(N, 3, S, S) uint8, as `pack` reads them; batches are (B, 3, size, size) float32 in [-1, 1], display-referred sRGB.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np
import torch
import torch.nn.functional as F

LEAST_SCALE, MOST_SCALE = 0.75, 1.6  # side of what is cut out, in sizes of the crop


def is_held_out(name: str, part: float) -> bool:
    """Whether a texture belongs to validation: by the hash of its name, so that no list can drift."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") < part * 2**32


class Crops:
    """Batches from pictures of one size. turned: part of the crops that are turned by any angle, not by right angles alone."""

    def __init__(self, pictures: torch.Tensor, seed: int, turned: float = 0.0) -> None:
        if not len(pictures):
            raise ValueError("no textures to train on: pack them first")
        self.pictures, self.seed, self.turned = pictures, seed, turned
        self.means = pictures.flatten(1).float().mean(1)

    def batch(self, step: int, size: int, count: int, pairs: bool, group: int = 1) -> torch.Tensor:
        """`count` crops; pairs: the first half are references, entry count/2 + i the target of reference i.

        group: so many references in a row, and their targets, are of one texture.
        """
        rng, groups = np.random.default_rng((self.seed, step)), count // ((2 if pairs else 1) * group)
        chosen, looks, scales = rng.integers(len(self.pictures), size=groups), Looks(rng, groups), self._scales(rng, groups)
        turns = rng.integers(8, size=groups)
        parts = []
        for second in (False, True)[: 1 + pairs]:
            textures = np.repeat(chosen, group)
            placed = self._places(rng, np.repeat(turns, group), np.repeat(scales, group), size, further=second or group > 1)
            parts.append(looks(self._cut(textures, placed, size), self.means[textures], group))
        return torch.cat(parts).div_(127.5).sub_(1)

    def _scales(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Half of them are 1, where no pixel is resampled."""
        return np.where(rng.random(count) < 0.5, 1.0, np.exp(rng.uniform(math.log(LEAST_SCALE), math.log(MOST_SCALE), count)))

    def _places(self, rng, turns, scales, size: int, further: bool) -> np.ndarray:
        """(n, 2, 3): from a crop to its place in the picture, both in [-1, 1]. further: half of them are turned or stretched once more."""
        count, side = len(turns), self.pictures.shape[-1]
        quarters, mirrored = turns % 4 * (math.pi / 2), np.where(turns >= 4, -1.0, 1.0)
        again, odd = rng.integers(8, size=count), rng.random(count) < self.turned
        if further:
            again = np.where(rng.random(count) < 0.5, again, 0)
            quarters, mirrored = quarters + again % 4 * (math.pi / 2), np.where(again >= 4, -mirrored, mirrored)
            scales = scales * np.where(rng.random(count) < 0.3, np.exp(rng.uniform(-0.2, 0.2, count)), 1.0)
        angles = quarters + np.where(odd, rng.uniform(-math.pi / 4, math.pi / 4, count), 0.0)
        half = np.minimum(size * scales / side, 1.0)
        cos, sin = np.cos(angles), np.sin(angles)
        room = np.maximum(1 - half * (np.abs(cos) + np.abs(sin)), 0.0)[:, None]
        middle = rng.uniform(-1, 1, (count, 2)) * room
        whole = (half * side == size) & ~odd  # then the crop is made of the picture's own pixels
        pixels = np.round((middle + 1) * side / 2 - size / 2) + size / 2
        middle = np.where(whole[:, None], pixels * 2 / side - 1, middle)
        matrix = np.stack([cos * mirrored, -sin, sin * mirrored, cos], 1).reshape(count, 2, 2) * half[:, None, None]
        return np.concatenate([matrix, middle[:, :, None]], 2)

    def _cut(self, textures: np.ndarray, places: np.ndarray, size: int) -> torch.Tensor:
        """(n, 3, size, size) in [0, 255]."""
        device = self.pictures.device
        sources = self.pictures[torch.from_numpy(textures).to(device)].float()
        grid = F.affine_grid(torch.from_numpy(places).float().to(device), [len(textures), 3, size, size], align_corners=False)
        return F.grid_sample(sources, grid, "bicubic", "reflection", align_corners=False)


class Looks:
    """Changes of colour, drawn once for each group and applied to all of its crops."""

    def __init__(self, rng: np.random.Generator, groups: int) -> None:
        others = rng.permuted(np.tile(np.arange(3), (groups, 1)), axis=1)
        self.channels = np.where(rng.random((groups, 1)) < 0.2, others, np.arange(3))
        strong, tinted = (rng.random((groups, 1)) < 0.3 for _ in range(2))
        self.contrast = np.where(strong, rng.uniform(0.7, 1.4, (groups, 1)), 1.0)
        self.shift = np.where(strong, rng.uniform(-50, 50, (groups, 1)), 0.0)
        self.gain = np.where(tinted, np.exp(rng.uniform(-0.2, 0.2, (groups, 3))), 1.0)

    def __call__(self, crops: torch.Tensor, means: torch.Tensor, group: int) -> torch.Tensor:
        """Crops (n, 3, h, w) in [0, 255], means (n,) of their pictures."""
        channels, contrast, shift, gain = (
            torch.from_numpy(np.repeat(part, group, 0)).to(crops.device)[..., None, None]
            for part in (self.channels, self.contrast, self.shift, self.gain)
        )
        middle = means.view(-1, 1, 1, 1)
        crops = crops.gather(1, channels.expand(-1, -1, *crops.shape[2:]))
        return (((crops - middle) * contrast.float() + middle + shift.float()) * gain.float()).clamp_(0, 255)
