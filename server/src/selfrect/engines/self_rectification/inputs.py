# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures as they come in → tensors as the codec takes them: checked, background filled, padded, turned copies added."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from ...engine import Request
from ...inputs import check_pictures
from .background import fill_background
from .settings import Settings


def check(request: Request) -> Settings:
    """Raise Problem bad_input for what cannot be worked on; else the settings of the request."""
    check_pictures(request)
    return Settings.of({**request.settings, "seed": request.seed})


def prepare_references(references: list[np.ndarray], augment: int, factor: int, seed: int) -> list[torch.Tensor]:
    """Every reference and its turned copies as (1, 3, H, W) in [−1, 1]; transparent places filled with the others."""
    filled = [fill_background(image, references, seed) for image in references]
    turned = [turn(image, k) for image in filled for k in range(augment + 1)]
    return [pad(to_tensor(image), factor) for image in turned]


def prepare_target(target: np.ndarray, references: list[np.ndarray], factor: int, seed: int) -> torch.Tensor:
    """The target as (1, 3, H, W) in [−1, 1], its background filled with shuffled pixels of the references."""
    return pad(to_tensor(fill_background(target, references, seed)), factor)


def alpha_map(target: np.ndarray, factor: int) -> torch.Tensor:
    """(1, 1, H, W) in [0, 1]: 1 where the artist placed something."""
    alpha = target[..., 3] if target.shape[2] == 4 else np.ones(target.shape[:2], np.float32)
    return pad(torch.from_numpy(np.ascontiguousarray(alpha))[None, None], factor)


def turn(image: np.ndarray, k: int) -> np.ndarray:
    """The k-th of a picture's eight turns: 0 itself, 1 … 3 rotated by k · 90°, 4 … 7 the same of its mirror image."""
    return np.rot90(image if k < 4 else image[:, ::-1], k % 4)


def to_tensor(image: np.ndarray) -> torch.Tensor:
    """(H, W, 3) in [0, 1] → (1, 3, H, W) in [−1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(image)).movedim(2, 0)[None] * 2 - 1


def to_image(x: torch.Tensor, height: int, width: int) -> np.ndarray:
    """(1, 3, H, W) in [−1, 1] → (height, width, 3) in [0, 1], what was padded cut off."""
    picture = (x[0, :, :height, :width] / 2 + 0.5).clamp_(0, 1)
    return np.ascontiguousarray(picture.movedim(0, 2).float().cpu().numpy())


def pad(x: torch.Tensor, factor: int) -> torch.Tensor:
    """(1, C, H, W) grown to the right and below to multiples of the codec's factor, mirrored where there is enough to mirror."""
    height, width = x.shape[2:]
    down, right = -height % factor, -width % factor
    return F.pad(x, (0, right, 0, down), mode="reflect") if down or right else x
