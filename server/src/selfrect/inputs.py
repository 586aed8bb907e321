# SPDX-License-Identifier: GPL-3.0-or-later
"""What a request must be before an engine takes it: every refusal says what was expected, what came and what to do.

Blender's side uses this file too (`engine_source`), so NumPy alone is imported.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .problems import Problem

SMALLEST_SIDE = 32  # pixels: below, the network's coarsest level has nothing left to look at
# The target is worked on in windows; of a reference the keys and values of every place are attended to at once.
LONGEST_SIDE = {"reference": 4096, "target": 8192, "map": 8192}  # pixels of a square; other shapes may have as many in all
MAP_NAME = re.compile(r"[a-z0-9][a-z0-9 _-]{0,62}")
MAP_NAMES = "Use small letters, digits and spaces, such as “roughness”."


def check_pictures(request: Any) -> None:
    """Raise Problem bad_input unless all arrays of a request (`engine.Request`, or the host's) can be worked on."""
    if not request.references:
        raise _bad("There is no reference.", "Choose a picture as the reference.")
    for reference in request.references:
        check_image(reference, "reference")
    check_image(request.target, "target")
    count, size = len(request.references), request.target.shape[:2]
    if request.mask is not None:
        check_mask(request.mask, size, "mask")
    check_weights(request.weights, count)
    check_regions(request.regions, count, size)
    check_maps(request.maps, count)


def check_image(image: np.ndarray | None, what: str) -> None:
    """Raise Problem bad_input unless `image` is (H, W, 3|4) float32, finite, of a size that can be worked on.

    what: "reference" or "target", for the sentence.
    """
    if image is None:
        raise _bad(f"There is no {what}.", f"Choose a picture as the {what}.")
    if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] not in (3, 4) or image.dtype != np.float32:
        raise _bad(
            f"The {what} is {_kind(image)}; expected a NumPy array (height, width, 3 or 4) of float32.",
            "Convert it first; selfrect.read_image does so for files.",
        )
    height, width = image.shape[:2]
    if min(height, width) < SMALLEST_SIDE:
        raise _bad(
            f"The {what} is {width} × {height} pixels; at least {SMALLEST_SIDE} × {SMALLEST_SIDE} are needed.", "Use a larger picture."
        )
    _check_size(image, what, "reference" if what == "reference" else "target")
    _check_finite(image, what)
    if _holds_bytes(image[..., :3]):
        sentence = f"The {what} has whole numbers up to {float(image[..., :3].max()):g}; expected display values, where 1 is white."
        raise _bad(sentence, "Divide it by its largest possible value first, 255 or 65535.")
    if image.shape[2] == 4 and what == "reference" and not np.any(image[..., 3] > 0.5):
        raise _bad("The reference is transparent everywhere.", "Choose a reference with visible pixels.")


def check_mask(mask: np.ndarray, size: tuple[int, int], what: str) -> None:
    """Raise Problem bad_input unless `mask` is (H, W) float32 in [0, 1] of the target's size (height, width), not 0 everywhere."""
    if not isinstance(mask, np.ndarray) or mask.ndim != 2 or mask.dtype != np.float32:
        raise _bad(f"The {what} is {_kind(mask)}; expected a NumPy array (height, width) of float32.", "Convert it first.")
    if mask.shape != tuple(size):
        sizes = f"{mask.shape[1]} × {mask.shape[0]} pixels, the target {size[1]} × {size[0]}"
        raise _bad(f"The {what} has {sizes}.", "Both must be of one size: scale one of them.")
    _check_finite(mask, what)
    low, high = float(mask.min()), float(mask.max())
    if low < 0 or high > 1:
        raise _bad(f"The {what} has values from {low:.3g} to {high:.3g}; expected 0 to 1.", "Clip it first.")
    if high == 0:
        raise _bad(f"The {what} is 0 everywhere: there is nothing to do.", "Paint what may change in white.")


