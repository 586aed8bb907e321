# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether opposite edges of a picture meet."""

from __future__ import annotations

import numpy as np


def wrap_difference(picture: np.ndarray) -> dict[str, float]:
    """For x and y: difference across the wrap-around, over that between neighbouring columns or rows.

    At most 1: the seam is not sharper than the texture itself. picture: (H, W, channels), any range.
    """
    return {name: _ratio(picture, axis) for name, axis in (("x", 1), ("y", 0))}


def _ratio(picture: np.ndarray, axis: int) -> float:
    lines = np.moveaxis(np.asarray(picture, np.float64), axis, 0)
    neighbours = np.abs(np.diff(lines, axis=0)).mean()
    return float(np.abs(lines[0] - lines[-1]).mean() / max(neighbours, 1e-9))
