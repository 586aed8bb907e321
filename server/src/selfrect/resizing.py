# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of another size: a windowed sinc (Lanczos 3), stretched where it makes smaller, so that nothing is skipped. No PyTorch.

Colours are mixed as light, which is linear, and by their alpha, so that what is transparent does not bleed into what is not.
"""

from __future__ import annotations

import numpy as np

from .image import linear_from_srgb, srgb_from_linear

_LOBES = 3


def resized_picture(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """(H, W, 3|4) float32, display-referred sRGB → (height, width, 3|4). The filter makes nothing darker than black."""
    if picture.shape[:2] == (height, width):
        return picture
    light, low, high = linear_from_srgb(picture[..., :3]), picture[..., :3].min(), picture[..., :3].max()
    parts = [resized(light, width, height)]
    if picture.shape[2] == 4:
        alpha = resized(picture[..., 3:], width, height)
        seen = resized(light * picture[..., 3:], width, height)
        parts = [np.where(alpha > 1e-3, seen / np.maximum(alpha, 1e-3), parts[0]), np.clip(alpha, 0, 1)]
    parts[0] = np.clip(srgb_from_linear(parts[0]), low, high)  # rings beyond both are the filter's own
    return np.concatenate(parts, axis=-1).astype(np.float32)


def resized_mask(mask: np.ndarray, width: int, height: int) -> np.ndarray:
    """(H, W) float32 in [0, 1] → (height, width). Linear, without rings: what was 0 all around stays 0."""
    return mask if mask.shape == (height, width) else resized(mask[..., None], width, height, _tent, 1)[..., 0]


def resized(values: np.ndarray, width: int, height: int, filter=None, reach: int = _LOBES) -> np.ndarray:
    """(H, W, C) → (height, width, C), float32. filter: of the distance in pixels (of the larger grid), 0 from `reach` on."""
    for axis, size in ((0, height), (1, width)):
        values = _along(values, axis, size, filter or _lanczos, reach)
    return values


def _along(values: np.ndarray, axis: int, size: int, filter, reach: int) -> np.ndarray:
    old = values.shape[axis]
    if old == size:
        return values.astype(np.float32, copy=False)
    stretch = max(1.0, old / size)
    at = (np.arange(size) + 0.5) * (old / size) - 0.5
    first = np.floor(at - reach * stretch).astype(int) + 1
    whole = np.zeros((*values.shape[:axis], size, *values.shape[axis + 1 :]), np.float32)
    weights = [filter((at - first - k) / stretch) for k in range(int(np.ceil(2 * reach * stretch)))]
    total = np.sum(weights, axis=0)
    for k, weight in enumerate(weights):
        shape = [size if a == axis else 1 for a in range(values.ndim)]
        whole += values.take(np.clip(first + k, 0, old - 1), axis) * (weight / total).astype(np.float32).reshape(shape)
    return whole


def _lanczos(distance: np.ndarray) -> np.ndarray:
    return np.where(np.abs(distance) < _LOBES, np.sinc(distance) * np.sinc(distance / _LOBES), 0.0)


def _tent(distance: np.ndarray) -> np.ndarray:
    return np.maximum(1 - np.abs(distance), 0.0)
