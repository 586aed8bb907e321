# SPDX-License-Identifier: GPL-3.0-or-later
"""Any size: a latent larger than what the model was trained on goes through the network in overlapping windows.

At each step the windows' ε are blended with smooth weights (Bar-Tal et al.: MultiDiffusion, ICML 2023, arXiv 2302.08113).
Memory is that of one window, time is linear in the area. A latent of one window goes in one piece, untouched.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch

LARGEST_PIECE = 1.5  # a side up to this many windows long goes in one piece
OVERLAP = 1 / 4  # of a window, at least
SHIFT = 1 / 16  # of a window: how far the inner windows move from step to step, to either side
MULTIPLE = 8  # latent pixels: the network halves its picture three times
SMALLEST = 128  # image pixels: a window below sees too little
GOLDEN = 0.6180339887  # its multiples fall evenly between 0 and 1, and never twice on the same place
AUTOMATIC = 512  # image pixels: the least that is chosen where nothing is asked for


class Windows(NamedTuple):
    """side: of a window, latent pixels. longest: a side up to this long goes in one piece."""

    side: int
    longest: int


class Box(NamedTuple):
    """A window's place in a latent, in latent pixels. What lies beyond the latent's end is its beginning: a texture that tiles."""

    top: int
    left: int
    height: int
    width: int

    def cut(self, z: torch.Tensor) -> torch.Tensor:
        """The part of (…, h, w) that lies in the box, a view where it does not go around."""
        rows, columns = (_spans(*side) for side in self._sides(z))
        strips = [[z[..., y, x] for x, _ in columns] for y, _ in rows]
        return _joined([_joined(strip, -1) for strip in strips], -2)

    def add(self, z: torch.Tensor, part: torch.Tensor) -> None:
        """Add a part of the box's size to where the box lies in z (…, h, w)."""
        rows, columns = (_spans(*side) for side in self._sides(z))
        for y, own_y in rows:
            for x, own_x in columns:
                z[..., y, x] += part[..., own_y, own_x]

    def _sides(self, z: torch.Tensor) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
        return (self.top, self.height, z.shape[-2]), (self.left, self.width, z.shape[-1])


class Grid:
    """The windows of a latent of height × width. wrap: (x, y), whether it tiles; windows then go around its edges.

    around: (x, y), along which the network's own convolutions have to: what is in windows has its surroundings in them.
    """

    def __init__(self, height: int, width: int, windows: Windows, wrap: tuple[bool, bool] = (False, False)):
        self.height, self.width, self.wrap = height, width, wrap
        self._rows, self._columns = _axis(height, windows, wrap[1]), _axis(width, windows, wrap[0])
        self.around = (wrap[0] and self._columns.count == 1, wrap[1] and self._rows.count == 1)

    @property
    def count(self) -> int:
        return self._rows.count * self._columns.count

    @property
    def window(self) -> tuple[int, int]:
        """(height, width) of every window."""
        return self._rows.side, self._columns.side

    def boxes(self, j: int = 0) -> list[Box]:
        """The windows at timestep t_j: the outermost lie at the edges, the others are shifted a little from step to step."""
        rows, columns = self._rows, self._columns
        return [Box(y, x, rows.side, columns.side) for y in rows.starts(j) for x in columns.starts(j)]

    def blend(self, z: torch.Tensor, j: int, eps_of: Callable[[torch.Tensor, Box], torch.Tensor]) -> torch.Tensor:
        """ε of the whole latent z (1, C, h, w) from `eps_of(part, box)` of each window at timestep t_j."""
        boxes = self.boxes(j)
        if len(boxes) == 1:
            return eps_of(z, boxes[0])
        eps = torch.zeros_like(z)
        for box, weight in zip(boxes, self._weights(j), strict=True):
            box.add(eps, eps_of(box.cut(z), box) * weight.to(z))
        return eps

    def _weights(self, j: int) -> list[torch.Tensor]:
        """One (height, width) for each box; over all boxes they add up to 1 everywhere."""
        columns = self._columns.weights(j)
        return [y[:, None] * x[None] for y in self._rows.weights(j) for x in columns]


