# SPDX-License-Identifier: GPL-3.0-or-later
"""Other maps of the material, rebuilt from the references' own pixels through one field, at each map's own resolution.

Every map is read at the same places, and where pieces of the field meet, all maps are blended alike: in gradient space, so that
what is broad goes over from one piece to the other and what is fine stays. Worked in bands of rows: memory is that of the maps.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F

from ..patches.correspondence import Correspondence, Reader, cells, unit_normals
from ..poisson import settled
from .easing import Easing

_REACH = 2.5  # pixels of the field: how far from a seam its blend falls to 1/e
_FADED = 6.0  # times that: what is farther away does not feel the seam
_BAND = 1 << 22  # pixels of a band

Wrap = tuple[bool, bool]


def is_vector(name: str) -> bool:
    """Whether a map of this name holds tangent-space vectors."""
    return name.lower().startswith("normal")


def map_size(maps: list[np.ndarray], references: list[np.ndarray], size: tuple[int, int]) -> tuple[int, int]:
    """(rows, columns) of the map of a picture of this size: as fine as the finest of the references' maps is beside its reference."""
    down, across = (max(m.shape[axis] / r.shape[axis] for m, r in zip(maps, references, strict=True)) for axis in (0, 1))
    return max(1, round(size[0] * down)), max(1, round(size[1] * across))


def of_unit_length(colours: np.ndarray) -> np.ndarray:
    """(H, W, 3|4): the first three, as tangent-space vectors."""
    vectors = colours[..., :3] * 2 - 1
    vectors /= np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-6)
    return np.concatenate([vectors / 2 + np.float32(0.5), colours[..., 3:]], -1)


@torch.inference_mode()
def carried(
    maps: list[np.ndarray],
    field: Correspondence,
    size: tuple[int, int],
    wrap: Wrap = (False, False),
    vectors: bool = False,
    easing: Easing | None = None,
    alive: Callable[[], None] = lambda: None,
) -> np.ndarray:
    """maps: of each reference (h, w, C) of any size and range → (*size, C) float32, within what the references hold.

    wrap: (x, y), across which edges the field goes around. vectors: tangent-space normals, turned with their surroundings, of unit
    length. easing: how steps of brightness between pieces are spread, or None: not at all. alive: called for each band; may raise.
    """
    layers = [torch.from_numpy(np.ascontiguousarray(m, np.float32)).permute(2, 0, 1) for m in maps]
    reader = Reader(layers, field, vectors)
    sheet = _Sheet(reader if easing is None else _Eased(reader, easing.spread(reader.of_sizes())), size, wrap)
    low, high = (torch.stack([end(m.flatten(1), dim=1) for m in layers]) for end in (torch.amin, torch.amax))
    low, high = low.amin(0)[:, None, None], high.amax(0)[:, None, None]
    result = np.empty((*size, maps[0].shape[2]), np.float32)
    for first in range(0, size[0], sheet.band):
        alive()
        last = min(first + sheet.band, size[0])
        band = sheet.rows(first, last)
        band = unit_normals(band) if vectors else torch.maximum(torch.minimum(band, high), low)
        result[first:last] = band.permute(1, 2, 0).numpy()
    return result


class _Eased:
    """What a reader reads, brighter or darker by what belongs to the pixel of the field."""

    def __init__(self, reader: Reader, change: torch.Tensor):
        self.reader, self.change, self.field = reader, change, reader.field

    def at(self, row, column, beside_y, beside_x) -> torch.Tensor:
        return self.reader.at(row, column, beside_y, beside_x) + self.change[:, row, column]


class _Sheet:
    """The map to be made, by rows."""

    def __init__(self, reader: Reader | _Eased, size: tuple[int, int], wrap: Wrap):
        self.reader, self.wrap = reader, wrap
        self.height, self.width = size
        self.field_rows, self.field_columns = reader.field.x.shape
        reach = _REACH * max(self.width / self.field_columns, self.height / self.field_rows)
        self.weight, self.margin = reach**-2, int(np.ceil(_FADED * reach))
        self.band = max(self.margin, _BAND // self.width)
        if size[0] <= self.band + self.margin:
            self.band = size[0]
        self.column, self.beside_x = cells(torch.arange(self.width), self.width, self.field_columns)

    def rows(self, first: int, last: int) -> torch.Tensor:
        """(C, last − first, W): with `margin` rows more on both sides, where there are, it is blended as the whole would be."""
        above, below = (self.margin, self.margin) if self.wrap[1] else (min(self.margin, first), min(self.margin, self.height - last))
        if self.wrap[1] and last - first == self.height:
            above = below = 0
        lines = torch.arange(first - above, last + below)
        row, beside_y = cells(lines % self.height, self.height, self.field_rows)
        plain = self.reader.at(row[:, None], self.column, beside_y[:, None], self.beside_x)
        off_x, off_y = torch.zeros_like(plain), torch.zeros_like(plain)
        self._across(plain, row, beside_y, off_x)
        self._down(plain, row, beside_y, off_y)
        around = self.wrap[1] and above == 0
        if not around:
            off_y[:, -1] = 0
        blend = torch.stack([self._settled(x, y, around) for x, y in zip(off_x, off_y, strict=True)])
        return (plain + blend)[:, above : above + last - first]

    def _across(self, plain, row, beside_y, off: torch.Tensor) -> None:
        """Where the next column belongs to the next pixels of the field: by how much its piece differs there from this one.

        The difference that is wanted is the mean of those that both pieces have there by themselves.
        """
        x = torch.arange(self.width)
        x = x[self.column != self.column.roll(-1)] if self.wrap[0] else x[:-1][self.column[:-1] != self.column[1:]]
        following, step = (x + 1) % self.width, self.field_columns / self.width
        ours = self.reader.at(row[:, None], self.column[x], beside_y[:, None], self.beside_x[x] + step)
        theirs = self.reader.at(row[:, None], self.column[following], beside_y[:, None], self.beside_x[following] - step)
        off[:, :, x] = ((plain[:, :, x] - theirs) + (ours - plain[:, :, following])) / 2

    def _down(self, plain, row, beside_y, off: torch.Tensor) -> None:
        """The same for rows."""
        y = torch.arange(len(row))
        y = y[row != row.roll(-1)]
        following, step = (y + 1) % len(row), self.field_rows / self.height
        ours = self.reader.at(row[y, None], self.column, beside_y[y, None] + step, self.beside_x)
        theirs = self.reader.at(row[following, None], self.column, beside_y[following, None] - step, self.beside_x)
        off[:, y] = ((plain[:, y] - theirs) + (ours - plain[:, following])) / 2

    def _settled(self, off_x: torch.Tensor, off_y: torch.Tensor, around: bool) -> torch.Tensor:
        """Beyond edges that do not go around there is room instead, for a transform that does."""
        right, below = (0 if goes else self.margin for goes in (self.wrap[0], around))
        off_x, off_y = (F.pad(off, (0, right, 0, below)) for off in (off_x, off_y))
        return settled(off_x, off_y, (True, True), self.weight)[: off_x.shape[0] - below or None, : off_x.shape[1] - right or None]
