# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the keys of the injected images lie, in these images and in the references that they are copies of."""

from __future__ import annotations

import torch

from ...patches.correspondence import Correspondence
from .layers import places_shown
from .turned import Copy
from .windows import Box


class Places:
    """copies: the injected images in their order. pieces: of each, the parts that it offers its keys in. factor: pixels per latent one."""

    def __init__(self, copies: list[Copy], pieces: list[list[Box]], factor: int):
        self.copies, self.pieces, self.factor = copies, pieces, factor

    def of_keys(self, halved: int) -> tuple[torch.Tensor, torch.Tensor]:
        """In a layer whose picture is halved so often: of each key its image (n,) and its middle (n, 2), (x, y) from the image's upper left
        corner in latent pixels. All on the CPU.
        """
        images, middles = [], []
        for number, (copy, pieces) in enumerate(zip(self.copies, self.pieces, strict=True)):
            for box in pieces:
                at = _middles(box, halved)
                if copy.shown is not None:
                    at = at[places_shown(box.cut(copy.shown), len(at))]
                middles.append(at)
                images.append(torch.full((len(at),), number))
        return torch.cat(images), torch.cat(middles)

    def correspondence(self, image: torch.Tensor, at: torch.Tensor, size: tuple[int, int]) -> Correspondence:
        """image (h·w,), at (h·w, 2) in its latent pixels: what each latent pixel of a picture of `size` (h, w) is like."""
        pixels = torch.cat([at.double() * self.factor - 0.5, torch.ones(len(at), 1, dtype=torch.float64)], 1)
        found = torch.empty(len(at), 2, dtype=torch.float64)
        for number, copy in enumerate(self.copies):
            own = image == number
            found[own] = (pixels[own] @ copy.to_reference.T + 0.5) / torch.tensor(copy.size[::-1], dtype=torch.float64)
        x, y = found.clamp(0, 1).float().unbind(1)
        reference = torch.tensor([copy.reference for copy in self.copies])[image]
        angle, mirrored, scale = (torch.tensor(part)[image].view(size) for part in zip(*(c.pose for c in self.copies), strict=True))
        sizes = {copy.reference: tuple(max(round(side / self.factor), 1) for side in copy.size[::-1]) for copy in self.copies}
        return Correspondence(
            reference.view(size), x.view(size), y.view(size), angle, tuple(sizes[number] for number in sorted(sizes)),
            mirrored if bool(mirrored.any()) else None, scale if bool((scale != 1).any()) else None,
        )  # fmt: skip


def _middles(box: Box, halved: int) -> torch.Tensor:
    """(n, 2): of a layer's places in a piece."""
    rows, columns = box.height, box.width
    for _ in range(halved):
        rows, columns = -(-rows // 2), -(-columns // 2)
    y = box.top + (torch.arange(rows) + 0.5) * (box.height / rows)
    x = box.left + (torch.arange(columns) + 0.5) * (box.width / columns)
    return torch.stack([x.expand(rows, columns), y[:, None].expand(rows, columns)], -1).flatten(0, 1)
