# SPDX-License-Identifier: GPL-3.0-or-later
"""Maps that a material lacks, guessed, and only when asked for: height from colour, normals from height.

A guess: dark is taken for deep, and what is broad for light and not for height.
"""

from __future__ import annotations

import numpy as np

_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
_BROAD = 1 / 16  # of the shorter side, the standard deviation of what counts as light
_DEEP = 0.03  # of the shorter side: what a height from 0 to 1 is taken for
HEIGHTS, NORMALS = ("height", "displacement", "bump"), ("normal",)

Wrap = tuple[bool, bool]


def estimated(picture: np.ndarray, maps: dict[str, np.ndarray], wanted: str, wrap: Wrap) -> dict[str, tuple[np.ndarray, str]]:
    """name → map and what it was guessed from. picture (H, W, 3): the base colour; maps: those there are.

    wanted: none, height, normal or both; one that there is already is not guessed. Height (H, W, 1) in [0, 1]; normals (h, w, 3),
    tangent space, y up, of the height's size.
    """
    made: dict[str, tuple[np.ndarray, str]] = {}
    name = next((key for key in maps if key.lower() in HEIGHTS), None)
    height, origin = (None, "height, itself guessed from the base colour") if name is None else (maps[name][..., :1], name)
    if wanted in ("height", "both") and height is None:
        height = height_from(picture, wrap)
        made["height"] = height, "base colour"
    if wanted in ("normal", "both") and not any(key.lower() in NORMALS for key in maps):
        made["normal"] = normals_from(height_from(picture, wrap) if height is None else height, wrap), origin
    return made


def height_from(picture: np.ndarray, wrap: Wrap) -> np.ndarray:
    """(H, W, 3) → (H, W, 1) in [0, 1]: lightness without its broad part, most of it between 0 and 1."""
    light = picture[..., :3] @ _LUMINANCE
    detail = light - _blurred(light, max(1.0, min(light.shape) * _BROAD), wrap)
    low, high = np.percentile(detail, (0.5, 99.5))
    return np.clip((detail - low) / max(high - low, 1e-6), 0, 1)[..., None].astype(np.float32)


def normals_from(height: np.ndarray, wrap: Wrap) -> np.ndarray:
    """(H, W, 1) → (H, W, 3), colours in [0, 1]."""
    field = height[..., 0].astype(np.float32) * np.float32(_DEEP * min(height.shape[:2]))
    right, down = (_slope(field, axis, around) for axis, around in ((1, wrap[0]), (0, wrap[1])))
    length = np.sqrt(right * right + down * down + 1)
    return np.stack([-right / length, down / length, 1 / length], -1).astype(np.float32) / 2 + np.float32(0.5)


def _slope(field: np.ndarray, axis: int, around: bool) -> np.ndarray:
    if not around:
        return np.gradient(field, axis=axis) if field.shape[axis] > 1 else np.zeros_like(field)
    return (np.roll(field, -1, axis) - np.roll(field, 1, axis)) / 2


def _blurred(field: np.ndarray, sigma: float, wrap: Wrap) -> np.ndarray:
    """Gaussian, by Fourier transform; mirrored at edges that do not go around."""
    rows, columns = field.shape
    for axis, around in ((1, wrap[0]), (0, wrap[1])):
        field = field if around else np.concatenate([field, np.flip(field, axis)], axis)
    down, across = np.fft.fftfreq(field.shape[0])[:, None], np.fft.rfftfreq(field.shape[1])
    spectrum = np.fft.rfft2(field) * np.exp(-2 * (np.pi * sigma) ** 2 * (down**2 + across**2))
    return np.fft.irfft2(spectrum, field.shape)[:rows, :columns].astype(np.float32)
