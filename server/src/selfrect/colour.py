# SPDX-License-Identifier: GPL-3.0-or-later
"""CIELAB and colour differences. Pictures (H, W, 3) in [0, 1], display-referred sRGB; Lab for the D65 white. No PyTorch."""

from __future__ import annotations

import numpy as np

from .image import linear_from_srgb, srgb_from_linear

# IEC 61966-2-1; the white is the sum of the rows, so that grey has a* = b* = 0
_XYZ_FROM_RGB = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])
_WHITE = _XYZ_FROM_RGB.sum(axis=1)
_EPSILON, _KAPPA = 216 / 24389, 24389 / 27  # CIE 15:2004


def lab_from_srgb(picture: np.ndarray) -> np.ndarray:
    """L* in [0, 100], a*, b*; float64. Values below 0 or above 1 are carried through."""
    xyz = linear_from_srgb(np.asarray(picture[..., :3], np.float64)) @ _XYZ_FROM_RGB.T / _WHITE
    f = np.where(xyz > _EPSILON, np.cbrt(xyz), (_KAPPA * xyz + 16) / 116)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def srgb_from_lab(lab: np.ndarray) -> np.ndarray:
    """The inverse, float64; colours that sRGB does not hold come out below 0 or above 1."""
    y = (lab[..., 0] + 16) / 116
    f = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], axis=-1)
    xyz = np.where(f**3 > _EPSILON, f**3, (116 * f - 16) / _KAPPA) * _WHITE
    return srgb_from_linear(xyz @ np.linalg.inv(_XYZ_FROM_RGB).T)


def delta_e(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """CIEDE2000 between Lab colours (…, 3); about 1 is just to be seen. (Sharma, Wu, Dalal 2005, whose test data it meets.)"""
    (l1, a1, b1), (l2, a2, b2) = np.moveaxis(one, -1, 0), np.moveaxis(other, -1, 0)
    mean_chroma = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    stretch = 1.5 - 0.5 * np.sqrt(mean_chroma**7 / (mean_chroma**7 + 25.0**7))
    a1, a2 = a1 * stretch, a2 * stretch
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = np.degrees(np.arctan2(b1, a1)) % 360, np.degrees(np.arctan2(b2, a2)) % 360
    grey = c1 * c2 == 0
    turn = np.where(grey, 0.0, (h2 - h1 + 180) % 360 - 180)
    turn = np.where(~grey & (turn == -180), 180.0, turn)  # the formula's own choice of side; its square does not tell
    lightness, chroma, hue = l2 - l1, c2 - c1, 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2))
    l, c = (l1 + l2) / 2, (c1 + c2) / 2  # noqa: E741 - the formula's names
    h = np.where(grey, h1 + h2, np.where(np.abs(h1 - h2) <= 180, (h1 + h2) / 2, ((h1 + h2 + 360) / 2) % 360))
    t = (1 - 0.17 * _cos(h - 30) + 0.24 * _cos(2 * h) + 0.32 * _cos(3 * h + 6) - 0.20 * _cos(4 * h - 63))  # fmt: skip
    s_l = 1 + 0.015 * (l - 50) ** 2 / np.sqrt(20 + (l - 50) ** 2)
    s_c, s_h = 1 + 0.045 * c, 1 + 0.015 * c * t
    r_t = -2 * np.sqrt(c**7 / (c**7 + 25.0**7)) * np.sin(np.radians(60 * np.exp(-(((h - 275) / 25) ** 2))))
    dl, dc, dh = lightness / s_l, chroma / s_c, hue / s_h
    return np.sqrt(np.maximum(dl**2 + dc**2 + dh**2 + r_t * dc * dh, 0))


def _cos(degrees: np.ndarray) -> np.ndarray:
    return np.cos(np.radians(degrees))
