# SPDX-License-Identifier: GPL-3.0-or-later
"""Which place of which reference each pixel of a result came from, and carrying other maps of the reference along."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from .sources import Sources


@dataclass(frozen=True)
class Correspondence:
    """For each pixel (H, W) of a result: reference, its number; x and y, in [0, 1] of its width and height, where 0 is the left
    (upper) edge of its first pixel; angle, radians by which its surroundings were turned, clockwise as seen. On the CPU.

    sizes: (width, height) of each reference, in pixels as large as the field's. mirrored: whether the surroundings were, left and
    right, before they were turned; scale: how much larger they became; None: nowhere.
    """

    reference: torch.Tensor
    x: torch.Tensor
    y: torch.Tensor
    angle: torch.Tensor
    sizes: tuple[tuple[int, int], ...]
    mirrored: torch.Tensor | None = None
    scale: torch.Tensor | None = None

    @classmethod
    def of(cls, matches: torch.Tensor, sources: Sources, references: list[torch.Tensor]) -> Correspondence:
        """matches (H, W): numbers of source pixels; references (C, h, w): those the sources were made of."""
        _, rows, columns = sources.shape
        flat = matches.reshape(-1)
        number = flat // (rows * columns)
        here = torch.stack([flat % columns, flat // columns % rows, torch.ones_like(flat)], 1).double()
        at = torch.empty(len(flat), 2, dtype=torch.float64, device=flat.device)
        for k, matrix in enumerate(sources.to_reference):
            at[number == k] = here[number == k] @ matrix.T
        reference = sources.references[number]
        sizes = tuple((r.shape[2], r.shape[1]) for r in references)
        of_each = torch.tensor(sizes, dtype=torch.float64, device=flat.device)[reference]
        x, y = ((at + 0.5) / of_each).clamp(0, 1).float().cpu().view(*matches.shape, 2).unbind(-1)
        angle, mirrored, scale = (p[number].cpu().view(matches.shape) for p in (sources.angles, sources.mirrored, sources.scales))
        plain = not bool(sources.mirrored.any()), bool((sources.scales == 1).all())
        unplain = (None if no else value for no, value in zip(plain, (mirrored, scale), strict=True))
        return cls(reference.cpu().view(matches.shape), x, y, angle, sizes, *unplain)


def carry(maps: list[torch.Tensor], field: Correspondence, size: tuple[int, int] | None = None, normals: bool = False) -> torch.Tensor:
    """Rebuild a map from the references' own pixels: maps (C, h, w), one for each reference, at any resolution → (C, *size).

    size: (rows, columns), by default the field's. Larger than the field, each of its pixels becomes a piece of the map, not one
    enlarged pixel. normals: tangent-space, colours in [0, 1], x to the right and y up; they are turned with their surroundings.
    """
    rows, columns = field.x.shape
    height, width = size or (rows, columns)
    y, x = (torch.arange(n, dtype=torch.float32) + 0.5 for n in (height, width))
    y, x = y * (rows / height), x * (columns / width)  # in pixels of the field, from its edge
    row, column = y.long().clamp_max(rows - 1)[:, None], x.long().clamp_max(columns - 1)[None, :]
    angle, number = field.angle[row, column], field.reference[row, column]
    beside_y, beside_x = (y[:, None] - row - 0.5).expand(height, width), (x[None, :] - column - 0.5).expand(height, width)
    cos, sin = angle.cos(), angle.sin()
    side = 1.0 if field.mirrored is None else 1.0 - 2.0 * field.mirrored[row, column].float()  # −1: to the other side
    scale = 1.0 if field.scale is None else field.scale[row, column]
    result = maps[0].new_zeros(maps[0].shape[0], height, width)
    for k, one in enumerate(maps):
        across, down = field.sizes[k]
        at_x = field.x[row, column] + side * (cos * beside_x + sin * beside_y) / (across * scale)
        at_y = field.y[row, column] + (cos * beside_y - sin * beside_x) / (down * scale)
        grid = torch.stack([at_x, at_y], -1)[None] * 2 - 1
        read = F.grid_sample(one[None], grid.to(one.dtype), mode="bilinear", padding_mode="border", align_corners=False)[0]
        result = torch.where(number == k, read, result)
    return _turned_normals(result, cos, sin, side) if normals else result


def _turned_normals(colours: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, side: torch.Tensor | float = 1.0) -> torch.Tensor:
    """(3, H, W) → of unit length, mirrored where side is −1, turned clockwise as seen; y of a normal points up, that of pictures down."""
    x, y, z = colours * 2 - 1
    x = x * side
    turned = torch.stack([cos * x + sin * y, cos * y - sin * x, z])
    return F.normalize(turned, dim=0) / 2 + 0.5
