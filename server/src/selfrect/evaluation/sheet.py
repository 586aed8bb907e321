# SPDX-License-Identifier: GPL-3.0-or-later
"""One picture with everything to be compared side by side, to be looked at."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_CHECKER = 16  # px, the squares that stand for transparency
_GAP = 8
_TEXT = 22


def sheet(columns: list[tuple[str, np.ndarray]], side: int = 512) -> np.ndarray:
    """Pictures (H, W, 3|4) in [0, 1], each under its title, brought to one height; (H', W', 3) float32."""
    shown = [(title, _scaled(_over_checker(picture), side)) for title, picture in columns]
    width = sum(picture.width + _GAP for _, picture in shown) + _GAP
    canvas = Image.new("RGB", (width, side + _TEXT + 2 * _GAP), (40, 40, 40))
    draw, font, x = ImageDraw.Draw(canvas), ImageFont.load_default(), _GAP
    for title, picture in shown:
        draw.text((x, _GAP), title, fill=(230, 230, 230), font=font)
        canvas.paste(picture, (x, _TEXT + _GAP))
        x += picture.width + _GAP
    return np.asarray(canvas, np.float32) / 255


def repeated(picture: np.ndarray) -> np.ndarray:
    """3 × 3 of the picture: seams and repetition show."""
    return np.tile(picture, (3, 3, 1))


def _over_checker(picture: np.ndarray) -> np.ndarray:
    if picture.shape[2] == 3:
        return picture
    rows, columns = np.indices(picture.shape[:2]) // _CHECKER
    checker = np.where((rows + columns) % 2, 0.6, 0.4)[..., None]
    return picture[..., :3] * picture[..., 3:] + checker * (1 - picture[..., 3:])


def _scaled(picture: np.ndarray, side: int) -> Image.Image:
    image = Image.fromarray((np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8))
    return image.resize((max(1, round(image.width * side / image.height)), side), Image.Resampling.LANCZOS)
