# SPDX-License-Identifier: GPL-3.0-or-later
"""What a synthesis is given, and the same at every size of the pyramid."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .leaning import Leaning
from .resizing import resized, resized_part, size_of


@dataclass(frozen=True)
class Given:
    """target (3, H, W), placed (H, W) in [0, 1], references (3, h, w) each and opaque (h, w) bool each; wrap: (x, y), edges that go around.

    start: a picture (3, H, W) in place of the first layout, or None. fixed: (H, W) bool, pixels that stay as they are, or None.
    leaning: how much each reference is wanted where, or None: all alike. opened: (H, W) bool, around edges that do not meet, see
    `meeting`, or None.
    """

    target: torch.Tensor
    placed: torch.Tensor
    references: list[torch.Tensor]
    opaque: list[torch.Tensor]
    wrap: tuple[bool, bool] = (False, False)
    start: torch.Tensor | None = None
    fixed: torch.Tensor | None = None
    leaning: Leaning | None = None
    opened: torch.Tensor | None = None

    @property
    def side(self) -> int:
        """The shorter one of the target."""
        return min(self.target.shape[1:])

    @property
    def least_side(self) -> int:
        """Of all pictures."""
        return min(self.side, *(min(r.shape[1:]) for r in self.references))

    def sources(self, scale: float) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """The references and their opaque pixels; what is transparent takes no part in the colours."""
        pictures, opaque = [], []
        for reference, mask in zip(self.references, self.opaque, strict=True):
            size = size_of(reference, scale)
            picture = resized(reference, size) if bool(mask.all()) else resized_part(reference, mask.float(), size)[0]
            pictures.append(picture)
            opaque.append(resized(mask[None].float(), picture.shape[1:])[0] > 0.9)
        return pictures, opaque

    def kept(self, size: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor] | None:
        """The pixels that stay (h, w) bool, and their colours (3, h, w)."""
        if self.fixed is None:
            return None
        colours, share = resized_part(self.target, self.fixed.float(), size)
        return share > 0.5, colours
