# SPDX-License-Identifier: GPL-3.0-or-later
"""Random crops of textures, and pairs of crops of one texture.

Every batch is a function of (seed, step) alone: a run that was interrupted continues as if it had not been.
Textures are kept decoded, (H, W, 3) uint8; batches are (B, 3, size, size) float32 in [-1, 1], display-referred sRGB.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image

LEAST_SCALE, MOST_SCALE = 0.75, 2.0  # side of what is cut out, in sizes of the crop


def is_held_out(name: str, part: float) -> bool:
    """Whether a texture belongs to validation: by the hash of its name, so that no list can drift."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") < part * 2**32


def load_textures(folder: Path, names: list[str]) -> list[np.ndarray]:
    """Those of the named textures that are there, decoded, in the order of the names."""
    paths = [path for name in names if (path := folder / (Path(name).stem + ".webp")).exists()]
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda path: np.asarray(Image.open(path).convert("RGB")), paths))


class Crops:
    """Batches from a list of textures."""

    def __init__(self, textures: list[np.ndarray], seed: int) -> None:
        if not textures:
            raise ValueError("no textures to train on: fetch them first")
        self.textures = textures
        self.seed = seed

    def batch(self, step: int, size: int, count: int, pairs: bool) -> torch.Tensor:
        """`count` crops; pairs: the first half are references, entry count/2 + i the target of reference i."""
        rng = np.random.default_rng((self.seed, step))
        if not pairs:
            return to_tensor([self._pair(rng, size)[0] for _ in range(count)])
        references, targets = zip(*(self._pair(rng, size) for _ in range(count // 2)), strict=True)
        return to_tensor([*references, *targets])

    def _pair(self, rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Two crops of one texture, alike in scale, turn and colours; half of the time the second is turned further."""
        texture = self.textures[rng.integers(len(self.textures))]
        turn, colours = rng.integers(8), ColourChange(rng)
        scale = 1.0 if rng.random() < 0.5 else np.exp(rng.uniform(np.log(LEAST_SCALE), np.log(MOST_SCALE)))
        second_turn = rng.integers(8) if rng.random() < 0.5 else 0
        stretch = np.exp(rng.uniform(-0.2, 0.2)) if rng.random() < 0.3 else 1.0
        first = turned(cut(rng, texture, size, scale), turn)
        second = turned(turned(cut(rng, texture, size, scale * stretch), turn), second_turn)
        return colours(first), colours(second)


class ColourChange:
    """One change of colours, drawn once and applied to both crops of a pair."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.channels = rng.permutation(3) if rng.random() < 0.2 else np.arange(3)
        strong = rng.random() < 0.3
        self.contrast, self.shift = (rng.uniform(0.7, 1.4), rng.uniform(-50, 50)) if strong else (1.0, 0.0)

    def __call__(self, crop: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 to (H, W, 3) float32 in [0, 255]."""
        crop = crop[..., self.channels].astype(np.float32)
        if self.contrast == 1.0 and self.shift == 0.0:
            return crop
        middle = crop.mean()
        return np.clip((crop - middle) * self.contrast + middle + self.shift, 0, 255)


def cut(rng: np.random.Generator, texture: np.ndarray, size: int, scale: float) -> np.ndarray:
    """A random square of about size · scale pixels, scaled to (size, size, 3)."""
    height, width = texture.shape[:2]
    side = min(round(size * scale), height, width)
    top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
    square = texture[top : top + side, left : left + side]
    if side == size:
        return square
    return np.asarray(Image.fromarray(square).resize((size, size), Image.Resampling.BICUBIC))


def turned(crop: np.ndarray, turn: int) -> np.ndarray:
    """One of the eight rotations and flips of a square."""
    crop = np.rot90(crop, turn % 4)
    return crop[:, ::-1] if turn >= 4 else crop


def to_tensor(crops: list[np.ndarray]) -> torch.Tensor:
    """Crops (H, W, 3) in [0, 255] to one (B, 3, H, W) float32 in [-1, 1]."""
    stacked = np.stack(crops).astype(np.float32)
    return torch.from_numpy(stacked).permute(0, 3, 1, 2).div(127.5).sub(1).contiguous()
