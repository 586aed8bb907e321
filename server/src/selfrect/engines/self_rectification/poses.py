# SPDX-License-Identifier: GPL-3.0-or-later
"""Which copies of the references a target asks for: turned, mirrored and scaled as its pieces are, or by its directions."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch

from ...engine import Request
from ...patches.resizing import resized, resized_part, size_of
from ...patches.sources import Pose
from ...patches.turns import apart
from ...patches.turns import find_poses as poses_of_pieces
from .directions import Directions, directions

_SIDE = 96  # px of the shorter side, of the pictures that are looked at
_SCALES = (0.5, 2.0)
_DRAWN = 0.3  # of the variance: from here on no pose of the references explains what is placed
_MOST = 6  # copies of each reference
_LEAST = 15  # degrees: what is turned less is like what is there


def find_poses(request: Request, seed: int, alive: Callable[[], None] = lambda: None) -> list[Pose]:
    """Beside the upright one, the most important first."""
    scale = min(1.0, _SIDE / min(min(image.shape[:2]) for image in (request.target, *request.references)))
    references, opaque = zip(*(_small(image, scale) for image in request.references), strict=True)
    target, weight = _small(request.target, scale)
    placed, generator = weight > 0.9, torch.Generator().manual_seed(seed)
    if not bool(placed.any()):
        return []
    poses, unlike = poses_of_pieces(
        target, placed, list(references), [part > 0.9 for part in opaque], generator, alive, flips=True, scales=_SCALES
    )
    if unlike > _DRAWN:
        own = [directions(*pair) for pair in zip(references, opaque, strict=True)]
        poses = [Pose(angle) for angle in _between(directions(target, weight), own)]
    return [pose for pose in poses if pose[1:] != (False, 1.0) or apart(pose.angle, 0) >= _LEAST][:_MOST]


def _between(wanted: Directions, there: list[Directions]) -> list[float]:
    """The angles, radians, by which the references' main directions become those of the target; none where either has no direction."""
    main = [found[0] for found in there if found]
    angles: list[float] = []
    for direction in wanted:
        for own in main:
            angle = direction - own
            if all(min(apart(angle, other), 180 - apart(angle, other)) >= _LEAST for other in angles):  # a direction has no sign
                angles.append(angle % (2 * math.pi))
    return angles


def _small(image: np.ndarray, scale: float) -> tuple[torch.Tensor, torch.Tensor]:
    """(H, W, 3|4) → colours (3, h, w) and alpha (h, w)."""
    alpha = torch.from_numpy(np.ascontiguousarray(image[..., 3])) if image.shape[2] == 4 else torch.ones(image.shape[:2])
    colours = torch.from_numpy(np.ascontiguousarray(image[..., :3].transpose(2, 0, 1)))
    size = size_of(colours, scale)
    return resized_part(colours, alpha, size) if image.shape[2] == 4 else (resized(colours, size), torch.ones(size))
