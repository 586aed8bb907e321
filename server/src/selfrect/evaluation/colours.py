# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a picture's colours, wherever they stand, are from another's."""

from __future__ import annotations

import numpy as np

from ..colour import delta_e, lab_from_srgb
from ..transport import transported

_COLOURS = 20_000  # of each picture


def colour_distance(picture: np.ndarray, reference: np.ndarray, seed: int = 0) -> float:
    """Mean CIEDE2000 between the colours of two pictures, paired by sliced transport (Pitié et al. 2005, in Lab).

    0 where both hold the same colours equally often, however they are arranged; about 1 is just to be seen.
    """
    random = np.random.default_rng(seed)
    start, goal = _some(picture, random), _some(reference, random)
    return float(delta_e(start, transported(start, goal, seed=seed)).mean())


def _some(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Lab colours (n, 3) at places drawn evenly."""
    flat = picture[..., :3].reshape(-1, 3)
    places = (np.arange(_COLOURS) + random.random(_COLOURS)) * (len(flat) / _COLOURS)
    return lab_from_srgb(flat[places.astype(int)])
