# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the parts of a comparison lie. No bpy: all in the region's pixels, y upwards, as floats."""

from __future__ import annotations

from dataclasses import dataclass

GAP = 0.04  # between two pictures side by side, of their height


@dataclass(frozen=True)
class Rect:
    """A picture as it lies in the editor at this zoom and place; it may reach far beyond the editor."""

    left: float
    bottom: float
    right: float
    top: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.top - self.bottom


def picture_rect(lower: tuple[float, float], upper: tuple[float, float], region: tuple[float, float]) -> Rect:
    """Where the picture lies when its coordinates, 0 to 1, are `lower` and `upper` at the region's corners. To parts of a pixel:
    Blender's own way back, view_to_region, knows whole pixels only."""
    scale = [size / (high - low) for size, low, high in zip(region, lower, upper, strict=True)]
    left, bottom = (-low * by for low, by in zip(lower, scale, strict=True))
    return Rect(left, bottom, left + scale[0], bottom + scale[1])


def at_tile(rect: Rect, column: int, row: int) -> Rect:
    """Where a UDIM tile lies, if `rect` is the place of tile 1001: the editor gives all tiles the same room."""
    right, up = column * rect.width, row * rect.height
    return Rect(rect.left + right, rect.bottom + up, rect.right + right, rect.top + up)


def beside(rect: Rect, size: tuple[int, int]) -> Rect:
    """Where a picture of size (width, height) goes to the right of `rect`: as high, in its own proportions."""
    left = rect.right + GAP * rect.height
    return Rect(left, rect.bottom, left + rect.height * size[0] / max(size[1], 1), rect.top)


def border(rect: Rect, fraction: float) -> float:
    """x of the wipe's border. fraction: 0 at the picture's left edge, 1 at its right."""
    return rect.left + fraction * rect.width


def fraction_at(rect: Rect, x: float) -> float:
    """The wipe for a border at x, within [0, 1]."""
    return min(max((x - rect.left) / rect.width, 0.0), 1.0) if rect.width else 0.0


def is_near_border(rect: Rect, fraction: float, place: tuple[float, float], reach: float) -> bool:
    """Whether the mouse is on the border: no further than `reach` beside it, and at the picture's height."""
    x, y = place
    return abs(x - border(rect, fraction)) <= reach and rect.bottom - reach <= y <= rect.top + reach


def handle_height(rect: Rect, region_height: float) -> float:
    """y of the wipe's handle: the middle of what is seen of the picture."""
    return (max(rect.bottom, 0.0) + min(rect.top, region_height)) / 2


def zoom_for(times: int, region: tuple[float, float], size: tuple[int, int], margin: float = 0.95) -> float:
    """Pixels of the screen for one of the picture, at which `times` × `times` copies fill the region."""
    return margin * min(region[0] / (times * max(size[0], 1)), region[1] / (times * max(size[1], 1)))
