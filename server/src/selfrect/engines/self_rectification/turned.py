# SPDX-License-Identifier: GPL-3.0-or-later
"""Turned, mirrored and scaled copies of a reference: each is attended to like a further reference (paper, section 4).

A turned picture has corners that the reference says nothing about. They are filled with its mirror image, so that the network sees a
texture without an end, but nothing attends to them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from ...inputs import LONGEST_SIDE, SMALLEST_SIDE
from ...patches.resizing import resized
from ...patches.sources import Pose
from .settings import Settings

_QUARTER = math.pi / 2


@dataclass(frozen=True)
class Copy:
    """reference: its number. size: (height, width) of it, pixels. to_reference (2, 3) float64: pixel (x, y, 1) of the copy → pixel of it.

    shown (h, w) bool: the latent pixels that are the reference's through and through; None: all.
    """

    reference: int
    size: tuple[int, int]
    pose: Pose
    to_reference: torch.Tensor
    shown: torch.Tensor | None = None


def poses_of(settings: Settings, found: Iterable[Pose] = ()) -> list[Pose]:
    """The copies that are asked for, the reference itself first, none twice. found: those that the target asks for."""
    asked = [
        Pose(math.radians(angle), mirrored, float(scale))
        for scale in (1.0, *settings.scales)
        for mirrored in (False, True)[: 1 + settings.flips]
        for angle in (0.0, *settings.angles)
    ]
    quarters = [Pose(-k % 4 * _QUARTER, k > 3) for k in range(settings.augment + 1)]
    different: dict = {}
    for pose in (*quarters, *asked, *found):
        different.setdefault(_rounded(pose), pose)
    return list(different.values())


def posed(image: np.ndarray, pose: Pose) -> tuple[np.ndarray, np.ndarray | None]:
    """(H, W, 3) float32 in [0, 1] → the copy, and (H', W') bool where it is the reference's; None: everywhere.

    By quarter turns pixels fall on pixels. By any other angle the canvas stays that of the nearest quarter turn, and its corners are
    mirrored content.
    """
    size = posed_size(image.shape[:2], Pose(0.0, False, pose.scale))
    if size != image.shape[:2]:
        small = resized(torch.from_numpy(np.ascontiguousarray(image)).movedim(2, 0), size)
        image = small.movedim(0, 2).clamp(0, 1).numpy()
    quarters, rest = _quarters(pose.angle)
    image = np.rot90(image[:, ::-1] if pose.mirrored else image, -quarters)
    return (image, None) if abs(rest) < 1e-6 else _slanted(np.ascontiguousarray(image), rest)


def posed_size(size: tuple[int, int], pose: Pose) -> tuple[int, int]:
    """(height, width) of a reference → of its copy. Never smaller or larger than what can be worked on."""
    least = min(1.0, max(pose.scale, SMALLEST_SIDE / min(size)))
    scale = min(max(pose.scale, least), max(1.0, LONGEST_SIDE["reference"] / math.sqrt(size[0] * size[1])))
    height, width = (round(side * scale) for side in size)
    return (width, height) if _quarters(pose.angle)[0] % 2 else (height, width)


def to_reference(size: tuple[int, int], pose: Pose) -> torch.Tensor:
    """(2, 3) float64: pixel (x, y, 1) of a reference's copy → pixel of the reference of that size (height, width)."""
    own = posed_size(size, pose)
    scaled = posed_size(size, Pose(0.0, False, pose.scale))
    cos, sin = math.cos(pose.angle), math.sin(pose.angle)
    turn = torch.tensor([[cos, sin], [-sin, cos]], dtype=torch.float64)
    stretch = torch.tensor([[size[1] / scaled[1] * (-1 if pose.mirrored else 1)], [size[0] / scaled[0]]], dtype=torch.float64)
    linear = stretch * turn
    return torch.cat([linear, _middle(size) - linear @ _middle(own)], 1)


def copy_of(image: np.ndarray, number: int, pose: Pose, factor: int) -> tuple[np.ndarray, Copy]:
    """A reference's copy as a picture, and what it is. number: the reference's. factor: pixels per latent pixel."""
    picture, whole = posed(image, pose)
    size = image.shape[:2]
    return picture, Copy(number, size, pose, to_reference(size, pose), None if whole is None else _shown(whole, factor))


def _slanted(image: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray]:
    """Turned clockwise on its own canvas, around its middle."""
    height, width = image.shape[:2]
    y, x = torch.meshgrid(*(torch.arange(side) - (side - 1) / 2 for side in (height, width)), indexing="ij")
    cos, sin = math.cos(angle), math.sin(angle)
    at = torch.stack([cos * x + sin * y, cos * y - sin * x], -1)  # from the middle
    last = torch.tensor([width - 1, height - 1]) / 2
    grid = at / (last + 0.5)
    picture = torch.from_numpy(image).movedim(2, 0)[None]
    turned = F.grid_sample(picture, grid[None], mode="bicubic", padding_mode="reflection", align_corners=False)[0]
    return turned.movedim(0, 2).clamp(0, 1).numpy(), (at.abs() <= last).all(-1).numpy()


def _shown(whole: np.ndarray, factor: int) -> torch.Tensor:
    """(H, W) bool → (h, w) bool."""
    height, width = whole.shape
    padded = F.pad(torch.from_numpy(whole)[None].float(), (0, -width % factor, 0, -height % factor), value=1.0)
    return F.avg_pool2d(padded, factor)[0] == 1


def _quarters(angle: float) -> tuple[int, float]:
    """Quarter turns, 0 to 3, and the rest in radians, at most an eighth of a turn."""
    quarters = round(angle / _QUARTER)
    return quarters % 4, angle - quarters * _QUARTER


def _middle(size: tuple[int, int]) -> torch.Tensor:
    """(2, 1), pixels (x, y)."""
    return torch.tensor([[(size[1] - 1) / 2], [(size[0] - 1) / 2]], dtype=torch.float64)


def _rounded(pose: Pose) -> tuple[int, bool, int]:
    """What two poses that are one have in common: hundredths of a degree and of the scale."""
    return round(math.degrees(pose.angle) * 100) % 36000, pose.mirrored, round(pose.scale * 100)
