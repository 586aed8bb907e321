# SPDX-License-Identifier: GPL-3.0-or-later
"""Where patches come from: the references at all turns that are used, in one stack, with a mask of what is theirs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F


@dataclass(frozen=True)
class Sources:
    """pictures (S, C, h, w): each reference at each turn, in the middle of a square of zeros. valid (S, h, w): where it is.

    angles (S,): radians by which the picture was turned, clockwise as seen (y down). references (S,): which one it is.
    to_reference (S, 2, 3) float64: pixel (x, y, 1) of a source → pixel (x, y) of its reference.
    """

    pictures: torch.Tensor
    valid: torch.Tensor
    angles: torch.Tensor
    references: torch.Tensor
    to_reference: torch.Tensor

    @property
    def shape(self) -> tuple[int, int, int]:
        """(S, h, w)"""
        return tuple(self.valid.shape)


def make_sources(references: list[torch.Tensor], angles: Sequence[float] = (0.0,), opaque: list[torch.Tensor] | None = None) -> Sources:
    """references: (C, h, w) each, of any sizes. angles: radians. opaque: for each reference (h, w) bool, the pixels that count."""
    opaque = opaque or [torch.ones(r.shape[1:], dtype=torch.bool, device=r.device) for r in references]
    slanted = not all(_quarter(angle) for angle in angles)
    side = max(math.ceil(math.hypot(*r.shape[1:])) + 2 if slanted else max(r.shape[1:]) for r in references)
    made = [_turned(r, mask, side, angle) for r, mask in zip(references, opaque, strict=True) for angle in angles]
    pictures, valid, matrices = (torch.stack(parts) for parts in zip(*made, strict=True))
    device = references[0].device
    numbers = torch.arange(len(references), device=device).repeat_interleave(len(angles))
    return Sources(pictures, valid, torch.tensor(list(angles) * len(references), device=device), numbers, matrices)


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
