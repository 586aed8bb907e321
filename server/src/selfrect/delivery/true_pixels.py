# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture once more, of the reference's own pixels: what a network or a vote has softened is as sharp as it was."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from ..engine import Request
from ..patches.correspondence import Correspondence
from .easing import Easing
from .maps import Wrap, carried

BASE_COLOUR = "base_color"  # the map that is the reference itself, in more pixels than the engine worked on


def rebuilt(
    picture: np.ndarray, request: Request, field: Correspondence, strength: float, wrap: Wrap, easing: Easing | None = None
) -> np.ndarray:
    """picture (H, W, 3) → the same size, `strength` of it from the references; outside the mask it stays bit by bit."""
    own = carried([reference[..., :3] for reference in request.references], field, picture.shape[:2], wrap, easing=easing)
    share = np.float32(strength) if request.mask is None else np.float32(strength) * request.mask[..., None]
    return np.where(share > 0, picture + share * (own - picture), picture).astype(np.float32)


def toned(carried_over: np.ndarray, picture: np.ndarray, strength: float, wrap: Wrap) -> np.ndarray:
    """A larger base colour (H', W', C), carried over, mixed with the picture that the engine made, enlarged."""
    if not 0 < strength < 1:
        return carried_over
    mixed = carried_over.copy()
    mixed[..., :3] += np.float32(1 - strength) * (enlarged(picture, carried_over.shape[:2], wrap) - carried_over[..., :3])
    return mixed


def enlarged(picture: np.ndarray, size: tuple[int, int], wrap: Wrap) -> np.ndarray:
    """(H, W, C) → (*size, C), cubic; around the edges where they go around."""
    room = 4  # px on all sides, so that the edges see what is beyond them
    padded = picture
    for axis, around in ((0, wrap[1]), (1, wrap[0])):
        width = [(room, room) if a == axis else (0, 0) for a in range(3)]
        padded = np.pad(padded, width, "wrap" if around else "edge")
    rows, columns = (n / m for n, m in zip(size, picture.shape[:2], strict=True))
    y, x = (
        ((torch.arange(n) + 0.5) / scale + room) * (2 / m) - 1
        for n, scale, m in ((size[0], rows, padded.shape[0]), (size[1], columns, padded.shape[1]))
    )
    layers = torch.from_numpy(np.ascontiguousarray(padded.transpose(2, 0, 1), np.float32))[None]
    parts = []
    for some in y.split(max(1, (1 << 22) // size[1])):  # in bands
        grid = torch.stack(torch.broadcast_tensors(x[None, :], some[:, None]), -1)[None]
        parts.append(F.grid_sample(layers, grid, mode="bicubic", padding_mode="border", align_corners=False)[0].permute(1, 2, 0))
    return torch.cat(parts).numpy()
