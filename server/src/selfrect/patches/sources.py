# SPDX-License-Identifier: GPL-3.0-or-later
"""Where patches come from: the references in all poses that are used, in one stack, with a mask of what is theirs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F

from .resizing import resized


class Pose(NamedTuple):
    """How a reference is looked at: angle, radians, clockwise as seen (y down); mirrored, left and right, before it is turned;
    scale: how much larger its things are.
    """

    angle: float = 0.0
    mirrored: bool = False
    scale: float = 1.0


@dataclass(frozen=True)
class Sources:
    """pictures (S, C, h, w): each reference in each pose, in the middle of a square of zeros. valid (S, h, w): where it is.

    angles, mirrored, scales (S,): of its pose. references (S,): which one it is.
    to_reference (S, 2, 3) float64: pixel (x, y, 1) of a source → pixel (x, y) of its reference.
    """

    pictures: torch.Tensor
    valid: torch.Tensor
    angles: torch.Tensor
    mirrored: torch.Tensor
    scales: torch.Tensor
    references: torch.Tensor
    to_reference: torch.Tensor

    @property
    def shape(self) -> tuple[int, int, int]:
        """(S, h, w)"""
        return tuple(self.valid.shape)


def make_sources(
    references: list[torch.Tensor], poses: Sequence[Pose | float] = (Pose(),), opaque: list[torch.Tensor] | None = None
) -> Sources:
    """references: (C, h, w) each, of any sizes. poses: or angles alone. opaque: for each reference (h, w) bool, the pixels that count."""
    opaque = opaque or [torch.ones(r.shape[1:], dtype=torch.bool, device=r.device) for r in references]
    poses = [pose if isinstance(pose, Pose) else Pose(pose) for pose in poses]
    seen = [(*_seen(r, mask, pose), pose) for r, mask in zip(references, opaque, strict=True) for pose in poses]
    slanted = not all(_quarter(pose.angle) for pose in poses)
    side = max(math.ceil(math.hypot(*p.shape[1:])) + 2 if slanted else max(p.shape[1:]) for p, *_ in seen)
    made = []
    for picture, mask, back, pose in seen:
        turned, valid, matrix = _turned(picture, mask, side, pose.angle)
        made.append((turned, valid, _after(back, matrix)))
    pictures, valid, matrices = (torch.stack(parts) for parts in zip(*made, strict=True))
    device, many = references[0].device, len(references)
    numbers = torch.arange(many, device=device).repeat_interleave(len(poses))
    angles, mirrored, scales = (torch.tensor(list(part) * many, device=device) for part in zip(*poses, strict=True))
    return Sources(pictures, valid, angles, mirrored, scales, numbers, matrices)


def _seen(reference: torch.Tensor, opaque: torch.Tensor, pose: Pose) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Mirrored and scaled: picture, opaque pixels, and (2, 3) float64 from its pixels to the reference's."""
    height, width = reference.shape[1:]
    size = tuple(max(1, round(side * pose.scale)) for side in (height, width))
    if size != (height, width):
        reference, opaque = resized(reference, size), resized(opaque[None].float(), size)[0] > 0.999
    y, x = height / size[0], width / size[1]
    back = torch.tensor([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2]], dtype=torch.float64, device=reference.device)
    if pose.mirrored:
        reference, opaque = reference.flip(-1), opaque.flip(-1)
        back[0, 2] += x * (size[1] - 1)
        back[0, 0] = -x
    return reference, opaque, back


def _after(second: torch.Tensor, first: torch.Tensor) -> torch.Tensor:
    """Both (2, 3)."""
    return torch.cat([second[:, :2] @ first[:, :2], second[:, :2] @ first[:, 2:] + second[:, 2:]], 1)


def _turned(reference: torch.Tensor, opaque: torch.Tensor, side: int, angle: float) -> tuple[torch.Tensor, ...]:
    """Bilinear, around the middle; by quarter turns nothing is interpolated away, for pixels fall on pixels."""
    height, width = reference.shape[1:]
    device = reference.device
    matrix = _to_reference(height, width, side, angle)
    line = torch.arange(side, dtype=torch.float64)
    y, x = torch.meshgrid(line, line, indexing="ij")
    at = torch.stack([x, y, torch.ones_like(x)], -1) @ matrix.T  # (side, side, 2)
    last = torch.tensor([width - 1, height - 1], dtype=torch.float64)
    valid = ((at >= -1e-6) & (at <= last + 1e-6)).all(-1).to(device)
    grid = (at * (2 / last.clamp_min(1)) - 1).to(device, reference.dtype)[None]
    picture, mask = (
        F.grid_sample(p[None], grid, mode="bilinear", padding_mode="border", align_corners=True)[0]
        for p in (reference, opaque[None].to(reference.dtype))
    )
    valid &= mask[0] > 0.999
    return picture * valid, valid, matrix.to(device)


def _to_reference(height: int, width: int, side: int, angle: float) -> torch.Tensor:
    """(2, 3): where a pixel of the square of `side` lies in the reference."""
    cos, sin = (round(value, 12) for value in (math.cos(angle), math.sin(angle)))
    middle = torch.full((2,), (side - 1) / 2, dtype=torch.float64)
    if _quarter(angle):  # the middle of an odd side against an even one would fall between pixels
        lying = round(angle / (math.pi / 2)) % 2
        inside = (height, width) if lying else (width, height)
        middle -= torch.tensor([(side - length) % 2 for length in inside], dtype=torch.float64) / 2
    turn = torch.tensor([[cos, sin], [-sin, cos]], dtype=torch.float64)
    centre = torch.tensor([(width - 1) / 2, (height - 1) / 2], dtype=torch.float64)
    return torch.cat([turn, (centre - turn @ middle)[:, None]], dim=1)


def _quarter(angle: float) -> bool:
    return abs(angle / (math.pi / 2) - round(angle / (math.pi / 2))) < 1e-9
