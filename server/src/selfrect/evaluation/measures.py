# SPDX-License-Identifier: GPL-3.0-or-later
"""All measures of one result."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..problems import Problem
from .colours import colour_distance
from .features import features_at_hand
from .structure import border_seen, structure_kept
from .texture import texture_distance
from .tiling import wrap_difference


def evaluate(reference: np.ndarray, target: np.ndarray, result: np.ndarray) -> dict[str, Any]:
    """Measure a result. reference (H, W, 3|4), target (H, W, 3|4), result of the target's size; float32 in [0, 1], sRGB.

    texture: {features, distance, target, ratio}: distance of the result's texture from the reference's, the raw target's, and the
    first over the second (below 1: the result looks more like the reference than the target did). structure: [−1, 1], kept layout.
    border: how sharp borders of placed pieces are, 1 as the texture. colour: mean CIEDE2000. wrap: x, y, at most 1 where it tiles.
    Where the target has no alpha all of it counts as placed. Raises Problem bad_input where the sizes do not fit.
    """
    if result.shape[:2] != target.shape[:2]:
        sizes = " and ".join(f"{p.shape[1]} × {p.shape[0]}" for p in (target, result))
        raise Problem("bad_input", f"Target and result have different sizes: {sizes} pixels.", "Give the result of this target.")
    placed = target[..., 3] if target.shape[2] == 4 else np.ones(target.shape[:2], np.float32)
    kind = features_at_hand()
    distance, raw = (texture_distance(picture, reference, kind) for picture in (result, target))
    return {
        "texture": {"features": kind, "distance": distance, "target": raw, "ratio": distance / max(raw, 1e-6)},
        "structure": structure_kept(result, target, placed),
        "border": border_seen(result, placed),
        "colour": colour_distance(result, reference),
        "wrap": wrap_difference(result),
    }
