# SPDX-License-Identifier: GPL-3.0-or-later
"""Which place of which reference each pixel of a result came from, and reading the reference's maps there."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from .resizing import resized
from .sources import Pose, Sources


@dataclass(frozen=True)
class Correspondence:
    """For each pixel (H, W) of a result: reference, its number; x and y, in [0, 1] of its width and height, where 0 is the left
    (upper) edge of its first pixel; and how its surroundings were placed there: mirrored left to right, then turned by angle, radians
    clockwise as seen, then made larger by scale (mirrored, scale: None where nothing is). On the CPU.

    sizes: (width, height) of each reference, in pixels as large as the field's.
    """

    reference: torch.Tensor
    x: torch.Tensor
    y: torch.Tensor
    angle: torch.Tensor
    sizes: tuple[tuple[int, int], ...]
    mirrored: torch.Tensor | None = None
    scale: torch.Tensor | None = None

    @classmethod
    def of(
        cls, matches: torch.Tensor, sources: Sources, references: list[torch.Tensor], shift: torch.Tensor | None = None
    ) -> Correspondence:
        """matches (H, W): numbers of source pixels; references (C, h, w): those the sources were made of.

        shift (2, H, W): x and y, pixels of the source by which the true place lies beside the match.
        """
        _, rows, columns = sources.shape
        flat = matches.reshape(-1)
        number = flat // (rows * columns)
        here = torch.stack([flat % columns, flat // columns % rows, torch.ones_like(flat)], 1).double()
        if shift is not None:
            here[:, :2] += shift.reshape(2, -1).T
        at = torch.empty(len(flat), 2, dtype=torch.float64, device=flat.device)
        for k, matrix in enumerate(sources.to_reference):
            at[number == k] = here[number == k] @ matrix.T
        reference = sources.references[number]
        sizes = tuple((r.shape[2], r.shape[1]) for r in references)
        of_each = torch.tensor(sizes, dtype=torch.float64, device=flat.device)[reference]
        x, y = ((at + 0.5) / of_each).clamp(0, 1).float().cpu().view(*matches.shape, 2).unbind(-1)
        angle, mirrored, scale = (part[number].cpu().view(matches.shape) for part in _placed(sources.to_reference[:, :, :2]))
        return cls(
            reference.cpu().view(matches.shape), x, y, angle, sizes,
            mirrored if bool(mirrored.any()) else None, scale if bool((scale != 1).any()) else None,
        )  # fmt: skip

    def steps(self) -> torch.Tensor:
        """(H, W, 2, 2): by how many pixels of the reference, (x, y), one goes on for a pixel of the result to the right, downwards."""
        cos, sin = self.angle.cos(), self.angle.sin()
        steps = torch.stack([cos, sin, -sin, cos], -1).view(*self.angle.shape, 2, 2)
        if self.mirrored is not None:
            steps[..., 0, :] *= torch.where(self.mirrored, -1.0, 1.0)[..., None]
        return steps if self.scale is None else steps / self.scale[..., None, None]

    def poses(self) -> list[Pose]:
        """Those that there are, the most used first."""
        plain = torch.zeros_like(self.angle)
        mirrored, scale = plain if self.mirrored is None else self.mirrored, plain + 1 if self.scale is None else self.scale
        angle, scale = (part.contiguous().view(torch.int32).long() for part in (self.angle, torch.where(mirrored > 0, -scale, scale)))
        every, often = ((angle << 32) | (scale & 0xFFFFFFFF)).unique(return_counts=True)  # as one number each, which is quickly sorted
        angles, scales = (part.int().view(torch.float32).tolist() for part in (every >> 32, (every << 32) >> 32))
        order = often.argsort(descending=True, stable=True).tolist()
        return [Pose(angles[k], scales[k] < 0, abs(scales[k])) for k in order]

    def continuity(self, wrap: tuple[bool, bool] = (False, False)) -> float:
        """The part of all neighbours that go on in the same piece of a reference, to half a pixel. wrap: edges that go around."""
        sizes, steps = torch.tensor(self.sizes, dtype=torch.float32)[self.reference], self.steps()
        place, kept, count = torch.stack([self.x, self.y], -1) * sizes, 0, 0
        for axis, around in ((1, wrap[0]), (0, wrap[1])):
            length = place.shape[axis] - (not around)
            ours, reference = (part.narrow(axis, 0, length) for part in (place + steps[..., 1 - axis], self.reference))
            theirs, other = (part.roll(-1, axis).narrow(axis, 0, length) for part in (place, self.reference))
            same = ((ours - theirs).norm(dim=-1) < 0.5) & (reference == other)
            kept, count = kept + int(same.sum()), count + same.numel()
        return kept / max(count, 1)


def _placed(steps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(S, 2, 2) → angle, mirrored, scale: the steps taken apart."""
    whole = torch.linalg.det(steps)
    mirrored, scale = whole < 0, whole.abs().rsqrt()
    turn = steps.clone()
    turn[:, 0] *= torch.where(mirrored, -1.0, 1.0)[:, None]
    scale = torch.where((scale - 1).abs() < 1e-6, 1.0, scale)
    return torch.atan2(turn[:, 0, 1], turn[:, 0, 0]).float(), mirrored, scale.float()


