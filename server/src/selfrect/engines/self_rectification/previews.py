# SPDX-License-Identifier: GPL-3.0-or-later
"""Rough pictures of the work on its way, as seldom and as small as needed to cost next to nothing."""

from __future__ import annotations

import time

import numpy as np
import torch
import torch.nn.functional as F

from ...models.model import Model
from ...progress import Progress
from .canvas import Wrap
from .ddim import Schedule

EVERY = 1.0  # seconds, at the most often
SHARE = 0.02  # of the time
LONGEST = 512  # pixels


class Previews:
    """size: (height, width) of the target in pixels. wanted: whether anybody looks. wrap: (x, y), where it was stretched, not padded."""

    def __init__(
        self, model: Model, schedule: Schedule, progress: Progress, size: tuple[int, int], wanted: bool, wrap: Wrap = (False, False)
    ):
        self.model, self.schedule, self.progress = model, schedule, progress
        self.size, self.wanted, self.wrap = size, wanted, wrap
        self._last, self._cost = time.monotonic(), 0.0

    def show(self, z: torch.Tensor, eps: torch.Tensor, j: int) -> None:
        """What the latent z at timestep t_j is on its way to, by its ε."""
        if not self.wanted or time.monotonic() - self._last < max(EVERY, self._cost / SHARE):
            return
        if z.is_cuda:
            torch.cuda.synchronize(z.device)  # the work before this must not count as ours
        started = time.monotonic()
        rough = self.model.codec.preview(self.schedule.clean(z, eps, j))
        self.progress.preview(lambda: self._picture(rough))
        self._last = time.monotonic()
        self._cost = self._last - started

    def show_round(self, x: torch.Tensor) -> None:
        """The picture that a round ended with, (1, 3, H, W) in [−1, 1]."""
        if self.wanted:
            self.progress.preview(lambda: self._picture(x))

    def _picture(self, x: torch.Tensor) -> np.ndarray:
        """(1, 3, h, w) of the padded target at any scale → (h, w, 3) in [0, 1], reduced, what was padded cut off."""
        height, width = self.size
        scale = min(1.0, LONGEST / max(height, width), min(x.shape[2] / height, x.shape[3] / width))
        whole = [max(round(side * scale), 1) for side in self._padded()]
        x = F.interpolate(x, size=whole, mode="area") if list(x.shape[2:]) != whole else x
        x = x[0, :, : max(round(height * scale), 1), : max(round(width * scale), 1)]
        return np.ascontiguousarray((x / 2 + 0.5).clamp(0, 1).movedim(0, 2).float().cpu().numpy())

    def _padded(self) -> list[int]:
        factor = self.model.codec.factor
        return [side if around else -(-side // factor) * factor for side, around in zip(self.size, reversed(self.wrap), strict=True)]
