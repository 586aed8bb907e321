# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps of brightness between patches from different places are spread, so that no border is seen (Darabi et al. 2012)."""

from __future__ import annotations

import numpy as np
import torch

from ..poisson import membrane, settled

_THING = 0.1  # larger steps are edges of things, and stay
_MEETING = 6  # px on both sides of an edge that goes around


def joining(
    picture: torch.Tensor,
    right: torch.Tensor,
    below: torch.Tensor,
    wrap: tuple[bool, bool] = (False, False),
    reach: float = 60.0,
    kept: torch.Tensor | None = None,
) -> torch.Tensor:
    """What, added to picture (3, H, W), gives it the differences that the patches themselves have; smooth but at their borders.

    right, below: what the patches say is beside each pixel. wrap: (x, y), edges that go around. reach: px, how far a step is spread.
    kept (H, W) bool: pixels that stay as they are.
    """
    off_x, off_y = (beside - picture.roll(-1, axis) for beside, axis in ((right, 2), (below, 1)))
    off_x, off_y = (off * _spread(off, wrap) for off in (off_x, off_y))
    change = torch.stack([settled(x.cpu(), y.cpu(), wrap, 1 / reach**2) for x, y in zip(off_x, off_y, strict=True)])
    if kept is not None:
        around = membrane(np.ascontiguousarray(change.permute(1, 2, 0).numpy()), kept.cpu().numpy(), wrap)
        change = change - torch.from_numpy(around).permute(2, 0, 1)
    return change.to(picture)


def _spread(off: torch.Tensor, wrap: tuple[bool, bool]) -> torch.Tensor:
    """(H, W): how much of a step is; all of it where edges meet that the artist could not see side by side."""
    share = 1 / (1 + (off.square().mean(0) / _THING**2) ** 2)
    for axis, around in ((1, wrap[0]), (0, wrap[1])):
        if around:
            share.narrow(axis, 0, _MEETING).fill_(1)
            share.narrow(axis, share.shape[axis] - _MEETING, _MEETING).fill_(1)
    return share
