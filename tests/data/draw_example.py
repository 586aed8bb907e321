# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws the example that `make demo` works on: a wooden board as reference, and a rough target cut out of it.

The target is what an artist would do: pieces cut out of the board, moved, turned and mirrored on a transparent canvas.
Needs bpy, 4.2 or newer, as a module.

    python draw_example.py FOLDER [SIZE]     writes FOLDER/reference.png and FOLDER/target.png, SIZE² pixels (256)
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from draw_wood import draw_wood


@dataclass(frozen=True)
class Piece:
    """Part of the reference and where it goes. Places and sizes are fractions of the picture, x to the right, y downwards."""

    source: tuple[float, float]  # centre in the reference
    half: tuple[float, float]  # half width, half height
    place: tuple[float, float]  # centre in the target
    turn: float  # degrees, counter-clockwise
    mirrored: bool


# The slices of the board in their order around the corner: middle in the reference, mirrored or not, how far each lies too far out.
SLICES = ((0.13, True, 0.02), (0.31, False, -0.02), (0.55, False, 0.03), (0.13, False, -0.03), (0.76, False, 0.01), (0.55, True, -0.02))


def bent_board() -> list[Piece]:
    """The job: a straight board shall go round a corner. Slices of it are laid out like a fan around the lower right corner.

    Their outer ends leave gaps, their inner ends overlap, and by hand they are not laid precisely: year rings do not meet.
    """
    pieces = []
    for number, (middle, mirrored, slip) in enumerate(SLICES):
        angle = 3.0 + 16.8 * number  # of the place, seen from the corner: 0 degrees to the left, 90 above
        reach = 0.74 + slip
        place = 1.0 - reach * math.cos(math.radians(angle)), 1.0 - reach * math.sin(math.radians(angle))
        pieces.append(Piece((middle, 0.5), (0.125, 0.5), place, turn=90.0 - angle, mirrored=mirrored))
    return pieces


def rough_target(reference: np.ndarray, pieces: list[Piece]) -> np.ndarray:
    """(S, S, 3) float32 in [0, 1] → (S, S, 4): the pieces, later ones on top; alpha 1 where something lies, else 0."""
    size = len(reference)
    target = np.zeros((size, size, 4), np.float32)
    y, x = (np.mgrid[:size, :size].astype(np.float32) + 0.5) / size
    for piece in pieces:
        # Where in the reference does each target pixel come from? Back to the piece's middle, turned back, mirrored back.
        dx, dy = x - piece.place[0], y - piece.place[1]
        cos, sin = math.cos(math.radians(piece.turn)), math.sin(math.radians(piece.turn))
        across, down = cos * dx - sin * dy, sin * dx + cos * dy
        inside = (abs(across) <= piece.half[0]) & (abs(down) <= piece.half[1])
        source_x = piece.source[0] + (-across if piece.mirrored else across)
        target[inside, :3] = sample(reference, source_x[inside], (piece.source[1] + down)[inside])
        target[inside, 3] = 1.0
    return target


def sample(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Bilinear values of an (S, S, 3) image at places (n,) in [0, 1]; (n, 3). Places beyond the border take the border's value."""
    last = len(image) - 1
    column, row = np.clip(x * len(image) - 0.5, 0, last), np.clip(y * len(image) - 0.5, 0, last)
    left, top = np.minimum(column.astype(int), last - 1), np.minimum(row.astype(int), last - 1)
    right_share, low_share = (column - left)[:, None], (row - top)[:, None]
    upper = image[top, left] * (1 - right_share) + image[top, left + 1] * right_share
    lower = image[top + 1, left] * (1 - right_share) + image[top + 1, left + 1] * right_share
    return upper * (1 - low_share) + lower * low_share


def save_png(image: np.ndarray, path: Path) -> None:
    """Writes (H, W, 3|4) float32 sRGB in [0, 1], top row first, as an 8-bit PNG."""
    height, width, channels = image.shape
    rgba = np.ones((height, width, 4), np.float32)
    rgba[..., :channels] = image
    picture = bpy.data.images.new(path.stem, width, height, alpha=channels == 4)
    picture.pixels.foreach_set(rgba[::-1].ravel())
    picture.file_format = "PNG"
    picture.save(filepath=str(path))
    bpy.data.images.remove(picture)


def draw_example(folder: Path, size: int = 256) -> tuple[Path, Path]:
    """Writes reference.png and target.png into folder and returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    reference = draw_wood(size)
    paths = folder / "reference.png", folder / "target.png"
    save_png(reference, paths[0])
    save_png(rough_target(reference, bent_board()), paths[1])
    return paths


if __name__ == "__main__":
    draw_example(Path(sys.argv[1]), *map(int, sys.argv[2:]))
