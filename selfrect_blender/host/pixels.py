# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's pixel buffers ↔ arrays, and linear light ↔ sRGB. Each conversion in one function, in float32 throughout.

Blender: flat float32, bottom row first, channels interleaved. Array: (H, W, C) float32, top row first.
"""
from __future__ import annotations

import numpy as np

from .engine_source import problems

# IEC 61966-2-1, the piecewise function that Blender and the PNG files of the world use
_LINEAR_CUT, _SRGB_CUT, _SLOPE = 0.0031308, 0.04045, 12.92


def from_blender(flat: np.ndarray, width: int, height: int) -> np.ndarray:
    """`image.pixels` (width·height·channels values, 1 to 4 channels) -> a new (height, width, 4) array, top row first.

    One channel is grey, two are grey and alpha, three get alpha 1. Raises Problem("bad_input") where the buffer does
    not have the size that was named (an image without data has 0 values).
    """
    count = width * height
    channels, rest = divmod(flat.size, count) if count > 0 else (0, 0)
    if rest or not 1 <= channels <= 4:
        raise problems.Problem(
            "bad_input",
            f"The image says {width} × {height} pixels but holds {flat.size} values.",
            "Load or save the image again; a movie or a render result has to be saved as an image first.",
        )
    picture = np.asarray(flat, np.float32).reshape(height, width, channels)[::-1]
    rgba = np.ones((height, width, 4), np.float32)
    rgba[..., :3] = picture[..., :3] if channels >= 3 else picture[..., :1]
    if channels in (2, 4):
        rgba[..., 3] = picture[..., -1]
    return rgba


def to_blender(picture: np.ndarray) -> np.ndarray:
    """(H, W, 3|4), top row first -> new flat float32 RGBA of H·W·4 values, bottom row first; missing alpha is 1."""
    height, width, channels = picture.shape
    rgba = np.ones((height, width, 4), np.float32)
    rgba[..., :channels] = picture[::-1]
    return rgba.reshape(-1)


def srgb_from_linear(picture: np.ndarray) -> np.ndarray:
    """Linear light -> sRGB of a (…, 3|4) array; alpha is kept. Values below 0 and above 1 pass, through the same curve."""
    return _convert(picture, _encode)


def linear_from_srgb(picture: np.ndarray) -> np.ndarray:
    """sRGB -> linear light of a (…, 3|4) array; alpha is kept. The inverse of `srgb_from_linear`."""
    return _convert(picture, _decode)


def _convert(picture: np.ndarray, curve) -> np.ndarray:
    if picture.ndim < 1 or picture.shape[-1] not in (3, 4):
        raise ValueError(f"expected colour in the last axis, (…, 3|4), got shape {picture.shape}")
    converted = np.array(picture, np.float32)
    converted[..., :3] = curve(converted[..., :3])
    return converted


def _encode(light: np.ndarray) -> np.ndarray:
    # maximum(): below the cut the power is not used, and of a negative number it would be NaN
    curved = np.float32(1.055) * np.maximum(light, np.float32(_LINEAR_CUT)) ** np.float32(1 / 2.4) - np.float32(0.055)
    return np.where(light <= np.float32(_LINEAR_CUT), light * np.float32(_SLOPE), curved)


def _decode(value: np.ndarray) -> np.ndarray:
    curved = ((np.maximum(value, np.float32(_SRGB_CUT)) + np.float32(0.055)) / np.float32(1.055)) ** np.float32(2.4)
    return np.where(value <= np.float32(_SRGB_CUT), value / np.float32(_SLOPE), curved)