def check_weights(weights: Sequence[float] | None, count: int) -> None:
    """Raise Problem bad_input unless there is a number above 0 for each of `count` references, or None."""
    if weights is None:
        return
    if not isinstance(weights, (list, tuple)) or len(weights) != count:
        raise _bad(f"The weights are {_short(weights)}; there are {count} references.", "Give one weight for each reference, or none.")
    for weight in weights:
        if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 < weight <= 1e6:
            raise _bad(f"A reference's weight is {_short(weight)}.", "Give a number above 0; 1 is the usual one, 2 counts twice as much.")


def check_regions(regions: Sequence[np.ndarray | None] | None, count: int, size: tuple[int, int]) -> None:
    """Raise Problem bad_input unless there is a mask of the target's size, or None, for each of `count` references, or None at all.

    Each place must lie in the region of one of them at least: a reference without a region counts everywhere.
    """
    if regions is None:
        return
    if not isinstance(regions, (list, tuple)) or len(regions) != count:
        raise _bad(f"There are {_length(regions)} regions and {count} references.", "Give one for each reference; None is everywhere.")
    for number, region in enumerate(regions, 1):
        if region is not None:
            check_mask(region, size, f"region of reference {number}")
    if all(region is not None for region in regions):
        bare = int((np.maximum.reduce(list(regions)) == 0).sum())
        if bare:
            sentence = f"{bare:,} pixels of the target lie in no reference's region."
            raise _bad(sentence, "Paint the regions so that together they cover all of it, or leave one reference without a region.")


def check_maps(maps: Mapping[str, Sequence[np.ndarray]] | None, count: int) -> None:
    """Raise Problem bad_input unless each map has a name and, for each of `count` references, an array (h, w, 1|3|4) float32, finite."""
    for name, of_each in (maps or {}).items():
        if not isinstance(name, str) or not MAP_NAME.fullmatch(name):
            raise _bad(f"A map is called {_short(name)}.", MAP_NAMES)
        if not isinstance(of_each, (list, tuple)) or len(of_each) != count:
            raise _bad(f"The map “{name}” is there {_length(of_each)} times for {count} references.", "Give one for each reference.")
        for array in of_each:
            _check_map(array, name)


def _check_map(array: np.ndarray, name: str) -> None:
    what = f"map “{name}”"
    if not isinstance(array, np.ndarray) or array.ndim != 3 or array.shape[2] not in (1, 3, 4) or array.dtype != np.float32:
        sentence = f"The {what} is {_kind(array)}; expected a NumPy array (height, width, 1, 3 or 4) of float32."
        raise _bad(sentence, "Convert it first; selfrect.read_data does so for files.")
    if name.startswith("normal") and array.shape[2] == 1:
        raise _bad(f"The {what} has one channel; a normal has three.", "Give a normal map, or call this one “height”.")
    if 0 in array.shape:
        raise _bad(f"The {what} has no pixels.", "Give another one.")
    _check_size(array, what, "map")
    _check_finite(array, what)


def _check_size(image: np.ndarray, what: str, kind: str) -> None:
    height, width = image.shape[:2]
    side = LONGEST_SIDE[kind]
    if height * width > side * side:
        raise _bad(
            f"The {what} is {width} × {height} pixels; at most {side * side:,} in all ({side} × {side}) can be worked on.",
            "Scale it down or cut a part out of it.",
        )


def _check_finite(image: np.ndarray, what: str) -> None:
    bad = int(image.size - np.isfinite(image).sum())
    if bad:
        raise _bad(
            f"The {what} has {bad} values that are not numbers (NaN or infinite).",
            "Repair them first, for example by saving the picture as 16-bit PNG and loading it again.",
        )


def _holds_bytes(colours: np.ndarray) -> bool:
    """Whether these are whole numbers of a file that nobody divided. What is brighter than white is so by fractions."""
    return bool(colours.max() > 2) and bool(np.array_equal(colours, np.rint(colours)))


def _kind(value: Any) -> str:
    return f"{type(value).__name__} of shape {getattr(value, 'shape', '?')} and type {getattr(value, 'dtype', '?')}"


def _length(value: Any) -> str:
    return str(len(value)) if isinstance(value, (list, tuple)) else "no list of"


def _short(value: Any) -> str:
    return repr(value)[:80]


def _bad(sentence: str, remedy: str) -> Problem:
    return Problem("bad_input", sentence, remedy)