class Reader:
    """Maps (C, h, w), one for each reference and of any size, read where pixels of a result lie."""

    def __init__(self, maps: list[torch.Tensor], field: Correspondence, normals: bool = False):
        """normals: the first three channels are tangent-space vectors, colours in [0, 1], x to the right and y up: they are turned."""
        self.maps, self.field, self.normals = maps, field, normals
        self.steps = field.steps()
        self.sizes = torch.tensor(field.sizes, dtype=torch.float32)

    def of_sizes(self) -> Reader:
        """The same with maps in pixels as large as the field's."""
        sized = [resized(one, (height, width)) for one, (width, height) in zip(self.maps, self.field.sizes, strict=True)]
        return Reader(sized, self.field, self.normals)

    def at(self, row: torch.Tensor, column: torch.Tensor, beside_y: torch.Tensor, beside_x: torch.Tensor) -> torch.Tensor:
        """(C, n, m), as the pixel [row, column] of the field goes on at (beside_y, beside_x) px from its middle; these broadcast."""
        row, column, beside_y, beside_x = torch.broadcast_tensors(row, column, beside_y, beside_x)
        if not row.numel():
            return self.maps[0].new_zeros(self.maps[0].shape[0], *row.shape)
        field, steps = self.field, self.steps[row, column]
        number = field.reference[row, column]
        beside = steps[..., 0] * beside_x[..., None] + steps[..., 1] * beside_y[..., None]
        x, y = (torch.stack([field.x[row, column], field.y[row, column]], -1) + beside / self.sizes[number]).unbind(-1)
        grid = torch.stack([x, y], -1)[None] * 2 - 1
        read = None
        for k, one in enumerate(self.maps):
            if len(self.maps) > 1 and not bool((number == k).any()):
                continue
            mine = F.grid_sample(one[None], grid.to(one.dtype), mode="bilinear", padding_mode="border", align_corners=False)[0]
            read = mine if read is None else torch.where(number == k, mine, read)
        return _turned_normals(read, steps) if self.normals else read


def carry(maps: list[torch.Tensor], field: Correspondence, size: tuple[int, int] | None = None, normals: bool = False) -> torch.Tensor:
    """Rebuild a map from the references' own pixels: maps (C, h, w), one for each reference, at any resolution → (C, *size).

    size: (rows, columns), by default the field's. Larger than the field, each of its pixels becomes a piece of the map, not one
    enlarged pixel. normals: as `Reader` has them; of unit length. Seams between the pieces stay as they are.
    """
    rows, columns = field.x.shape
    height, width = size or (rows, columns)
    (row, beside_y), (column, beside_x) = cells(torch.arange(height), height, rows), cells(torch.arange(width), width, columns)
    read = Reader(maps, field, normals).at(row[:, None], column, beside_y[:, None], beside_x)
    return unit_normals(read) if normals else read


def cells(lines: torch.Tensor, length: int, cells: int) -> tuple[torch.Tensor, torch.Tensor]:
    """In which of so many cells the middles of these of `length` lines lie, and how far from the cells' middles, in cells."""
    at = (lines.double() + 0.5) * (cells / length)
    cell = at.long().clamp_max(cells - 1)
    return cell, (at - cell - 0.5).float()


def enlarged(field: Correspondence, size: tuple[int, int], sizes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A field at another size (H, W) of its result: reference (H, W), place (H, W, 2) in px of the references, and steps (H, W, 2, 2).

    sizes (R, 2): width and height of the references, in pixels as large as those of the result at that size.
    """
    (row, beside_y), (column, beside_x) = (cells(torch.arange(n), n, m) for n, m in zip(size, field.x.shape, strict=True))
    row, column = row[:, None], column[None, :]
    reference, steps = field.reference[row, column], field.steps()[row, column]
    beside_y, beside_x = beside_y[:, None] * (size[0] / field.x.shape[0]), beside_x * (size[1] / field.x.shape[1])
    beside = torch.stack(torch.broadcast_tensors(beside_x, beside_y), -1)
    place = torch.stack([field.x[row, column], field.y[row, column]], -1) * sizes[reference]
    return reference, place + (steps @ beside[..., None])[..., 0], steps


def _turned_normals(colours: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
    """(3|4, H, W) → turned and mirrored as their surroundings, at any size; y of a normal points up, that of pictures down."""
    x, y = colours[:2] * 2 - 1
    steps = steps * torch.linalg.det(steps).abs().rsqrt()[..., None, None]
    right = steps[..., 0, 0] * x - steps[..., 1, 0] * y
    down = steps[..., 0, 1] * x - steps[..., 1, 1] * y
    return torch.stack([right / 2 + 0.5, -down / 2 + 0.5, *colours[2:]])


def unit_normals(colours: torch.Tensor) -> torch.Tensor:
    """(3|4, H, W): the first three of unit length, z not below the surface."""
    vectors = colours[:3] * 2 - 1
    vectors[2].clamp_(min=1e-3)
    return torch.cat([F.normalize(vectors, dim=0) / 2 + 0.5, colours[3:]])
