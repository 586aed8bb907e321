# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures as they come in → tensors as the codec takes them: checked, background filled, padded, turned copies added."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from ...engine import Request
from ...inputs import check_pictures
from .background import fill_background
from .canvas import Wrap, fitted, pad
from .poses import find_poses
from .settings import Settings
from .turned import Copy, copy_of, poses_of


def check(request: Request) -> Settings:
    """Raise Problem bad_input for what cannot be worked on; else the settings of the request."""
    check_pictures(request)
    return Settings.of({**request.settings, "seed": request.seed})


def prepare_references(
    request: Request, settings: Settings, factor: int, alive: Callable[[], None] = lambda: None
) -> list[tuple[torch.Tensor, Copy]]:
    """Every reference and its copies as (1, 3, H, W) in [−1, 1], and what they are; transparent places filled with the others.

    alive: called often while copies are looked for; may raise.
    """
    filled = [fill_background(image, request.references, settings.seed) for image in request.references]
    poses = poses_of(settings, find_poses(request, settings.seed, alive) if settings.turns == "auto" else [])
    made = [copy_of(image, number, pose, factor) for number, image in enumerate(filled) for pose in poses]
    return [(pad(to_tensor(image), factor), copy) for image, copy in made]


def prepare_target(target: np.ndarray, references: list[np.ndarray], factor: int, seed: int, wrap: Wrap = (False, False)) -> torch.Tensor:
    """The target as (1, 3, H, W) in [−1, 1], its background filled with shuffled pixels of the references. wrap: (x, y), if it tiles."""
    return fitted(to_tensor(fill_background(target, references, seed)), factor, wrap)


def alpha_map(target: np.ndarray, factor: int, wrap: Wrap = (False, False)) -> torch.Tensor:
    """(1, 1, H, W) in [0, 1]: 1 where the artist placed something."""
    alpha = target[..., 3] if target.shape[2] == 4 else np.ones(target.shape[:2], np.float32)
    return fitted(torch.from_numpy(np.ascontiguousarray(alpha))[None, None], factor, wrap)


def to_tensor(image: np.ndarray) -> torch.Tensor:
    """(H, W, 3) in [0, 1] → (1, 3, H, W) in [−1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(image)).movedim(2, 0)[None] * 2 - 1


def to_image(x: torch.Tensor, height: int, width: int) -> np.ndarray:
    """(1, 3, H, W) in [−1, 1] → (height, width, 3) in [0, 1], what was padded cut off."""
    picture = (x[0, :, :height, :width] / 2 + 0.5).clamp_(0, 1)
    return np.ascontiguousarray(picture.movedim(0, 2).float().cpu().numpy())
