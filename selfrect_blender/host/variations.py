# SPDX-License-Identifier: GPL-3.0-or-later
"""A contact sheet of variations: which there are, in which order they share most work, and where each stands. No bpy.

A row is one Structure: what the engine keeps of it (the inversions) serves all of its row, so rows are made one by one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

LONGEST_SIDE = 256  # of a picture on the sheet, in pixels
GUTTER = 12
_PAPER = np.float32(0.05)


@dataclass(frozen=True)
class Variation:
    """A place on the sheet and what differs there. sliders: "structure", "detail" in [0, 1]. seed: None where it is as chosen."""

    row: int
    column: int
    sliders: dict[str, float] = field(default_factory=dict)
    seed: int | None = None


def grid(structure: float, detail: float, rows: int, columns: int) -> list[Variation]:
    """Structure from row to row, Detail from column to column, with what is chosen now in the middle."""
    return [
        Variation(row, column, {"structure": s, "detail": d})
        for row, s in enumerate(around(structure, rows))
        for column, d in enumerate(around(detail, columns))
    ]


def seeds(first: int, rows: int, columns: int) -> list[Variation]:
    """One seed after the other, from the chosen one on."""
    return [Variation(row, column, seed=first + row * columns + column) for row in range(rows) for column in range(columns)]


def around(value: float, count: int) -> list[float]:
    """Rising positions in [0, 1], evenly spaced, with the value in the middle as far as the ends allow."""
    step = min(0.25, 1 / max(count - 1, 1))
    low = min(max(value - step * (count - 1) / 2, 0.0), 1 - step * (count - 1))
    return [round(low + step * index, 4) for index in range(count)]


@dataclass(frozen=True)
class Sheet:
    """Where the pictures stand. picture: (width, height) of the results. Pixels are counted from the lower left corner."""

    rows: int
    columns: int
    picture: tuple[int, int]

    @property
    def cell(self) -> tuple[int, int]:
        """(width, height) of a picture on the sheet; never larger than the picture itself."""
        scale = min(1.0, LONGEST_SIDE / max(self.picture))
        return max(round(self.picture[0] * scale), 1), max(round(self.picture[1] * scale), 1)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the sheet."""
        width, height = self.cell
        return self.columns * (width + GUTTER) + GUTTER, self.rows * (height + GUTTER) + GUTTER

    def corner(self, row: int, column: int) -> tuple[int, int]:
        """(x, y) of a picture's lower left pixel; row 0 is the top one."""
        width, height = self.cell
        return GUTTER + column * (width + GUTTER), GUTTER + (self.rows - 1 - row) * (height + GUTTER)

    def at(self, u: float, v: float) -> tuple[int, int] | None:
        """(row, column) of the picture at a point in [0, 1]² of the sheet, from the lower left; None between pictures."""
        (width, height), (cell_width, cell_height) = self.size, self.cell
        for row in range(self.rows):
            for column in range(self.columns):
                x, y = self.corner(row, column)
                if x <= u * width < x + cell_width and y <= v * height < y + cell_height:
                    return row, column
        return None

    def empty(self) -> np.ndarray:
        """(height, width, 4) float32, bottom row first: paper."""
        width, height = self.size
        paper = np.full((height, width, 4), _PAPER, np.float32)
        paper[..., 3] = 1
        return paper

    def place(self, paper: np.ndarray, row: int, column: int, flat: np.ndarray) -> None:
        """Put a picture, a flat RGBA buffer of (width, height) = picture as Blender has it, on the paper."""
        x, y = self.corner(row, column)
        width, height = self.cell
        pixels = flat.reshape(self.picture[1], self.picture[0], 4)
        paper[y : y + height, x : x + width] = _shrink(_shrink(pixels, height, 0), width, 1)


def _shrink(picture: np.ndarray, count: int, axis: int) -> np.ndarray:
    """Means of neighbouring pixels along one axis, down to `count` pixels."""
    starts = np.arange(count) * picture.shape[axis] // count
    lengths = np.diff(np.append(starts, picture.shape[axis]))
    shape = [1] * picture.ndim
    shape[axis] = count
    return np.add.reduceat(picture, starts, axis) / lengths.astype(np.float32).reshape(shape)
