# SPDX-License-Identifier: GPL-3.0-or-later
"""What a picture must be before an engine takes it: every refusal says what was expected, what came and what to do."""

from __future__ import annotations

import numpy as np

from .problems import Problem

SMALLEST_SIDE = 32  # pixels: below, the network's coarsest level has nothing left to look at
# The target is worked on in windows; of a reference the keys and values of every place are attended to at once.
LONGEST_SIDE = {"reference": 4096, "target": 8192}  # pixels of a square; other shapes may have as many in all


def check_image(image: np.ndarray | None, what: str) -> None:
    """Raise Problem bad_input unless `image` is (H, W, 3|4) float32 in [0, 1] of a size that can be worked on.

    what: "reference" or "target", for the sentence.
    """
    if image is None:
        raise Problem("bad_input", f"There is no {what}.", f"Choose a picture as the {what}.")
    image_kind = f"{type(image).__name__} of shape {getattr(image, 'shape', '?')} and type {getattr(image, 'dtype', '?')}"
    if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] not in (3, 4) or image.dtype != np.float32:
        raise Problem(
            "bad_input",
            f"The {what} is {image_kind}; expected a NumPy array (height, width, 3 or 4) of float32.",
            "Convert it first; selfrect.read_image does so for files.",
        )
    height, width = image.shape[:2]
    if min(height, width) < SMALLEST_SIDE:
        raise Problem(
            "bad_input",
            f"The {what} is {width} × {height} pixels; at least {SMALLEST_SIDE} × {SMALLEST_SIDE} are needed.",
            "Use a larger picture.",
        )
    side = LONGEST_SIDE[what]
    if height * width > side * side:
        raise Problem(
            "bad_input",
            f"The {what} is {width} × {height} pixels; at most {side * side:,} in all ({side} × {side}) can be worked on.",
            "Scale it down or cut a part out of it.",
        )
    _check_values(image, what)


def _check_values(image: np.ndarray, what: str) -> None:
    bad = int(image.size - np.isfinite(image).sum())
    if bad:
        raise Problem(
            "bad_input",
            f"The {what} has {bad} values that are not numbers (NaN or infinite).",
            "Repair them first, for example by saving the picture as 16-bit PNG and loading it again.",
        )
    low, high = float(image.min()), float(image.max())
    if low < 0 or high > 1:
        raise Problem(
            "bad_input",
            f"The {what} has values from {low:.3g} to {high:.3g}; expected display values from 0 to 1.",
            "Clip or tone-map it first.",
        )
    if image.shape[2] == 4 and what == "reference" and not np.any(image[..., 3] > 0.5):
        raise Problem("bad_input", "The reference is transparent everywhere.", "Choose a reference with visible pixels.")