class _Axis:
    """The windows along one side. Evenly spaced, at most (1 − OVERLAP − SHIFT) of a window apart."""

    def __init__(self, length: int, windows: Windows):
        self.length = length
        if length <= windows.longest:
            self.side, self.count = length, 1
        else:
            self.side = windows.side
            self.count = math.ceil((length - self.side) / (self.side * (1 - OVERLAP - SHIFT))) + 1

    def starts(self, j: int) -> list[int]:
        if self.count == 1:
            return [0]
        last = self.length - self.side
        shift = self.side * SHIFT * (2 * (j * GOLDEN % 1) - 1)
        inner = [round(k * last / (self.count - 1) + shift) for k in range(1, self.count - 1)]
        return [0, *inner, last]

    def weights(self, j: int) -> list[torch.Tensor]:
        """Of each window a (side,): smallest at its borders, where the network sees least around it."""
        hill = torch.sin(math.pi * (torch.arange(self.side) + 0.5) / self.side) ** 2
        total = torch.zeros(self.length)
        for start in self.starts(j):
            total[self._places(start)] += hill
        return [hill / total[self._places(start)] for start in self.starts(j)]

    def _places(self, start: int) -> torch.Tensor:
        return torch.arange(start, start + self.side) % self.length


class _Ring(_Axis):
    """The windows along a side that is longer than one and tiles: evenly spaced, and all of them go around together.

    So no place is nearer to a border than others, and there is nothing at the edge of the picture.
    """

    def __init__(self, length: int, windows: Windows):
        self.length, self.side = length, windows.side
        self.count = math.ceil(length / (self.side * (1 - OVERLAP)))

    def starts(self, j: int) -> list[int]:
        shift = j * GOLDEN % 1
        return [int((k + shift) * self.length / self.count) % self.length for k in range(self.count)]


def _axis(length: int, windows: Windows, wrap: bool) -> _Axis:
    return _Ring(length, windows) if wrap and length > windows.longest else _Axis(length, windows)


def _spans(start: int, length: int, size: int) -> list[tuple[slice, slice]]:
    """Where `length` places from `start` on lie along a side of `size`, and which of them these are: one span, or two around its end."""
    first = min(length, size - start)
    spans = [(slice(start, start + first), slice(0, first))]
    return spans if first == length else [*spans, (slice(0, length - first), slice(first, length))]


def _joined(parts: list[torch.Tensor], axis: int) -> torch.Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts, axis)


def windows_of(asked: int, sample_size: int | None, factor: int, room: int | None = None) -> Windows:
    """The windows to work in.

    asked: the setting, image pixels, 0 for automatic, which is the model's own training size (sample_size, latent pixels).
    factor: image pixels per latent pixel. room: the longest side that memory has room for, latent pixels; None: any.
    """
    pixels = max(asked, SMALLEST) if asked else max((sample_size or 0) * factor, AUTOMATIC)
    side = max(round(pixels / factor / MULTIPLE), 1) * MULTIPLE
    if room is not None and room < side * LARGEST_PIECE:
        return Windows(min(side, room), room)
    return Windows(side, int(side * LARGEST_PIECE))


def tiles(height: int, width: int, windows: Windows) -> list[Box]:
    """The fewest windows that cover a latent: how a large reference offers its keys and values, each as a reference of its own."""

    def places(length: int) -> list[tuple[int, int]]:
        if length <= windows.longest:
            return [(0, length)]
        count = math.ceil(length / windows.side)
        return [(round(k * (length - windows.side) / (count - 1)), windows.side) for k in range(count)]

    return [Box(top, left, h, w) for top, h in places(height) for left, w in places(width)]
